//! Recorded requests of Ollama's clients, read into requests of ours, are built again as they were.

use or_test_support::shared;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::meaning::meaning;
use crate::replay::Replay;

/// Names, descriptions and arguments of the functions.
fn tools(request: &Value) -> Vec<Value> {
    let tools = request["tools"].as_array().into_iter().flatten().map(|tool| &tool["function"]);
    let parameters =
        |tool: &Value| [&tool["parameters"]["properties"], &tool["parameters"]["required"]].map(Value::clone);
    tools.map(|tool| json!([tool["name"], tool["description"], parameters(tool)])).collect()
}

#[test]
fn every_recorded_request_is_built_again() {
    let mut seen = 0;
    for case in shared::cases_of("ollama").into_iter().flatten() {
        let Some(recorded) = &case.request else { continue };
        let replay = Replay::of(case);
        let call = replay.adapter.request(&replay.model_request()).unwrap();
        let mut ours: Value = serde_json::from_slice(&call.body).unwrap();
        for key in ["model", "stream", "think"] {
            assert_eq!(ours[key], recorded[key], "{key} of {}", case.id());
        }
        assert_eq!(tools(&ours), tools(recorded), "{}", case.id());
        if recorded["format"].is_object() {
            // The hint about the schema; beside tools it stands in for the format.
            let hint = ours["messages"].as_array_mut().unwrap().remove(0);
            assert_eq!(hint["role"], "system", "{}", case.id());
            if tools(recorded).is_empty() {
                assert_eq!(ours["format"], recorded["format"], "{}", case.id());
            }
        }
        assert_eq!(meaning("ollama", &ours), meaning("ollama", recorded), "{}", case.id());
        seen += 1;
    }
    assert!(seen >= 20 || shared::folder().is_none(), "{seen}");
}
