//! Models that a provider has, and what is known of them.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::shared::lenient;
use crate::{AdapterError, UpstreamCall};

/// Kinds of input, in the order in which they are listed.
const MODALITIES: &[&str] = &["text", "image", "file", "audio", "video"];

/// What a model can do. `None`: nobody said; it is never guessed.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
pub struct Abilities {
    /// Of `text`, `image`, `file`, `audio`, `video`.
    pub input_modalities: Option<Vec<&'static str>>,
    /// Calls functions.
    pub tools: Option<bool>,
    /// Thinks, or can be told to.
    pub reasoning: Option<bool>,
    /// Keeps to a JSON schema.
    pub structured_output: Option<bool>,
    /// Tokens of input and output together, or of the input alone, as the provider counts its window.
    pub context_length: Option<u64>,
    /// Tokens of one answer.
    pub max_output_tokens: Option<u64>,
}

/// A model as its provider lists it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ModelInfo {
    /// The provider's name for it.
    pub name: String,
    /// Unix seconds.
    pub created: Option<i64>,
    /// What the provider says of it.
    pub abilities: Abilities,
}

/// A page of a provider's list.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ModelPage {
    /// Models that can answer here.
    pub models: Vec<ModelInfo>,
    /// What to ask for the next page; `None`: this was the last one.
    pub next: Option<String>,
}

/// A question without a body.
pub(crate) fn get(path: String, headers: Vec<(&'static str, String)>) -> UpstreamCall {
    UpstreamCall { path, headers, body: Vec::new(), stream: false, notes: Vec::new() }
}

pub(crate) fn parse<T: DeserializeOwned>(provider: &'static str, body: &[u8]) -> Result<T, AdapterError> {
    lenient::whole(provider, body)
}

/// These of our words that a provider's list has.
pub(crate) fn modalities(has: impl Fn(&str) -> bool) -> Vec<&'static str> {
    MODALITIES.iter().copied().filter(|word| has(word)).collect()
}

/// Seconds of a date such as `2025-09-29T00:00:00Z`.
pub(crate) fn unix(date: &str) -> Option<i64> {
    OffsetDateTime::parse(date, &Rfc3339).ok().map(OffsetDateTime::unix_timestamp)
}

/// `GET {base_url}/models` of OpenAI and of the hosts that speak like it: four members that all have, and what
/// some of them say beside.
pub(crate) fn read_openai(provider: &'static str, body: &[u8]) -> Result<ModelPage, AdapterError> {
    let answer: Value = parse(provider, body)?;
    // Some hosts send the bare list.
    let Some(list) = answer.get("data").unwrap_or(&answer).as_array() else {
        return Err(AdapterError::BadFrame { provider, what: "a list of models without a list".into() });
    };
    Ok(ModelPage { models: list.iter().filter_map(openai_model).collect(), next: None })
}

fn openai_model(model: &Value) -> Option<ModelInfo> {
    let name = model.get("id")?.as_str()?.to_owned();
    let capability = |name: &str| model.get("capabilities")?.get(name)?.as_bool();
    if capability("completion_chat") == Some(false) {
        return None;
    }
    let number = |names: &[&str]| names.iter().find_map(|name| model.get(*name)?.as_u64()).filter(|n| *n > 0);
    let words = |list: &Value| -> Option<Vec<String>> {
        Some(list.as_array()?.iter().filter_map(|word| word.as_str().map(str::to_owned)).collect())
    };
    let parameters = model.get("supported_parameters").and_then(words);
    let takes = |name: &str| parameters.as_ref().map(|list| list.iter().any(|word| word == name));
    let inputs = model.pointer("/architecture/input_modalities").and_then(words);
    let seen =
        capability("vision").map(|vision| modalities(|word| word == "text" || vision && word == "image"));
    let top = model.pointer("/top_provider/max_completion_tokens").and_then(Value::as_u64);
    Some(ModelInfo {
        name,
        created: model.get("created").and_then(Value::as_i64).filter(|at| *at > 0),
        abilities: Abilities {
            input_modalities: inputs
                .map(|list| modalities(|word| list.iter().any(|input| input == word)))
                .or(seen),
            tools: takes("tools").or(capability("function_calling")),
            reasoning: takes("reasoning").or(capability("reasoning")),
            structured_output: takes("structured_outputs"),
            context_length: number(&[
                "context_length",
                "context_window",
                "max_context_length",
                "max_model_len",
            ]),
            max_output_tokens: number(&["max_completion_tokens", "max_output_tokens"]).or(top),
        },
    })
}
