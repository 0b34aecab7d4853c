//! A server, a provider that plays all kinds, and an MCP server.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::Options;
use or_test_support::client::Answer;
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS};

pub(crate) struct Bench {
    pub(crate) fake: FakeProvider,
    pub(crate) server: FakeMcp,
    pub(crate) app: App,
}

/// Requests may name the server. `config` holds tables only.
pub(crate) fn bench(config: &str) -> Bench {
    bench_with(FakeMcp::start(), config)
}

pub(crate) fn bench_with(server: FakeMcp, config: &str) -> Bench {
    let fake = FakeProvider::start();
    let app = setup(server.allowed() + &providers(&fake) + config).start();
    Bench { fake, server, app }
}

/// A table for each kind.
pub(crate) fn providers(fake: &FakeProvider) -> String {
    KINDS.map(|kind| fake.provider(kind)).concat()
}

/// A configured server `[mcp.<label>]`.
pub(crate) fn configured(server: &FakeMcp, label: &str, more: &str) -> String {
    format!("\n[mcp.{label}]\nurl = '{}'\n{more}\n", server.url())
}

pub(crate) fn body(kind: &str, tools: &[Value]) -> Value {
    json!({"model": format!("{kind}/m"), "input": "How is it in Oslo?", "tools": tools})
}

/// A request with what the last answer asks for.
pub(crate) fn going_on(first: &Value, request: &Value, input: &[Value]) -> Value {
    let mut next = request.clone();
    next["previous_response_id"] = first["id"].clone();
    next["input"] = json!(input);
    next
}

impl Bench {
    /// The model calls `get_weather`, then says `Seven`.
    pub(crate) fn push_round(&self, kind: &'static str) {
        self.push_call(kind);
        self.push_text(kind);
    }

    pub(crate) fn push_call(&self, kind: &'static str) {
        self.fake.push(wire::answer(kind, CALL));
    }

    pub(crate) fn push_text(&self, kind: &'static str) {
        self.fake.push(wire::answer(kind, wire::text(&["Seven"])));
    }

    /// The model of kind `openai-chat` makes these calls: id, name, arguments.
    pub(crate) fn push_calls(&self, calls: &[(&str, &str, &str)]) {
        self.fake.script(Script::json(200, &chat_calls(calls)));
    }

    /// The good answer to a request, whole or streamed.
    #[track_caller]
    pub(crate) fn ask(&self, body: &Value) -> Value {
        good(&self.app.post(body))
    }

    /// Everything that the model was told in this request.
    pub(crate) fn told(&self, number: usize) -> String {
        self.fake.request(number).body.to_string()
    }

    /// The same of the last one.
    pub(crate) fn told_last(&self) -> String {
        self.told(self.fake.count() - 1)
    }
}

/// The response of a 200, checked with hosted items allowed.
#[track_caller]
pub(crate) fn good(answer: &Answer) -> Value {
    if answer.header("content-type").is_some_and(|kind| kind.starts_with("text/event-stream")) {
        answer.last_response_with(Options::HOSTED)
    } else {
        answer.response_with(Options::HOSTED)
    }
}

/// The output without reasoning, in which some providers keep the state of a call.
pub(crate) fn output(response: &Value) -> Vec<&Value> {
    response["output"].as_array().unwrap().iter().filter(|item| item["type"] != "reasoning").collect()
}

pub(crate) fn types(response: &Value) -> Vec<&str> {
    output(response).iter().map(|item| item["type"].as_str().unwrap()).collect()
}

/// The only item of this type.
#[track_caller]
pub(crate) fn item<'a>(response: &'a Value, kind: &str) -> &'a Value {
    let found: Vec<_> = output(response).into_iter().filter(|item| item["type"] == kind).collect();
    assert_eq!(found.len(), 1, "`{kind}` in {response:#}");
    found[0]
}

pub(crate) fn chat_calls(calls: &[(&str, &str, &str)]) -> Value {
    let call = |(id, name, arguments): &(&str, &str, &str)| json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments}});
    let calls: Vec<_> = calls.iter().map(call).collect();
    let message = json!({"role": "assistant", "content": null, "tool_calls": calls});
    json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
           "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
}

/// Names of the functions that a chat request offers.
pub(crate) fn offered(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().map(Vec::as_slice).unwrap_or_default();
    tools.iter().map(|tool| tool["function"]["name"].as_str().unwrap()).collect()
}
