//! Recorded conversations: our next request, made from our own answer, means what the recorded client sent.

use std::collections::BTreeMap;

use or_protocol::{CreateResponseBody, Item};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::disagreements;
use crate::meaning::meaning;
use crate::replay::Replay;
use crate::requests::{Calls, conversation, items};
use or_test_support::shared::{self, Case};

/// Turns whose next request goes on from something else than their answer.
const NOT_CONTINUED: &[(&str, &str)] = &[
    (
        "anthropic/openllmetry-anthropic-prompt-caching-async-stream-legacy-t1",
        "the same request was sent again",
    ),
    (
        "gemini/rig-gemini-turn-termination-matrix-streaming-escalating-retry-reports-t1",
        "the same request was sent again with a larger budget",
    ),
    (
        "openai-chat/pydantic-groq-tool-use-failed-error-streaming-t1",
        "the answer failed; the client made a call out of the error's `failed_generation`",
    ),
    ("openai-responses/openllmetry-openai-responses-tool-calls-t1", "`previous_response_id` stands for it"),
];

#[test]
fn the_next_request_means_what_the_recorded_client_sent() {
    let Some(cases) = shared::cases() else { return };
    let (mut wrong, mut apart, mut compared) = (Vec::new(), Vec::new(), 0);
    for turns in conversations(cases) {
        let mut context: Option<Vec<Item>> = None;
        for pair in turns.windows(2) {
            let [turn, next] = pair else { continue };
            match go_on(turn, next, context.take()) {
                Step::Apart => apart.push(turn.id()),
                Step::On { context: whole, finding } => {
                    compared += 1;
                    let findings: Vec<_> = finding.map(|text| ("next request", text)).into_iter().collect();
                    if !disagreements::agree_on_request(&next.id(), &findings) {
                        wrong.push(format!("{}: {findings:?}", next.id()));
                    }
                    context = Some(whole);
                }
            }
        }
    }
    let known: Vec<&str> = NOT_CONTINUED.iter().map(|(id, _)| *id).collect();
    assert_eq!(apart, known);
    assert!(wrong.is_empty(), "{} of {compared} are not as wanted:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= 45, "only {compared} turns were compared");
}

/// Runs of successive turns; a turn that went elsewhere ends a run.
fn conversations(cases: &[Case]) -> Vec<Vec<&Case>> {
    let mut groups: BTreeMap<(&str, &str), BTreeMap<u32, &Case>> = BTreeMap::new();
    for case in cases {
        if let Some((group, number)) = &case.turn {
            groups.entry((&case.provider, group)).or_default().insert(*number, case);
        }
    }
    let mut runs: Vec<Vec<&Case>> = Vec::new();
    for group in groups.into_values() {
        let mut before = None;
        for (number, case) in group {
            match runs.last_mut().filter(|_| before == Some(number - 1)) {
                Some(run) => run.push(case),
                None => runs.push(vec![case]),
            }
            before = Some(number);
        }
    }
    runs
}

enum Step {
    /// The next request does not go on from this turn.
    Apart,
    On {
        /// Everything up to the next request, in our items.
        context: Vec<Item>,
        finding: Option<String>,
    },
}

/// Answers a turn by ourselves and makes the next request. `context` is that of the turn, if it is not the
/// first of its run.
fn go_on(turn: &Case, next: &Case, context: Option<Vec<Item>>) -> Step {
    let (Some(request), Some(recorded)) = (&turn.request, &next.request) else { return Step::Apart };
    let new = conversation(recorded).get(conversation(request).len().max(1)..).unwrap_or_default();
    let new = behind_answer(&turn.provider, new);
    if new.is_empty() {
        return Step::Apart;
    }
    let mut replay = Replay::of(turn);
    if let Some(context) = context {
        replay.request.input = context;
    }
    let answer = replay.respond(&replay.translate(turn), true);
    if answer.response["status"] == "failed" {
        return Step::Apart;
    }
    let mut calls = Calls::default();
    let output = answer.output();
    for item in &output {
        if let Item::FunctionCall(call) = item {
            calls.made(&call.call_id, &call.name);
        }
    }
    let mut context = replay.request.input.clone();
    context.extend(output);
    context.extend(decoded(&items(&turn.provider, new, &mut calls)));

    let mut replay = Replay::of(next);
    replay.request.input.clone_from(&context);
    let finding = match replay.adapter.request(&replay.model_request()) {
        Err(error) => Some(format!("we cannot make the request: {error}")),
        Ok(call) => serde_json::from_slice::<Value>(&call.body).map_or_else(
            |error| Some(error.to_string()),
            |ours| difference(&meaning(&turn.provider, &ours), &meaning(&turn.provider, recorded)),
        ),
    };
    Step::On { context, finding }
}

/// What the client added to the answer that it sent back.
fn behind_answer<'v>(provider: &str, new: &'v [Value]) -> &'v [Value] {
    let answer = if provider == "openai-responses" {
        new.iter().take_while(|item| item["type"] != "function_call_output" && item["role"] != "user").count()
    } else {
        1
    };
    new.get(answer..).unwrap_or_default()
}

#[expect(clippy::panic, reason = "a helper of tests")]
fn decoded(items: &Value) -> Vec<Item> {
    let body = CreateResponseBody::from_value(json!({"model": "m", "input": items}));
    body.unwrap_or_else(|error| panic!("{error}: {items}")).input
}

fn difference(ours: &[Value], theirs: &[Value]) -> Option<String> {
    let at = ours.iter().zip(theirs).take_while(|(ours, theirs)| ours == theirs).count();
    if at == ours.len() && at == theirs.len() {
        return None;
    }
    let show = |list: &[Value]| list.get(at).map_or("nothing".to_owned(), short);
    Some(format!("at {at} we say {}, the recorded client {}", show(ours), show(theirs)))
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    if text.chars().count() <= 400 { text } else { text.chars().take(400).chain("…".chars()).collect() }
}
