//! Requests whose tools `f` and `g` this server runs.

use or_adapters::ModelEvent;
use or_engine::{Input, LoopSpec, ToolResult};
use or_protocol::{Item, Output};
use serde_json::{Value, json};

use super::play::{Played, play, spec};

/// A spec of such a request; a tool `client` is the client's.
pub fn spec_with(mut request: Value) -> LoopSpec {
    if request.get("tools").is_none() {
        let tool = |name: &str| json!({"type": "function", "name": name});
        request["tools"] = json!([tool("f"), tool("g"), tool("client")]);
    }
    LoopSpec { server_tools: ["f", "g"].map(str::to_owned).into(), ..spec(request) }
}

/// Plays `Start` and the model's events.
pub fn say_with(request: Value, events: impl IntoIterator<Item = ModelEvent>) -> Played {
    play(spec_with(request), events.into_iter().map(Input::Model))
}

pub fn feed(played: &mut Played, events: impl IntoIterator<Item = ModelEvent>) {
    for event in events {
        played.feed(Input::Model(event));
    }
}

/// A call was run, to this end.
pub fn done_with(index: usize, output: &str) -> Input {
    Input::ToolDone { index, result: ToolResult::done(Output::Text(output.into())) }
}

/// A call could not be run.
pub fn failed_with(index: usize, output: &str) -> Input {
    Input::ToolDone { index, result: ToolResult::failed(output) }
}

/// The types of items.
pub fn kinds(items: &[Item]) -> Vec<String> {
    items.iter().map(|item| json!(item)["type"].as_str().unwrap().to_owned()).collect()
}

/// The output, one word for each item: `name(call_id)`, `call_id=output` or the text.
pub fn outline(played: &Played) -> Vec<String> {
    let response = played.response();
    let word = |item: &Value| {
        let part = |key: &str| item[key].as_str().unwrap_or_default().to_owned();
        match part("type").as_str() {
            "function_call" => format!("{}({})", part("name"), part("call_id")),
            "function_call_output" => format!("{}={}", part("call_id"), part("output")),
            _ => item["content"][0]["text"].as_str().unwrap_or_default().to_owned(),
        }
    };
    response["output"].as_array().unwrap().iter().map(word).collect()
}
