//! The provider's own tools: how they are asked for, and what their calls look like.

use or_protocol::{CreateResponseBody, Envelope};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::Anthropic;
use crate::{Adapter, Frame, ModelEvent, ModelRequest, ProviderOptions, UpstreamCall};

pub(super) const MODEL: &str = "claude-sonnet-4-6";

fn body(client: Value) -> CreateResponseBody {
    let mut client = client;
    if client.get("input").is_none() {
        client["input"] = json!("Hi");
    }
    CreateResponseBody::from_value(client).unwrap()
}

fn adapter() -> Anthropic {
    let base_url = "https://api.anthropic.com/v1".into();
    Anthropic::new(&ProviderOptions { base_url, ..ProviderOptions::default() }).unwrap()
}

fn request(body: &CreateResponseBody) -> ModelRequest<'_> {
    ModelRequest { model: MODEL, context: &body.input, settings: &body.settings, stream: true }
}

pub(super) fn call(client: Value) -> (Value, UpstreamCall) {
    let body = body(client);
    let call = adapter().request(&request(&body)).unwrap();
    (serde_json::from_slice(&call.body).unwrap(), call)
}

/// The tools and the choice that are sent, and the fields of the notes.
#[track_caller]
fn check(client: Value, tools: Value, choice: Value, notes: &[&str]) {
    let (body, call) = call(client);
    assert_eq!((&body["tools"], &body["tool_choice"]), (&tools, &choice));
    assert_eq!(call.notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), notes);
}

#[test]
fn a_search_is_the_providers_own() {
    let plain = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    for kind in ["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"]
    {
        check(json!({"tools": [{"type": kind}]}), plain.clone(), Value::Null, &[]);
    }
    let rich = json!({"type": "web_search", "filters": {"allowed_domains": ["a.example"]},
        "user_location": {"type": "approximate", "city": "Rome", "timezone": "Europe/Rome"}});
    let want = json!([{"type": "web_search_20250305", "name": "web_search", "max_uses": 3,
        "allowed_domains": ["a.example"],
        "user_location": {"type": "approximate", "city": "Rome", "timezone": "Europe/Rome"}}]);
    check(json!({"tools": [rich], "max_tool_calls": 3}), want, Value::Null, &[]);
    let blocked =
        json!({"type": "web_search", "filters": {"blocked_domains": ["b"]}, "search_context_size": "low"});
    let want = json!([{"type": "web_search_20250305", "name": "web_search", "blocked_domains": ["b"]}]);
    check(json!({"tools": [blocked]}), want, Value::Null, &["tools[0].search_context_size"]);
}

#[test]
fn code_is_run_by_the_provider() {
    let tool = json!({"type": "code_interpreter", "container": {"type": "auto"}});
    let (body, call) = call(json!({"tools": [tool]}));
    assert_eq!(body["tools"], json!([{"type": "code_execution_20250825", "name": "code_execution"}]));
    assert!(call.headers.contains(&("anthropic-beta", "code-execution-2025-08-25".to_owned())));
    assert_eq!(call.notes, []);
    let (_, call) = self::call(json!({"tools": [{"type": "web_search"}]}));
    assert!(!call.headers.iter().any(|(name, _)| *name == "anthropic-beta"));
}

#[test]
fn what_is_not_the_providers_is_left_out() {
    let offline = json!({"type": "web_search", "external_web_access": false});
    check(json!({"tools": [offline]}), Value::Null, Value::Null, &["tools[0]"]);
    check(
        json!({"tools": [{"type": "file_search", "vector_store_ids": []}]}),
        Value::Null,
        Value::Null,
        &["tools[0]"],
    );
    let twice = json!([{"type": "web_search"}, {"type": "web_search_preview"}]);
    let want = json!([{"type": "web_search_20250305", "name": "web_search"}]);
    check(json!({"tools": twice}), want, Value::Null, &["tools[1]"]);
}

#[test]
fn a_choice_may_mean_a_search() {
    let tools = json!([{"type": "web_search"}, {"type": "function", "name": "f"}]);
    let search = json!({"type": "web_search_20250305", "name": "web_search"});
    let f = json!({"name": "f", "input_schema": {"type": "object", "properties": {}}});
    let both = json!([search, f]);
    let forced = json!({"type": "tool", "name": "web_search"});
    for kind in ["web_search", "web_search_preview"] {
        check(json!({"tools": tools, "tool_choice": {"type": kind}}), both.clone(), forced.clone(), &[]);
    }
    let alone = json!({"tools": [{"type": "web_search"}], "tool_choice": "required"});
    check(alone, json!([search]), json!({"type": "any"}), &[]);
    let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]});
    check(json!({"tools": tools, "tool_choice": allowed}), json!([search]), Value::Null, &["tool_choice"]);
    let only_f =
        json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]});
    check(json!({"tools": tools, "tool_choice": only_f}), json!([f]), Value::Null, &["tool_choice"]);
}

pub(super) const SEARCHED: &str = r#"[
    {"type":"text","text":"I look."},
    {"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{"query":"kü"}},
    {"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[
        {"type":"web_search_result","url":"https://a.example","title":"A","encrypted_content":"x/+=","page_age":null},
        {"type":"web_search_result","url":"https://b.example","title":"B","encrypted_content":"y"}]},
    {"type":"text","text":"Found ","citations":null},
    {"type":"text","text":"it.","citations":[{"type":"web_search_result_location","url":"https://a.example","title":"A","cited_text":"it","encrypted_index":"i"}]}
]"#;

fn deltas(index: usize, block: &Value) -> Vec<Value> {
    let delta = |delta: Value| json!({"type": "content_block_delta", "index": index, "delta": delta});
    let mut start = block.clone();
    let mut pieces = Vec::new();
    match block["type"].as_str().unwrap() {
        "text" => {
            start["text"] = json!("");
            start["citations"] = json!([]);
            let citations = block["citations"].as_array().into_iter().flatten();
            pieces.extend(
                citations.map(|citation| delta(json!({"type": "citations_delta", "citation": citation}))),
            );
            pieces.push(delta(json!({"type": "text_delta", "text": block["text"]})));
        }
        "server_tool_use" => {
            let input = block["input"].to_string();
            start["input"] = json!({});
            let (a, b) = input.split_at(4);
            for piece in ["", a, b] {
                pieces.push(delta(json!({"type": "input_json_delta", "partial_json": piece})));
            }
        }
        _ => {}
    }
    let mut all = vec![json!({"type": "content_block_start", "index": index, "content_block": start})];
    all.append(&mut pieces);
    all.push(json!({"type": "content_block_stop", "index": index}));
    all
}

/// The events of an answer, streamed and whole, which must be the same.
#[track_caller]
pub(super) fn answer(client: &Value, blocks: &str, reason: &str) -> Vec<ModelEvent> {
    let body = body(client.clone());
    let blocks: Vec<Value> = serde_json::from_str(blocks).unwrap();
    let mut streamed = Vec::new();
    let mut translator = adapter().translator(&request(&body));
    let mut frames: Vec<Value> =
        blocks.iter().enumerate().flat_map(|(at, block)| deltas(at, block)).collect();
    frames.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}}));
    frames.push(json!({"type": "message_stop"}));
    for frame in frames {
        translator.push(Frame { event: "", data: &frame.to_string() }, &mut streamed).unwrap();
    }
    translator.finish(b"", &mut streamed).unwrap();
    let mut whole = Vec::new();
    let message = json!({"content": blocks, "stop_reason": reason}).to_string();
    adapter().translator(&request(&body)).unary(message.as_bytes(), &mut whole).unwrap();
    assert_eq!(joined(&streamed), joined(&whole));
    streamed
}

/// Pieces of one text as one.
fn joined(events: &[ModelEvent]) -> Vec<ModelEvent> {
    let mut all: Vec<ModelEvent> = Vec::new();
    for event in events {
        if let (
            Some(ModelEvent::TextDelta { block, text, .. }),
            ModelEvent::TextDelta { block: b, text: more, .. },
        ) = (all.last_mut(), event)
            && block == b
        {
            text.push_str(more);
            continue;
        }
        all.push(event.clone());
    }
    all
}

/// What the events say, in short; states are opened.
pub(super) fn shown(events: &[ModelEvent]) -> Vec<Value> {
    let open = |state: &str| Envelope::open(state).unwrap().blob;
    let show = |event: &ModelEvent| match event {
        ModelEvent::HostedItem { block, item, done } => {
            let mut item = item.clone();
            let state = item.get("encrypted_content").and_then(Value::as_str).map(open);
            if let Some(state) = state {
                item.insert("encrypted_content".into(), serde_json::from_str(&state).unwrap());
            }
            json!([block, item, done])
        }
        ModelEvent::HostedEvent { block, event } => json!([block, event["type"]]),
        ModelEvent::TextDelta { block, text, .. } => json!([block, text]),
        ModelEvent::BlockDone { block, .. } => json!([block, "done"]),
        ModelEvent::ReasoningSealed { block, encrypted_content } => json!([block, open(encrypted_content)]),
        ModelEvent::Annotation { block, annotation } => json!([block, annotation]),
        ModelEvent::Note(note) => json!(format!("{}: {}", note.field, note.why)),
        other => json!(format!("{other:?}")),
    };
    events.iter().map(show).collect()
}

pub(super) fn searching() -> Value {
    json!({"tools": [{"type": "web_search"}], "include": ["web_search_call.action.sources"]})
}

#[test]
fn a_search_becomes_an_item_between_the_texts() {
    let events = answer(&searching(), SEARCHED, "end_turn");
    let blocks: Vec<Value> = serde_json::from_str(SEARCHED).unwrap();
    let item = json!({"type": "web_search_call", "status": "completed",
        "action": {"type": "search", "query": "kü", "queries": ["kü"], "sources": [
            {"type": "url", "url": "https://a.example"}, {"type": "url", "url": "https://b.example"}]},
        "encrypted_content": blocks[1..3]});
    let cited = json!({"type": "url_citation", "url": "https://a.example", "title": "A", "start_index": 6, "end_index": 9});
    let want = [
        json!([0, "I look."]),
        json!([0, "done"]),
        json!([1, {"type": "web_search_call", "status": "in_progress"}, false]),
        json!([1, "response.web_search_call.in_progress"]),
        json!([1, "response.web_search_call.searching"]),
        json!([1, "response.web_search_call.completed"]),
        json!([1, item, true]),
        json!([2, "Found "]),
        json!([2, "it."]),
        json!([2, cited]),
        json!([2, "done"]),
        json!("Finished { reason: Stop }"),
    ];
    assert_eq!(shown(&events), want);
}

#[test]
fn sources_are_told_only_where_they_are_asked_for() {
    let events = answer(&json!({"tools": [{"type": "web_search"}]}), SEARCHED, "end_turn");
    let items = events.iter().filter_map(|event| match event {
        ModelEvent::HostedItem { item, done: true, .. } => Some(item["action"].clone()),
        _ => None,
    });
    let want = json!({"type": "search", "query": "kü", "queries": ["kü"]});
    assert_eq!(items.collect::<Vec<_>>(), [want]);
}

#[test]
fn a_search_that_failed_says_so() {
    let blocks = r#"[
        {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},
        {"type":"web_search_tool_result","tool_use_id":"s",
            "content":{"type":"web_search_tool_result_error","error_code":"max_uses_exceeded"}},
        {"type":"text","text":"No."}]"#;
    let shown = shown(&answer(&searching(), blocks, "end_turn"));
    assert_eq!(shown[3], json!("output.web_search: the call failed: max_uses_exceeded"));
    assert_eq!(shown[4][1]["status"], "failed");
    assert_eq!(shown[4][1]["encrypted_content"].as_array().unwrap().len(), 2);
}

#[test]
fn without_such_a_tool_nothing_becomes_an_item() {
    let events = answer(&json!({}), SEARCHED, "end_turn");
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::HostedItem { .. })));
    assert!(events.iter().any(|event| matches!(event, ModelEvent::Note(_))));
}

#[test]
fn code_becomes_an_item_with_its_output() {
    let client = json!({"tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
        "include": ["code_interpreter_call.outputs"]});
    let blocks = r#"[
        {"type":"server_tool_use","id":"s","name":"bash_code_execution","input":{"command":"echo 4"}},
        {"type":"bash_code_execution_tool_result","tool_use_id":"s","content":{"type":"bash_code_execution_result",
            "stdout":"4\n","stderr":"warn","return_code":0,"content":[]}}]"#;
    let shown = shown(&answer(&client, blocks, "end_turn"));
    let names: Vec<_> = shown[1..6].iter().map(|event| event[1].as_str().unwrap()).collect();
    let want = [
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call_code.delta",
        "response.code_interpreter_call_code.done",
        "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
    ];
    assert_eq!(names, want);
    let item = &shown[6][1];
    assert_eq!(item["code"], "echo 4");
    assert_eq!(item["outputs"], json!([{"type": "logs", "logs": "4\nwarn"}]));
}
