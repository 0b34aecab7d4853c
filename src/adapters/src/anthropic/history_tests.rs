use or_protocol::{CreateResponseBody, Envelope};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::Anthropic;
use super::request_tests::{call, check};
use crate::{ModelRequest, ProviderOptions};

#[track_caller]
fn refused(input: Value, message: &str) {
    assert_eq!(call(json!({"input": input}), json!({})).unwrap_err().to_string(), message);
}

fn seal(model: &str, blob: &str) -> Value {
    json!({"type": "reasoning", "id": "rs_1", "summary": [],
        "encrypted_content": Envelope::seal("anthropic", model, blob)})
}

const THINKING: &str = r#"{"type":"thinking","thinking":"hm  ","signature":"s+/="}"#;

#[test]
fn instructions_and_leading_orders_are_the_system_prompt() {
    check(
        json!({"instructions": "A", "input": [
            {"role": "developer", "content": "B"}, {"role": "system", "content": " "}, {"role": "user", "content": "Hi"}]}),
        json!({
            "system": [{"type": "text", "text": "A"}, {"type": "text", "text": "B"}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}]
        }),
        &[],
    );
}

#[test]
fn later_orders_keep_their_place() {
    let input = json!([{"role": "user", "content": "Hi"}, {"role": "developer", "content": "B"}]);
    let user = json!({"type": "text", "text": "Hi"});
    check(
        json!({"model": "claude-opus-5", "input": input}),
        json!({"messages": [
            {"role": "user", "content": [user]},
            {"role": "system", "content": [{"type": "text", "text": "B"}]}]}),
        &[],
    );
    let wrapped = json!({"type": "text", "text": "<system>\nB\n</system>"});
    check(
        json!({"input": input}),
        json!({"messages": [{"role": "user", "content": [user, wrapped]}]}),
        &["input emulated"],
    );
    // Between two user messages the provider takes no system message.
    check(
        json!({"model": "claude-opus-5", "input": [
            {"role": "user", "content": "Hi"}, {"role": "system", "content": "B"}, {"role": "user", "content": "Hi"}]}),
        json!({"messages": [{"role": "user", "content": [user, wrapped, user]}]}),
        &["input emulated"],
    );
}

#[test]
fn results_stand_right_behind_their_calls() {
    let call = |id: &str| json!({"type": "function_call", "call_id": id, "name": "f", "arguments": ""});
    let output = |id: &str| json!({"type": "function_call_output", "call_id": id, "output": "r"});
    let used = |id: &str| json!({"type": "tool_use", "id": id, "name": "f", "input": {}});
    let result = |id: &str| json!({"type": "tool_result", "tool_use_id": id, "content": "r"});
    let hi = json!({"type": "text", "text": "Hi"});
    check(
        json!({"input": [{"role": "user", "content": "Hi"}, call("a"), call("b"), {"role": "user", "content": "Hi"},
            output("b"), output("a"), call("a"), output("a"), call("lost")]}),
        json!({"messages": [
            {"role": "user", "content": [hi]},
            {"role": "assistant", "content": [used("a"), used("b")]},
            {"role": "user", "content": [result("a"), result("b"), hi]},
            {"role": "assistant", "content": [used("a_2")]},
            {"role": "user", "content": [result("a_2")]}]}),
        &["input dropped"],
    );
}

#[test]
fn arguments_keep_their_bytes_and_foreign_ids_fit() {
    let client = json!({"input": [
        {"role": "user", "content": "Hi"},
        {"type": "function_call", "call_id": "call.1", "name": "f", "arguments": "{\"n\": 12345678901234567890.10}"},
        {"type": "function_call_output", "call_id": "call.1", "output": [{"type": "input_text", "text": "r"}]},
        {"type": "custom_tool_call", "call_id": "c2", "name": "g", "input": "x"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": []}]});
    let body = String::from_utf8(call(client, json!({})).unwrap().body).unwrap();
    for part in [
        r#"{"type":"tool_use","id":"or_Y2FsbC4x","name":"f","input":{"n": 12345678901234567890.10}}"#,
        r#"{"type":"tool_result","tool_use_id":"or_Y2FsbC4x","content":[{"type":"text","text":"r"}]}"#,
        r#"{"type":"tool_use","id":"c2","name":"g","input":{"input":"x"}}"#,
        r#"{"type":"tool_result","tool_use_id":"c2","content":""}"#,
    ] {
        assert!(body.contains(part), "{part} is not in {body}");
    }
}

#[test]
fn phases_and_the_detail_of_images_are_noted() {
    let image = json!({"type": "input_image", "image_url": "https://a.example/b.png", "detail": "low"});
    check(
        json!({"input": [{"role": "user", "content": [image]},
            {"role": "assistant", "phase": "commentary", "content": "Hm"}, {"role": "user", "content": "Hi"}]}),
        json!({"messages": [
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Hm"}]},
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]}]}),
        &["input.detail dropped", "input.phase dropped"],
    );
}

#[test]
fn cut_off_arguments_are_sent_as_text() {
    check(
        json!({"input": [{"role": "user", "content": "Hi"},
            {"type": "function_call", "call_id": "a", "name": "f", "arguments": "{\"x"},
            {"type": "function_call_output", "call_id": "a", "output": "r"}]}),
        json!({"messages": [
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "a", "name": "f", "input": {"_invalid_arguments": "{\"x"}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": "r"}]}]}),
        &["input.arguments emulated"],
    );
}

#[test]
fn thinking_goes_back_byte_for_byte() {
    let client = json!({"input": [{"role": "user", "content": "Hi"}, seal("claude-opus-4-5", THINKING),
        {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]});
    let call = call(client, json!({})).unwrap();
    assert!(String::from_utf8(call.body).unwrap().contains(THINKING));
    assert_eq!(call.notes, []);
}

#[test]
fn thinking_that_cannot_go_back_makes_one_note() {
    let foreign = json!({"type": "reasoning", "id": "rs_2", "summary": [], "encrypted_content": "gAAAA"});
    let gemini = json!({"type": "reasoning", "id": "rs_3", "summary": [],
        "encrypted_content": Envelope::seal("gemini", "m", "x")});
    check(
        json!({"input": [{"role": "user", "content": "Hi"}, foreign, gemini, {"role": "user", "content": "b"}]}),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "b"}]}]}),
        &["input.reasoning dropped"],
    );
}

#[test]
fn thinking_never_ends_an_assistant_message() {
    let lost = json!({"type": "function_call", "call_id": "a", "name": "f", "arguments": "{}"});
    check(
        json!({"input": [{"role": "user", "content": "Hi"}, seal("claude-opus-4-5", THINKING), lost,
            {"role": "user", "content": "b"}, seal("claude-opus-4-5", THINKING)]}),
        json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "b"}]}]}),
        &["input dropped", "input.reasoning dropped"],
    );
}

#[test]
fn bound_thinking_is_dropped_when_its_prefix_changed() {
    let model = "claude-opus-5-5";
    let client = |instructions: &str, item: Value| {
        json!({"model": model, "instructions": instructions, "input": [{"role": "user", "content": "Hi"}, item,
            {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]})
    };
    // The answer's translator seals the mark of its request.
    let body = CreateResponseBody::from_value(client("A", seal(model, THINKING))).unwrap();
    let request = ModelRequest { model, context: &body.input, settings: &body.settings, stream: true };
    let adapter = Anthropic::new(&ProviderOptions::default()).unwrap();
    let mark = super::request::asked(&adapter.quirks, &request).mark.unwrap();
    let item = seal(model, &format!("{mark}:{THINKING}"));
    for (instructions, kept) in [("A", true), ("B", false)] {
        let call = call(client(instructions, item.clone()), json!({})).unwrap();
        assert_eq!(String::from_utf8(call.body).unwrap().contains(THINKING), kept, "{instructions}");
        assert_eq!(call.notes.is_empty(), kept);
    }
}

/// A mark for the cache is no part of what thinking is bound to: it moves from turn to turn.
#[test]
fn bound_thinking_stays_where_only_a_mark_is_new() {
    let model = "claude-opus-5-5";
    let client = |part: Value, item: Value| {
        json!({"model": model, "input": [{"role": "developer", "content": [part]}, {"role": "user", "content": "Hi"},
            item, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"}]})
    };
    let plain = json!({"type": "input_text", "text": "A"});
    let body = CreateResponseBody::from_value(client(plain, seal(model, THINKING))).unwrap();
    let request = ModelRequest { model, context: &body.input, settings: &body.settings, stream: true };
    let adapter = Anthropic::new(&ProviderOptions::default()).unwrap();
    let mark = super::request::asked(&adapter.quirks, &request).mark.unwrap();
    let marked = json!({"type": "input_text", "text": "A", "prompt_cache_breakpoint": {"mode": "explicit"}});
    let item = seal(model, &format!("{mark}:{THINKING}"));
    let sent = String::from_utf8(call(client(marked, item), json!({})).unwrap().body).unwrap();
    assert!(sent.contains(THINKING) && sent.contains("cache_control"), "{sent}");
}

#[test]
fn the_user_speaks_last() {
    let user = |text: &str| json!({"role": "user", "content": [{"type": "text", "text": text}]});
    let said = |text: &str| json!({"role": "assistant", "content": [{"type": "text", "text": text}]});
    let input = json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "a "}]);
    check(
        json!({"input": input}),
        json!({"messages": [user("Hi"), said("a "), user("Continue.")]}),
        &["input emulated"],
    );
    check(
        json!({"model": "claude-haiku-4-5", "input": input}),
        json!({"messages": [user("Hi"), said("a")]}),
        &[],
    );
    check(
        json!({"input": [{"role": "assistant", "content": "a"}, {"role": "user", "content": "Hi"}]}),
        json!({"messages": [said("a"), user("Hi")]}),
        &[],
    );
    check(
        json!({"input": [{"role": "system", "content": "S"}]}),
        json!({"system": [{"type": "text", "text": "S"}], "messages": [user("Continue.")]}),
        &["input emulated"],
    );
}

#[test]
fn what_cannot_be_sent_is_refused() {
    refused(json!([]), "This provider needs at least one message that is not empty.");
    let video =
        json!([{"role": "user", "content": [{"type": "input_video", "video_url": "https://a.b/c.mp4"}]}]);
    refused(video, "This provider takes no video input.");
    let trigger = json!([{"role": "user", "content": "Hi"}, {"type": "compaction_trigger"}]);
    refused(
        trigger,
        "A compaction_trigger item cannot be honoured: this model's provider does not compact a conversation.",
    );
}

#[test]
fn a_compaction_of_another_provider_is_left_out() {
    let user = json!({"role": "user", "content": [{"type": "text", "text": "Hi"}]});
    check(
        json!({"input": [{"type": "compaction", "id": "c", "encrypted_content": "x"}, {"role": "user", "content": "Hi"}]}),
        json!({"messages": [user]}),
        &["input.compaction dropped"],
    );
}

#[test]
fn text_before_a_refusal_is_not_fed_back() {
    let content = json!([{"type": "output_text", "text": "Well"}, {"type": "refusal", "refusal": "No."}]);
    let user = json!({"role": "user", "content": [{"type": "text", "text": "Hi"}]});
    check(
        json!({"input": [{"role": "user", "content": "Hi"}, {"type": "message", "role": "assistant", "content": content},
            {"role": "user", "content": "Hi"}]}),
        json!({"messages": [user, {"role": "assistant", "content": [{"type": "text", "text": "No."}]}, user]}),
        &["input dropped"],
    );
}

#[test]
fn a_run_of_later_orders_stays_together() {
    let order = |text: &str| json!({"role": "system", "content": text});
    let block = |text: &str| json!({"type": "text", "text": text});
    check(
        json!({"model": "claude-opus-5", "input": [{"role": "user", "content": "Hi"}, order("A"), order("B"),
            {"role": "assistant", "content": "a"}, {"role": "user", "content": "Hi"}, order("C")]}),
        json!({"messages": [
            {"role": "user", "content": [block("Hi")]},
            {"role": "system", "content": [block("A"), block("B")]},
            {"role": "assistant", "content": [block("a")]},
            {"role": "user", "content": [block("Hi")]},
            {"role": "system", "content": [block("C")]}]}),
        &[],
    );
}
