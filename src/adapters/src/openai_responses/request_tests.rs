//! Request bodies: what is sent, and what is noted.

use or_protocol::{CreateResponseBody, Envelope};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{KIND, OpenAiResponses};
use crate::{Adapter, AdapterError, ModelRequest, ProviderOptions};

const OPENAI: &str = "https://api.openai.com/v1";
const OTHER: &str = "http://127.0.0.1:9/v1";

fn send(base_url: &str, quirks: Value, request: Value) -> Result<(Value, Vec<String>), AdapterError> {
    let options = ProviderOptions {
        name: "p".into(),
        base_url: base_url.into(),
        quirks: quirks.as_object().unwrap().clone(),
    };
    let body = CreateResponseBody::from_value(request).unwrap();
    let request = ModelRequest {
        model: body.model.as_deref().unwrap_or_default(),
        context: &body.input,
        settings: &body.settings,
        stream: body.stream,
    };
    let call = OpenAiResponses::new(&options).unwrap().request(&request)?;
    assert_eq!(call.path, "/responses");
    let notes = call.notes.iter().map(|n| format!("{:?} {}", n.kind, n.field)).collect();
    Ok((serde_json::from_slice(&call.body).unwrap(), notes))
}

/// Compares the members that `want` names; null means absent.
#[track_caller]
fn check(base_url: &str, quirks: Value, request: Value, want: Value, notes: &[&str]) {
    let (got, got_notes) = send(base_url, quirks, request).unwrap();
    let got: Value = want
        .as_object()
        .unwrap()
        .keys()
        .map(|key| (key.clone(), got.get(key).cloned().unwrap_or(Value::Null)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    assert_eq!((got, got_notes), (want, notes.iter().map(|n| (*n).to_owned()).collect()));
}

#[test]
fn system_messages_are_where_the_hosts_template_takes_them() {
    let say = |role: &str, text: &str| json!({"role": role, "content": text});
    let sent = |role: &str, text: &str| json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": text}]});
    let request = json!({"model": "m", "instructions": "I",
        "input": [say("developer", "D"), say("user", "a"), say("system", "S"), say("user", "b")]});
    let (d, s) = (sent("developer", "D"), sent("system", "S"));
    let (a, b) = (sent("user", "a"), sent("user", "b"));
    let marked = sent("user", "<system>\nS\n</system>");
    let emulated = ["Emulated input.role"];
    for (quirks, instructions, input, notes) in [
        (json!({}), "I", json!([d, a, s, b]), &[][..]),
        (json!({"merge_system": true}), "I\n\nD", json!([a, s, b]), &emulated[..]),
        (json!({"later_system": "user"}), "I", json!([d, a, marked, b]), &emulated[..]),
        (json!({"later_system": "front"}), "I\n\nS", json!([d, a, b]), &emulated[..]),
        (
            json!({"merge_system": true, "later_system": "user"}),
            "I\n\nD",
            json!([a, marked, b]),
            &["Emulated input.role", "Emulated input.role"][..],
        ),
    ] {
        check(OTHER, quirks, request.clone(), json!({"instructions": instructions, "input": input}), notes);
    }
    let only = json!({"model": "m", "input": [say("system", "S"), say("user", "a")]});
    check(OTHER, json!({"merge_system": true}), only, json!({"instructions": "S", "input": [a]}), &emulated);
}

#[test]
fn the_plain_request_stores_nothing_and_pads_nothing() {
    let (body, notes) = send(
        OPENAI,
        json!({}),
        json!({"model": "gpt-5.4", "input": "Hi", "stream": true, "metadata": {"a": "b"}, "instructions": "Be brief."}),
    )
    .unwrap();
    let want = json!({"model": "gpt-5.4", "instructions": "Be brief.",
        "input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
        "stream": true, "stream_options": {"include_obfuscation": false}, "store": false,
        "include": ["reasoning.encrypted_content"]});
    assert_eq!((body, notes), (want, Vec::new()));
}

#[test]
fn settings_are_forwarded_and_penalties_are_not() {
    check(
        OPENAI,
        json!({}),
        json!({"model": "gpt-4.1", "input": "Hi", "temperature": 0.5, "top_p": 0.9, "presence_penalty": 1,
            "frequency_penalty": 0, "max_output_tokens": 64, "max_tool_calls": 2, "truncation": "auto",
            "service_tier": "flex", "safety_identifier": "s", "prompt_cache_key": "k", "top_logprobs": 2,
            "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}}}),
        json!({"temperature": 0.5, "top_p": 0.9, "presence_penalty": null, "frequency_penalty": null,
            "max_output_tokens": 64, "max_tool_calls": 2, "truncation": "auto", "service_tier": "flex",
            "safety_identifier": "s", "prompt_cache_key": "k", "top_logprobs": 2, "stream": false,
            "stream_options": null, "include": ["message.output_text.logprobs"],
            "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": false}}}),
        &["Dropped text.verbosity", "Dropped presence_penalty"],
    );
}

#[test]
fn model_limits_hold_on_openai_and_not_elsewhere() {
    let request = json!({"model": "gpt-5-mini", "input": "Hi", "temperature": 0.5, "top_p": 1, "top_logprobs": 1,
        "reasoning": {"effort": "xhigh", "summary": "auto"}});
    check(
        OPENAI,
        json!({}),
        request.clone(),
        json!({"temperature": null, "top_p": null, "top_logprobs": null, "reasoning": {"effort": "high", "summary": "auto"}}),
        &["Emulated reasoning.effort", "Dropped temperature", "Dropped top_logprobs"],
    );
    let all = json!({"temperature": 0.5, "top_p": 1.0, "top_logprobs": 1, "reasoning": {"effort": "xhigh", "summary": "auto"}});
    check(OTHER, json!({}), request.clone(), all.clone(), &[]);
    check(OPENAI, json!({"model_limits": false}), request, all, &[]);
    check(
        OPENAI,
        json!({}),
        json!({"model": "gpt-4o", "input": "Hi", "reasoning": {"effort": "low"}}),
        json!({"reasoning": null}),
        &["Dropped reasoning.effort"],
    );
}

#[test]
fn function_tools_say_strict_and_others_pass_as_they_came() {
    let namespace = json!({"type": "namespace", "name": "n", "description": "d", "tools": [{"type": "function", "name": "g"}]});
    let custom = json!({"type": "custom", "name": "c", "format": {"type": "text"}});
    let search = json!({"type": "web_search", "filters": {"allowed_domains": ["a"]}});
    let request = json!({"model": "m", "input": "Hi", "parallel_tool_calls": false, "tool_choice": {"type": "custom", "name": "c"},
        "tools": [{"type": "function", "name": "f"}, custom, namespace, search]});
    let plain = json!({"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}, "strict": false});
    check(
        OTHER,
        json!({}),
        request.clone(),
        json!({"tools": [plain, custom, namespace, search], "tool_choice": {"type": "custom", "name": "c"}, "parallel_tool_calls": false}),
        &[],
    );
    let (body, notes) = send(OTHER, json!({"custom_tools": false}), request).unwrap();
    let names: Vec<_> =
        body["tools"].as_array().unwrap().iter().map(|t| t.get("name").and_then(Value::as_str)).collect();
    assert_eq!(names, [Some("f"), Some("c"), Some("g"), None]);
    assert_eq!(body["tool_choice"], json!({"type": "function", "name": "c"}));
    assert_eq!(notes, ["Emulated tools[1]", "Emulated tools[2]"]);
}

#[test]
fn allowed_tools_cut_the_list_where_the_host_does_not_know_them() {
    let request = json!({"model": "m", "input": "Hi",
        "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
        "tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "g"}]}});
    check(OTHER, json!({}), request.clone(), json!({"tool_choice": request["tool_choice"]}), &[]);
    let (body, notes) = send(OTHER, json!({"allowed_tools": false}), request).unwrap();
    assert_eq!((&body["tool_choice"], body["tools"].as_array().unwrap().len()), (&json!("required"), 1));
    assert_eq!(notes, ["Emulated tool_choice"]);
}

#[track_caller]
fn check_input(base_url: &str, quirks: Value, input: Value, want: Value, notes: &[&str]) {
    check(base_url, quirks, json!({"model": "gpt-5.4", "input": input}), json!({"input": want}), notes);
}

#[test]
fn a_turn_goes_back_without_ids_and_with_its_state() {
    let sealed = Envelope::seal(KIND, "gpt-5", "gAAA==");
    check_input(
        OPENAI,
        json!({}),
        json!([
            {"type": "reasoning", "id": "rs_1", "status": "completed", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": sealed},
            {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "phase": "commentary", "content": [
                {"type": "output_text", "text": "t", "logprobs": [], "annotations": [
                    {"type": "url_citation", "url": "", "title": "", "start_index": 0, "end_index": 0},
                    {"type": "file_path", "file_id": "f", "index": 0}]}, {"type": "refusal", "refusal": "r"}]},
            {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{}", "status": "completed"},
            {"type": "function_call_output", "id": "fco_1", "call_id": "c1", "output": [{"type": "input_text", "text": "o"}]},
            {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "g", "input": "raw"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
            {"type": "reasoning", "summary": [], "encrypted_content": "rawBlob="},
            {"type": "web_search_call", "id": "item_9", "status": "completed", "action": {"type": "search"}},
            {"type": "mcp_approval_response", "id": "item_8", "approval_request_id": "item_7", "approve": true}
        ]),
        json!([
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "gAAA=="},
            {"type": "message", "role": "assistant", "phase": "commentary", "content": [
                {"type": "output_text", "text": "t", "annotations": [{"type": "file_path", "file_id": "f", "index": 0}]},
                {"type": "refusal", "refusal": "r"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "namespace": "n", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "o"}]},
            {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "raw"},
            {"type": "custom_tool_call_output", "call_id": "c2", "output": "done"},
            {"type": "reasoning", "summary": [], "encrypted_content": "rawBlob="},
            {"type": "web_search_call", "status": "completed", "action": {"type": "search"}, "id": "ws_9"},
            {"type": "mcp_approval_response", "approval_request_id": "mcpr_7", "approve": true}
        ]),
        &["Dropped input.annotations"],
    );
}

#[test]
fn state_of_others_is_dropped_once_and_damage_is_noticed() {
    let other = Envelope::seal("anthropic", "claude", "sig");
    let mine = Envelope::seal(KIND, "grok", "e");
    let damaged = mine.get(..mine.len() - 2).unwrap().to_owned();
    let reasoning = |blob: &str| json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": blob});
    let message = json!({"type": "message", "role": "assistant", "content": "t"});
    let sent = json!({"type": "message", "role": "assistant", "content": "t"});
    let plain = json!({"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}]});
    check_input(
        OPENAI,
        json!({"content_strings": true}),
        json!([
            reasoning(&other),
            message,
            reasoning(&other),
            message,
            reasoning(&damaged),
            message,
            reasoning(&mine)
        ]),
        json!([sent, sent, sent]),
        &[
            "Dropped input.reasoning.encrypted_content",
            "Dropped input.reasoning",
            "Dropped input.reasoning.encrypted_content",
            "Dropped input.reasoning",
        ],
    );
    check_input(
        OTHER,
        json!({}),
        json!([reasoning(&other)]),
        json!([plain]),
        &["Dropped input.reasoning.encrypted_content"],
    );
    check_input(
        OTHER,
        json!({"reasoning_across_models": false}),
        json!([reasoning(&mine)]),
        json!([plain]),
        &["Dropped input.reasoning.encrypted_content"],
    );
}

#[test]
fn a_call_that_was_cut_off_goes_back_whole_or_not_at_all() {
    let call = |arguments: &str| json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments, "status": "incomplete"});
    let output = json!({"type": "function_call_output", "call_id": "c", "output": "1"});
    let sent = |arguments: &str| json!({"type": "function_call", "call_id": "c", "name": "f", "arguments": arguments});
    for base_url in [OPENAI, OTHER] {
        let check =
            |input: Value, want: Value, notes: &[&str]| check_input(base_url, json!({}), input, want, notes);
        let whole = "{ \"a\" : 1.0 }";
        check(json!([call(whole), output]), json!([sent(whole), output]), &[]);
        let wrapped = sent("{\"_raw\":\"{\\\"a\\\": \"}");
        check(json!([call("{\"a\": "), output]), json!([wrapped, output]), &["Emulated input.arguments"]);
        check(json!([call("{\"a\": ")]), json!([]), &["Dropped input.function_call"]);
    }
}

#[test]
fn extended_state_goes_back_member_by_member() {
    let sealed = Envelope::seal(KIND, "m", r#"{"encrypted_content":"a\"b","format":"x-v1"}"#);
    check_input(
        OTHER,
        json!({}),
        json!([{"type": "reasoning", "summary": [], "encrypted_content": sealed}]),
        json!([{"type": "reasoning", "summary": [], "encrypted_content": "a\"b", "format": "x-v1"}]),
        &[],
    );
}

#[test]
fn roles_phases_and_plain_text_follow_the_host() {
    check_input(
        "https://api.deepseek.com/v1",
        json!({}),
        json!([
            {"role": "developer", "content": "d"},
            {"role": "assistant", "phase": "final_answer", "content": [{"type": "output_text", "text": "a"}, {"type": "output_text", "text": "b"}]},
            {"type": "custom_tool_call", "call_id": "c", "name": "g", "input": "x"},
            {"type": "custom_tool_call_output", "call_id": "c", "output": "y"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "r"}]}
        ]),
        json!([
            {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "d"}]},
            {"type": "message", "role": "assistant", "content": "a\nb"},
            {"type": "function_call", "call_id": "c", "name": "g", "arguments": "{\"input\":\"x\"}"},
            {"type": "function_call_output", "call_id": "c", "output": "y"},
            {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "r"}]}
        ]),
        &["Emulated input.role", "Dropped input.phase"],
    );
}

#[test]
fn media_is_carried_and_bare_base64_becomes_a_data_url() {
    check_input(
        OPENAI,
        json!({}),
        json!([{"role": "user", "content": [
            {"type": "input_image", "image_url": "https://a/b.png"},
            {"type": "input_image", "file_id": "file-1", "detail": "low"},
            {"type": "input_file", "file_data": "JVBERg==", "filename": "a.txt"},
            {"type": "input_file", "file_url": "https://a/b.pdf"}]}]),
        json!([{"type": "message", "role": "user", "content": [
            {"type": "input_image", "image_url": "https://a/b.png", "detail": "auto"},
            {"type": "input_image", "file_id": "file-1", "detail": "low"},
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,JVBERg=="},
            {"type": "input_file", "file_url": "https://a/b.pdf"}]}]),
        &[],
    );
}

#[test]
fn compaction_goes_back_to_its_maker_only() {
    let item = |blob: String| json!([{"type": "compaction", "id": "cmp_1", "encrypted_content": blob}]);
    check_input(
        OPENAI,
        json!({}),
        item(Envelope::seal(KIND, "gpt-5", "b")),
        json!([{"type": "compaction", "encrypted_content": "b"}]),
        &[],
    );
    check_input(
        OPENAI,
        json!({}),
        item(Envelope::seal("gemini", "g", "b")),
        json!([]),
        &["Dropped input.compaction"],
    );
}

#[test]
fn what_no_host_can_take_is_refused_or_noted() {
    let video = json!({"model": "m", "input": [{"role": "user", "content": [{"type": "input_video", "video_url": "https://a/v.mp4"}]}]});
    assert!(matches!(send(OPENAI, json!({}), video.clone()), Err(AdapterError::Unsupported { .. })));
    assert!(send(OTHER, json!({}), video).is_ok());
    check_input(
        OPENAI,
        json!({}),
        json!([{"type": "acme:search", "id": "x"}]),
        json!([]),
        &["Dropped input.acme:search"],
    );
}

#[test]
fn a_host_that_only_streams_gets_what_it_wants() {
    check(
        "https://chatgpt.com/backend-api/codex",
        json!({}),
        json!({"model": "gpt-5.4", "input": "Hi", "max_output_tokens": 100}),
        json!({"stream": true, "instructions": "", "max_output_tokens": null}),
        &["Dropped max_output_tokens"],
    );
    check(
        OTHER,
        json!({"drop_params": ["include", "store", "stream_options", "service_tier"]}),
        json!({"model": "m", "input": "Hi", "stream": true, "service_tier": "flex"}),
        json!({"include": null, "store": null, "stream_options": null, "service_tier": null}),
        &["Dropped service_tier"],
    );
}

#[test]
fn the_key_travels_in_the_header_of_the_host() {
    let header = |base_url: &str| {
        let options = ProviderOptions { base_url: base_url.into(), ..ProviderOptions::default() };
        OpenAiResponses::new(&options).unwrap().credentials("k")
    };
    assert_eq!(header(OPENAI), [("authorization", "Bearer k".to_owned())]);
    assert_eq!(header("https://r.openai.azure.com/openai/v1"), [("api-key", "k".to_owned())]);
}
