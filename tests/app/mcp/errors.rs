//! MCP servers that fail: before the response begins, and in a call.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::mcp::{Bench, bench_with, body, configured, going_on, good, item, types};
use or_test_support::Options;
use or_test_support::client::Answer;
use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::Gate;
use or_test_support::wire::KINDS;

/// One pixel.
const PNG: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

#[track_caller]
fn failed(answer: &Answer, status: u16, code: &str) {
    let (got, kind, got_code, param) = answer.error();
    let want = if status == 424 { "external_connector_error" } else { "invalid_request_error" };
    assert_eq!((got, kind.as_str(), got_code.as_deref()), (status, want, Some(code)), "{}", answer.text());
    assert_eq!(param.as_deref(), Some("tools[0]"), "{}", answer.text());
    assert!(answer.message().contains("'weather'"), "{}", answer.message());
}

fn post(bench: &Bench, tool: Value, stream: bool) -> Answer {
    let mut request = body("openai-chat", &[tool]);
    request["stream"] = json!(stream);
    bench.app.post(&request)
}

/// A bench whose server is configured as well, as `weather`.
fn both(more: &str) -> Bench {
    let server = FakeMcp::start();
    let table = configured(&server, "weather", &format!("require_approval = 'never'\n{more}"));
    bench_with(server, &table)
}

#[test]
fn a_server_that_wants_other_credentials_is_told_to_whoever_brought_them() {
    for (status, stream) in [(401, false), (403, true)] {
        let bench = both(
            "headers = { authorization = 'Bearer of-the-operator' }\nallow_client_headers = ['authorization']",
        );
        bench.server.rules().status = Some(status);
        let mut tool = bench.server.tool("weather");
        tool["authorization"] = json!("hush-hush-hush");
        let answer = post(&bench, tool, stream);
        failed(&answer, 401, "mcp_unauthorized");
        assert!(!answer.text().contains("hush"), "{}", answer.text());
        let answer = post(&bench, json!({"type": "mcp", "server_label": "weather"}), stream);
        failed(&answer, 424, "mcp_unauthorized");
        assert!(!answer.text().contains("operator"), "{}", answer.text());
        let own = json!({"type": "mcp", "server_label": "weather", "authorization": "hush-hush-hush"});
        failed(&post(&bench, own, stream), 401, "mcp_unauthorized");
        assert_eq!(bench.fake.count(), 0);
    }
}

#[test]
fn a_server_that_is_not_there_or_talks_nonsense_is_no_fault_of_ours() {
    let bench = both("");
    let weather = json!({"type": "mcp", "server_label": "weather"});
    bench.server.rules().nonsense = true;
    failed(&post(&bench, bench.server.tool("weather"), false), 424, "mcp_server_error");
    failed(&post(&bench, weather.clone(), true), 424, "mcp_server_error");
    bench.server.rules().status = Some(500);
    let mut fresh = bench.server.tool("weather");
    fresh["headers"] = json!({"x-a": "b"});
    failed(&post(&bench, fresh, true), 424, "mcp_server_error");

    // Nobody listens there any more.
    let gone = FakeMcp::start();
    let (address, tool) = (gone.allowed(), gone.tool("weather"));
    drop(gone);
    let fake = or_test_support::provider::FakeProvider::start();
    let app = crate::stage::app::setup(address + &crate::stage::mcp::providers(&fake)).start();
    let mut request = body("openai-chat", &[tool]);
    failed(&app.post(&request), 424, "mcp_server_error");
    request["background"] = json!(true);
    failed(&app.post(&request), 424, "mcp_server_error");
    assert_eq!((fake.count(), bench.fake.count()), (0, 0));
}

#[test]
fn a_slow_server_ends_in_time() {
    let bench = both("connect_timeout_s = 2");
    bench.server.rules().pause = Duration::from_secs(60);
    let begun = Instant::now();
    failed(
        &post(&bench, json!({"type": "mcp", "server_label": "weather"}), false),
        424,
        "mcp_server_timeout",
    );
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[test]
fn a_tool_that_fails_is_told_to_the_model_on_every_kind() {
    let bench = both("");
    bench.server.does("get_weather", Does::Fails("the station is closed".into()));
    for kind in KINDS {
        bench.push_round(kind);
        let mut request = body(kind, &[bench.server.tool("weather")]);
        request["stream"] = json!(true);
        let answer = bench.app.post(&request);
        let events = answer.events_with(Options::HOSTED);
        assert!(events.iter().any(|(name, _)| name == "response.mcp_call.failed"), "{}", answer.text());
        assert!(!events.iter().any(|(name, _)| name == "response.mcp_call.completed"));
        let response = good(&answer);
        assert_eq!(
            (types(&response), &response["status"]),
            (vec!["mcp_list_tools", "mcp_call", "message"], &json!("completed"))
        );
        let call = item(&response, "mcp_call");
        assert_eq!((&call["status"], &call["output"]), (&json!("failed"), &Value::Null));
        assert!(
            call["error"]["content"][0]["text"].as_str().unwrap().contains("the station is closed"),
            "{call}"
        );
        assert!(bench.told_last().contains("the station is closed"), "{kind}");
    }
}

#[test]
fn a_call_that_comes_to_nothing_is_told_to_the_model() {
    let gate = Gate::default();
    let late = Does::Waits(gate.clone(), "late".into());
    for (does, kind, code, want) in [
        (late, "mcp_tool_execution_error", Value::Null, "1 s"),
        (Does::Status(500), "http_error", json!(500), "500"),
        (Does::Status(401), "http_error", json!(401), "401"),
        (Does::Refuses(-32602, "no such tool".into()), "mcp_protocol_error", json!(-32602), "no such tool"),
    ] {
        // Who is to answer has time for it.
        let bench = both(if matches!(does, Does::Waits(..)) { "timeout_s = 1" } else { "" });
        bench.server.does("get_weather", does);
        bench.push_round("anthropic");
        let begun = Instant::now();
        let response = bench.ask(&body("anthropic", &[json!({"type": "mcp", "server_label": "weather"})]));
        assert!(begun.elapsed() < Duration::from_secs(25));
        let call = item(&response, "mcp_call");
        assert_eq!((&call["status"], &response["status"]), (&json!("failed"), &json!("completed")));
        let error = &call["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!(kind), &code), "{call}");
        let text = if code.is_null() { &error["content"][0]["text"] } else { &error["message"] };
        assert!(text.as_str().unwrap().contains(want), "{call}");
        assert!(bench.told_last().contains(want), "{call}");
        // What the item shows is enough for later turns.
        bench.push_text("anthropic");
        bench.ask(
            &json!({"model": "anthropic/m", "previous_response_id": response["id"], "input": "And now?"}),
        );
        assert!(bench.told_last().contains(want), "{call}");
    }
    gate.open();
}

#[test]
fn a_client_that_leaves_cancels_the_call() {
    let bench = both("");
    for (n, stream) in [true, false].into_iter().enumerate() {
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "late".into()));
        bench.push_call("openai-chat");
        let mut request = body("openai-chat", &[bench.server.tool("weather")]);
        request["stream"] = json!(stream);
        let connection = bench.app.open(&request);
        bench.server.until("tools/call", n + 1);
        connection.leave();
        bench.server.until("notifications/cancelled", n + 1);
        let call = bench.server.asked("tools/call").pop().unwrap().body["id"].clone();
        let cancelled = bench.server.asked("notifications/cancelled").pop().unwrap();
        assert_eq!(cancelled.body["params"]["requestId"], call);
        gate.open();
    }
    assert_eq!(bench.fake.count(), 2);
}

#[test]
fn a_used_up_budget_gives_the_model_a_last_word() {
    let bench = both("");
    for kind in KINDS {
        let before = (bench.fake.count(), bench.server.count("tools/call"));
        bench.push_round(kind);
        let mut request = body(kind, &[bench.server.tool("weather")]);
        request["max_tool_calls"] = json!(1);
        request["tool_choice"] = json!("required");
        let response = bench.ask(&request);
        assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "message"], "{kind}");
        assert_eq!((&response["tool_choice"], &response["max_tool_calls"]), (&json!("required"), &json!(1)));
        assert_eq!((bench.fake.count(), bench.server.count("tools/call")), (before.0 + 2, before.1 + 1));
    }
    // Of two calls of a turn the second one is too many.
    let before = bench.server.count("tools/call");
    bench.push_calls(&[("c1", "get_weather", "{}"), ("c2", "look", "{}")]);
    bench.push_text("openai-chat");
    let mut request = body("openai-chat", &[bench.server.tool("weather")]);
    request["max_tool_calls"] = json!(1);
    let response = bench.ask(&request);
    assert_eq!(response["status"], "completed");
    assert_eq!(bench.server.count("tools/call"), before + 1);
    let states: Vec<_> = response["output"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["type"] == "mcp_call")
        .map(|call| call["status"].as_str().unwrap())
        .collect();
    assert_eq!(states, ["completed", "failed"], "{response:#}");
}

#[test]
fn arguments_that_are_no_json_are_told_to_the_model() {
    let bench = both("");
    bench.push_calls(&[("c1", "get_weather", "{\"city\":")]);
    bench.push_text("openai-chat");
    let response = bench.ask(&body("openai-chat", &[bench.server.tool("weather")]));
    let call = item(&response, "mcp_call");
    assert_eq!((&call["status"], bench.server.count("tools/call")), (&json!("failed"), 0));
    assert!(call["error"]["content"][0]["text"].as_str().unwrap().contains("JSON"), "{call}");
}

#[test]
fn a_slow_list_is_told_in_the_stream_once_that_is_open() {
    let (fake, server) = (or_test_support::provider::FakeProvider::start(), FakeMcp::start());
    let table = configured(&server, "weather", "require_approval = 'never'\nconnect_timeout_s = 6");
    let app = crate::stage::app::setup(
        "server.keepalive_s = 1\n".to_owned() + &crate::stage::mcp::providers(&fake) + &table,
    )
    .start();
    let bench = Bench { fake, server, app };
    bench.server.rules().pause = Duration::from_secs(60);
    let answer = post(&bench, json!({"type": "mcp", "server_label": "weather"}), true);
    assert_eq!(answer.status, 200);
    assert!(answer.text().starts_with(": "), "{}", answer.text());
    let events = answer.events_with(Options::HOSTED);
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["response.created", "response.in_progress", "error", "response.failed"]);
    assert_eq!(events[2].1["error"]["code"], "mcp_server_timeout");
    let stored = good(&bench.app.stored(&events[0].1["response"]["id"]));
    assert_eq!(
        (&stored["status"], &stored["error"]["code"]),
        (&json!("failed"), &json!("mcp_server_timeout"))
    );
}

#[test]
fn a_cancelled_background_response_cancels_the_call() {
    let bench = both("");
    for (n, stream) in [false, true].into_iter().enumerate() {
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "late".into()));
        bench.push_call("openai-chat");
        let mut request = body("openai-chat", &[bench.server.tool("weather")]);
        request["stream"] = json!(stream);
        request["background"] = json!(true);
        let mut connection = bench.app.open(&request);
        let id = if stream {
            connection.until("response.created")["response"]["id"].clone()
        } else {
            good(&connection.finish())["id"].clone()
        };
        bench.server.until("tools/call", n + 1);
        let path = format!("/v1/responses/{}/cancel", id.as_str().unwrap());
        let cancelled = good(&bench.app.request("POST", &path, &[], None).finish());
        assert_eq!(cancelled["status"], "cancelled");
        bench.server.until("notifications/cancelled", n + 1);
        gate.open();
        let call = item(&cancelled, "mcp_call");
        assert_ne!(call["status"], "in_progress", "{cancelled:#}");
        assert_eq!(good(&bench.app.stored(&id)), cancelled);
    }
}

#[test]
fn what_a_provider_cannot_be_shown_is_named_in_words() {
    let bench = both("");
    let resource = |name: &str, kind: &str| json!({"type": "resource", "resource": {"uri": format!("file:///{name}"), "blob": "aGk=", "mimeType": kind}});
    let content = json!([
        {"type": "text", "text": "seven"},
        {"type": "image", "data": PNG, "mimeType": "image/png"},
        {"type": "image", "data": "aGk=", "mimeType": "image/svg+xml"},
        {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
        resource("a.zip", "application/zip"),
    ]);
    bench.server.does("get_weather", Does::Shows(content));
    for (kind, words) in [
        ("anthropic", &["image/svg+xml", "the format wav", "'a.zip' of the type application/zip"][..]),
        ("gemini", &["image/svg+xml", "'a.zip' of the type application/zip"]),
        ("ollama", &["the format wav", "'a.zip' of the type application/zip"]),
    ] {
        bench.push_round(kind);
        let request = body(kind, &[bench.server.tool("weather")]);
        let answer = bench.app.post(&request);
        let first = good(&answer);
        assert_eq!(types(&first), ["mcp_list_tools", "mcp_call", "message"], "{kind}");
        // The client gets it all.
        assert!(item(&first, "mcp_call")["output"].as_str().unwrap().contains("application/zip;base64"));
        let notes = answer.header("openresponses-translation").unwrap_or_default();
        assert!(notes.contains("named in words"), "{kind}: {notes}");
        let told = bench.told_last();
        assert!(told.contains("seven") && told.contains(PNG), "{kind}: {told}");
        for word in words {
            assert!(told.contains(word), "{kind}: {told}");
        }
        // It is in the way of no later turn either.
        bench.push_text(kind);
        let next = going_on(&first, &request, &[json!({"role": "user", "content": "And?"})]);
        assert_eq!(types(&bench.ask(&next)), ["message"], "{kind}");
        assert!(bench.told_last().contains("'a.zip' of the type application/zip"), "{kind}");
        if kind == "ollama" {
            let (path, json) = ("/v1/responses/input_tokens", [("content-type", "application/json")]);
            let count = bench.app.request("POST", path, &json, Some(next.to_string().as_bytes())).finish();
            assert_eq!(count.status, 200, "{}", count.text());
        }
    }
    // What the client sends itself is its own affair.
    let mine = json!([{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/svg+xml;base64,aGk="}]}]);
    let answer = bench.app.post(&json!({"model": "anthropic/m", "input": mine}));
    assert_eq!((answer.error().0, answer.error().2.as_deref()), (400, Some("unsupported_value")));
}
