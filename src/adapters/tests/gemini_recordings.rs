//! Every recorded answer of Gemini is understood, however its bytes are cut, and goes back as it came.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod gemini_support;

use gemini_support::cases::{Case, cases};
use gemini_support::{Answer, assemble, body, gemini, stream, translator, user};
use or_adapters::{Adapter, FinishReason, ModelEvent, UpstreamErrorKind};
use or_protocol::{FunctionCallOutput, Include, Item, Output, Settings};
use pretty_assertions::assert_eq;
use serde_json::Value;

fn settings() -> Settings {
    Settings { include: vec![Include::OutputTextLogprobs], ..Settings::default() }
}

fn events(case: &Case, context: &[Item]) -> Vec<ModelEvent> {
    let mut translator = translator(&case.model, context, &settings());
    if case.sse {
        let (out, end) = stream(translator, std::iter::once(case.body.as_slice()));
        assert_eq!(end, Ok(()), "{}", case.name);
        return out;
    }
    let mut out = Vec::new();
    translator.unary(&case.body, &mut out).unwrap();
    out
}

/// The answer's chunks, read without the adapter.
fn chunks(case: &Case) -> Vec<Value> {
    let text = String::from_utf8(case.body.clone()).unwrap();
    if !case.sse {
        return vec![serde_json::from_str(&text).unwrap()];
    }
    text.lines().filter_map(|l| l.strip_prefix("data:")).map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn parts(case: &Case) -> Vec<Value> {
    let first = |c: &Value| c["candidates"].get(0).cloned().unwrap_or_default();
    chunks(case)
        .iter()
        .flat_map(|c| first(c)["content"]["parts"].as_array().cloned().unwrap_or_default())
        .collect()
}

fn good(case: &&Case) -> bool {
    case.status == 200
}

#[test]
fn text_and_thoughts_are_whole() {
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        let all = |thought: bool| -> String {
            let mine = |p: &&Value| p["thought"].as_bool().unwrap_or(false) == thought;
            parts(case).iter().filter(mine).filter_map(|p| p["text"].as_str()).collect()
        };
        assert_eq!((answer.text, answer.thoughts), (all(false), all(true)), "{}", case.name);
    }
}

#[test]
fn calls_have_their_names_ids_and_arguments() {
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        let mut want: Vec<(Value, Vec<Value>)> = Vec::new();
        for part in parts(case) {
            let Some(call) = part.get("functionCall") else { continue };
            if call.get("name").is_some() {
                want.push((call.clone(), Vec::new()));
            }
            let pieces = call.get("partialArgs").and_then(Value::as_array).cloned().unwrap_or_default();
            want.last_mut().unwrap().1.extend(pieces);
        }
        assert_eq!(answer.calls.len(), want.len(), "{}", case.name);
        for ((id, name, arguments), (call, pieces)) in answer.calls.iter().zip(want) {
            assert_eq!(name, call["name"].as_str().unwrap());
            match call["id"].as_str() {
                Some(given) => assert_eq!(id, given),
                None => assert!(id.starts_with("call_") && id.len() == 21, "{id}"),
            }
            let got: Value = serde_json::from_str(arguments).unwrap();
            if pieces.is_empty() {
                let args = call.get("args").cloned().unwrap_or_else(|| serde_json::json!({}));
                assert_eq!(got, args, "{}", case.name);
            }
            for piece in &pieces {
                let path = piece["jsonPath"].as_str().unwrap();
                let pointer = path.replace(['.', '['], "/").replace([']', '$'], "");
                let same = |p: &&Value| p["jsonPath"] == piece["jsonPath"];
                let whole: String =
                    pieces.iter().filter(same).filter_map(|p| p["stringValue"].as_str()).collect();
                assert_eq!(got.pointer(&pointer).unwrap(), &Value::from(whole), "{}", case.name);
            }
        }
    }
}

#[test]
fn the_end_and_the_counts_are_right() {
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        let chunks = chunks(case);
        let reason = chunks.iter().filter_map(|c| c["candidates"][0]["finishReason"].as_str()).next_back();
        let want = match reason {
            Some("STOP") => FinishReason::Stop,
            Some("MAX_TOKENS") => FinishReason::MaxOutputTokens,
            Some("MODEL_ARMOR") | None => FinishReason::ContentFilter,
            Some(other) => panic!("{other} in {}", case.name),
        };
        assert_eq!(answer.finished, Some(want), "{}", case.name);
        let last = chunks.iter().map(|c| &c["usageMetadata"]).rfind(|u| u["totalTokenCount"].is_u64());
        let Some(last) = last else {
            assert_eq!(answer.usage, None, "{}", case.name);
            continue;
        };
        let n = |key: &str| last[key].as_u64().unwrap_or(0);
        let usage = answer.usage.unwrap();
        assert_eq!(
            (usage.input_tokens, usage.output_tokens, usage.total_tokens),
            (
                n("promptTokenCount") + n("toolUsePromptTokenCount"),
                n("candidatesTokenCount") + n("thoughtsTokenCount"),
                n("totalTokenCount")
            ),
            "{}",
            case.name
        );
        assert_eq!(usage.input_tokens + usage.output_tokens, usage.total_tokens, "{}", case.name);
        assert_eq!(usage.input_tokens_details.cached_tokens, n("cachedContentTokenCount"));
        assert_eq!(usage.output_tokens_details.reasoning_tokens, n("thoughtsTokenCount"));
        let tier = last["serviceTier"].as_str().map(|t| if t == "standard" { "default" } else { t });
        assert_eq!(answer.tier.as_deref(), tier, "{}", case.name);
    }
}

#[test]
fn log_probabilities_are_those_of_the_text() {
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        if chunks(case)[0]["candidates"][0]["logprobsResult"].is_object() {
            let tokens: String = answer.logprobs.iter().map(|l| l.token.as_str()).collect();
            assert_eq!(tokens, answer.text, "{}", case.name);
            assert!(answer.logprobs.iter().all(|l| !l.top_logprobs.is_empty()));
        }
    }
}

#[test]
fn citations_point_at_the_words_they_support() {
    let mut seen = 0;
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        let text: Vec<char> = answer.text.chars().collect();
        let supports: Vec<String> = chunks(case)
            .iter()
            .filter_map(|c| c["candidates"][0]["groundingMetadata"]["groundingSupports"].as_array().cloned())
            .flatten()
            .filter_map(|s| s["segment"]["text"].as_str().map(str::to_owned))
            .collect();
        for item in &answer.items {
            let json = serde_json::to_value(item).unwrap();
            for annotation in json["content"][0]["annotations"].as_array().into_iter().flatten() {
                let at = |key: &str| usize::try_from(annotation[key].as_u64().unwrap()).unwrap();
                let words: String = text[at("start_index")..at("end_index")].iter().collect();
                assert!(supports.contains(&words), "{words:?} in {}", case.name);
                seen += 1;
            }
        }
    }
    assert!(seen > 20 || cases().is_empty(), "{seen}");
}

#[test]
fn any_cut_of_the_bytes_gives_the_same_events() {
    for case in cases().iter().filter(good).filter(|c| c.sse) {
        let want = events(case, &[]);
        let text = String::from_utf8(case.body.clone()).unwrap();
        let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
        for bytes in [case.body.as_slice(), crlf.as_bytes()] {
            let size = if bytes.len() <= 16 * 1024 { 1 } else { 997 };
            let (got, end) = stream(translator(&case.model, &[], &settings()), bytes.chunks(size));
            assert_eq!((got, end), (want.clone(), Ok(())), "{}", case.name);
        }
    }
}

#[test]
fn a_unary_answer_says_the_same_as_the_stream() {
    for case in cases().iter().filter(good).filter(|c| c.sse) {
        let array = serde_json::to_vec(&chunks(case)).unwrap();
        let mut got = Vec::new();
        translator(&case.model, &[], &settings()).unary(&array, &mut got).unwrap();
        assert_eq!(got, events(case, &[]), "{}", case.name);
    }
}

#[test]
fn a_stream_that_lost_its_end_is_truncated() {
    for case in cases().iter().filter(good).filter(|c| c.sse) {
        let text = String::from_utf8(case.body.clone()).unwrap();
        let Some(cut) = text.find("finishReason").and_then(|at| text[..at].rfind("data:")) else { continue };
        let pieces = std::iter::once(&case.body[..cut]);
        let (out, end) = stream(translator(&case.model, &[], &settings()), pieces);
        assert!(matches!(end, Err(or_adapters::AdapterError::Truncated { .. })), "{}", case.name);
        assert_eq!(assemble(&out).finished, None);
    }
}

#[test]
fn error_bodies_have_their_kind() {
    let mut got: Vec<_> = cases()
        .iter()
        .filter(|c| c.status != 200)
        .map(|case| {
            let error = gemini(false).error(case.status, None, &case.body);
            (case.name.clone(), error.kind, error.retry_after_s)
        })
        .collect();
    got.sort_by(|a, b| a.0.cmp(&b.0));
    let want: Vec<_> = [
        ("pydantic-model-sees-multiple-images-google-vertex-t2", UpstreamErrorKind::InvalidRequest, None),
        (
            "rig-gemini-error-envelope-nonexistent-model-error-preserves-status-and",
            UpstreamErrorKind::ModelNotFound,
            None,
        ),
        ("rig-gemini-response-identity-auth-rejection-keeps-transport-shape", UpstreamErrorKind::Auth, None),
        (
            "rubyllm-error-handling-with-gemini-gemini-2-5-flash-raises-appropriate",
            UpstreamErrorKind::Auth,
            None,
        ),
        (
            "rubyllm-real-error-scenarios-gemini-gemini-2-5-flash-handles-context-l",
            UpstreamErrorKind::RateLimit,
            Some(48),
        ),
        (
            "rubyllm-real-error-scenarios-vertexai-gemini-2-5-flash-handles-context",
            UpstreamErrorKind::ContextLength,
            None,
        ),
    ]
    .map(|(name, kind, retry)| (name.to_owned(), kind, retry))
    .into();
    assert!(got == want || got.is_empty(), "{got:#?}");
}

/// Results for all calls, or a word of the user.
fn go_on(answer: &Answer) -> Vec<Item> {
    let mut context = vec![user("Begin.")];
    context.extend(answer.items.iter().cloned());
    for (call_id, ..) in &answer.calls {
        context.push(Item::FunctionCallOutput(FunctionCallOutput {
            id: None,
            call_id: call_id.clone(),
            output: Output::Text("done".into()),
            status: None,
        }));
    }
    if answer.calls.is_empty() {
        context.push(user("Go on."));
    }
    context
}

/// What a part means: its data with the signature, names in one spelling.
fn meaning(part: &Value) -> Option<Value> {
    let text = part.to_string();
    let text = text.replace("\"function_call\"", "\"functionCall\"");
    let text = text.replace("\"thought_signature\"", "\"thoughtSignature\"");
    let mut part: Value = serde_json::from_str(&text).unwrap();
    if let Some(call) = part.get_mut("functionCall").and_then(Value::as_object_mut) {
        call.entry("args").or_insert_with(|| serde_json::json!({}));
    }
    // Python's client writes the URL-safe alphabet.
    if let Some(sig) = part["thoughtSignature"].as_str().map(|s| s.replace('-', "+").replace('_', "/")) {
        part["thoughtSignature"] = sig.into();
    }
    if part["thought"].as_bool() == Some(false) {
        part.as_object_mut().unwrap().remove("thought");
    }
    let empty = part["text"].as_str() == Some("") && part["thoughtSignature"].is_null();
    let summary = part["thought"].as_bool() == Some(true);
    (!empty && !summary).then_some(part)
}

/// The next request repeats Gemini's own parts exactly: ids, names, arguments, signatures and their places.
#[test]
fn an_answer_goes_back_as_it_came() {
    const NOT_CARRIED: &[&str] = &["executableCode", "codeExecutionResult", "toolCall", "toolResponse"];
    for case in cases().iter().filter(good) {
        let answer = assemble(&events(case, &[]));
        if answer.items.is_empty() || answer.finished != Some(FinishReason::Stop) {
            continue;
        }
        let mut want: Vec<Value> = Vec::new();
        let mut apart = false;
        for part in parts(case).iter().filter(|p| NOT_CARRIED.iter().all(|k| p.get(k).is_none())) {
            let thought = part["thought"].as_bool() == Some(true);
            let apart = std::mem::replace(&mut apart, thought);
            let Some(part) = meaning(part) else { continue };
            let plain = |p: &Value| p["text"].is_string() && p["thoughtSignature"].is_null();
            match want.last_mut().filter(|last| plain(last) && plain(&part) && !apart) {
                // Unsigned text of several chunks is one part.
                Some(last) => {
                    last["text"] =
                        format!("{}{}", last["text"].as_str().unwrap(), part["text"].as_str().unwrap())
                            .into();
                }
                None => want.push(part),
            }
        }
        if want.iter().any(|p| {
            p["functionCall"]["partialArgs"].is_array() || p["functionCall"]["willContinue"].is_boolean()
        }) {
            continue;
        }
        let (body, notes) = body("gemini-2.5-flash", &go_on(&answer), &Settings::default()).unwrap();
        assert_eq!(body["contents"][1]["role"], "model");
        let parts = body["contents"][1]["parts"].as_array().unwrap();
        let got: Vec<_> = parts.iter().filter_map(meaning).collect();
        assert_eq!(got, want, "{}", case.name);
        assert!(notes.is_empty(), "{notes:?} in {}", case.name);
    }
}

/// The recorded next request has the same assistant turn as ours, apart from what its client changed.
#[test]
fn the_next_turn_matches_the_recorded_one() {
    // These clients make up ids, copy or leave out signatures, or repeat the request from the beginning.
    const OTHERWISE: &[&str] = &[
        "pydantic-google-model-file-search-grounding-gemini-3-true-t5",
        "rig-gemini-turn-termination-matrix-streaming-escalating-retry-reports-t2",
        "rubyllm-function-calling-vertexai-gemini-2-5-flash-can-handle-multiple-t3",
    ];
    let cases = cases();
    let mut seen = 0;
    for case in &cases {
        let Some((group, number)) = case.name.rsplit_once("-t") else { continue };
        let Ok(number) = number.parse::<u32>() else { continue };
        let next = format!("{group}-t{}", number + 1);
        let Some(next) = cases.iter().find(|c| c.name == next) else { continue };
        if OTHERWISE.contains(&next.name.as_str()) {
            continue;
        }
        let (Some(before), Some(after)) = (&case.request, &next.request) else { continue };
        let at = before["contents"].as_array().unwrap().len();
        let recorded = &after["contents"][at];
        assert_eq!(recorded["role"], "model", "{}", next.name);
        let answer = assemble(&events(case, &[]));
        let (body, _) = body("gemini-2.5-flash", &go_on(&answer), &Settings::default()).unwrap();
        let ours: Vec<_> =
            body["contents"][1]["parts"].as_array().unwrap().iter().filter_map(meaning).collect();
        let mut theirs: Vec<_> = recorded["parts"].as_array().unwrap().iter().filter_map(meaning).collect();
        for part in &mut theirs {
            if let Some(call) = part.get_mut("functionCall").and_then(Value::as_object_mut)
                && call.get("id").is_some_and(|id| id.as_str().unwrap().starts_with("pyd_ai_"))
            {
                call.remove("id");
            }
        }
        assert_eq!(ours, theirs, "{}", next.name);
        seen += 1;
    }
    assert!(seen >= 8 || cases.is_empty(), "{seen}");
}
