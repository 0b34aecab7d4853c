//! What Gemini says beside text and calls: the words that a source supports, log probabilities, the tier.

use or_adapters::ModelEvent;
use or_test_support::shared::{self, Case};
use pretty_assertions::assert_eq;
use serde_json::Value;

use super::items::cited;
use crate::replay::{Replay, documents};

fn answered() -> impl Iterator<Item = &'static Case> {
    shared::cases_of("gemini").into_iter().flatten().filter(|case| case.status == 200)
}

/// The texts of a streamed response, each with its part.
fn texts(case: &Case) -> Vec<Value> {
    let replay = Replay::of(case);
    let response = replay.respond(&replay.translate(case), true).response;
    let output = response["output"].as_array().into_iter().flatten();
    let parts = output.flat_map(|item| item["content"].as_array().into_iter().flatten().cloned());
    parts.filter(|part| part["type"] == "output_text").collect()
}

fn list<'v>(value: &'v Value, pointer: &str) -> impl Iterator<Item = &'v Value> {
    value.pointer(pointer).and_then(Value::as_array).into_iter().flatten()
}

#[test]
fn citations_point_at_the_words_they_support() {
    let mut seen = 0;
    for case in answered() {
        let documents = documents(case);
        let supports = documents
            .iter()
            .flat_map(|chunk| list(chunk, "/candidates/0/groundingMetadata/groundingSupports"));
        let supported: Vec<&str> = supports.filter_map(|s| s["segment"]["text"].as_str()).collect();
        for part in texts(case) {
            for annotation in list(&part, "/annotations") {
                let words = cited(part["text"].as_str().unwrap_or_default(), annotation);
                assert!(supported.contains(&words.as_str()), "{words:?} in {}", case.id());
                seen += 1;
            }
        }
    }
    assert!(seen > 20 || shared::folder().is_none(), "{seen}");
}

#[test]
fn log_probabilities_are_those_of_the_text() {
    let mut seen = 0;
    for case in answered().filter(|case| case.has("logprobs")) {
        for part in texts(case) {
            let tokens: String =
                list(&part, "/logprobs").filter_map(|token| token["token"].as_str()).collect();
            assert_eq!(tokens, part["text"].as_str().unwrap_or_default(), "{}", case.id());
            assert!(list(&part, "/logprobs").all(|token| list(token, "/top_logprobs").next().is_some()));
            seen += 1;
        }
    }
    assert!(seen >= 2 || shared::folder().is_none(), "{seen}");
}

#[test]
fn the_service_tier_is_the_last_that_was_said() {
    for case in answered() {
        let translated = Replay::of(case).translate(case);
        let ours = translated.events.iter().rev().find_map(|event| match event {
            ModelEvent::ServiceTier(tier) => Some(tier.as_str()),
            _ => None,
        });
        let documents = documents(case);
        let counts = documents.iter().map(|chunk| &chunk["usageMetadata"]);
        let last = counts.rev().find(|counts| counts["totalTokenCount"].is_u64());
        let theirs = last.and_then(|counts| counts["serviceTier"].as_str());
        assert_eq!(
            ours,
            theirs.map(|tier| if tier == "standard" { "default" } else { tier }),
            "{}",
            case.id()
        );
    }
}
