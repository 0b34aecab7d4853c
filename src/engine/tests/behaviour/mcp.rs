//! Tools of MCP servers: how they are listed, called and told, and what the model sees of them.

use or_adapters::{FinishReason, ModelEvent};
use or_engine::{Action, CalledServer, Input, LoopLimits, LoopSpec, Mcp, McpFunction, Outcome, listed_tools};
use or_protocol::{Item, Tool, ToolChoice};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::mcp::*;
use crate::support::play::{Played, play};
use crate::support::script::*;
use crate::support::server_tools::{done_with, failed_with, feed, kinds};

fn say(mcp: Mcp, events: impl IntoIterator<Item = ModelEvent>) -> Played {
    play(mcp_spec(json!({}), mcp), events.into_iter().map(Input::Model))
}

fn ask(block: u32) -> [ModelEvent; 3] {
    [call(block, &format!("c{block}"), "ask"), args(block, "{\"q\":1}"), done(block)]
}

/// Whether two values agree in the members of the first.
#[track_caller]
fn check_item(item: &Value, want: Value) {
    for (key, value) in want.as_object().unwrap() {
        assert_eq!(&item[key], value, "{key} of {item}");
    }
}

#[test]
fn a_list_is_shown_before_the_first_turn_and_only_once() {
    let mcp = Mcp { servers: vec![server(&[])], ..Mcp::default() };
    let played = say(mcp, [text(0, "hello"), stop()]);
    assert!(!played.engine.has_acted(), "a list is no call");
    assert_eq!(
        played.types()[..4],
        ["output_item.added", "mcp_list_tools.in_progress", "mcp_list_tools.completed", "output_item.done"]
    );
    let events = played.hosted_events();
    check_item(&events[2]["item"], json!({"type": "mcp_list_tools", "server_label": "s", "tools": []}));
    let item = &events[5]["item"];
    assert!(item["id"].as_str().unwrap().starts_with("mcpl_"));
    assert_eq!(item["tools"][0]["name"], "ask");
    assert_eq!(played.response()["output"][0], *item);
    let output: Vec<Item> = vec![or_protocol::decode_item(item.clone(), or_protocol::Path::Root).unwrap()];
    assert_eq!(listed_tools(&output).get("s").map(|list| list.tools.elements().len()), Some(2));
    assert!(!listed_tools(&output).contains_key("t"));
    let again = say(known(&[]), [text(0, "hello"), stop()]);
    assert_eq!(again.response()["output"].as_array().unwrap().len(), 1);
}

#[test]
fn the_model_is_shown_functions_and_the_client_its_server() {
    let played = say(known(&[]), [text(0, "hello"), stop()]);
    let settings = played.engine.turn_settings();
    let names: Vec<_> = settings.tools.iter().map(|tool| tool.name().unwrap()).collect();
    assert_eq!(names, ["ask", "read", "client"]);
    let Tool::Function(ask) = &settings.tools[0] else { panic!("{settings:?}") };
    assert_eq!(json!(ask.parameters), json!({"type": "object", "properties": {}}));
    assert_eq!(played.response()["tools"][0]["type"], "mcp");
}

#[test]
fn a_call_is_run_and_its_item_has_the_result() {
    let mut played = say(known(&[]), ask(0).into_iter().chain([stop()]));
    assert_eq!(played.actions, [Action::CallModel, Action::RunTools]);
    let calls = played.engine.tool_calls();
    assert_eq!((calls[0].name.as_str(), calls[0].arguments.as_str()), ("ask", "{\"q\":1}"));
    assert_eq!(calls[0].mcp, Some(CalledServer { label: "s".into(), approval: None }));
    assert_eq!(played.feed(done_with(0, "42")), Some(Action::CallModel));
    assert!(played.engine.has_acted());
    assert_eq!(kinds(played.engine.context()), ["message", "function_call", "function_call_output"]);
    feed(&mut played, [text(0, "It is 42."), stop()]);
    let types = [
        "output_item.added",
        "mcp_call.in_progress",
        "mcp_call_arguments.delta",
        "mcp_call_arguments.done",
        "mcp_call.completed",
        "output_item.done",
    ];
    assert_eq!(played.types()[..6], types);
    let events = played.hosted_events();
    check_item(&events[2]["item"], json!({"type": "mcp_call", "status": "in_progress", "arguments": ""}));
    let want = json!({"type": "mcp_call", "status": "completed", "arguments": "{\"q\":1}", "output": "42",
        "error": null, "name": "ask", "server_label": "s", "approval_request_id": null});
    check_item(&events[7]["item"], want);
    assert!(events[7]["item"]["id"].as_str().unwrap().starts_with("mcp_"));
    assert_eq!(played.actions.last(), Some(&Action::End(Outcome::Completed)));
}

#[test]
fn a_call_that_failed_says_why_to_both() {
    let mut played = say(known(&[]), [call(0, "c", "ask"), done(0), stop()]);
    played.feed(failed_with(0, "no"));
    let Some(Item::FunctionCallOutput(output)) = played.engine.context().last() else { panic!() };
    assert_eq!(json!(output.output), json!("no"));
    feed(&mut played, [text(0, "Sorry."), stop()]);
    assert!(played.types().contains(&"mcp_call.failed".to_owned()));
    let error = json!({"type": "mcp_tool_execution_error", "content": [{"type": "text", "text": "no"}]});
    let want = json!({"status": "failed", "error": error, "output": null, "arguments": "{}"});
    check_item(&played.response()["output"][0], want);
}

/// `error` of a call in the input, and what the model is told.
#[track_caller]
fn check_error(error: serde_json::Value, want: serde_json::Value) {
    let call = json!({"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "ask",
        "arguments": "{}", "status": "failed", "error": error});
    let later = play(mcp_spec(json!({ "input": [call] }), known(&[])), []);
    let Some(Item::FunctionCallOutput(output)) = later.engine.context().last() else { panic!() };
    assert_eq!(json!(output.output), want);
}

#[test]
fn an_error_in_any_form_is_told_to_a_later_model() {
    check_error(json!("no"), json!("no"));
    check_error(json!({"type": "http_error", "code": 404, "message": "gone"}), json!("gone"));
    check_error(json!({"type": "new"}), json!(r#"{"type":"new"}"#));
    let content = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
    check_error(json!({"type": "mcp_tool_execution_error", "content": content}), json!("a\nb"));
}

#[test]
fn parts_of_an_error_reach_the_model() {
    let mut played = say(known(&[]), ask(0).into_iter().chain([stop()]));
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"});
    let parts = json!([{"type": "input_text", "text": "no"}, image]);
    let result = serde_json::from_value(json!({"output": parts, "failed": true})).unwrap();
    played.feed(Input::ToolDone { index: 0, result });
    let Some(Item::FunctionCallOutput(output)) = played.engine.context().last() else { panic!() };
    assert_eq!(json!(output.output), parts);
}

#[test]
fn parts_of_a_result_reach_a_later_model() {
    let mut played = say(known(&[]), ask(0).into_iter().chain([stop()]));
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"});
    let parts: or_engine::ToolResult = serde_json::from_value(json!({ "output": [image] })).unwrap();
    played.feed(Input::ToolDone { index: 0, result: parts });
    let Some(Item::FunctionCallOutput(output)) = played.engine.context().last() else { panic!() };
    assert_eq!(json!(output.output), json!([image]));
    feed(&mut played, [stop()]);
    let item = played.response()["output"][0].clone();
    assert_eq!(item["output"], json!({ "content_parts": [image] }).to_string());
    let later = play(mcp_spec(json!({ "input": [item] }), known(&[])), []);
    let Some(Item::FunctionCallOutput(output)) = later.engine.context().last() else { panic!() };
    assert_eq!(json!(output.output), json!([image]));
}

#[test]
fn calls_of_one_turn_end_in_their_order() {
    let events = ask(0).into_iter().chain([call(1, "c", "client"), done(1)]).chain(ask(2)).chain([stop()]);
    let mut played = say(known(&[]), events);
    assert_eq!(played.engine.tool_calls().iter().map(|call| call.index).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(played.feed(done_with(2, "second")), None);
    // The client's call needs its answer first.
    played.feed(done_with(0, "first"));
    let ends: Vec<_> =
        played.hosted_events().into_iter().filter(|e| e["type"] == "response.output_item.done").collect();
    assert_eq!(ends.iter().map(|e| e["output_index"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 0, 2]);
    assert_eq!(played.response()["output"][2]["output"], "second");
    assert_eq!(played.response()["status"], "completed");
}

#[test]
fn a_cancelled_response_leaves_no_call_open() {
    let mut played = say(known(&[]), ask(0).into_iter().chain(ask(1)).chain([stop()]));
    played.feed(done_with(1, "done"));
    played.feed(Input::Cancel);
    played.hosted_events();
    let output = &played.response()["output"];
    assert_eq!((&output[0]["status"], &output[1]["status"]), (&json!("failed"), &json!("completed")));
    assert!(output[0]["error"]["content"][0]["text"].as_str().unwrap().contains("not known"));
}

#[test]
fn a_call_that_the_token_budget_cut_off_is_not_run() {
    let events = ask(0).into_iter().chain([
        call(1, "c", "ask"),
        args(1, "{\"q\""),
        finish(FinishReason::MaxOutputTokens),
    ]);
    let played = say(known(&[]), events);
    assert_eq!(played.actions, [Action::CallModel, Action::End(Outcome::Incomplete)]);
    played.hosted_events();
    let output = &played.response()["output"];
    assert_eq!((&output[0]["status"], &output[1]["status"]), (&json!("failed"), &json!("incomplete")));
}

#[test]
fn a_budget_of_calls_holds_for_servers_too() {
    let mcp = known(&[]);
    let limits = LoopLimits { max_tool_calls: Some(1), ..LoopLimits::default() };
    let spec = LoopSpec { limits, ..mcp_spec(json!({}), mcp) };
    let mut played = play(spec, ask(0).into_iter().chain(ask(1)).chain([stop()]).map(Input::Model));
    assert_eq!(played.engine.tool_calls().len(), 1);
    played.feed(done_with(0, "42"));
    assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::None);
    feed(&mut played, [stop()]);
    assert_eq!(played.response()["output"][1]["status"], "failed");
}

#[test]
fn the_same_call_again_and_again_is_stopped() {
    let limits = LoopLimits { max_repeats: 1, ..LoopLimits::default() };
    let spec = LoopSpec { limits, ..mcp_spec(json!({}), known(&[])) };
    let mut played = play(spec, ask(0).into_iter().chain([stop()]).map(Input::Model));
    played.feed(done_with(0, "42"));
    feed(&mut played, ask(0).into_iter().chain([stop()]));
    played.feed(done_with(1, "42"));
    assert_eq!(played.engine.turn_settings().tool_choice, ToolChoice::None);
}

#[test]
fn calls_of_the_input_have_ids_of_their_own() {
    // As the server gives them to items of the input, and none.
    let hex = "0190000000007000800000000000abcd";
    for ids in
        [[json!(format!("mcp_{hex}i0000")), json!(format!("mcp_{hex}i0001"))], [json!(""), json!(null)]]
    {
        let call = |id: &Value| json!({"type": "mcp_call", "id": id, "server_label": "a", "name": "ask", "arguments": "{}", "output": "x"});
        let played = play(mcp_spec(json!({"input": ids.each_ref().map(call)}), known(&[])), []);
        let ids: Vec<_> = played
            .engine
            .context()
            .iter()
            .map(|item| match item {
                Item::FunctionCall(call) => call.call_id.clone(),
                Item::FunctionCallOutput(output) => output.call_id.clone(),
                _ => panic!("{item:?}"),
            })
            .collect();
        assert!(ids.iter().all(|id| id.len() <= 40), "{ids:?}");
        assert_eq!((&ids[0], &ids[2]), (&ids[1], &ids[3]));
        assert_ne!(ids[0], ids[2]);
    }
}

#[track_caller]
fn check_choice(choice: Value, want: Value) {
    let spec = mcp_spec(json!({ "tool_choice": choice }), known(&[]));
    let played = play(spec, []);
    assert_eq!(json!(played.engine.turn_settings().tool_choice), want);
    assert_eq!(json!(played.engine.settings().tool_choice), choice, "the echo");
}

#[test]
fn a_choice_of_a_server_is_one_of_its_functions() {
    let function = |name: &str| json!({"type": "function", "name": name});
    check_choice(json!({"type": "mcp", "server_label": "s", "name": "read"}), function("read"));
    let all = [function("ask"), function("read")];
    check_choice(
        json!({"type": "mcp", "server_label": "s"}),
        json!({"type": "allowed_tools", "mode": "required", "tools": all}),
    );
    check_choice(
        json!({"type": "allowed_tools", "mode": "auto", "tools": [function("client"), {"type": "mcp", "server_label": "s"}]}),
        json!({"type": "allowed_tools", "mode": "auto", "tools": [function("client"), all[0], all[1]]}),
    );
}

#[test]
fn what_the_provider_calls_itself_stays_as_it_is() {
    let call = json!({"type": "mcp_call", "id": "mcp_1", "server_label": "s", "name": "ask", "arguments": "{}",
        "output": "42", "error": null, "status": "completed"});
    let mcp = Mcp { all_of_provider: true, ..Mcp::default() };
    let played = play(mcp_spec(json!({ "input": [call] }), mcp.clone()), []);
    assert_eq!(kinds(played.engine.context()), ["mcp_call"]);
    assert_eq!(played.engine.turn_settings().tools.len(), 2);
    let played = play(mcp_spec(json!({ "input": [call] }), known(&[])), []);
    assert_eq!(kinds(played.engine.context()), ["function_call", "function_call_output"]);
    let one = Mcp { of_provider: vec!["s".into()], ..Mcp::default() };
    let played =
        play(mcp_spec(json!({ "input": [call] }), one), [Input::Model(hosted(0, call.clone(), true))]);
    assert_eq!(kinds(played.engine.context()), ["mcp_call"]);
    assert_eq!(played.current()["output"][0]["type"], "mcp_call");
}

#[test]
fn a_schema_is_an_object_for_every_provider() {
    let check = |schema: Value, want: Value| {
        let Value::Object(input_schema) = schema else { panic!("{schema}") };
        let function = McpFunction { input_schema, ..McpFunction::default() }.function();
        assert_eq!(function.parameters.unwrap().value(), want);
    };
    let empty = json!({"type": "object", "properties": {}});
    check(json!({}), empty.clone());
    check(json!({"type": "string"}), empty.clone());
    check(json!({"type": ["object", "null"], "properties": null, "required": null}), empty);
    let good = json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"]});
    check(good.clone(), good);
}
