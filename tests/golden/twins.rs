//! A recorded answer in the provider's other form, unary for a stream or the other way round, becomes the same response.

use or_test_support::recording::{self, anthropic};
use or_test_support::shared::{self, Case, Kind};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

use crate::answers::without_ids;
use crate::replay::{Replay, Translated, documents};

/// Answers of a provider, streams or not, that are no errors.
fn answered(provider: &'static str, kinds: &'static [Kind]) -> impl Iterator<Item = &'static Case> {
    let cases = shared::cases_of(provider).into_iter().flatten();
    cases.filter(|case| case.status == 200 && kinds.contains(&case.kind))
}

#[track_caller]
fn check(case: &Case, kind: Kind, other: &[u8]) -> (Translated, Translated) {
    let replay = Replay::of(case);
    let (whole, twin) = (replay.translate(case), replay.translate_body(kind, [other]));
    let response = |translated: &Translated| {
        let mut response = without_ids(&replay.respond(translated, false).response);
        // How JSON is spaced is no difference.
        for item in response["output"].as_array_mut().into_iter().flatten() {
            if let Some(arguments) = item["arguments"].as_str() {
                item["arguments"] = recording::parse_arguments(arguments);
            }
        }
        response
    };
    assert_eq!(response(&twin), response(&whole), "{}", case.id());
    assert_eq!(twin.events.last(), whole.events.last(), "{}", case.id());
    (whole, twin)
}

#[test]
fn a_message_of_anthropic_means_the_same_as_a_stream() {
    let mut seen = 0;
    for case in answered("anthropic", &[Kind::Json]) {
        let message = &documents(case)[0];
        let mut events = vec![json!({"type": "message_start", "message": {"usage": message["usage"]}})];
        for (index, block) in
            anthropic::blocks(case.kind, &recording::documents(case.kind, &case.response)).iter().enumerate()
        {
            events.push(json!({"type": "content_block_start", "index": index, "content_block": block}));
            events.push(json!({"type": "content_block_stop", "index": index}));
        }
        let delta = json!({"stop_reason": message["stop_reason"], "stop_details": message["stop_details"]});
        events.push(json!({"type": "message_delta", "delta": delta, "usage": message["usage"]}));
        events.push(json!({"type": "message_stop"}));
        let stream: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        check(case, Kind::Sse, stream.as_bytes());
        seen += 1;
    }
    assert!(seen >= 25 || shared::folder().is_none(), "{seen}");
}

/// Without `alt=sse` Gemini sends its chunks as one array.
#[test]
fn an_array_of_geminis_chunks_means_the_same_as_the_stream() {
    let mut seen = 0;
    for case in answered("gemini", &[Kind::Sse]) {
        let stream = String::from_utf8_lossy(&case.response);
        let chunks: Vec<&str> =
            stream.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim).collect();
        let array = format!("[{}]", chunks.join(","));
        let (stream, whole) = check(case, Kind::Json, array.as_bytes());
        assert_eq!(whole, stream, "{}", case.id());
        seen += 1;
    }
    assert!(seen >= 30 || shared::folder().is_none(), "{seen}");
}

#[test]
fn the_lines_of_ollama_put_together_mean_the_same() {
    let mut seen = 0;
    for case in answered("ollama", &[Kind::Ndjson]) {
        let lines = documents(case);
        let mut message = Map::new();
        for key in ["content", "thinking"] {
            let text: String = lines.iter().filter_map(|line| line["message"][key].as_str()).collect();
            message.insert(key.into(), text.into());
        }
        let calls = lines
            .iter()
            .flat_map(|line| line["message"]["tool_calls"].as_array().cloned().unwrap_or_default());
        message.insert("tool_calls".into(), calls.collect());
        let mut whole = lines.last().cloned().unwrap_or_default();
        whole["message"] = Value::Object(message);
        check(case, Kind::Json, whole.to_string().as_bytes());
        seen += 1;
    }
    assert!(seen >= 15 || shared::folder().is_none(), "{seen}");
}
