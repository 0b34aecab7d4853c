//! Calls of MCP servers that wait for the client's yes.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::setup;
use crate::stage::mcp::{Bench, bench, body, going_on, good, item, providers, types};
use or_test_support::client::Answer;
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, KINDS, text};

fn tool(server: &FakeMcp) -> Value {
    json!({"type": "mcp", "server_label": "weather", "server_url": server.url()})
}

pub(crate) fn yes(asked: &Value) -> Value {
    json!({"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": true})
}

fn no(asked: &Value) -> Value {
    json!({"type": "mcp_approval_response", "approval_request_id": asked["id"], "approve": false,
           "reason": "not on Sundays"})
}

/// A request, the response that asks for approval, and its item.
pub(crate) fn asking(bench: &Bench, kind: &'static str) -> (Value, Value, Value) {
    let request = body(kind, &[tool(&bench.server)]);
    bench.push_call(kind);
    let first = bench.ask(&request);
    let asked = item(&first, "mcp_approval_request").clone();
    (request, first, asked)
}

/// The whole conversation in the input, and this behind it.
pub(crate) fn stateless(first: &Value, request: &Value, more: &[Value]) -> Value {
    let mut next = request.clone();
    let asked = json!({"role": "user", "content": "How is it in Oslo?"});
    let input = [&[asked], first["output"].as_array().unwrap().as_slice(), more].concat();
    next["input"] = json!(input);
    next
}

#[track_caller]
pub(crate) fn refused(answer: &Answer, code: &str) {
    let (status, _, got, param) = answer.error();
    assert_eq!((status, got.as_deref()), (400, Some(code)), "{}", answer.text());
    assert!(param.unwrap().ends_with(".approval_request_id"), "{}", answer.text());
}

#[test]
fn the_approved_call_is_run_once_on_every_kind() {
    let bench = bench("");
    for (n, kind) in KINDS.into_iter().enumerate() {
        for stream in [false, true] {
            let before = bench.server.count("tools/call");
            let (mut request, first, asked) = asking(&bench, kind);
            assert_eq!(types(&first), ["mcp_list_tools", "mcp_approval_request"], "{kind}");
            assert_eq!((&first["status"], bench.server.count("tools/call")), (&json!("completed"), before));
            bench.push_text(kind);
            request["stream"] = json!(stream);
            let next = going_on(&first, &request, &[yes(&asked)]);
            let second = bench.ask(&next);
            assert_eq!(types(&second), ["mcp_call", "message"], "{kind}");
            let call = item(&second, "mcp_call");
            assert_eq!((&call["approval_request_id"], &call["output"]), (&asked["id"], &json!("seven")));
            assert_eq!((&call["arguments"], &call["name"]), (&asked["arguments"], &asked["name"]));
            assert!(bench.told_last().contains("seven"), "{kind}");
            assert_eq!(bench.server.count("tools/call"), before + 1);
            refused(&bench.app.post(&next), "approval_already_answered");
            refused(
                &bench.app.post(&stateless(&first, &request, &[yes(&asked)])),
                "approval_already_answered",
            );
            // The conversation goes on behind it.
            bench.push_text(kind);
            let third = going_on(&second, &request, &[json!({"role": "user", "content": "Thanks"})]);
            assert_eq!(types(&bench.ask(&third)), ["message"], "{kind}");
            assert_eq!(bench.server.count("tools/call"), before + 1);
        }
        assert_eq!(bench.fake.count(), 6 * (n + 1));
    }
}

#[test]
fn an_altered_request_is_refused() {
    let bench = bench("");
    let (request, first, asked) = asking(&bench, "openai-chat");
    let other_id = asked["id"].as_str().unwrap().replace("mcpr_0", "mcpr_1");
    for (key, value) in
        [("arguments", "{\"city\":\"Rome\"}"), ("name", "write"), ("id", &other_id), ("id", "mcpr_1")]
    {
        let mut altered = first.clone();
        let items = altered["output"].as_array_mut().unwrap();
        items.last_mut().unwrap()[key] = json!(value);
        let approval = yes(items.last().unwrap());
        refused(&bench.app.post(&stateless(&altered, &request, &[approval])), "approval_mismatch");
    }
    let made_up = json!({"type": "mcp_approval_response", "approval_request_id": "mcpr_2", "approve": true});
    refused(&bench.app.post(&going_on(&first, &request, &[made_up])), "approval_request_not_found");
    let twice = going_on(&first, &request, &[yes(&asked), yes(&asked)]);
    refused(&bench.app.post(&twice), "approval_already_answered");
    // Even if the altered one stands behind the real one.
    let mut altered = asked.clone();
    altered["arguments"] = json!("{\"city\":\"Rome\"}");
    let behind = going_on(&first, &request, &[altered, yes(&asked)]);
    refused(&bench.app.post(&behind), "approval_mismatch");
    assert_eq!(bench.server.count("tools/call"), 0);
    // Nothing of that used it up.
    bench.push_text("openai-chat");
    bench.ask(&going_on(&first, &request, &[yes(&asked)]));
    assert_eq!(bench.server.calls(), [("get_weather".to_owned(), json!({"city": "Oslo"}))]);
}

#[test]
fn an_approval_is_for_one_server_and_what_is_allowed_of_it() {
    let (fake, server, other) = (FakeProvider::start(), FakeMcp::start(), FakeMcp::start());
    let hosts = format!("security.allow_private_hosts = ['{}', '{}']\n", server.address, other.address);
    let app = setup(hosts + &providers(&fake)).start();
    let bench = Bench { fake, server, app };
    let (request, first, asked) = asking(&bench, "openai-chat");
    let next = going_on(&first, &request, &[yes(&asked)]);
    let with = |tools: Value| {
        let mut next = next.clone();
        next["tools"] = tools;
        bench.app.post(&next)
    };
    refused(&with(json!([tool(&other)])), "approval_mismatch");
    let mut slash = tool(&bench.server);
    slash["server_url"] = json!(format!("{}/", bench.server.url()));
    refused(&with(json!([slash])), "approval_mismatch");
    let mut renamed = tool(&bench.server);
    renamed["server_label"] = json!("other");
    refused(&with(json!([renamed])), "mcp_server_missing");
    refused(&with(json!([])), "mcp_server_missing");
    let mut narrower = tool(&bench.server);
    narrower["allowed_tools"] = json!(["look"]);
    refused(&with(json!([narrower])), "approval_mismatch");
    assert_eq!((bench.server.count("tools/call"), other.count("tools/call")), (0, 0));
}

#[test]
fn an_approval_is_for_its_owner() {
    let (fake, server) = (FakeProvider::start(), FakeMcp::start());
    let keys = "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
    let config = server.allowed() + keys + &providers(&fake);
    let app = setup(config).env("ADA", "a-long-key-of-ada").env("BOB", "a-long-key-of-bob").start();
    let (ada, bob) =
        (("authorization", "Bearer a-long-key-of-ada"), ("authorization", "Bearer a-long-key-of-bob"));
    let request = body("openai-chat", &[tool(&server)]);
    fake.push(wire::answer("openai-chat", CALL));
    let first = good(&app.post_with(&[ada], &request));
    let asked = item(&first, "mcp_approval_request").clone();
    let next = going_on(&first, &request, &[yes(&asked)]);
    let (status, _, code, _) = app.post_with(&[bob], &next).error();
    assert_eq!((status, code.as_deref()), (400, Some("previous_response_not_found")));
    let by_hand = stateless(&first, &request, &[yes(&asked)]);
    refused(&app.post_with(&[bob], &by_hand), "approval_mismatch");
    // A no of somebody else changes nothing.
    refused(&app.post_with(&[bob], &stateless(&first, &request, &[no(&asked)])), "approval_mismatch");
    assert_eq!(server.count("tools/call"), 0);
    fake.push(wire::answer("openai-chat", text(&["Seven"])));
    good(&app.post_with(&[ada], &by_hand));
    assert_eq!(server.count("tools/call"), 1);
}

#[test]
fn a_no_is_told_to_the_model_and_is_for_good() {
    let bench = bench("");
    for kind in KINDS {
        let (request, first, asked) = asking(&bench, kind);
        bench.push_text(kind);
        let second = bench.ask(&going_on(&first, &request, &[no(&asked)]));
        assert_eq!(types(&second), ["message"], "{kind}");
        let told = bench.told_last();
        assert!(told.contains("did not approve") && told.contains("not on Sundays"), "{kind}: {told}");
        refused(&bench.app.post(&going_on(&first, &request, &[yes(&asked)])), "approval_already_answered");
        // It may be said again, as after a provider that failed.
        bench.push_text(kind);
        assert_eq!(types(&bench.ask(&going_on(&first, &request, &[no(&asked)]))), ["message"], "{kind}");
        assert_eq!(bench.server.count("tools/call"), 0);
    }
}

#[test]
fn a_no_after_a_yes_is_too_late() {
    let bench = bench("");
    let (request, first, asked) = asking(&bench, "openai-chat");
    bench.push_text("openai-chat");
    bench.ask(&going_on(&first, &request, &[yes(&asked)]));
    // The model would be told that a call was not made which was.
    refused(&bench.app.post(&going_on(&first, &request, &[no(&asked)])), "approval_already_answered");
    assert_eq!((bench.server.count("tools/call"), bench.fake.count()), (1, 2));
}

#[test]
fn nothing_needs_to_be_stored() {
    let bench = bench("");
    let mut request = body("anthropic", &[tool(&bench.server)]);
    request["store"] = json!(false);
    bench.push_call("anthropic");
    let first = bench.ask(&request);
    let asked = item(&first, "mcp_approval_request");
    let next = stateless(&first, &request, &[yes(asked)]);
    bench.push_text("anthropic");
    assert_eq!(types(&bench.ask(&next)), ["mcp_call", "message"]);
    refused(&bench.app.post(&next), "approval_already_answered");
    assert_eq!(bench.server.count("tools/call"), 1);
}

#[test]
fn a_deleted_response_takes_its_request_for_approval_along() {
    let bench = bench("");
    let (request, first, asked) = asking(&bench, "openai-chat");
    let path = format!("/v1/responses/{}", first["id"].as_str().unwrap());
    assert_eq!(bench.app.request("DELETE", &path, &[], None).finish().status, 200);
    let (status, _, code, _) = bench.app.post(&going_on(&first, &request, &[yes(&asked)])).error();
    assert_eq!((status, code.as_deref()), (400, Some("previous_response_not_found")));
    assert_eq!(bench.server.count("tools/call"), 0);
    // Whoever has kept the request can still answer it.
    bench.push_text("openai-chat");
    bench.ask(&stateless(&first, &request, &[yes(&asked)]));
    assert_eq!(bench.server.count("tools/call"), 1);
}

#[test]
fn a_background_response_asks_and_is_answered() {
    let bench = bench("");
    for stream in [false, true] {
        let before = bench.server.count("tools/call");
        let mut request = body("openai-chat", &[tool(&bench.server)]);
        request["background"] = json!(true);
        request["stream"] = json!(stream);
        bench.push_call("openai-chat");
        let first = in_background(&bench, &request);
        let asked = item(&first, "mcp_approval_request").clone();
        bench.push_text("openai-chat");
        let next = going_on(&first, &request, &[yes(&asked)]);
        let second = in_background(&bench, &next);
        assert_eq!((types(&second), &second["status"]), (vec!["mcp_call", "message"], &json!("completed")));
        assert_eq!(bench.server.count("tools/call"), before + 1);
        refused(&bench.app.post(&next), "approval_already_answered");
        assert_eq!(bench.server.count("tools/call"), before + 1);
    }
}

/// Begins a response and waits for its end.
fn in_background(bench: &Bench, request: &Value) -> Value {
    let begun = bench.ask(request);
    loop {
        let now = good(&bench.app.stored(&begun["id"]));
        if now["status"] != "queued" && now["status"] != "in_progress" {
            return now;
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn several_requests_of_a_turn_are_answered_one_by_one_or_together() {
    let bench = bench("");
    let request = body("openai-chat", &[tool(&bench.server)]);
    bench.push_calls(&[("c1", "get_weather", "{}"), ("c2", "write", r#"{"a":1}"#)]);
    let first = bench.ask(&request);
    assert_eq!(types(&first), ["mcp_list_tools", "mcp_approval_request", "mcp_approval_request"]);
    let (one, two) = (&first["output"][1], &first["output"][2]);
    assert_ne!(one["id"], two["id"]);
    bench.push_text("openai-chat");
    let second = bench.ask(&going_on(&first, &request, &[yes(one), no(two)]));
    assert_eq!(types(&second), ["mcp_call", "message"]);
    let told = bench.told_last();
    assert!(told.contains("seven") && told.contains("did not approve"), "{told}");
    assert_eq!(bench.server.calls(), [("get_weather".to_owned(), json!({}))]);

    bench.push_text("openai-chat");
    let unanswered = going_on(&first, &request, &[json!({"role": "user", "content": "Never mind"})]);
    assert_eq!(types(&bench.ask(&unanswered)), ["message"]);
    assert!(bench.told_last().contains("has not answered yet"));
}

#[test]
fn a_request_that_is_refused_decides_nothing() {
    let bench = bench("");
    let request = body("openai-chat", &[tool(&bench.server)]);
    bench.push_calls(&[("c1", "get_weather", "{}"), ("c2", "write", r#"{"a":1}"#)]);
    let first = bench.ask(&request);
    let (one, two) = (&first["output"][1], &first["output"][2]);
    bench.push_text("openai-chat");
    bench.ask(&going_on(&first, &request, &[yes(one)]));
    let again = bench.app.post(&going_on(&first, &request, &[no(two), yes(one)]));
    assert_eq!(again.error().2.as_deref(), Some("approval_already_answered"));
    bench.push_text("openai-chat");
    assert_eq!(types(&bench.ask(&going_on(&first, &request, &[yes(two)]))), ["mcp_call", "message"]);
}

#[test]
fn a_function_of_the_client_is_answered_beside_an_approval() {
    let bench = bench("");
    let mine =
        json!({"type": "function", "name": "mine", "parameters": {"type": "object", "properties": {}}});
    let request = body("openai-chat", &[tool(&bench.server), mine]);
    for approval_first in [true, false] {
        bench.push_calls(&[("c1", "get_weather", "{}"), ("c2", "mine", "{}")]);
        let first = bench.ask(&request);
        assert_eq!(types(&first), ["mcp_list_tools", "mcp_approval_request", "function_call"]);
        let theirs = json!({"type": "function_call_output", "call_id": "c2", "output": "theirs"});
        let mut answers = [yes(item(&first, "mcp_approval_request")), theirs.clone()];
        if !approval_first {
            answers.reverse();
        }
        // Without the answer to its function the request is no good, and the approval is not used up.
        let half = bench.app.post(&going_on(&first, &request, &[yes(item(&first, "mcp_approval_request"))]));
        assert_eq!(half.status, 400, "{}", half.text());
        bench.push_text("openai-chat");
        let second = bench.ask(&going_on(&first, &request, &answers));
        assert_eq!(types(&second), ["mcp_call", "message"]);
        let asked = bench.fake.request(bench.fake.count() - 1).body;
        let messages = asked["messages"].as_array().unwrap();
        let calls: Vec<_> = messages
            .iter()
            .filter_map(|m| m["tool_calls"].as_array())
            .flatten()
            .map(|call| &call["id"])
            .collect();
        let mut results: Vec<_> =
            messages.iter().filter(|m| m["role"] == "tool").map(|m| &m["tool_call_id"]).collect();
        results.sort_by_key(|id| calls.iter().position(|call| call == id));
        assert_eq!((results, calls.len()), (calls.clone(), 2), "{asked:#}");
        assert!(asked.to_string().contains("seven") && asked.to_string().contains("theirs"));
    }
    assert_eq!(bench.server.count("tools/call"), 2);
}
