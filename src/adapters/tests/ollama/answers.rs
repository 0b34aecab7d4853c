//! Transcripts to events.

use or_adapters::{CallKind, FinishReason, ModelEvent};
use or_protocol::{Envelope, LogProb, TopLogProb, Usage};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::support::{adapter, decode, joined, stream, unary};

/// The transcript's events, the same for every cut of its bytes; deltas are joined.
#[track_caller]
fn check(request: Value, transcript: &str, want: &[ModelEvent]) {
    let adapter = adapter(&Value::Null);
    let body = decode(request);
    let whole = stream(&adapter, &body, [transcript.as_bytes()]).unwrap();
    for text in [transcript.to_owned(), transcript.replace('\n', "\r\n")] {
        for cut in 0..=text.len() {
            let (a, b) = text.as_bytes().split_at(cut);
            assert_eq!(stream(&adapter, &body, [a, b]).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(stream(&adapter, &body, text.as_bytes().chunks(1)).unwrap(), whole);
    }
    assert_eq!(joined(whole), want);
}

#[track_caller]
fn check_unary(request: Value, answer: &Value, want: &[ModelEvent]) {
    let got = unary(&adapter(&Value::Null), &decode(request), answer.to_string().as_bytes());
    assert_eq!(got.unwrap(), want);
}

fn hi() -> Value {
    json!({"input": "hi", "stream": true})
}

fn text(block: u32, text: &str) -> ModelEvent {
    ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() }
}

fn reasoning(block: u32, text: &str) -> ModelEvent {
    ModelEvent::ReasoningDelta { block, text: text.into() }
}

fn done(block: u32) -> ModelEvent {
    ModelEvent::BlockDone { block, complete: true }
}

fn call(block: u32, id: &str, name: &str, arguments: &str) -> [ModelEvent; 3] {
    call_of(block, Some(id), name, arguments)
}

/// A call to which the server gave no id.
fn unnamed(block: u32, name: &str, arguments: &str) -> [ModelEvent; 3] {
    call_of(block, None, name, arguments)
}

fn call_of(block: u32, id: Option<&str>, name: &str, arguments: &str) -> [ModelEvent; 3] {
    let start = ModelEvent::ToolCallStart {
        block,
        call_id: id.map(str::to_owned),
        name: name.into(),
        namespace: None,
        kind: CallKind::Function,
        extra: or_protocol::Extra::NONE,
    };
    [start, ModelEvent::ToolArgsDelta { block, delta: arguments.into() }, done(block)]
}

fn end(input: u64, output: u64, reason: FinishReason) -> [ModelEvent; 2] {
    [ModelEvent::Usage(Usage::new(input, output, None, 0, 0)), ModelEvent::Finished { reason }]
}

fn all(parts: &[&[ModelEvent]]) -> Vec<ModelEvent> {
    parts.concat()
}

#[test]
fn text_is_one_block() {
    check(
        hi(),
        include_str!("../data/ollama/text.ndjson"),
        &all(&[&[text(0, "Grüß dich, \u{1f600} <b>!"), done(0)], &end(11, 7, FinishReason::Stop)]),
    );
}

#[test]
fn thinking_comes_before_the_answer() {
    check(
        hi(),
        include_str!("../data/ollama/thinking.ndjson"),
        &all(&[
            &[reasoning(0, "Two and two.\n"), done(0), text(1, "Four."), done(1)],
            &end(20, 15, FinishReason::Stop),
        ]),
    );
}

#[test]
fn calls_come_whole_and_keep_their_ids() {
    let transcript = include_str!("../data/ollama/calls.ndjson");
    check(
        hi(),
        transcript,
        &all(&[
            &[reasoning(0, "Look."), done(0), text(1, "One moment."), done(1)],
            &call(2, "call_ab12cd34", "lookup", r#"{"z":1,"a":[1.50,"ü"],"big":12345678901234567890}"#),
            &unnamed(3, "now", "{}"),
            &unnamed(4, "now", "{}"),
            &end(30, 9, FinishReason::Stop),
        ]),
    );
}

#[test]
fn calls_on_the_last_line_are_read() {
    check(
        hi(),
        include_str!("../data/ollama/calls_on_the_last_line.ndjson"),
        &all(&[
            &call(0, "call_x", "now", r#"{"zone":"UTC"}"#),
            &call(1, "call_x", "now", r#"{"zone":"CET"}"#),
            &end(5, 6, FinishReason::Stop),
        ]),
    );
}

#[test]
fn a_cut_off_answer_says_so() {
    let transcript = include_str!("../data/ollama/length.ndjson");
    check(
        hi(),
        transcript,
        &all(&[
            &[text(0, "Once upon"), ModelEvent::BlockDone { block: 0, complete: false }],
            &end(8, 2, FinishReason::MaxOutputTokens),
        ]),
    );
}

#[test]
fn thinking_in_the_text_is_held_back_where_the_model_is_known_for_it() {
    let request =
        json!({"model": "qwen3:4b", "input": "hi", "stream": true, "reasoning": {"effort": "none"}});
    let transcript = include_str!("../data/ollama/lone_close.ndjson");
    let ends = end(9, 8, FinishReason::Stop);
    let split = [reasoning(0, "Okay, a greeting."), done(0), text(1, "Hello!"), done(1)];
    check(request.clone(), transcript, &all(&[&split, &ends]));
    let plain = [text(0, "Okay, a greeting.\n</think>\n\nHello!"), done(0)];
    check(json!({"input": "hi", "reasoning": {"effort": "none"}}), transcript, &all(&[&plain, &ends]));
    let mut formatted = request;
    formatted["text"] = json!({"format": {"type": "json_object"}});
    check(formatted, transcript, &all(&[&plain, &ends]));
}

#[test]
fn held_back_text_without_the_tag_is_the_answer() {
    let request =
        json!({"model": "qwen3:4b", "input": "hi", "stream": true, "reasoning": {"effort": "none"}});
    check(
        request.clone(),
        include_str!("../data/ollama/text.ndjson"),
        &all(&[&[text(0, "Grüß dich, \u{1f600} <b>!"), done(0)], &end(11, 7, FinishReason::Stop)]),
    );
    // A call, or thinking told apart by the server, ends the wait.
    check(
        request,
        include_str!("../data/ollama/held_then_call.ndjson"),
        &all(&[
            &[text(0, "I look it up."), done(0)],
            &unnamed(1, "now", "{}"),
            &[text(2, "x</think>"), done(2)],
            &end(3, 4, FinishReason::Stop),
        ]),
    );
}

#[test]
fn a_leading_think_tag_is_thinking_on_every_model() {
    check(
        hi(),
        include_str!("../data/ollama/open_tag.ndjson"),
        &all(&[&[reasoning(0, "Hm."), done(0), text(1, "Yes."), done(1)], &end(4, 6, FinishReason::Stop)]),
    );
}

#[test]
fn the_thinking_is_sealed_where_the_client_carries_it() {
    let request = json!({"input": "hi", "stream": true, "include": ["reasoning.encrypted_content"]});
    let sealed = Envelope::seal("ollama", "qwen3:8b", "Two and two.\n");
    check(
        request,
        include_str!("../data/ollama/thinking.ndjson"),
        &all(&[
            &[
                reasoning(0, "Two and two.\n"),
                ModelEvent::ReasoningSealed { block: 0, encrypted_content: sealed },
                done(0),
                text(1, "Four."),
                done(1),
            ],
            &end(20, 15, FinishReason::Stop),
        ]),
    );
}

fn logprob(token: &str, logprob: f64) -> LogProb {
    let bytes = token.as_bytes().to_vec();
    let top = TopLogProb { token: token.into(), logprob, bytes: bytes.clone() };
    LogProb { token: token.into(), logprob, bytes, top_logprobs: vec![top] }
}

#[test]
fn log_probabilities_stay_with_their_text() {
    let want = all(&[
        &[
            reasoning(0, "Hm"),
            done(0),
            ModelEvent::TextDelta {
                block: 1,
                text: "Yes.".into(),
                logprobs: vec![logprob("Ye", -0.25), logprob("s", -0.5), logprob(".", -1.0)],
            },
            done(1),
        ],
        &end(2, 4, FinishReason::Stop),
    ]);
    let request = json!({"input": "hi", "stream": true, "top_logprobs": 1});
    check(request.clone(), include_str!("../data/ollama/logprobs.ndjson"), &want);
    let unary: Value = serde_json::from_str(include_str!("../data/ollama/logprobs.json")).unwrap();
    check_unary(request, &unary, &want);
    // Nobody asked.
    let mut silent = want;
    silent[2] = text(1, "Yes.");
    check_unary(hi(), &unary, &silent);
}

#[test]
fn log_probabilities_of_another_form_do_not_cost_the_answer() {
    let answer =
        json!({"message": {"content": "a"}, "logprobs": {"x": 1}, "done": true, "done_reason": "stop"});
    let stop = ModelEvent::Finished { reason: FinishReason::Stop };
    let request = json!({"input": "hi", "top_logprobs": 1});
    check_unary(request, &answer, &[text(0, "a"), done(0), stop]);
}

#[test]
fn a_unary_answer_means_the_same_as_a_stream() {
    let answer: Value = serde_json::from_str(include_str!("../data/ollama/unary.json")).unwrap();
    check_unary(
        hi(),
        &answer,
        &all(&[
            &[reasoning(0, "Look."), done(0), text(1, "One moment."), done(1)],
            &call(2, "call_ab12cd34", "lookup", r#"{"z":1}"#),
            &unnamed(3, "now", "{}"),
            &end(30, 9, FinishReason::Stop),
        ]),
    );
}

#[test]
fn a_server_that_streams_unasked_is_understood() {
    let got = unary(
        &adapter(&Value::Null),
        &decode(json!({"input": "hi"})),
        include_bytes!("../data/ollama/thinking.ndjson"),
    );
    let want = all(&[
        &[reasoning(0, "Two and two.\n"), done(0), text(1, "Four."), done(1)],
        &end(20, 15, FinishReason::Stop),
    ]);
    assert_eq!(joined(got.unwrap()), want);
}

#[test]
fn unknown_counts_make_no_usage() {
    let answer = json!({"message": {"content": "a"}, "done": true, "done_reason": "stop"});
    let stop = ModelEvent::Finished { reason: FinishReason::Stop };
    check_unary(hi(), &answer, &[text(0, "a"), done(0), stop]);
    let answer = json!({"message": {"content": ""}, "done": true, "done_reason": "stop", "eval_count": 1});
    check_unary(hi(), &answer, &end(0, 1, FinishReason::Stop));
}

#[test]
fn a_server_before_done_reason_ends_well_if_it_counted() {
    let answer = json!({"message": {"content": "a"}, "done": true, "eval_count": 1});
    check_unary(hi(), &answer, &all(&[&[text(0, "a"), done(0)], &end(0, 1, FinishReason::Stop)]));
}

#[test]
fn lines_behind_the_end_are_harmless() {
    let transcript = format!(
        "{}{}\nnonsense\n",
        include_str!("../data/ollama/length.ndjson"),
        r#"{"message":{"content":"more"},"done":true,"done_reason":"stop"}"#
    );
    let want = all(&[
        &[text(0, "Once upon"), ModelEvent::BlockDone { block: 0, complete: false }],
        &end(8, 2, FinishReason::MaxOutputTokens),
    ]);
    check(hi(), &transcript, &want);
}
