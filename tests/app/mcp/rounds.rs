//! MCP servers that the request brings: their tools in the loop of one response, and in many at once.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::failures::crash::Crashy;
use crate::stage::app::{App, setup};
use crate::stage::mcp::{Bench, bench, body, going_on, good, item, offered, output, providers, types};
use or_test_support::Options;
use or_test_support::mcp::{Does, FakeMcp, listed};
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, CALL, KINDS, text};

#[test]
fn a_round_is_part_of_one_response_on_every_kind() {
    let bench = bench("");
    for kind in KINDS {
        for stream in [false, true] {
            let before = bench.fake.count();
            bench.push_round(kind);
            let mut request = body(kind, &[bench.server.tool("weather")]);
            request["stream"] = json!(stream);
            let response = bench.ask(&request);
            assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "message"], "{kind}");
            let [list, call, message] = output(&response)[..] else { unreachable!() };
            let names: Vec<_> = list["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
            assert_eq!(names, ["get_weather", "look", "write"]);
            assert_eq!(list["tools"][1]["annotations"]["readOnlyHint"], true);
            let want = json!({"type": "mcp_call", "id": call["id"], "status": "completed", "server_label": "weather",
                "name": "get_weather", "arguments": call["arguments"], "output": "seven", "error": null,
                "approval_request_id": null});
            assert_eq!(call, &want);
            let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
            assert_eq!(arguments, json!({"city": "Oslo"}));
            assert_eq!(message["content"][0]["text"], "Seven");
            assert_eq!(response["usage"]["output_tokens"], 2 * wire::OUTPUT_TOKENS);
            let echo = json!({"type": "mcp", "server_label": "weather", "server_url": bench.server.url(),
                "headers": null, "allowed_tools": null, "require_approval": "never", "server_description": null});
            assert_eq!(response["tools"], json!([echo]));
            let first = bench.told(before);
            for name in ["get_weather", "look", "write"] {
                assert!(first.contains(&format!("\"{name}\"")), "{kind}: {first}");
            }
            assert!(!first.contains("server_url"), "{first}");
            let second = bench.told(before + 1);
            assert!(second.contains("Oslo") && second.contains("seven"), "{kind}: {second}");
            assert_eq!(bench.fake.count(), before + 2);
            assert_eq!(good(&bench.app.stored(&response["id"])), response);
        }
    }
    let want = ("get_weather".to_owned(), json!({"city": "Oslo"}));
    assert_eq!(bench.server.calls(), vec![want; 10]);
    // All requests share one session and one list.
    assert_eq!((bench.server.count("initialize"), bench.server.count("tools/list")), (1, 2));
}

#[test]
fn the_events_are_those_of_the_items() {
    let bench = bench("");
    bench.push_round("openai-chat");
    let mut request = body("openai-chat", &[bench.server.tool("weather")]);
    request["stream"] = json!(true);
    let events = bench.app.post(&request).events_with(Options::HOSTED);
    let mut names: Vec<_> = events.iter().map(|(name, _)| name.trim_start_matches("response.")).collect();
    names.dedup();
    let want = [
        "created",
        "in_progress",
        "output_item.added",
        "mcp_list_tools.in_progress",
        "mcp_list_tools.completed",
        "output_item.done",
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ];
    assert_eq!(names, want);
    let call: Vec<_> = events.iter().filter(|(_, event)| event["output_index"] == 1).collect();
    let id = &call[0].1["item"]["id"];
    assert!(call.iter().all(|(_, event)| event["item_id"] == *id || event["item"]["id"] == *id));
    let (_, done) = events.iter().find(|(name, _)| name == "response.mcp_call_arguments.done").unwrap();
    assert_eq!(done["arguments"], r#"{"city":"Oslo"}"#);
    let deltas = events.iter().filter(|(name, _)| name == "response.mcp_call_arguments.delta");
    let whole: String = deltas.map(|(_, event)| event["delta"].as_str().unwrap()).collect();
    assert_eq!(whole, done["arguments"]);
}

/// A request with the server and a function of the client.
fn mixed(bench: &Bench) -> Value {
    let mine =
        json!({"type": "function", "name": "mine", "parameters": {"type": "object", "properties": {}}});
    body("openai-chat", &[bench.server.tool("weather"), mine])
}

#[test]
fn functions_of_the_client_are_handed_over_beside_it() {
    let bench = bench("");
    let request = mixed(&bench);
    bench.push_calls(&[("c1", "get_weather", r#"{"city":"Oslo"}"#), ("c2", "mine", "{}")]);
    let first = bench.ask(&request);
    assert_eq!(types(&first), ["mcp_list_tools", "mcp_call", "function_call"]);
    assert_eq!((&first["output"][1]["output"], &first["status"]), (&json!("seven"), &json!("completed")));
    assert_eq!(bench.fake.count(), 1);

    bench.push_text("openai-chat");
    let answer = json!({"type": "function_call_output", "call_id": "c2", "output": "theirs"});
    let second = bench.ask(&going_on(&first, &request, &[answer]));
    assert_eq!(types(&second), ["message"]);
    let asked = bench.fake.request(1).body;
    let roles: Vec<_> =
        asked["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    let calls: Vec<_> = asked["messages"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|m| m["tool_calls"].as_array())
        .flatten()
        .collect();
    assert_eq!((roles.iter().filter(|role| **role == "tool").count(), calls.len()), (2, 2), "{asked:#}");
    let told = asked.to_string();
    assert!(told.contains("seven") && told.contains("theirs"), "{told}");
    assert_eq!(offered(&asked), ["get_weather", "look", "write", "mine"]);
    assert_eq!(bench.server.count("tools/call"), 1);
}

#[test]
fn several_calls_of_one_turn_run_at_once_and_answer_in_order() {
    let bench = bench("");
    let gate = or_test_support::provider::Gate::default();
    bench.server.does("look", Does::Waits(gate.clone(), "looked".into()));
    bench.push_calls(&[("c1", "look", "{}"), ("c2", "get_weather", "{}")]);
    bench.push_text("openai-chat");
    let connection = bench.app.open(&body("openai-chat", &[bench.server.tool("weather")]));
    bench.server.until("tools/call", 2);
    gate.open();
    let response = good(&connection.finish());
    assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "mcp_call", "message"]);
    assert_eq!(
        (&response["output"][1]["output"], &response["output"][2]["output"]),
        (&json!("looked"), &json!("seven"))
    );
    let asked = bench.fake.request(1).body.to_string();
    assert!(asked.find("looked").unwrap() < asked.find("seven").unwrap(), "{asked}");
}

#[test]
fn pictures_reach_the_model_as_pictures() {
    let bench = bench("");
    let picture = json!([{"type": "text", "text": "a dot"}, {"type": "image", "data": "aGk=", "mimeType": "image/png"}]);
    bench.server.does("get_weather", Does::Shows(picture));
    bench.push_round("anthropic");
    let response = bench.ask(&body("anthropic", &[bench.server.tool("weather")]));
    let shown = item(&response, "mcp_call")["output"].as_str().unwrap();
    assert!(shown.contains("a dot") && shown.contains("aGk="), "{shown}");
    let told = bench.fake.request(1).body;
    let told = told["messages"].as_array().unwrap().last().unwrap().to_string();
    assert!(told.contains("\"image\"") && told.contains("aGk=") && told.contains("a dot"), "{told}");
}

#[test]
fn a_continued_response_lists_nothing_again() {
    let bench = bench("");
    let request = body("openai-chat", &[bench.server.tool("weather")]);
    bench.push_round("openai-chat");
    let first = bench.ask(&request);
    let lists = bench.server.count("tools/list");
    bench.push_round("openai-chat");
    let second = bench.ask(&going_on(&first, &request, &[json!({"role": "user", "content": "And now?"})]));
    assert_eq!(types(&second), ["mcp_call", "message"]);
    assert_eq!(bench.server.count("tools/list"), lists);
    // The same by hand.
    let mut input = vec![json!({"role": "user", "content": "How?"})];
    input.extend(first["output"].as_array().unwrap().clone());
    input.push(json!({"role": "user", "content": "And now?"}));
    let mut stateless = request.clone();
    stateless["input"] = json!(input);
    stateless["store"] = json!(false);
    bench.push_round("openai-chat");
    let third = bench.ask(&stateless);
    assert_eq!(types(&third), ["mcp_call", "message"]);
    assert_eq!(bench.server.count("tools/list"), lists);
    let told = bench.told(4);
    assert!(told.contains("seven") && !told.contains("mcp_list_tools"), "{told}");
}

#[test]
fn more_tools_than_were_listed_are_listed_again() {
    for wider in [json!(["get_weather", "look"]), Value::Null, json!({"read_only": true})] {
        let bench = bench("");
        let mut tool = bench.server.tool("weather");
        tool["allowed_tools"] = json!(["get_weather"]);
        bench.push_round("openai-chat");
        let request = body("openai-chat", std::slice::from_ref(&tool));
        let first = bench.ask(&request);
        assert_eq!(item(&first, "mcp_list_tools")["tools"].as_array().unwrap().len(), 1);
        assert_eq!(offered(&bench.fake.request(0).body), ["get_weather"]);
        tool["allowed_tools"] = wider.clone();
        bench.push_text("openai-chat");
        let next =
            going_on(&first, &body("openai-chat", &[tool]), &[json!({"role": "user", "content": "And?"})]);
        let second = bench.ask(&next);
        assert_eq!(types(&second), ["mcp_list_tools", "message"], "{wider}");
        assert!(offered(&bench.fake.request(2).body).contains(&"look"), "{wider}");
    }
}

#[test]
fn a_conversation_goes_on_without_its_server_on_every_kind() {
    let bench = bench("");
    for kind in KINDS {
        bench.push_round(kind);
        let first = bench.ask(&body(kind, &[bench.server.tool("weather")]));
        let thanks = json!({"role": "user", "content": "Thanks"});
        for other in KINDS {
            bench.push_text(other);
            let second = bench.app.post(&going_on(&first, &body(other, &[]), std::slice::from_ref(&thanks)));
            // No tool of the type, so nothing hosted.
            assert_eq!(types(&second.response()), ["message"], "{kind} {other}");
            let told = bench.told_last();
            assert!(
                told.contains("seven") && told.contains("Oslo") && !told.contains("mcp_call"),
                "{other}: {told}"
            );
        }
    }
    assert_eq!(bench.server.count("tools/call"), 5);
}

#[test]
fn a_label_that_means_another_server_now_is_listed_again() {
    let (one, two) = (FakeMcp::start(), FakeMcp::with(vec![vec![listed("other")]]));
    let table = one.allowed().replace(']', &format!(", '{}']", two.address));
    let fake = FakeProvider::start();
    let app = setup(table + &providers(&fake)).start();
    let bench = Bench { fake, server: one, app };
    bench.push_text("openai-chat");
    let first = bench.ask(&body("openai-chat", &[bench.server.tool("weather")]));
    bench.push_text("openai-chat");
    let next = body("openai-chat", &[two.tool("weather")]);
    let second = bench.ask(&going_on(&first, &next, &[json!({"role": "user", "content": "And?"})]));
    assert_eq!(types(&second), ["mcp_list_tools", "message"]);
    assert_eq!(offered(&bench.fake.request(1).body), ["other"]);
}

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
    assert!(metrics.contains("open_responses_running_responses 0"), "{metrics}");
    assert!(metrics.contains("open_responses_mcp_sessions 1"), "{metrics}");
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
