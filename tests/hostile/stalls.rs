//! How long others wait while something is worked on that has many of something.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{STALL, Server, health, list, numbered};
use or_test_support::provider::{FakeProvider, Script};

/// The longest that the request itself may take.
const WHOLE: Duration = Duration::from_secs(30);

/// What is many, and the body of the request.
type Row = (&'static str, fn() -> String);
/// What is many, the kind of the provider, its content type and its answer.
type AnswerRow = (&'static str, &'static str, bool, fn() -> String);

fn ask(kind: &str, members: &str) -> String {
    let model = if kind == "demo" { "demo".to_owned() } else { format!("{kind}/m") };
    format!(r#"{{"model":"{model}","input":"hi",{members}}}"#)
}

fn tools(kind: &str, tools: &str) -> String {
    ask(kind, &format!(r#""tools":[{tools}]"#))
}

fn schema(kind: &str, members: &str) -> String {
    let function = format!(
        r#"{{"type":"function","name":"f","parameters":{{"type":"object","properties":{{}},{members}}}}}"#
    );
    tools(kind, &function)
}

fn items(kind: &str, items: &str) -> String {
    format!(r#"{{"model":"{kind}/m","input":[{items}]}}"#)
}

fn function(n: usize) -> String {
    format!(r#"{{"type":"function","name":"f{n}","strict":true,"parameters":{{"type":"object"}}}}"#)
}

const BODIES: &[Row] = &[
    ("hosted tools, too many", || tools("openai-chat", &list(r#"{"type":"web_search"}"#, 3_000_000))),
    ("hosted tools", || tools("openai-chat", &numbered(1000, |n| format!(r#"{{"type":"x:{n}"}}"#)))),
    ("custom tools", || {
        tools("anthropic", &numbered(1000, |n| format!(r#"{{"type":"custom","name":"c{n}"}}"#)))
    }),
    ("functions, too many", || tools("demo", &numbered(32_000, function))),
    ("functions of the demo", || tools("demo", &numbered(1000, function))),
    ("functions", || tools("gemini", &numbered(1000, function))),
    ("labels of MCP servers", || {
        let server = |n| format!(r#"{{"type":"mcp","server_label":"s{n}","connector_id":"c"}}"#);
        tools("openai-responses", &numbered(1000, server))
    }),
    ("functions of a namespace, too many", || {
        tools(
            "openai-chat",
            &format!(r#"{{"type":"namespace","name":"n","tools":[{}]}}"#, numbered(32_000, function)),
        )
    }),
    ("functions of a namespace", || {
        tools(
            "openai-chat",
            &format!(r#"{{"type":"namespace","name":"n","tools":[{}]}}"#, numbered(999, function)),
        )
    }),
    ("schemas that are merged", || {
        schema(
            "gemini",
            &format!(r#""allOf":[{}]"#, numbered(15_000, |n| format!(r#"{{"required":["a{n}"]}}"#))),
        )
    }),
    ("properties that are merged", || {
        let one = |n| format!(r#"{{"properties":{{"a{n}":{{}}}}}}"#);
        schema("demo", &format!(r#""allOf":[{}]"#, numbered(15_000, one)))
    }),
    ("references to a large definition", || {
        let uses = numbered(2_000, |n| format!(r##""p{n}":{{"$ref":"#/$defs/big"}}"##));
        let big = format!(r#"{{"enum":[{}]}}"#, list("1", 60_000));
        schema(
            "ollama",
            &format!(r#""$defs":{{"big":{big}}},"patternProperties":{{}},"properties":{{{uses}}}"#),
        )
    }),
    ("references one behind the other", || {
        let next = |n| format!(r##""d{n}":{{"$ref":"#/$defs/d{}"}}"##, n + 1);
        schema("ollama", &format!(r##""$ref":"#/$defs/d0","$defs":{{{}}}"##, numbered(20_000, next)))
    }),
    ("keywords", || schema("gemini", &numbered(30_000, |n| format!(r#""k{n}":1"#)))),
    ("items that nobody knows", || {
        items("openai-chat", &numbered(60_000, |n| format!(r#"{{"type":"x:{n}"}}"#)))
    }),
    ("calls and their outputs", || {
        let pair = |n| {
            format!(
                r#"{{"type":"function_call","call_id":"c{n}","name":"f","arguments":"{{}}"}},{{"type":"function_call_output","call_id":"c{n}","output":"x"}}"#
            )
        };
        items("openai-chat", &numbered(20_000, pair))
    }),
    ("calls of MCP tools", || {
        let call = |n| {
            format!(
                r#"{{"type":"mcp_call","id":"m_{n}","server_label":"s","name":"f","arguments":"{{}}","output":"x"}}"#
            )
        };
        items("openai-chat", &format!(r#"{},{{"role":"user","content":"a"}}"#, numbered(20_000, call)))
    }),
    ("approvals", || {
        let pair = |n| {
            format!(
                r#"{{"type":"mcp_approval_request","id":"r_{n}","server_label":"s","name":"f","arguments":"{{}}"}},{{"type":"mcp_approval_response","approval_request_id":"r_{n}","approve":false}}"#
            )
        };
        items("openai-chat", &numbered(20_000, pair))
    }),
];

fn chat(calls: Vec<Value>) -> String {
    let message = json!({"role": "assistant", "content": "", "tool_calls": calls});
    json!({"id": "c", "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]})
        .to_string()
}

fn chunks(deltas: impl Iterator<Item = Value>) -> String {
    let chunk = |delta| format!("data: {}\n\n", json!({"choices": [{"index": 0, "delta": delta}]}));
    deltas.map(chunk).collect::<String>()
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n"
}

fn call(n: usize, id: &str, arguments: &str) -> Value {
    json!({"index": n, "id": id, "type": "function", "function": {"name": "f", "arguments": arguments}})
}

const ANSWERS: &[AnswerRow] = &[
    ("calls", "openai-chat", false, || chat((0..40_000).map(|n| call(n, &format!("c{n}"), "{}")).collect())),
    ("calls of one id", "openai-chat", false, || chat((0..40_000).map(|n| call(n, "c", "{}")).collect())),
    ("calls without an id", "openai-chat", false, || chat((0..40_000).map(|n| call(n, "", "{}")).collect())),
    ("calls that do not end", "openai-chat", true, || {
        chunks((0..20_000).map(|n| json!({"tool_calls": [call(n, &format!("c{n}"), "{\"a\":")]})))
    }),
    ("arguments that do not end", "openai-chat", true, || {
        let begin = json!({"tool_calls": [call(0, "c0", "{\"a\":\"")]});
        let more = (0..2_000).flat_map(|n| {
            let grow = json!({"index": 0, "function": {"arguments": "x".repeat(2_000)}});
            [json!({"tool_calls": [grow]}), json!({"tool_calls": [call(n + 1, &format!("c{n}"), "{}")]})]
        });
        chunks(std::iter::once(begin).chain(more))
    }),
    ("blocks", "anthropic", true, || {
        let start = |n: usize| {
            let block = json!({"type": "tool_use", "id": format!("c{n}"), "name": "f", "input": {}});
            format!(
                "event: content_block_start\ndata: {}\n\n",
                json!({"type": "content_block_start", "index": n, "content_block": block})
            )
        };
        (0..40_000).map(start).collect()
    }),
    ("items that nobody knows", "openai-responses", true, || {
        let added = |n: usize| {
            let item = json!({"type": format!("x:{n}"), "id": format!("x_{n}")});
            let event = json!({"type": "response.output_item.added", "output_index": n, "item": item});
            format!("event: response.output_item.added\ndata: {event}\n\n")
        };
        (0..40_000).map(added).collect()
    }),
];

/// Sends the body, and asks for `/health` all the while.
#[track_caller]
fn check(name: &str, server: &Server, body: &str) {
    let begun = Instant::now();
    let ((status, took), stall) = server.probed(health, || {
        let answered = (server.post(body).status, begun.elapsed());
        // Who worked on behind the answer would be found here.
        std::thread::sleep(Duration::from_millis(100));
        answered
    });
    assert!(stall < STALL && took < WHOLE, "{name}: {status} after {took:?}, others waited {stall:?}");
}

fn providers(fake: &FakeProvider) -> String {
    let kinds = ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"];
    let all: String = kinds.iter().map(|kind| fake.provider(kind)).collect();
    // One worker: whoever keeps it busy keeps everybody waiting.
    format!("server.workers = 1\nproviders.demo.enabled = true\n{all}")
}

#[test]
fn a_request_that_has_many_of_something_keeps_nobody_waiting() {
    let fake = FakeProvider::start();
    fake.always(|_| Script::body(500, "text/plain", "no"));
    let server = Server::start(&providers(&fake));
    for (name, body) in BODIES {
        check(name, &server, &body());
    }
}

#[test]
fn an_answer_that_has_many_of_something_keeps_nobody_waiting() {
    let fake = FakeProvider::start();
    let server = Server::start(&providers(&fake));
    for (name, kind, stream, answer) in ANSWERS {
        let kind_of = if *stream { "text/event-stream" } else { "application/json" };
        fake.script(Script::body(200, kind_of, answer()));
        let tool = r#"{"type":"function","name":"f"}"#;
        check(name, &server, &ask(kind, &format!(r#""stream":{stream},"tools":[{tool},{{"type":"a:b"}}]"#)));
    }
}
