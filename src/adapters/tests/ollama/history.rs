//! Items to messages.

use or_adapters::{Adapter, AdapterError};
use or_protocol::Envelope;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::note_fields;
use crate::support::{adapter, decode, turn};

#[track_caller]
fn check(input: Value, want: Value, notes: &[&str]) {
    let body = decode(json!({ "input": input }));
    let call = adapter(&Value::Null).request(&turn(&body)).unwrap();
    let sent: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(sent["messages"], want);
    assert_eq!(note_fields(&call.notes), notes);
}

#[track_caller]
fn check_refused(input: Value, part: &str) {
    let body = decode(json!({ "input": input }));
    let error = adapter(&Value::Null).request(&turn(&body)).unwrap_err();
    let AdapterError::Unsupported { param, message } = error else { panic!("{error:?}") };
    assert_eq!(param, "input");
    assert!(message.contains(part) && message.ends_with('.'), "{message}");
}

fn thought(text: &str) -> Value {
    json!({"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": text}]})
}

fn call(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "call_id": id, "name": "look", "arguments": arguments})
}

fn result(id: &str, output: Value) -> Value {
    json!({"type": "function_call_output", "call_id": id, "output": output})
}

fn sent_call(id: &str, arguments: Value) -> Value {
    json!({"id": id, "type": "function", "function": {"name": "look", "arguments": arguments}})
}

#[test]
fn a_turn_of_the_model_is_one_message() {
    check(
        json!([
            {"role": "user", "content": "q"},
            thought("Hm."),
            {"role": "assistant", "content": [{"type": "output_text", "text": "Wait."}]},
            call("c1", "{\"z\":1,\"a\":2.50}"),
            call("c2", ""),
            result("c1", json!("one")),
            result("c2", json!([{"type": "input_text", "text": "t"}, {"type": "input_text", "text": "wo"}])),
            thought("So."),
            {"role": "assistant", "content": "Done."}
        ]),
        json!([
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "Wait.", "thinking": "Hm.",
             "tool_calls": [sent_call("c1", json!({"z": 1, "a": 2.50})), sent_call("c2", json!({}))]},
            {"role": "tool", "content": "one", "tool_name": "look", "tool_call_id": "c1"},
            {"role": "tool", "content": "t\nwo", "tool_name": "look", "tool_call_id": "c2"},
            {"role": "assistant", "content": "Done.", "thinking": "So."}
        ]),
        &[],
    );
}

#[test]
fn text_behind_calls_does_not_come_between_them_and_their_results() {
    check(
        json!([
            {"role": "assistant", "content": "a"}, {"role": "assistant", "content": "b"},
            call("c1", "{}"), {"role": "assistant", "content": "c"}, result("c1", json!("r"))
        ]),
        json!([
            {"role": "assistant", "content": "a"},
            {"role": "assistant", "content": "b\nc", "tool_calls": [sent_call("c1", json!({}))]},
            {"role": "tool", "content": "r", "tool_name": "look", "tool_call_id": "c1"}
        ]),
        &[],
    );
}

#[test]
fn arguments_are_sent_as_they_were_written() {
    let body = decode(json!({"input": [call("c", "{\"b\": 1.50, \"a\": 12345678901234567890}")]}));
    let sent = adapter(&Value::Null).request(&turn(&body)).unwrap().body;
    let text = String::from_utf8(sent).unwrap();
    assert!(text.contains("\"arguments\":{\"b\": 1.50, \"a\": 12345678901234567890}"), "{text}");
}

#[test]
fn arguments_that_are_no_object_are_wrapped() {
    check(
        json!([call("c1", "{\"a\":"), call("c2", "[1]")]),
        json!([{"role": "assistant", "content": "", "tool_calls": [
            sent_call("c1", json!({"_raw": "{\"a\":"})), sent_call("c2", json!({"_raw": "[1]"}))
        ]}]),
        &["~input.arguments"],
    );
}

#[test]
fn standing_orders_stay_in_their_place() {
    check(
        json!([
            {"role": "developer", "content": "d"}, {"role": "user", "content": "u"},
            {"role": "system", "content": [{"type": "input_text", "text": "s"}, {"type": "input_text", "text": "t"}]}
        ]),
        json!([
            {"role": "system", "content": "d"}, {"role": "user", "content": "u"},
            {"role": "system", "content": "s\nt"}
        ]),
        &[],
    );
}

#[test]
fn refusals_are_text_and_phases_are_left_out() {
    check(
        json!([{"type": "message", "role": "assistant", "phase": "commentary", "content": [
            {"type": "refusal", "refusal": "No."}
        ]}]),
        json!([{"role": "assistant", "content": "No."}]),
        &["-input.phase"],
    );
}

#[test]
fn parts_of_an_answer_are_one_text() {
    let part = |text: &str| json!({"type": "output_text", "text": text, "annotations": []});
    check(
        json!([{"role": "assistant", "content": [part("It is"), part(" so.")]}]),
        json!([{"role": "assistant", "content": "It is so."}]),
        &[],
    );
}

#[test]
fn our_envelope_brings_the_thinking_back() {
    let own = Envelope::seal("ollama", "qwen3:8b", "Hm \u{1f600}\n");
    let foreign = Envelope::seal("anthropic", "x", "sig");
    check(
        json!([
            {"type": "reasoning", "summary": [], "encrypted_content": own},
            {"role": "assistant", "content": "a"},
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": foreign},
            {"type": "reasoning", "summary": [], "encrypted_content": "gAAAA"},
            {"role": "assistant", "content": "b"}
        ]),
        json!([
            {"role": "assistant", "content": "a", "thinking": "Hm \u{1f600}\n"},
            {"role": "assistant", "content": "b"}
        ]),
        &["-input.reasoning.encrypted_content", "-input.reasoning.summary"],
    );
}

#[test]
fn a_trace_that_stands_in_the_summary_is_thinking_too() {
    check(
        json!([
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"role": "assistant", "content": "a"}
        ]),
        json!([{"role": "assistant", "content": "a", "thinking": "hm"}]),
        &[],
    );
}

const PIXEL: &str = "data:image/png;base64,iVBORw0K";

fn image() -> Value {
    json!({"type": "input_image", "image_url": PIXEL})
}

fn said(text: &str) -> Value {
    json!({"type": "input_text", "text": text})
}

#[test]
fn images_stand_beside_the_text() {
    check(
        json!([{"role": "user", "content": [said("Which?"), image(), image()]}]),
        json!([{"role": "user", "content": "Which?", "images": ["iVBORw0K", "iVBORw0K"]}]),
        &[],
    );
    check(
        json!([{"role": "user", "content": [
            {"type": "input_image", "image_url": PIXEL, "detail": "high"}, said("What?")
        ]}]),
        json!([{"role": "user", "content": "What?", "images": ["iVBORw0K"]}]),
        &["-input.input_image.detail"],
    );
}

#[test]
fn text_and_images_in_turn_become_several_messages() {
    check(
        json!([{"role": "user", "content": [said("A:"), image(), said("B:"), image(), said("?")]}]),
        json!([
            {"role": "user", "content": "A:", "images": ["iVBORw0K"]},
            {"role": "user", "content": "B:", "images": ["iVBORw0K"]},
            {"role": "user", "content": "?"}
        ]),
        &["~input.input_image"],
    );
    check(
        json!([{"role": "user", "content": [image(), said("A"), image(), said("B")]}]),
        json!([
            {"role": "user", "content": "A", "images": ["iVBORw0K"]},
            {"role": "user", "content": "B", "images": ["iVBORw0K"]}
        ]),
        &["~input.input_image"],
    );
}

#[test]
fn images_of_results_follow_all_results() {
    check(
        json!([
            call("c1", "{}"), call("c2", "{}"),
            result("c1", json!([said("see"), image()])), result("c2", json!("two")),
            {"role": "user", "content": "go on"}
        ]),
        json!([
            {"role": "assistant", "content": "", "tool_calls": [sent_call("c1", json!({})), sent_call("c2", json!({}))]},
            {"role": "tool", "content": "see", "tool_name": "look", "tool_call_id": "c1"},
            {"role": "tool", "content": "two", "tool_name": "look", "tool_call_id": "c2"},
            {"role": "user", "content": "Images of the result of look (call c1):", "images": ["iVBORw0K"]},
            {"role": "user", "content": "go on"}
        ]),
        &["~input.function_call_output.output"],
    );
}

#[test]
fn text_files_are_written_out() {
    check(
        json!([{"role": "user", "content": [
            {"type": "input_file", "filename": "a.txt", "file_data": "data:text/plain;base64,aGk="}, said("Sum up.")
        ]}]),
        json!([{"role": "user", "content": "[file: a.txt]\nhi\n[end of file: a.txt]\nSum up."}]),
        &["~input.input_file"],
    );
}

#[test]
fn what_the_server_cannot_take_is_refused() {
    let user = |part: Value| json!([{"role": "user", "content": [part]}]);
    check_refused(
        user(json!({"type": "input_image", "image_url": "https://x.test/a.png"})),
        "does not fetch images",
    );
    check_refused(user(json!({"type": "input_image", "file_id": "file_1"})), "file_id");
    check_refused(
        user(json!({"type": "input_file", "file_url": "https://x.test/a.txt"})),
        "does not fetch files",
    );
    check_refused(
        user(
            json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}),
        ),
        "text files only",
    );
    check_refused(
        user(json!({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}})),
        "input_audio",
    );
    check_refused(json!([{"type": "compaction", "encrypted_content": "gAAAA"}]), "compaction");
}

#[test]
fn our_compaction_is_a_standing_order() {
    let sealed = Envelope::seal("ollama", "m", "They talked.");
    check(
        json!([{"type": "compaction", "encrypted_content": sealed}, {"role": "user", "content": "u"}]),
        json!([
            {"role": "system", "content": "Summary of the conversation so far:\nThey talked."},
            {"role": "user", "content": "u"}
        ]),
        &[],
    );
}

#[test]
fn items_of_hosted_tools_are_left_out_with_one_note_a_type() {
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    check(
        json!([search.clone(), search, {"role": "user", "content": "u"}]),
        json!([{"role": "user", "content": "u"}]),
        &["-input.web_search_call"],
    );
}

#[test]
fn results_stand_behind_their_calls_in_the_order_of_the_calls() {
    let of = |id: &str| json!({"role": "tool", "content": id, "tool_name": "look", "tool_call_id": id});
    let calls = json!({"role": "assistant", "content": "", "tool_calls": [sent_call("c1", json!({})), sent_call("c2", json!({}))]});
    check(
        json!([
            {"role": "user", "content": "q"},
            call("c1", "{}"),
            call("c2", "{}"),
            result("c2", json!("c2")),
            {"role": "user", "content": "hurry"},
            result("c1", json!("c1")),
            {"role": "user", "content": "now"},
        ]),
        json!([
            {"role": "user", "content": "q"},
            calls,
            of("c1"),
            of("c2"),
            {"role": "user", "content": "hurry"},
            {"role": "user", "content": "now"},
        ]),
        &[],
    );
    // A second result of a call stays where it is.
    check(
        json!([
            {"role": "user", "content": "q"},
            call("c1", "{}"),
            result("c1", json!("c1")),
            {"role": "user", "content": "x"},
            result("c1", json!("again")),
        ]),
        json!([
            {"role": "user", "content": "q"},
            {"role": "assistant", "content": "", "tool_calls": [sent_call("c1", json!({}))]},
            of("c1"),
            {"role": "user", "content": "x"},
            {"role": "tool", "content": "again", "tool_name": "look", "tool_call_id": "c1"},
        ]),
        &[],
    );
}
