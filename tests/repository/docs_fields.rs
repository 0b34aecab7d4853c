//! The mapping tables of `docs/providers/*.md` say of every field what the adapters do with it.

use std::collections::BTreeSet;
use std::path::Path;

use or_adapters::{KINDS, ModelRequest, NoteKind, ProviderOptions, builtin};
use or_protocol::CreateResponseBody;
use serde_json::{Value, json};

/// Requests by the name that the tables have for what is asked in them.
fn examples() -> Vec<(&'static str, Value)> {
    let function = json!([{"type": "function", "name": "f"}]);
    let schema = json!({"type": "json_schema", "name": "n", "schema": {"type": "object", "properties": {}}});
    let part = json!({"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit", "ttl": "12h"}});
    let marked = json!({"input": [{"role": "user", "content": [part]}]});
    vec![
        ("instructions", json!({"instructions": "i"})),
        ("max_output_tokens", json!({"max_output_tokens": 99})),
        ("temperature", json!({"temperature": 0.5})),
        ("top_p", json!({"top_p": 0.5})),
        ("presence_penalty", json!({"presence_penalty": 1})),
        ("frequency_penalty", json!({"frequency_penalty": 1})),
        ("top_logprobs", json!({"top_logprobs": 2})),
        ("reasoning.effort", json!({"reasoning": {"effort": "low"}})),
        ("reasoning.summary", json!({"reasoning": {"summary": "auto"}})),
        ("reasoning.summary", json!({"reasoning": {"summary": "detailed"}})),
        ("text.format", json!({"text": {"format": {"type": "json_object"}}})),
        ("text.format", json!({"text": {"format": schema}})),
        ("text.verbosity", json!({"text": {"verbosity": "low"}})),
        ("tools", json!({"tools": [{"type": "web_search"}]})),
        ("tools", json!({"tools": [{"type": "custom", "name": "c"}]})),
        ("tool_choice", json!({"tools": function, "tool_choice": "required"})),
        ("tool_choice", json!({"tools": function, "tool_choice": "none"})),
        ("parallel_tool_calls", json!({"tools": function, "parallel_tool_calls": false})),
        ("service_tier", json!({"service_tier": "flex"})),
        ("service_tier", json!({"service_tier": "scale"})),
        ("safety_identifier", json!({"safety_identifier": "s"})),
        ("user", json!({"user": "u"})),
        ("prompt_cache_key", json!({"prompt_cache_key": "k"})),
        ("prompt_cache_options", json!({"prompt_cache_options": {"mode": "explicit", "ttl": "12h"}})),
        ("prompt_cache_options", json!({"prompt_cache_options": {"ttl": "12h"}})),
        ("prompt_cache_retention", json!({"prompt_cache_retention": "24h"})),
        ("prompt_cache_breakpoint", marked),
        ("truncation", json!({"truncation": "auto"})),
        ("include", json!({"include": ["web_search_call.results"]})),
        ("unknown members", json!({"reasoning": {"mode": "pro"}, "misspelled": 1})),
    ]
}

/// Models of which the tables speak.
fn models(kind: &str) -> &'static [&'static str] {
    match kind {
        "openai-responses" => &["gpt-5.4", "gpt-4.1"],
        "openai-chat" => &["gpt-5.4", "m"],
        "anthropic" => &["claude-sonnet-4-6", "claude-opus-4-1", "claude-fable-5-1"],
        "gemini" => &["gemini-3-pro", "gemini-2.0-flash"],
        "ollama" => &["qwen3", "gpt-oss", "llama3.2:3b"],
        _ => &["demo"],
    }
}

/// The words for what became of a request, on any of the models.
fn words(kind: &str, fields: &Value) -> BTreeSet<&'static str> {
    let mut body = json!({"input": "Hi"});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let body = CreateResponseBody::from_value(body).unwrap();
    let options =
        ProviderOptions { base_url: "https://host.example/v1".into(), ..ProviderOptions::default() };
    let adapter = builtin(kind, &options).unwrap().unwrap();
    let mut words = BTreeSet::new();
    for model in models(kind) {
        let request = ModelRequest { model, context: &body.input, settings: &body.settings, stream: false };
        match adapter.request(&request) {
            Err(_) => {
                words.insert("refused");
            }
            Ok(call) => words.extend(call.notes.iter().map(|note| match note.kind {
                NoteKind::Emulated => "emulated",
                NoteKind::Dropped => "dropped",
                NoteKind::Unknown => "unknown",
            })),
        }
    }
    words
}

/// The rows of the tables of requests and items whose first cell names this.
fn rows(page: &str, name: &str) -> String {
    let table = page.lines().filter(|line| line.starts_with('|'));
    let named = |row: &&str| {
        let first = row.split('|').nth(1).unwrap_or_default();
        let more = first.trim_start().starts_with('…');
        first.contains(&format!("`{name}")) || (first.contains(name) && !first.contains('`')) || more
    };
    table.filter(named).collect::<Vec<_>>().join("\n").to_lowercase()
}

#[test]
fn the_tables_say_what_the_adapters_do() {
    let mut wrong = Vec::new();
    for kind in KINDS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/providers/{kind}.md"));
        let page = std::fs::read_to_string(&path).unwrap();
        for (name, fields) in examples() {
            let rows = rows(&page, name);
            if rows.is_empty() {
                wrong.push(format!("{kind}: no row for `{name}`"));
                continue;
            }
            for word in words(kind, &fields) {
                let told = rows.contains(word) || (word == "emulated" && rows.contains("note"));
                if !told {
                    wrong
                        .push(format!("{kind}: `{name}` is {word} for {fields}, which its row does not say"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
