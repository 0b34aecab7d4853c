//! What stands beside text and calls: speech, images, sources, counts; and custom calls.

use or_adapters::{AdapterError, ModelEvent};
use or_protocol::{CustomTool, Tool};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::answer::{check, check_lines, check_message, stream, told, with_tools, with_translator};

#[test]
fn speech_is_told_by_its_words() {
    check_message(
        json!({"content": null, "audio": {"id": "a", "data": "UklG", "transcript": "Hello.", "expires_at": 1}}),
        &["T0 Hello.", "dropped audio", ")0", "End Stop"],
    );
    check(
        &[
            json!({"role": "assistant", "audio": {"id": "a", "transcript": "Hel"}}),
            json!({"audio": {"transcript": "lo."}}),
            json!({"audio": {"data": "UklG"}}),
            json!({"audio": {"data": "UklG", "expires_at": 1}}),
        ],
        &["T0 Hel", "T0 lo.", "dropped audio", ")0", "End Stop"],
    );
    check(&[json!({"content": "Hi.", "audio": {"transcript": "Hi."}})], &["T0 Hi.", ")0", "End Stop"]);
    check(&[json!({"content": "Hi.", "audio": "x"})], &["T0 Hi.", ")0", "End Stop"]);
}

#[test]
fn images_are_items() {
    let item =
        r#"{"type":"image_generation_call","status":"completed","result":"QQ==","output_format":"png"}"#;
    let image = json!({"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}});
    check_message(
        json!({"content": "Here:", "images": [image]}),
        &["T0 Here:", ")0", &format!("H1 {item} true"), "End Stop"],
    );
    check(
        &[
            json!({"content": "", "images": [{"image_url": "data:image/png;base64,QQ=="}, {"b64_json": "Qg=="}]}),
            json!({"content": "There."}),
        ],
        &[
            &format!("H0 {item} true"),
            r#"H1 {"type":"image_generation_call","status":"completed","result":"Qg=="} true"#,
            "T2 There.",
            ")2",
            "End Stop",
        ],
    );
    check_message(
        json!({"content": "", "images": [{"image_url": {"url": "https://x/a.png"}}, {"odd": 1}, 7]}),
        &["T0 \n![image](https://x/a.png)\n", "dropped images", ")0", "End Stop"],
    );
}

#[test]
fn sources_beside_the_answer_are_annotations() {
    check_lines(
        r#"{"citations":["http://a","http://b"],"choices":[{"index":0,"delta":{"content":"é [2"}}]}
           {"citations":["http://a","http://b"],"search_results":[{"title":"B","url":"http://b"}],"choices":[{"index":0,"delta":{"content":"]."},"finish_reason":"stop"}]}"#,
        &["T0 é [2", "T0 ].", "Note0 http://b B 2..5", "Note0 http://a  6..6", ")0", "End Stop"],
    );
    let body = json!({"citations": ["http://a"], "choices": [
        {"message": {"content": "x[1][1]", "tool_calls": []}, "finish_reason": "stop"}]});
    let want = ["T0 x[1][1]", "Note0 http://a  1..4", "Note0 http://a  4..7", ")0", "End Stop"];
    assert_eq!(with_translator(|t| told(t, &body)), want);
    // Those of the host itself are not told twice.
    let own = json!([{"type": "url_citation", "url_citation": {"url": "http://a", "start_index": 0, "end_index": 1}}]);
    let body =
        json!({"citations": ["http://a"], "choices": [{"message": {"content": "x[1]", "annotations": own}}]});
    let want = ["T0 x[1]", "Note0 http://a  0..1", ")0", "End Stop"];
    assert_eq!(with_translator(|t| told(t, &body)), want);
    let body = json!({"citations": ["http://a"], "choices": [{"message": {"content": ""}}]});
    assert_eq!(with_translator(|t| told(t, &body)), ["dropped citations", "End Stop"]);
    let body = json!({"citations": "http://a", "choices": [{"message": {"content": "x"}}]});
    assert_eq!(with_translator(|t| told(t, &body)), ["T0 x", "dropped citations", ")0", "End Stop"]);
}

#[test]
fn custom_calls_come_through() {
    let body = json!({"choices": [{"message": {"tool_calls": [
        {"id": "a", "type": "custom", "custom": {"name": "p", "input": "a\nb"}}]}, "finish_reason": "tool_calls"}]});
    let raw = json!({"type": "custom", "name": "p"}).into();
    let tool = Tool::Custom(CustomTool { name: "p".into(), description: None, raw });
    let native = with_tools(vec![tool], |t| told(t, &body));
    assert_eq!(native, ["C0 a p Custom", "A0 a\nb", ")0", "End Stop"]);
    let wrapped = ["emulated function_call", "C0 a p Function", r#"A0 {"input":"a\nb"}"#, ")0", "End Stop"];
    assert_eq!(with_translator(|t| told(t, &body)), wrapped);
}

#[test]
fn a_whole_message_with_cut_arguments_is_incomplete() {
    for reason in ["stop", "", "new"] {
        let body = json!({"choices": [{"message": {"tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{\"city\":\"A"}}]}, "finish_reason": reason}]});
        let events = with_translator(|t| told(t, &body));
        assert_eq!(events[events.len() - 2..], [")0!", "End MaxOutputTokens"], "{reason}");
        let body = json!({"choices": [{"message": {"tool_calls": [
            {"id": "a", "function": {"name": "f", "arguments": "{\"city\": A}"}}]}, "finish_reason": reason}]});
        let events = with_translator(|t| told(t, &body));
        assert_eq!(events[events.len() - 2..], [")0", "End Stop"], "{reason}");
    }
}

#[test]
fn counts_that_fall_are_no_news() {
    check_lines(
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":2,"total_tokens":13}}
           {"choices":[],"usage":{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}}
           {"choices":[],"usage":{"completion_tokens":3}}
           [DONE]"#,
        &["T0 a", "U 11 0 2 0 13", "U 11 0 3 0 14", ")0", "End Stop"],
    );
}

#[test]
fn usage_without_the_input_is_no_usage() {
    let usage = |usage: Value| {
        let body = json!({"choices": [{"message": {"content": "a"}}], "usage": usage});
        with_translator(|t| told(t, &body)).remove(1)
    };
    assert_eq!(usage(json!({"completion_tokens": 2})), "dropped usage");
    assert_eq!(usage(json!({"prompt_tokens": null, "completion_tokens": 2})), "dropped usage");
    assert_eq!(usage(json!({"completion_tokens": 2, "total_tokens": 5})), "U 3 0 2 0 5");
    assert_eq!(usage(json!({"prompt_tokens": 3})), "U 3 0 0 0 3");
    assert_eq!(usage(Value::Null), ")0");
}

#[test]
fn what_was_counted_is_told_before_any_failure() {
    let usage = r#""usage":{"prompt_tokens":3,"completion_tokens":2}"#;
    for lines in [
        format!(r#"{{"choices":[{{"index":0,"delta":{{}},"error":{{"message":"x"}}}}],{usage}}}"#),
        format!(r#"{{"choices":[],"x_groq":{{"error":"x",{usage}}}}}"#),
        format!(r#"{{"choices":[{{"delta":{{}},"finish_reason":"error"}}],{usage}}}"#),
        format!(r#"{{"choices":[{{"delta":{{"content":"a"}}}}],{usage}}}"#),
    ] {
        let (events, result) = stream(&lines);
        assert!(result.is_err(), "{lines}");
        let counted = events.iter().any(|event| matches!(event, ModelEvent::Usage(u) if u.total_tokens == 5));
        assert!(counted, "{lines}: {events:?}");
    }
    let body = format!(r#"{{"error":{{"message":"x"}},{usage}}}"#);
    let mut out = Vec::new();
    let result = with_translator(|t| t.unary(body.as_bytes(), &mut out));
    assert!(
        matches!(result, Err(AdapterError::Upstream(_))) && matches!(out[..], [ModelEvent::Usage(_)]),
        "{out:?}"
    );
}
