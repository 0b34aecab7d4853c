//! The context as messages.

use or_protocol::{Envelope, Settings};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::support::{check_messages, check_refused, items, send};

#[test]
fn a_run_of_assistant_items_is_one_message_with_its_results_behind() {
    check_messages(
        json!({}),
        &json!([
            {"type": "message", "role": "developer", "content": "be brief"},
            {"type": "message", "role": "user", "content": "hi"},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "ok", "annotations": []}]},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x\":1}"},
            {"type": "custom_tool_call", "call_id": "b", "name": "g", "input": "raw"},
            {"type": "function_call_output", "call_id": "a", "output": "1"},
            {"type": "message", "role": "user", "content": "go on"},
            {"type": "custom_tool_call_output", "call_id": "b", "output": [{"type": "input_text", "text": "2"}]}]),
        &json!([
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": "ok", "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{\"x\":1}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{\"input\":\"raw\"}"}}]},
            {"role": "tool", "content": "1", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_call_id": "b"},
            {"role": "user", "content": "go on"}]),
        &[],
    );
}

#[test]
fn media_of_a_result_goes_behind_all_results() {
    let image = json!({"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"});
    let context = json!([
        {"type": "function_call", "call_id": "a", "name": "f", "arguments": ""},
        {"type": "function_call", "call_id": "b", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": [{"type": "input_text", "text": "see"}, image]},
        {"type": "function_call_output", "call_id": "b", "output": "2"}]);
    let call = |id: &str| json!({"id": id, "type": "function", "function": {"name": "f", "arguments": "{}"}});
    let part = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}});
    check_messages(
        json!({}),
        &context,
        &json!([
            {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
            {"role": "tool", "content": "see\n\n(see attached)", "tool_call_id": "a"},
            {"role": "tool", "content": "2", "tool_call_id": "b"},
            {"role": "user", "content": [{"type": "text", "text": "Attached to the result of tool call a:"}, part]}]),
        &["emulated input.function_call_output"],
    );
    let (body, notes) =
        send("h", json!({"image_in_tool": true}), &items(&context), &Settings::default()).unwrap();
    assert_eq!(body["messages"][1]["content"][1], part);
    assert!(notes.is_empty());
}

#[test]
fn parts_take_the_hosts_forms_or_are_refused() {
    let file = json!([{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": ""},
        {"type": "input_file", "filename": "a.txt", "file_data": "QQ=="}]}]);
    check_messages(
        json!({}),
        &file,
        &json!([{"role": "user", "content": [{"type": "file", "file": {"filename": "a.txt", "file_data": "data:text/plain;base64,QQ=="}}]}]),
        &[],
    );
    check_messages(
        json!({"file_parts": "document_url"}),
        &file,
        &json!([{"role": "user", "content": [{"type": "document_url", "document_url": "data:text/plain;base64,QQ==", "document_name": "a.txt"}]}]),
        &[],
    );
    check_refused(json!({"file_parts": "none"}), &file, "Files");
    let url = json!([{"type": "message", "role": "user", "content": [{"type": "input_file", "file_url": "http://u"}]}]);
    check_refused(json!({}), &url, "file_url");
    check_refused(json!({}), &json!([{"type": "compaction", "encrypted_content": "x"}]), "Compaction");
}

#[test]
fn systems_are_merged_and_roles_alternate_where_asked() {
    let say = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    check_messages(
        json!({"merge_system": true, "alternate_roles": true}),
        &json!([
            say("system", "a"),
            say("developer", "b"),
            say("user", "c"),
            say("user", "d"),
            say("system", "e")
        ]),
        &json!([
            {"role": "system", "content": "a\n\nb"},
            {"role": "user", "content": "c\n\nd"},
            {"role": "system", "content": "e"}]),
        &["emulated input.role"],
    );
}

#[test]
fn later_system_messages_go_where_the_template_takes_them() {
    let say = |role: &str, text: &str| json!({"type": "message", "role": role, "content": text});
    let context = json!([
        say("developer", "D"),
        say("user", "a"),
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        say("developer", "D2"),
        {"type": "function_call_output", "call_id": "c", "output": "1"},
        say("system", "S"),
        say("user", "b")]);
    let sent = |role: &str, text: &str| json!({"role": role, "content": text});
    let call = json!({"role": "assistant", "content": "", "tool_calls": [
        {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]});
    let result = json!({"role": "tool", "tool_call_id": "c", "content": "1"});
    let user = json!([
        sent("system", "D"),
        sent("user", "a"),
        call,
        result,
        sent("user", "<system>\nD2\n</system>"),
        sent("user", "<system>\nS\n</system>"),
        sent("user", "b")
    ]);
    let note = ["emulated input.role"];
    check_messages(json!({"later_system": "user"}), &context, &user, &note);
    for preset in ["vllm", "sglang", "llamacpp", "lmstudio", "dashscope", "fireworks"] {
        check_messages(json!({ "preset": preset }), &context, &user, &note);
    }
    let front = json!([sent("system", "D\n\nD2\n\nS"), sent("user", "a"), call, result, sent("user", "b")]);
    let quirks = json!({"later_system": "front", "merge_system": true});
    check_messages(quirks, &context, &front, &["emulated input.role", "emulated input.role"]);
    let as_it_is = json!([
        sent("system", "D"),
        sent("user", "a"),
        call,
        result,
        sent("system", "D2"),
        sent("system", "S"),
        sent("user", "b")
    ]);
    check_messages(json!({}), &context, &as_it_is, &[]);
}

#[test]
fn instructions_and_what_follows_them_are_one_system_message() {
    let context = items(&json!([
        {"type": "message", "role": "developer", "content": "D"},
        {"type": "message", "role": "user", "content": "hi"}]));
    let settings = Settings { instructions: Some("I".into()), ..Settings::default() };
    let messages =
        |host: &str, quirks: Value| send(host, quirks, &context, &settings).unwrap().0["messages"].clone();
    let one = json!([{"role": "system", "content": "I\n\nD"}, {"role": "user", "content": "hi"}]);
    assert_eq!(messages("h", json!({"preset": "vllm"})), one);
    let two = json!([
        {"role": "developer", "content": "I"}, {"role": "developer", "content": "D"},
        {"role": "user", "content": "hi"}]);
    assert_eq!(messages("api.openai.com", json!({})), two);
}

#[test]
fn arguments_that_are_no_object_are_wrapped() {
    let sent = |arguments: &str| {
        let context = json!([
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments, "status": "incomplete"},
            {"type": "function_call_output", "call_id": "c", "output": "1"}]);
        let (body, notes) = send("h", json!({}), &items(&context), &Settings::default()).unwrap();
        let arguments =
            body["messages"][0]["tool_calls"][0]["function"]["arguments"].as_str().unwrap().to_owned();
        (arguments, notes)
    };
    for whole in ["{}", "{ \"a\" : 1.0 }"] {
        assert_eq!(sent(whole), (whole.to_owned(), vec![]));
    }
    assert_eq!(sent(""), ("{}".to_owned(), vec![]));
    for cut in ["{\"a\": ", "[1]", "no"] {
        let want = json!({ "_raw": cut }).to_string();
        assert_eq!(sent(cut), (want, vec!["emulated input.arguments".to_owned()]));
    }
}

#[test]
fn reasoning_goes_back_in_the_hosts_form() {
    let context = json!([
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": "ok"}]);
    for (echo, want, notes) in [
        (
            "reasoning_content",
            json!({"role": "assistant", "content": "ok", "reasoning_content": "hm"}),
            vec![],
        ),
        ("reasoning_details", json!({"role": "assistant", "content": "ok", "reasoning": "hm"}), vec![]),
        ("think_tags", json!({"role": "assistant", "content": "<think>\nhm\n</think>\nok"}), vec![]),
        ("none", json!({"role": "assistant", "content": "ok"}), vec!["dropped input.reasoning"]),
    ] {
        check_messages(json!({ "reasoning_echo": echo }), &context, &json!([want]), &notes);
        // The client asked for a summary, and the trace was all that there was.
        let summary = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]});
        check_messages(
            json!({ "reasoning_echo": echo }),
            &json!([summary, context[1]]),
            &json!([want]),
            &notes,
        );
    }
    check_messages(
        json!({"reasoning_echo": "reasoning_content", "echo_empty": true}),
        &json!([{"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"}]),
        &json!([{"role": "assistant", "content": "", "reasoning_content": "", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]}]),
        &[],
    );
}

#[test]
fn sealed_reasoning_goes_back_to_its_host_only() {
    let details = r#"[{"type":"reasoning.text","text":"hm","signature":"s=="}]"#;
    for (sealed, want, notes) in [
        (Envelope::seal("openai-chat", "m", &format!("h\n{details}")), Some(details), vec![]),
        (
            Envelope::seal("openai-chat", "m", &format!("other\n{details}")),
            None,
            vec!["dropped input.reasoning.encrypted_content", "dropped input.reasoning"],
        ),
        (
            "or1.broken".into(),
            None,
            vec!["dropped input.reasoning.encrypted_content", "dropped input.reasoning"],
        ),
    ] {
        let context = json!([
            {"type": "reasoning", "summary": [], "encrypted_content": sealed},
            {"type": "message", "role": "assistant", "content": "ok"}]);
        let (body, got) = send("h", json!({}), &items(&context), &Settings::default()).unwrap();
        let back = body["messages"][0].get("reasoning_details").map(Value::to_string);
        assert_eq!(back.as_deref(), want);
        assert_eq!(got, notes);
    }
}

#[test]
fn unanswered_cut_off_calls_and_hosted_items_are_left_out() {
    check_messages(
        json!({}),
        &json!([
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x", "status": "incomplete"},
            {"type": "web_search_call", "id": "ws", "status": "completed"},
            {"type": "message", "role": "user", "content": "hi"}]),
        &json!([{"role": "user", "content": "hi"}]),
        &["dropped input.function_call", "dropped input.web_search_call"],
    );
}

#[test]
fn ids_of_calls_and_results_stay_paired_in_a_short_form() {
    let context = json!([
        {"type": "function_call", "call_id": "call_0123456789", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_0123456789", "output": "1"}]);
    let (body, _) = send("api.mistral.ai", json!({}), &items(&context), &Settings::default()).unwrap();
    let id = body["messages"][0]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()), "{id}");
    assert_eq!(body["messages"][1]["tool_call_id"], id);
}
