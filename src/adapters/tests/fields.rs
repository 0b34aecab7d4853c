//! What each kind of provider says of a request's fields: one that it cannot take as it is has its note, whatever the kind,
//! and a default has none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use or_adapters::{KINDS, ModelRequest, NoteKind, ProviderOptions, builtin};
use or_protocol::CreateResponseBody;
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

const MODELS: &[(&str, &str)] = &[
    ("openai-responses", "gpt-5.4"),
    ("openai-chat", "m"),
    ("anthropic", "claude-sonnet-4-6"),
    ("gemini", "gemini-2.5-flash"),
    ("ollama", "qwen3"),
    ("demo", "demo"),
];

/// The notes of a request with these fields: `-` before a dropped field, `~` before an emulated one.
#[track_caller]
fn notes(kind: &str, fields: &Value) -> Vec<String> {
    let mut body = json!({"input": "Hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = CreateResponseBody::from_value(body).unwrap();
    let model = MODELS.iter().find(|(known, _)| *known == kind).unwrap().1;
    let options = ProviderOptions { base_url: "http://host.example/v1".into(), ..ProviderOptions::default() };
    let request = ModelRequest { model, context: &body.input, settings: &body.settings, stream: false };
    let call = builtin(kind, &options).unwrap().unwrap().request(&request).unwrap();
    let mark = |note: or_adapters::Note| match note.kind {
        NoteKind::Dropped => format!("-{}", note.field),
        NoteKind::Emulated => format!("~{}", note.field),
        NoteKind::Unknown => format!("?{}", note.field),
    };
    call.notes.into_iter().map(mark).collect()
}

#[track_caller]
fn check(fields: Value, want: &[(&str, &[&str])]) {
    for kind in KINDS {
        let known = want.iter().find(|(known, _)| known == kind);
        assert_eq!(notes(kind, &fields), known.map_or(&[][..], |(_, notes)| *notes), "{kind}: {fields}");
    }
}

#[test]
fn defaults_need_no_note() {
    check(
        json!({
            "temperature": 1, "top_p": 1, "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0,
            "text": {"verbosity": "medium", "format": {"type": "text"}}, "truncation": "disabled",
            "service_tier": "auto", "parallel_tool_calls": true, "tool_choice": "auto", "metadata": {"a": "b"},
            "max_tool_calls": 3, "max_output_tokens": 99, "include": ["reasoning.encrypted_content"]
        }),
        &[],
    );
    check(json!({"service_tier": "default"}), &[]);
}

#[test]
fn the_truncation_that_nobody_does_is_noted() {
    let dropped: &[&str] = &["-truncation"];
    check(
        json!({"truncation": "auto"}),
        &[("openai-chat", dropped), ("anthropic", dropped), ("gemini", dropped)],
    );
}

#[test]
fn labels_of_a_request_that_do_not_reach_the_provider_are_noted() {
    let all: &[&str] = &["-safety_identifier", "-prompt_cache_key", "-user"];
    let by_beginning: &[&str] = &["-safety_identifier", "~prompt_cache_key", "-user"];
    check(
        json!({"safety_identifier": "s", "prompt_cache_key": "k", "user": "u"}),
        &[
            ("openai-chat", all),
            ("anthropic", &["-prompt_cache_key", "-user"]),
            ("gemini", by_beginning),
            ("ollama", by_beginning),
            ("demo", all),
        ],
    );
    check(
        json!({"user": "u"}),
        &[("openai-chat", &["-user"]), ("gemini", &["-user"]), ("ollama", &["-user"]), ("demo", &["-user"])],
    );
}

#[test]
fn a_tier_that_is_not_there_is_noted() {
    let dropped: &[&str] = &["-service_tier"];
    check(
        json!({"service_tier": "scale"}),
        &[
            ("openai-chat", dropped),
            ("anthropic", dropped),
            ("gemini", dropped),
            ("ollama", dropped),
            ("demo", dropped),
        ],
    );
}

#[test]
fn words_of_include_are_noted_where_there_is_nothing_to_include() {
    let dropped: &[&str] = &["-include"];
    let fields = json!({"include": ["web_search_call.results", "message.input_image.image_url"]});
    check(
        fields,
        &[
            ("openai-chat", dropped),
            ("anthropic", dropped),
            ("gemini", &["~include"]),
            ("ollama", dropped),
            ("demo", dropped),
        ],
    );
    check(
        json!({"include": ["message.output_text.logprobs"]}),
        &[("anthropic", dropped), ("gemini", dropped)],
    );
}

#[test]
fn sampling_and_style_are_noted_where_they_have_no_effect() {
    let penalties: &[&str] = &["-presence_penalty", "-frequency_penalty"];
    let fields = json!({"presence_penalty": 1, "frequency_penalty": 1});
    check(
        fields,
        &[
            ("openai-responses", penalties),
            ("anthropic", penalties),
            ("gemini", penalties),
            ("demo", penalties),
        ],
    );
    let (dropped, emulated): (&[&str], &[&str]) = (&["-text.verbosity"], &["~text.verbosity"]);
    check(
        json!({"text": {"verbosity": "high"}}),
        &[
            ("openai-chat", dropped),
            ("anthropic", emulated),
            ("gemini", dropped),
            ("ollama", dropped),
            ("demo", dropped),
        ],
    );
}
