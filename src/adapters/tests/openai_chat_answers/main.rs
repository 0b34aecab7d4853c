//! Answers of Chat Completions hosts, feature by feature, as events.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod answer;
mod beside;

use or_adapters::{AdapterError, ModelEvent, UpstreamErrorKind as Kind};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use answer::{call, check, check_failure, check_lines, check_message, stream, with_translator};

#[test]
fn text_is_one_block_and_empty_pieces_are_nothing() {
    check(
        &[
            json!({"role": "assistant", "content": ""}),
            json!({"content": "Hi"}),
            json!({"content": null}),
            json!({"content": " you"}),
        ],
        &["T0 Hi", "T0  you", ")0", "End Stop"],
    );
}

#[test]
fn only_the_first_choice_counts() {
    check_lines(
        r#"{"choices":[{"index":1,"delta":{"content":"b"}},{"index":0,"delta":{"content":"a"},"finish_reason":"length"}]}
           {"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}
           [DONE]"#,
        &["T0 a", ")0!", "End MaxOutputTokens"],
    );
}

#[test]
fn the_end_waits_for_usage_behind_the_finish_reason() {
    check_lines(
        r#"{"service_tier":"default","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":null}
           {"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}
           [DONE]
           {"choices":[{"index":0,"delta":{"content":"late"}}]}"#,
        &["Tier default", "T0 a", "U 9 4 3 2 12", ")0", "End Stop"],
    );
}

#[test]
fn usage_is_found_wherever_it_stands_and_no_count_falls() {
    check_lines(
        r#"{"choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}
           {"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":2,"cached_tokens":5}}]}
           {"choices":[],"x_groq":{"usage":{"prompt_tokens":9,"completion_tokens":2,"total_tokens":14,"reasoning_tokens":3}}}"#,
        &["T0 a", "U 9 0 1 0 10", "U 9 5 2 0 11", "U 9 5 5 3 14", ")0", "End Stop"],
    );
}

/// What was read from the cache, and what was written to it.
#[test]
fn the_cache_is_counted_under_every_name() {
    for (usage, want) in [
        (r#""prompt_tokens_details":{"cached_tokens":4,"cache_write_tokens":3}"#, (4, 3)),
        (r#""prompt_tokens_details":{"cached_tokens":4,"cache_creation_input_tokens":3}"#, (4, 3)),
        (r#""cache_read_input_tokens":4,"cache_creation_input_tokens":3"#, (4, 3)),
        (r#""prompt_cache_hit_tokens":4,"prompt_cache_miss_tokens":5"#, (4, 0)),
        (r#""cached_tokens":4"#, (4, 0)),
    ] {
        let (events, _) = stream(&format!(
            r#"{{"choices":[{{"index":0,"delta":{{"content":"a"}},"finish_reason":"stop"}}],"usage":{{"prompt_tokens":9,"completion_tokens":1,{usage}}}}}"#
        ));
        let counted = events.iter().find_map(|event| match event {
            ModelEvent::Usage(usage) => Some(usage.input_tokens_details),
            _ => None,
        });
        let counted = counted.unwrap();
        assert_eq!((counted.cached_tokens, counted.cache_write_tokens), want, "{usage}");
    }
}

#[test]
fn a_stream_may_end_without_its_marker_once_a_finish_reason_came() {
    check_lines(
        r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        &["T0 a", ")0", "End Stop"],
    );
    let (_, cut) = stream(r#"{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":""}]}"#);
    assert_eq!(cut, Err(AdapterError::Truncated { provider: "openai-chat" }));
    assert_eq!(stream("[DONE]").1, Err(AdapterError::Truncated { provider: "openai-chat" }));
}

#[test]
fn call_pieces_are_joined_by_index() {
    check(
        &[
            json!({"content": "ok"}),
            call(json!(1), json!("a"), json!("f"), ""),
            call(json!(1), json!(""), json!(""), "{\"x\""),
            call(json!(1), Value::Null, Value::Null, ":1}"),
            call(json!(2), json!("b"), json!("g"), "{}"),
        ],
        &[
            "T0 ok",
            ")0",
            "C1 a f Function",
            "A1 {\"x\"",
            "A1 :1}",
            ")1",
            "C2 b g Function",
            "A2 {}",
            ")2",
            "End Stop",
        ],
    );
}

#[test]
fn calls_that_share_an_index_are_told_apart() {
    let zero = || json!(0);
    check(
        &[call(zero(), json!("a"), json!("f"), "{}"), call(zero(), json!("b"), json!("f"), "{}")],
        &["C0 a f Function", "C1 b f Function", "A0 {}", ")0", "A1 {}", ")1", "End Stop"],
    );
    check(
        &[call(zero(), json!(""), json!("f"), "{}"), call(zero(), json!(""), json!("f"), "{}")],
        &["C0 - f Function", "C1 - f Function", "A0 {}", ")0", "A1 {}", ")1", "End Stop"],
    );
}

#[test]
fn interleaved_calls_stay_open_side_by_side() {
    check(
        &[
            call(json!(0), json!("a"), json!("f"), "{\"x\":"),
            call(json!(1), json!("b"), json!("g"), "{"),
            call(json!(0), Value::Null, Value::Null, "1}"),
            call(json!(1), Value::Null, Value::Null, "}"),
        ],
        &[
            "C0 a f Function",
            "A0 {\"x\":",
            "C1 b g Function",
            "A1 {",
            "A0 1}",
            "A1 }",
            ")0",
            ")1",
            "End Stop",
        ],
    );
}

#[test]
fn empty_arguments_are_the_empty_object() {
    check(&[call(json!(0), json!("a"), json!("f"), "")], &["C0 a f Function", "A0 {}", ")0", "End Stop"]);
}

#[test]
fn a_call_that_was_cut_off_is_incomplete() {
    check_lines(
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}},{"index":1,"id":"b","function":{"name":"g","arguments":"{\"x"}}]},"finish_reason":"length"}]}
           [DONE]"#,
        &["C0 a f Function", "C1 b g Function", "A1 {\"x", "A0 {}", ")0", ")1!", "End MaxOutputTokens"],
    );
}

#[test]
fn old_and_custom_calls_and_arguments_as_objects_are_understood() {
    check(
        &[
            json!({"function_call": {"name": "f", "arguments": "{"}}),
            json!({"function_call": {"arguments": "}"}}),
        ],
        &["C0 - f Function", "A0 {", "A0 }", ")0", "End Stop"],
    );
    check_message(
        json!({"content": null, "function_call": {"name": "", "arguments": ""}, "tool_calls": [
            {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": {"x": 1}}, "custom": {"name": "", "input": ""}},
            {"index": 0, "id": "b", "type": "custom", "custom": {"name": "grep", "input": "a b"}}]}),
        &[
            "C0 a f Function",
            "A0 {\"x\":1}",
            ")0",
            "emulated function_call",
            "C1 b grep Function",
            "A1 {\"input\":\"a b\"}",
            ")1",
            "End Stop",
        ],
    );
}

#[test]
fn reasoning_under_two_names_is_taken_once() {
    check(
        &[
            json!({"reasoning": "x", "reasoning_content": "x"}),
            json!({"reasoning": "y", "reasoning_details": [{"type": "reasoning.text", "text": "y", "index": 0}]}),
            json!({"content": "a"}),
        ],
        &["R0 x", "R0 y", ")0", "T1 a", ")1", "End Stop"],
    );
}

#[test]
fn thinking_parts_of_a_content_list_are_reasoning() {
    check(
        &[
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "!"}]}, {"type": "text", "text": "4"}]}),
            json!({"content": "2"}),
        ],
        &["R0 hm", "R0 !", ")0", "T1 4", "T1 2", ")1", "End Stop"],
    );
}

#[test]
fn signed_reasoning_is_sealed_before_what_it_led_to() {
    check(
        &[
            json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "index": 0}]}),
            json!({"reasoning_details": [{"type": "reasoning.text", "text": "", "index": 0, "signature": "s=="}]}),
            json!({"content": "b"}),
        ],
        &[
            "R0 a",
            r#"Seal0 [{"type":"reasoning.text","text":"a","index":0,"signature":"s=="}]"#,
            ")0",
            "T1 b",
            ")1",
            "End Stop",
        ],
    );
}

#[test]
fn sealed_state_that_comes_late_gets_an_item_at_the_end() {
    check(
        &[
            json!({"content": "b"}),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "d"}]}),
        ],
        &["T0 b", ")0", r#"Seal1 [{"type":"reasoning.encrypted","data":"d"}]"#, ")1", "End Stop"],
    );
}

#[test]
fn a_unary_answer_gives_summaries_and_exact_details() {
    check_message(
        json!({"content": "b", "reasoning": "s", "reasoning_details": [
            {"type": "reasoning.summary", "summary": "s", "index": 0},
            {"type": "reasoning.encrypted", "data": "d", "index": 1}]}),
        &[
            "S0 s",
            r#"Seal0 [{"type":"reasoning.summary","summary":"s","index":0},{"type":"reasoning.encrypted","data":"d","index":1}]"#,
            ")0",
            "T1 b",
            ")1",
            "End Stop",
        ],
    );
}

#[test]
fn refusals_citations_and_log_probabilities_are_carried() {
    check(
        &[json!({"refusal": "I"}), json!({"refusal": " can't"})],
        &["No0 I", "No0  can't", ")0", "End Stop"],
    );
    check_message(
        json!({"content": "See é.", "annotations": [
            {"type": "url_citation", "url_citation": {"url": "http://u", "title": "t", "start_index": 4, "end_index": 5}},
            {"type": "file", "file": {}}]}),
        &["T0 See é.", "Note0 http://u t 4..5", "dropped annotations", ")0", "End Stop"],
    );
    check_lines(
        r#"{"choices":[{"index":0,"delta":{"content":""},"logprobs":{"content":[{"token":"a","logprob":-1,"bytes":null}]}}]}
           {"choices":[{"index":0,"delta":{"content":"ab"},"logprobs":{"content":[{"token":"b","logprob":-2}]},"finish_reason":"stop"}]}"#,
        &["T0 ab [\"a\", \"b\"]", ")0", "End Stop"],
    );
}

#[test]
fn finish_reasons_of_all_hosts_are_known() {
    for (reason, want) in [
        ("eos", "End Stop"),
        ("model_context_window_exceeded", "End MaxOutputTokens"),
        ("content_filter", "End ContentFilter"),
    ] {
        let line = json!({ "choices": [{ "index": 0, "delta": {}, "finish_reason": reason }] }).to_string();
        check_lines(&line, &[want]);
    }
    check_lines(
        r#"{"choices":[{"delta":{},"finish_reason":"new"}]}"#,
        &["dropped finish_reason", "End Stop"],
    );
    check_failure(r#"{"choices":[{"delta":{},"finish_reason":"error"}]}"#, Kind::Server, None);
}

#[test]
fn errors_inside_a_stream_have_many_shapes() {
    let started = r#"{"choices":[{"index":0,"delta":{"content":"a"}}]}"#;
    let tail = |line: &str| format!("{started}\n{line}");
    check_failure(&tail("event: error\n{\"message\":\"busy\",\"status_code\":503}"), Kind::Overloaded, None);
    check_failure(&tail(r#"{"error":{"message":"slow down","code":429}}"#), Kind::RateLimit, None);
    check_failure(&tail(r#"{"error":"broken"}"#), Kind::Server, None);
    check_failure(&tail(r#"{"object":"error","message":"no","code":400}"#), Kind::InvalidRequest, None);
    check_failure(
        &tail(r#"{"choices":[{"index":0,"delta":{},"error":{"message":"x","code":"insufficient_quota"}}]}"#),
        Kind::Quota,
        Some("insufficient_quota"),
    );
    check_lines(
        r#"{"error":null,"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
        &["T0 a", ")0", "End Stop"],
    );
}

#[test]
fn an_error_body_in_place_of_a_stream_is_read() {
    let result = with_translator(|t| {
        t.finish(b"{\n\"error\": {\"message\": \"prompt is too long\"}}\n", &mut Vec::new())
    });
    let Err(AdapterError::Upstream(error)) = result else { panic!("{result:?}") };
    assert_eq!((error.kind, error.message.as_str()), (Kind::ContextLength, "prompt is too long"));
}

#[test]
fn what_a_failed_chunk_counted_is_told_before_the_error() {
    let (events, result) = stream(
        r#"{"error":{"message":"full","code":400},"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}"#,
    );
    assert!(matches!(result, Err(AdapterError::Upstream(_))), "{result:?}");
    assert!(matches!(events[..], [ModelEvent::Usage(usage)] if usage.total_tokens == 5), "{events:?}");
}
