//! The demo provider from a client's request to events: adapter, upstream and translator together.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop at once")]

mod faults;
mod turn;

use or_adapters::demo::Demo;
use or_adapters::{Adapter, AdapterError, FinishReason, Note, NoteKind, ProviderOptions, UpstreamErrorKind};
use or_demo::respond;
use or_protocol::{CreateResponseBody, Usage};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use turn::{ask, assert_failure, call, request_of, run, translate};

#[track_caller]
fn check(body: Value, want: &str) {
    let turn = run(body);
    assert_eq!((turn.text().as_str(), turn.finish, turn.failure), (want, Some(FinishReason::Stop), None));
}

fn weather() -> Value {
    json!({
        "type": "function",
        "name": "get_weather",
        "description": "Get the current weather for a location",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
            "additionalProperties": false
        }
    })
}

fn clock() -> Value {
    json!({"type": "function", "name": "read_clock", "description": "Tells the time of day"})
}

fn user(text: &str) -> Value {
    json!({"type": "message", "role": "user", "content": text})
}

#[test]
fn the_answer_shows_what_the_model_was_given() {
    check(json!({"model": "demo", "input": "Hello there."}), "You said: \"Hello there.\"");
    check(
        json!({
            "model": "demo",
            "instructions": "Be brief.",
            "input": [
                user("My name is Ada."),
                {"type": "message", "role": "assistant", "content": "Hello."},
                user("What did I say first?")
            ]
        }),
        "You said: \"What did I say first?\" Our conversation has 3 messages, 2 of them yours, and began with: \
         \"My name is Ada.\" My instructions are: \"Be brief.\"",
    );
    check(json!({"model": "demo", "input": []}), "You said nothing.");
}

#[test]
fn images_and_files_are_markers() {
    let body = json!({"model": "demo", "input": [{"type": "message", "role": "user", "content": [
        {"type": "input_text", "text": "What is this?"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"type": "input_image", "image_url": "https://example.com/a.png"}
    ]}]});
    check(
        body.clone(),
        "You said: \"What is this? [image image/png, 8 bytes] [image https://example.com/a.png]\"",
    );
    let (_, notes, _) = call(&body);
    let note = Note::emulated("input.input_image", "the demo model sees a marker in its place");
    assert_eq!(notes, [note]);
}

#[test]
fn a_tool_is_called_and_its_result_quoted() {
    let tools = json!([clock(), weather()]);
    let mut input = vec![user("What's the weather like in San Francisco?")];
    let turn = run(json!({"model": "demo", "tools": tools, "input": input}));
    assert_eq!(turn.calls(), [("call_demo_1", "get_weather", r#"{"location":"San Francisco"}"#)]);
    assert_eq!(turn.finish, Some(FinishReason::Stop));
    input.extend(turn.items);
    input.push(json!({"type": "function_call_output", "call_id": "call_demo_1", "output": "18 degrees"}));
    check(
        json!({"model": "demo", "tools": tools, "input": input}),
        "You asked: \"What's the weather like in San Francisco?\" get_weather answered: \"18 degrees\"",
    );
    input.push(user("And the weather in Rome?"));
    let turn = run(json!({"model": "demo", "tools": tools, "input": input}));
    assert_eq!(turn.calls(), [("call_demo_2", "get_weather", r#"{"location":"Rome"}"#)]);
}

#[test]
fn two_cities_are_two_parallel_calls() {
    let mut body = json!({"model": "demo", "tools": [weather()], "input": "Weather in Oslo and Rome?"});
    let turn = run(body.clone());
    assert_eq!(
        turn.calls(),
        [
            ("call_demo_1", "get_weather", r#"{"location":"Oslo"}"#),
            ("call_demo_2", "get_weather", r#"{"location":"Rome"}"#)
        ]
    );
    body["parallel_tool_calls"] = json!(false);
    assert_eq!(run(body).calls().len(), 1);
}

#[test]
fn tool_choice_is_followed() {
    let tools = json!([weather(), clock()]);
    let called = |text: &str, choice: Value| {
        let turn = run(json!({"model": "demo", "tools": tools, "tool_choice": choice, "input": text}));
        turn.calls().iter().map(|(_, name, _)| (*name).to_owned()).collect::<Vec<_>>()
    };
    let only_clock = json!([{"type": "function", "name": "read_clock"}]);
    assert_eq!(called("Tell me a joke", json!("auto")), [""; 0]);
    assert_eq!(called("Tell me a joke", json!("required")), ["get_weather"]);
    assert_eq!(called("weather in Oslo", json!("none")), [""; 0]);
    assert_eq!(called("weather in Oslo", json!({"type": "function", "name": "read_clock"})), ["read_clock"]);
    let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": only_clock});
    assert_eq!(called("weather in Oslo", allowed), [""; 0]);
    let allowed = json!({"type": "allowed_tools", "mode": "required", "tools": only_clock});
    assert_eq!(called("weather in Oslo", allowed), ["read_clock"]);
}

#[test]
fn a_custom_tool_is_called_as_a_function() {
    let turn = run(json!({
        "model": "demo",
        "tools": [{"type": "custom", "name": "run_python", "description": "Runs Python code"}],
        "input": "Run this Python code: print(1)"
    }));
    assert_eq!(
        turn.calls(),
        [("call_demo_1", "run_python", r#"{"input":"Run this Python code: print(1)"}"#)]
    );
}

#[test]
fn structured_output_satisfies_its_schema() {
    let format = json!({
        "type": "json_schema",
        "name": "event",
        "strict": true,
        "schema": {
            "type": "object",
            "properties": {
                "date": {"type": "string", "format": "date"},
                "participants": {"type": "array", "items": {"type": "string"}}
            },
            "required": ["date", "participants"],
            "additionalProperties": false
        }
    });
    check(
        json!({"model": "demo", "text": {"format": format}, "input": "Alice and Bob meet on Friday."}),
        r#"{"date":"2026-01-01","participants":["Alice","Bob"]}"#,
    );
    check(
        json!({"model": "demo", "text": {"format": {"type": "json_object"}}, "input": "JSON please"}),
        r#"{"answer":"You said: \"JSON please\""}"#,
    );
}

#[test]
fn a_schema_without_a_value_is_refused() {
    let format = json!({"type": "json_schema", "name": "x", "schema": {"type": "object", "allOf": [false]}});
    let turn = run(json!({"model": "demo", "text": {"format": format}, "input": "Hi"}));
    assert_failure(&turn, UpstreamErrorKind::InvalidRequest, Some(400));
}

#[test]
fn thinking_comes_back_sealed_and_is_checked() {
    let reasoning = json!({"effort": "low", "summary": "auto"});
    let turn = run(json!({"model": "demo", "reasoning": reasoning, "input": "Hi"}));
    let thought = turn.items[0].clone();
    assert_eq!(thought["summary"][0]["text"], "I read the message and decided: I shall answer in 3 words.");
    assert_eq!(thought.get("content"), None);
    assert_eq!(turn.usage, Usage::new(1, 9, None, 0, 6));

    let second = json!({"model": "demo", "input": [user("Hi"), thought, turn.items[1], user("Again")]});
    assert!(run(second.clone()).text().ends_with("Thoughts of mine that came back: 1."));

    let sealed = |blob: &str| json!(or_protocol::Envelope::seal("demo", "demo", blob));
    let mut forged = second;
    forged["input"][1]["encrypted_content"] = sealed("2 demo 0000000000000000");
    assert_failure(&run(forged), UpstreamErrorKind::InvalidRequest, Some(400));
}

#[test]
fn thinking_of_others_is_dropped_with_one_note() {
    let foreign = json!(or_protocol::Envelope::seal("anthropic", "m", "sig"));
    let item = |sealed: &Value| json!({"type": "reasoning", "summary": [], "encrypted_content": sealed});
    let body = json!({"model": "demo", "input": [item(&foreign), item(&json!("gAAAA")), user("Hi")]});
    let (_, notes, _) = call(&body);
    assert_eq!(notes, [Note::dropped("input.reasoning", "made by another provider")]);
    check(body, "You said: \"Hi\"");
}

#[test]
fn the_reasoning_model_shows_its_trace() {
    let turn = ask("demo-reasoning", "Hi");
    assert_eq!(
        turn.items[0]["content"][0]["text"],
        "The last message has 1 words. I shall answer in 3 words."
    );
    let none = run(json!({"model": "demo-reasoning", "reasoning": {"effort": "none"}, "input": "Hi"}));
    assert_eq!(none.items.len(), 1);
}

#[test]
fn the_token_budget_cuts_the_answer() {
    let turn = run(json!({"model": "demo-long", "max_output_tokens": 16, "input": "Go"}));
    assert_eq!(turn.text().split(' ').count(), 16);
    assert_eq!((turn.finish, turn.incomplete), (Some(FinishReason::MaxOutputTokens), 1));
    assert_eq!(turn.usage, Usage::new(1, 16, None, 0, 0));

    let whole = run(json!({"model": "demo-long-16", "max_output_tokens": 16, "input": "Go"}));
    assert_eq!((whole.finish, whole.incomplete), (Some(FinishReason::Stop), 0));

    let reasoning = json!({"effort": "max"});
    let thought =
        run(json!({"model": "demo", "reasoning": reasoning, "max_output_tokens": 16, "input": "Go"}));
    assert_eq!((thought.items.len(), thought.finish), (0, Some(FinishReason::MaxOutputTokens)));
    assert_eq!(thought.usage, Usage::new(1, 16, None, 0, 16));
}

#[test]
fn log_probabilities_cover_the_text() {
    let turn = run(json!({
        "model": "demo",
        "input": "Hi",
        "include": ["message.output_text.logprobs"],
        "top_logprobs": 2
    }));
    let tokens: String = turn.logprobs.iter().map(|(token, _)| token.as_str()).collect();
    assert_eq!(tokens, turn.text());
    assert!(turn.logprobs.iter().all(|(_, top)| *top == 2));
    assert!(!ask("demo-logprobs", "Hi").logprobs.is_empty());
    assert!(ask("demo", "Hi").logprobs.is_empty());
}

#[test]
fn citations_point_at_their_titles() {
    let turn = ask("demo-citations", "Où ça ?");
    let text: Vec<char> = turn.text().chars().collect();
    assert_eq!(turn.citations.len(), 2);
    for (title, start, end) in &turn.citations {
        assert_eq!(text[*start as usize..*end as usize].iter().collect::<String>(), *title);
    }
}

#[test]
fn refusals_and_filters_end_in_their_own_ways() {
    let turn = ask("demo-refusal", "Hi");
    assert_eq!(turn.items[0]["content"][0]["refusal"], "I cannot help with that.");
    assert_eq!(turn.finish, Some(FinishReason::Stop));
    let turn = ask("demo-filter", "Please tell me something that is quite long");
    assert_eq!(turn.text(), "You said: \"Please tell me something");
    assert_eq!((turn.finish, turn.incomplete), (Some(FinishReason::ContentFilter), 1));
}

#[test]
fn a_thousand_words_are_a_thousand_deltas() {
    let (answer, _, _) = call(&json!({"model": "demo-long", "stream": true, "input": "Go"}));
    assert_eq!(answer.steps.len(), 1001);
    assert!(answer.steps.iter().all(|step| step.after_ms == 0));
}

#[test]
fn words_that_are_made_one_by_one_are_those_of_the_whole_text() {
    for settings in [json!({}), json!({"max_output_tokens": 16}), json!({"reasoning": {"effort": "high"}})] {
        let mut body = json!({"model": "demo-long-20", "stream": true, "input": "Go"});
        body.as_object_mut().unwrap().extend(settings.as_object().unwrap().clone());
        let streamed = translate(&body, &call(&body).0, true, usize::MAX);
        body["stream"] = json!(false);
        let whole = translate(&body, &call(&body).0, false, usize::MAX);
        assert_eq!((streamed.text(), streamed.finish), (whole.text(), whole.finish), "{settings}");
        assert_eq!(streamed.usage, whole.usage, "{settings}");
    }
}

#[test]
fn what_the_model_does_not_look_at_is_noted() {
    let body = json!({
        "model": "demo",
        "temperature": 0.5,
        "user": "ada",
        "service_tier": "default",
        "tools": [{"type": "web_search"}],
        "input": [{"type": "shell_call", "call_id": "s", "action": {"commands": ["ls"]}}, user("Hi")]
    });
    let (_, notes, _) = call(&body);
    let fields: Vec<_> = notes.iter().map(|n| n.field.as_str()).collect();
    assert_eq!(fields, ["input.shell_call", "tools[0]", "temperature", "user"]);
    assert!(notes.iter().all(|n| n.kind == NoteKind::Dropped && n.why.is_ascii()));
}

#[test]
fn a_forced_tool_that_is_not_there_is_refused() {
    let body = json!({
        "model": "demo",
        "tools": [{"type": "web_search"}],
        "tool_choice": {"type": "web_search"},
        "input": "Hi"
    });
    let body = CreateResponseBody::from_value(body).unwrap();
    let error = Demo::new(&ProviderOptions::default()).unwrap().request(&request_of(&body)).unwrap_err();
    let text = "tool_choice demands a web_search call, which this provider cannot make.";
    assert_eq!(error, AdapterError::unsupported("tool_choice", text));
}

proptest! {
    #[test]
    fn any_body_gets_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert_eq!(respond("/demo", &bytes).status, 400);
    }

    #[test]
    fn any_text_gives_the_same_stream_and_body(
        text in any::<String>(),
        model in "demo(-reasoning|-citations|-logprobs|-filter)?",
        budget in proptest::option::of(16u64..40),
    ) {
        let mut body = json!({
            "model": model,
            "tools": [weather()],
            "reasoning": {"summary": "auto"},
            "input": text
        });
        if let Some(budget) = budget {
            body["max_output_tokens"] = json!(budget);
        }
        let turn = run(body);
        prop_assert!(turn.finish.is_some());
        prop_assert!(budget.is_none_or(|budget| turn.usage.output_tokens <= budget));
    }
}
