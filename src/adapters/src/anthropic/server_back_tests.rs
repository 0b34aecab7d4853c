//! How blocks of the provider's own tools go back.

use or_protocol::Envelope;
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::server_tests::{MODEL, SEARCHED, answer, call, searching, shown};
use crate::{FinishReason, ModelEvent};

/// The items that a client has of an answer.
fn items(events: &[ModelEvent]) -> Vec<Value> {
    let mut items = Vec::new();
    let mut text = String::new();
    let flush = |text: &mut String, items: &mut Vec<Value>| {
        if !text.is_empty() {
            items.push(json!({"type": "message", "role": "assistant", "content": std::mem::take(text)}));
        }
    };
    for event in events {
        match event {
            ModelEvent::TextDelta { text: more, .. } => text.push_str(more),
            ModelEvent::HostedItem { item, done: true, .. } => {
                flush(&mut text, &mut items);
                items.push(json!(item));
            }
            ModelEvent::ReasoningSealed { encrypted_content, .. } => {
                flush(&mut text, &mut items);
                items.push(
                    json!({"type": "reasoning", "summary": [], "encrypted_content": encrypted_content}),
                );
            }
            _ => {}
        }
    }
    flush(&mut text, &mut items);
    items
}

/// What goes back of an answer, less the parts of texts that have no item.
fn back(client: &Value, events: &[ModelEvent], then: Option<&str>) -> (Value, Vec<String>) {
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    input.extend(items(events));
    input.extend(then.map(|text| json!({"role": "user", "content": text})));
    let mut client = client.clone();
    client["input"] = json!(input);
    let (body, call) = call(client);
    (body["messages"].clone(), call.notes.into_iter().map(|note| note.field).collect())
}

#[test]
fn blocks_go_back_as_they_came() {
    let events = answer(&searching(), SEARCHED, "end_turn");
    let (messages, notes) = back(&searching(), &events, Some("And?"));
    let blocks: Vec<Value> = serde_json::from_str(SEARCHED).unwrap();
    let text = |text: &str| json!({"type": "text", "text": text});
    let want = json!([text("I look."), blocks[1], blocks[2], text("Found it.")]);
    assert_eq!((&messages[1]["content"], notes), (&want, vec![]));
    assert_eq!(messages[2]["content"], json!([text("And?")]));
}

#[test]
fn a_request_without_the_tool_is_told_in_words() {
    let events = answer(&searching(), SEARCHED, "end_turn");
    let (messages, notes) = back(&json!({}), &events, Some("And?"));
    assert!(messages.to_string().contains("web_search was used with"), "{messages}");
    assert!(!messages.to_string().contains("srvtoolu_1"), "{messages}");
    assert_eq!(notes, ["input.web_search_call"]);
}

#[test]
fn a_paused_turn_goes_on_without_a_word() {
    let paused = r#"[
        {"type":"text","text":"I look."},
        {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}}]"#;
    let events = answer(&searching(), paused, "pause_turn");
    assert_eq!(events.last(), Some(&ModelEvent::Finished { reason: FinishReason::Pause }));
    let (messages, notes) = back(&searching(), &events, None);
    let blocks: Value = serde_json::from_str(paused).unwrap();
    assert_eq!((messages.as_array().unwrap().len(), &messages[1]["content"], notes), (2, &blocks, vec![]));
    // The result comes in the next turn, and both stand together from then on.
    let result =
        r#"[{"type":"web_search_tool_result","tool_use_id":"s","content":[]},{"type":"text","text":"No."}]"#;
    let next = answer(&searching(), result, "end_turn");
    let both: Vec<ModelEvent> = events.into_iter().chain(next).collect();
    let (messages, notes) = back(&searching(), &both, Some("And?"));
    let kinds: Vec<_> =
        messages[1]["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(kinds, ["text", "server_tool_use", "web_search_tool_result", "text"]);
    assert_eq!(notes, [] as [String; 0]);
}

#[test]
fn a_call_that_was_cut_off_does_not_go_back() {
    let cut = r#"[{"type":"text","text":"I look."},{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}}]"#;
    let events = answer(&searching(), cut, "max_tokens");
    let shown = shown(&events);
    let item = shown.iter().find(|event| event[2] == true).unwrap();
    assert_eq!((&item[1]["status"], &item[1]["encrypted_content"]), (&json!("incomplete"), &Value::Null));
    // Half an exchange, as when a client drops the other half.
    let whole = answer(&searching(), SEARCHED, "pause_turn");
    let half: Vec<ModelEvent> = whole
        .into_iter()
        .map(|event| match event {
            ModelEvent::HostedItem { block, mut item, done: true } => {
                let state = Envelope::open(item["encrypted_content"].as_str().unwrap()).unwrap().blob;
                let blocks: Vec<Value> = serde_json::from_str(&state).unwrap();
                let state = Envelope::seal("anthropic", MODEL, &json!([blocks[0]]).to_string());
                item.insert("encrypted_content".into(), state.into());
                ModelEvent::HostedItem { block, item, done: true }
            }
            event => event,
        })
        .collect();
    let (messages, notes) = back(&searching(), &half, Some("And?"));
    assert!(!messages.to_string().contains("srvtoolu_1"), "{messages}");
    assert_eq!(notes, ["input"]);
}

/// Newer searches run code that nobody asked for: its blocks go back too, in their order.
#[test]
fn blocks_of_tools_without_items_go_back_in_their_order() {
    let blocks = r#"[
        {"type":"server_tool_use","id":"c","name":"code_execution","input":{"code":"s()"}},
        {"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"},"caller":{"type":"code_execution_20260120","tool_id":"c"}},
        {"type":"web_search_tool_result","tool_use_id":"s","content":[]},
        {"type":"code_execution_tool_result","tool_use_id":"c","content":{"type":"code_execution_result","stdout":"","stderr":"","return_code":0,"content":[]}},
        {"type":"text","text":"Done."}]"#;
    let events = answer(&searching(), blocks, "end_turn");
    let (messages, notes) = back(&searching(), &events, Some("And?"));
    let want: Value = serde_json::from_str(blocks).unwrap();
    assert_eq!((&messages[1]["content"], notes), (&want, vec![]));
}

const BLOCKS: &[&str] = &[
    r#"{"type":"text","text":"a"}"#,
    r#"{"type":"thinking","thinking":"t","signature":"s"}"#,
    r#"{"type":"tool_use","id":"t","name":"f","input":{"a":1}}"#,
    r#"{"type":"server_tool_use","id":"s1","name":"web_search","input":{"query":"q"}}"#,
    r#"{"type":"server_tool_use","id":"s2","name":"web_search","input":{"query":"r"}}"#,
    r#"{"type":"web_search_tool_result","tool_use_id":"s1","content":[]}"#,
    r#"{"type":"web_search_tool_result","tool_use_id":"s2","content":{"error_code":"unavailable"}}"#,
    r#"{"type":"server_tool_use","id":"c","name":"code_execution","input":{"code":"1"}}"#,
    r#"{"type":"code_execution_tool_result","tool_use_id":"c","content":{"stdout":"1"}}"#,
];

/// Every block is opened before it ends, and nothing comes behind its end.
fn order(events: &[ModelEvent]) -> Result<(), String> {
    let (mut open, mut done) = (Vec::new(), Vec::new());
    for event in events {
        let (block, ends) = match event {
            ModelEvent::HostedItem { block, done, .. } => (*block, *done),
            ModelEvent::BlockDone { block, .. } => (*block, true),
            ModelEvent::TextDelta { block, .. }
            | ModelEvent::SummaryDelta { block, .. }
            | ModelEvent::RefusalDelta { block, .. }
            | ModelEvent::ReasoningSealed { block, .. }
            | ModelEvent::ToolCallStart { block, .. }
            | ModelEvent::ToolArgsDelta { block, .. }
            | ModelEvent::HostedEvent { block, .. } => (*block, false),
            _ => continue,
        };
        if done.contains(&block) {
            return Err(format!("{event:?} behind its end"));
        }
        if !open.contains(&block) {
            open.push(block);
        }
        if ends {
            done.push(block);
        }
    }
    let ended = open.iter().all(|block| done.contains(block));
    let last = matches!(events.last(), Some(ModelEvent::Finished { .. }));
    if ended && last { Ok(()) } else { Err(format!("not ended: {events:?}")) }
}

proptest! {
    /// However the blocks stand: a stream and a whole message say the same, in order, and what goes back has no half of
    /// an exchange.
    #[test]
    fn any_order_of_blocks_is_told_and_goes_back(
        picks in prop::collection::vec(prop::sample::select(BLOCKS), 0..9),
        reason in prop::sample::select(vec!["end_turn", "pause_turn", "max_tokens", "refusal"]),
    ) {
        let blocks = format!("[{}]", picks.join(","));
        let events = answer(&searching(), &blocks, reason);
        prop_assert_eq!(order(&events), Ok(()));
        let (messages, _) = back(&searching(), &events, Some("And?"));
        let all = || messages.as_array().unwrap().iter().flat_map(|m| m["content"].as_array().unwrap().iter());
        let ids = |kind: fn(&Value) -> bool, key: &str| -> Vec<Value> {
            all().filter(|block| kind(block)).map(|block| block[key].clone()).collect()
        };
        let calls = ids(|block| block["type"] == "server_tool_use", "id");
        let results = ids(|block| !block["tool_use_id"].is_null() && block["type"] != "tool_result", "tool_use_id");
        prop_assert!(calls.iter().all(|id| results.contains(id)), "{}", messages);
        prop_assert!(results.iter().all(|id| calls.contains(id)), "{}", messages);
    }
}
