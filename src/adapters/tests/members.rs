//! Every member of a create request that OpenAI's types know is carried, noted or refused on every kind of provider: none is
//! dropped in silence. The list is made by `tests/sdk/members.py` from the `openai` package.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use or_adapters::{KINDS, ModelRequest, Note, ProviderOptions, builtin};
use or_protocol::{CreateResponseBody, update_settings};
use serde_json::Value;

const LIST: &str = include_str!("members.json");

/// Members that a kind of provider, or none, has to be told of, and why.
const OURS: &[(&str, &str, &str)] = &[
    ("background", "", "this server goes on by itself"),
    ("max_tool_calls", "", "counted by the engine, and by the provider where it runs tools itself"),
    ("metadata", "", "of the client"),
    ("previous_response_id", "", "what it names is of the context"),
    ("prompt_cache_options.comparison_response_id", "", "compared here: it is one of this server's"),
    ("prompt_cache_options.mode", "anthropic", "without marks nothing is cached, as it asks"),
    ("store", "", "this server keeps responses"),
    ("stream_options.include_obfuscation", "", "nothing is padded"),
    ("text.format.strict", "anthropic", "it always holds to the schema, or a note says that it does not"),
    ("text.format.strict", "gemini", "the same"),
    ("text.format.strict", "ollama", "the same"),
    ("text.format.strict", "demo", "the same"),
    ("tools[].function.strict", "demo", "the same"),
    ("truncation", "demo", "it has no context window"),
    ("tools[].web_search.external_web_access", "gemini", "every search is live"),
    ("tools[].web_search.filters", "gemini", "an empty one asks for nothing"),
    ("tools[].web_search.user_location", "gemini", "an empty one asks for nothing"),
    ("tools[].web_search_preview.user_location", "gemini", "an empty one asks for nothing"),
    ("tools[].code_interpreter.container", "gemini", "each run has a new one"),
];
/// The last name of members that say nothing to a model: ids of records and states.
const FRAME: &[&str] = &["id", "status", "created_by"];

fn model(kind: &str) -> &'static str {
    match kind {
        "openai-responses" => "gpt-5.4",
        "anthropic" => "claude-sonnet-4-6",
        "gemini" => "gemini-3-pro",
        "ollama" => "qwen3",
        "demo" => "demo",
        _ => "m",
    }
}

/// What becomes of a body: the call and its notes, or the refusal.
fn fate(kind: &str, body: &Value) -> Result<(Value, Vec<Note>), String> {
    let mut body = CreateResponseBody::from_value(body.clone()).map_err(|e| e.message)?;
    update_settings(&mut body.settings, &body.input).map_err(|e| e.message)?;
    let options = ProviderOptions { base_url: "http://host.example/v1".into(), ..ProviderOptions::default() };
    let (model, context, settings) = (model(kind), &body.input[..], &body.settings);
    let request = ModelRequest { model, context, settings, stream: true };
    let call = builtin(kind, &options).unwrap().unwrap().request(&request).map_err(|e| e.to_string())?;
    Ok((serde_json::from_slice(&call.body).unwrap(), call.notes))
}

/// Whether a note is of what the member is in, as of a whole tool that a provider cannot run.
fn covers(note: &Note, path: &str) -> bool {
    let inside = path.split('.').nth(1).unwrap_or_default();
    match path.split('[').next() {
        Some("tools") => note.field.starts_with("tools[1]"),
        Some("input") => note.field.starts_with(&format!("input.{}", inside.trim_start_matches("[]."))),
        _ => path.starts_with(&note.field),
    }
}

#[derive(Debug, serde::Deserialize)]
struct Member {
    path: String,
    with: Value,
    without: Value,
}

fn is_ours(kind: &str, path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or_default();
    let of_item = path.starts_with("input[]") || path.starts_with("content[]");
    let within =
        |whole: &str| path.strip_prefix(whole).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    OURS.iter().any(|(ours, of, _)| within(ours) && (of.is_empty() || *of == kind))
        || (of_item && FRAME.contains(&last))
}

/// An empty object of the request itself.
fn asks_nothing(member: &Member) -> bool {
    member
        .with
        .get(&member.path)
        .is_some_and(|value| value.as_object().is_some_and(|object| object.is_empty()))
}

#[test]
fn no_member_is_dropped_in_silence() {
    let list: Vec<Member> = serde_json::from_str(LIST).unwrap();
    assert!(list.len() > 250, "{}", list.len());
    let mut silent = Vec::new();
    for member in list.iter().filter(|member| !asks_nothing(member)) {
        for kind in KINDS.iter().filter(|kind| !is_ours(kind, &member.path)) {
            let Ok((body, notes)) = fate(kind, &member.with) else { continue };
            let told = match fate(kind, &member.without) {
                // Without it the request makes no sense, so it is read.
                Err(_) => true,
                Ok((other, before)) => body != other || notes != before,
            };
            if !told && !notes.iter().any(|note| covers(note, &member.path)) {
                silent.push(format!("{kind}: {}", member.path));
            }
        }
    }
    assert!(silent.is_empty(), "dropped in silence:\n{}", silent.join("\n"));
}

/// Towards the provider that speaks the same wire a member arrives as it is.
#[test]
fn openais_own_wire_gets_them_as_they_came() {
    let own = [
        "access_programs.cyber",
        "image.context_compression",
        "moderation.policy.input.mode",
        "prompt_cache_options.mode",
        "prompt_cache_options.prewarm",
        "prompt_cache_retention",
        "context_management[].compact_threshold",
        "background_options.continuation_id",
        "reasoning.context",
        "reasoning.mode",
    ];
    let list: Vec<Member> = serde_json::from_str(LIST).unwrap();
    for path in own {
        let member = list.iter().find(|member| member.path == path).unwrap();
        let (body, notes) = fate("openai-responses", &member.with).unwrap();
        let top = path.split(['.', '[']).next().unwrap();
        let (want, got) = (&member.with[top], &body[top]);
        let has = want.as_object().is_some_and(|want| want.iter().all(|(key, value)| got[key] == *value));
        assert!(want == got || has, "{path}: {got}");
        assert_eq!(notes, [], "{path}");
    }
}
