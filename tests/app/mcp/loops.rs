//! Many loops with MCP tools at once, and what they count as.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::failures::crash::Crashy;
use crate::stage::app::{App, setup};
use crate::stage::mcp::{bench, body, good, item, types};
use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, CALL, text};

/// Calls the tool, then speaks; some answers are too much for the adapter.
fn model(request: &Request) -> Script {
    let said = request.body.to_string();
    if !said.contains("\"role\":\"tool\"") {
        return wire::answer("openai-chat", CALL)(request);
    }
    let words: &'static [&'static str] =
        if said.contains("loop 42.") { &["crash-frame"] } else { &["Seven"] };
    wire::answer("openai-chat", text(words))(request)
}

fn request(n: usize, tool: &Value) -> Value {
    let mut request = body("crashy", std::slice::from_ref(tool));
    request["input"] = json!(format!("This is loop {n}."));
    request["stream"] = json!(n.is_multiple_of(2));
    request["metadata"] = json!({"n": n.to_string()});
    request
}

#[test]
fn one_of_a_hundred_loops_crashes_and_the_others_finish() {
    let (fake, server) = (FakeProvider::start(), FakeMcp::start());
    server.rules().pause = std::time::Duration::from_millis(5);
    fake.always(model);
    let config = server.allowed() + &fake.named_provider("crashy", "crashy");
    let app: App = setup(config).with(|builder| builder.adapter("crashy", Crashy::make)).start();
    let tool = server.tool("weather");
    let answers: Vec<_> = std::thread::scope(|scope| {
        let ask = |n: usize| {
            let (app, tool) = (&app, &tool);
            scope.spawn(move || app.post(&request(n, tool)))
        };
        let running: Vec<_> = (0..100).map(ask).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (n, answer) in answers.iter().enumerate() {
        if n == 42 {
            assert!(answer.text().contains("response.failed"), "{}", answer.text());
            assert!(!answer.text().contains("asked to"));
            continue;
        }
        let response = good(answer);
        assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "message"], "loop {n}");
        assert_eq!(item(&response, "mcp_call")["output"], "seven");
        assert_eq!(response["metadata"]["n"], n.to_string());
    }
    assert_eq!(server.count("tools/call"), 100);
    assert_eq!((server.count("initialize"), server.count("tools/list")), (1, 2));
    let metrics = app.get("/metrics").text();
    assert!(metrics.contains("openresponses_running_responses 0"), "{metrics}");
    assert!(metrics.contains("openresponses_mcp_sessions 1"), "{metrics}");
}

fn count(app: &App, body: &Value) -> u64 {
    let bytes = body.to_string();
    let answer = app.request("POST", "/v1/responses/input_tokens", &[], Some(bytes.as_bytes())).finish();
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["input_tokens"].as_u64().unwrap()
}

#[test]
fn the_tools_of_a_server_count_as_functions() {
    let bench = bench("");
    let mut tool = bench.server.tool("weather");
    let none = count(&bench.app, &body("openai-chat", &[]));
    let all = count(&bench.app, &body("openai-chat", std::slice::from_ref(&tool)));
    tool["allowed_tools"] = json!(["look"]);
    let one = count(&bench.app, &body("openai-chat", &[tool]));
    assert!(none < one && one < all, "{none} {one} {all}");
    // A provider that counts itself gets the functions.
    bench.fake.script(Script::json(200, &json!({"input_tokens": 42})));
    assert_eq!(count(&bench.app, &body("anthropic", &[bench.server.tool("weather")])), 42);
    let names: Vec<_> = bench.fake.request(0).body["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["get_weather", "look", "write"]);
    assert_eq!(bench.server.count("tools/call"), 0);
}

#[test]
fn a_long_result_is_cut_and_the_model_is_told() {
    let server = FakeMcp::start();
    server.does("get_weather", Does::Says("x".repeat(5000)));
    let table = crate::stage::mcp::configured(
        &server,
        "weather",
        "require_approval = 'never'\nmax_output_bytes = 1000",
    );
    let bench = crate::stage::mcp::bench_with(server, &table);
    bench.push_round("openai-chat");
    let response = bench.ask(&body("openai-chat", &[json!({"type": "mcp", "server_label": "weather"})]));
    let shown = item(&response, "mcp_call")["output"].as_str().unwrap();
    assert!(shown.len() < 1500 && shown.starts_with("xxx") && !shown.ends_with("xxx"), "{shown}");
    let asked = bench.fake.request(1).body;
    assert_eq!(asked["messages"].as_array().unwrap().last().unwrap()["content"], shown);
}
