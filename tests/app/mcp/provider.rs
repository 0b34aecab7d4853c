//! MCP servers that the provider calls itself.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::mcp::{body, going_on, good, item, types};
use or_test_support::Options;
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::{FakeProvider, Script};

struct Left {
    fake: FakeProvider,
    server: FakeMcp,
    app: App,
}

/// A provider `up` that runs MCP tools itself. Requests could name the server here, too.
fn left() -> Left {
    let (fake, server) = (FakeProvider::start(), FakeMcp::start());
    let table = fake.named_provider("up", "openai-responses") + "mcp = 'provider'\n";
    let docs = format!("\n[mcp.docs]\nurl = '{}'\nrequire_approval = 'never'\n", server.url());
    let app = setup(server.allowed() + &table + &docs).start();
    Left { fake, server, app }
}

fn whole(output: &Value) -> Value {
    json!({"id": "resp_up", "object": "response", "created_at": 1, "model": "m", "error": null, "status": "completed",
           "incomplete_details": null, "output": output,
           "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18,
                     "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}})
}

fn list() -> Value {
    json!({"type": "mcp_list_tools", "id": "mcpl_up", "server_label": "weather", "error": null,
           "tools": [{"name": "get_weather", "description": "d", "input_schema": {"type": "object"}, "annotations": null}]})
}

fn call() -> Value {
    json!({"type": "mcp_call", "id": "mcp_up", "server_label": "weather", "name": "get_weather", "arguments": "{}",
           "output": "seven", "error": null, "approval_request_id": null, "status": "completed"})
}

fn asked() -> Value {
    json!({"type": "mcp_approval_request", "id": "mcpr_up", "server_label": "weather", "name": "get_weather", "arguments": "{}"})
}

fn message() -> Value {
    json!({"type": "message", "id": "msg_up", "status": "completed", "role": "assistant",
           "content": [{"type": "output_text", "text": "Seven", "annotations": []}]})
}

fn stream(output: &[Value]) -> Script {
    let frame = |event: Value| format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap());
    let begun = json!({"type": "response.created", "response": {"id": "resp_up", "status": "in_progress", "output": []}});
    let mut script = Script::head(200, "text/event-stream").send(frame(begun));
    for (index, item) in output.iter().enumerate() {
        let event = |kind: &str| json!({"type": kind, "output_index": index, "item_id": item["id"]});
        let mut added = json!({"type": "response.output_item.added", "output_index": index, "item": item});
        let mut middle = Vec::new();
        if item["type"] == "mcp_call" {
            added["item"]["arguments"] = json!("");
            added["item"]["output"] = Value::Null;
            added["item"]["status"] = json!("in_progress");
            middle.push(event("response.mcp_call.in_progress"));
            let mut delta = event("response.mcp_call_arguments.delta");
            delta["delta"] = json!("{}");
            let mut done = event("response.mcp_call_arguments.done");
            done["arguments"] = json!("{}");
            middle.extend([delta, done, event("response.mcp_call.completed")]);
        }
        script = script.send(frame(added));
        script = middle.into_iter().fold(script, |script, event| script.send(frame(event)));
        let done = json!({"type": "response.output_item.done", "output_index": index, "item": item});
        script = script.send(frame(done));
    }
    script.send(frame(json!({"type": "response.completed", "response": whole(&json!(output))})))
}

#[test]
fn the_tool_goes_up_as_it_came_and_the_items_come_down() {
    let left = left();
    let mut tool = left.server.tool("weather");
    tool["server_url"] = json!("https://mcp.example.com/mcp?key=hush-hush-hush");
    tool["headers"] = json!({"X-Key": "hush-hush-hush"});
    tool["authorization"] = json!("hush-hush-hush");
    for streamed in [false, true] {
        let output = [list(), call(), message()];
        left.fake.script(if streamed { stream(&output) } else { Script::json(200, &whole(&json!(output))) });
        let mut request = body("up", std::slice::from_ref(&tool));
        request["stream"] = json!(streamed);
        let answer = left.app.post(&request);
        let response = good(&answer);
        assert_eq!(left.fake.request(usize::from(streamed)).body["tools"], json!([tool]));
        assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "message"]);
        let call = item(&response, "mcp_call");
        assert_eq!(
            (&call["output"], &call["status"], &call["arguments"]),
            (&json!("seven"), &json!("completed"), &json!("{}"))
        );
        assert!(!answer.text().contains("hush"), "{}", answer.text());
        assert!(!left.app.stored(&response["id"]).text().contains("hush"));
        if streamed {
            let events = answer.events_with(Options::HOSTED);
            for name in [
                "mcp_call.in_progress",
                "mcp_call_arguments.delta",
                "mcp_call_arguments.done",
                "mcp_call.completed",
            ] {
                assert!(events.iter().any(|(event, _)| *event == format!("response.{name}")), "{name}");
            }
        }
    }
    assert_eq!(left.server.seen().len(), 0);
}

#[test]
fn the_providers_own_request_for_approval_is_answered_to_it() {
    let left = left();
    for streamed in [false, true] {
        let before = left.fake.count();
        let output = [list(), asked()];
        left.fake.script(if streamed { stream(&output) } else { Script::json(200, &whole(&json!(output))) });
        let mut tool = left.server.tool("weather");
        tool["require_approval"] = json!("always");
        let mut request = body("up", &[tool]);
        request["stream"] = json!(streamed);
        let first = good(&left.app.post(&request));
        assert_eq!(types(&first), ["mcp_list_tools", "mcp_approval_request"]);
        let id = &item(&first, "mcp_approval_request")["id"];
        let yes = json!({"type": "mcp_approval_response", "approval_request_id": id, "approve": true});
        let output = [call(), message()];
        left.fake.script(if streamed { stream(&output) } else { Script::json(200, &whole(&json!(output))) });
        let second = good(&left.app.post(&going_on(&first, &request, &[yes])));
        assert_eq!(types(&second), ["mcp_call", "message"]);
        let told = left.fake.request(before + 1).body["input"].clone();
        let of =
            |kind: &str| told.as_array().unwrap().iter().find(|item| item["type"] == kind).cloned().unwrap();
        assert_eq!(of("mcp_approval_request")["id"], of("mcp_approval_response")["approval_request_id"]);
        assert_eq!(of("mcp_approval_response")["approve"], true);
        assert_eq!(of("mcp_list_tools")["server_label"], "weather");
    }
    assert_eq!(left.server.seen().len(), 0);
}

#[test]
fn a_connector_or_tunnel_goes_up_and_a_label_is_ours() {
    for (member, id) in [("connector_id", "connector_gmail"), ("tunnel_id", "tunnel_1")] {
        check_of_openai(member, id);
    }
}

#[track_caller]
fn check_of_openai(member: &str, id: &str) {
    let left = left();
    let connector = json!({"type": "mcp", "server_label": "mail", member: id, "authorization": "hush-hush-hush",
                           "require_approval": "never"});
    left.fake.script(Script::json(200, &whole(&json!([message()]))));
    let ours = json!({"type": "mcp", "server_label": "docs"});
    let response = good(&left.app.post(&body("up", &[connector.clone(), ours])));
    assert_eq!(types(&response), ["mcp_list_tools", "message"]);
    assert_eq!(item(&response, "mcp_list_tools")["server_label"], "docs");
    assert!(!response.to_string().contains("hush"), "{response}");
    let tools = left.fake.request(0).body["tools"].clone();
    assert_eq!(tools[0], connector);
    let names: Vec<_> = tools.as_array().unwrap()[1..].iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["get_weather", "look", "write"]);
}
