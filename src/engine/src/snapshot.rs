//! The response object at one moment of its life.

use std::borrow::Cow;
use std::fmt;

use or_protocol::{
    ApiError, IncompleteDetails, Item, ResponseError, ResponseMembers, ResponseResource, ResponseStatus,
    Usage,
};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::LoopSpec;

/// The parts of a response object that change over its life.
pub(crate) struct Snapshot<'a> {
    pub(crate) status: ResponseStatus,
    pub(crate) completed_at: Option<i64>,
    pub(crate) incomplete: Option<&'a IncompleteDetails>,
    pub(crate) error: Option<&'a ResponseError>,
    pub(crate) usage: Option<&'a Usage>,
    pub(crate) service_tier: Option<&'a str>,
    pub(crate) members: Option<&'a ResponseMembers>,
}

impl Default for Snapshot<'_> {
    fn default() -> Self {
        Self {
            status: ResponseStatus::InProgress,
            completed_at: None,
            incomplete: None,
            error: None,
            usage: None,
            service_tier: None,
            members: None,
        }
    }
}

pub(crate) fn resource<'a>(
    spec: &'a LoopSpec,
    output: &'a [Item],
    now: Snapshot<'a>,
) -> ResponseResource<'a> {
    ResponseResource {
        id: &spec.id,
        created_at: spec.created_at,
        completed_at: now.completed_at,
        status: now.status,
        incomplete_details: now.incomplete,
        model: &spec.model,
        previous_response_id: spec.previous_response_id.as_deref(),
        output,
        error: now.error,
        usage: now.usage,
        store: spec.store,
        background: spec.background,
        // The request's wish is no fact; without the provider's word the tier is the default one.
        service_tier: now.service_tier.unwrap_or("default"),
        settings: &spec.settings,
        members: now.members,
        prompt_cache_diagnostics: spec.prompt_cache_diagnostics.as_ref(),
    }
}

/// The response object as JSON.
pub(crate) fn snapshot_json(resource: &ResponseResource<'_>) -> Box<RawValue> {
    // Our types have string keys and finite numbers only, so this does not fail.
    to_raw_value(resource).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

pub(crate) fn response_error(error: &ApiError) -> ResponseError {
    let details = error.details.as_deref().cloned().unwrap_or_default();
    ResponseError { code: error.code().to_owned(), message: error.message.clone(), details }
}

/// Longest member that stays in a response whose record has to be short; and longest metadata, which clients look
/// their responses up by.
const SHORT: usize = 512;
const SHORT_METADATA: usize = 16 << 10;

/// The members of a response object as they are, in their order. Nothing in them is parsed, so this costs no more
/// than a look at them.
struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a response object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<Cow<'de, str>, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// A response object as one that failed, otherwise as it is; `None` if it is no object.
pub fn failed_response(whole: &RawValue, error: &ApiError) -> Option<Box<RawValue>> {
    rewritten(whole, Some(error), |_, value| value)
}

/// A response object without what may be long: output, tools, instructions, schemas. `error`: why it failed, if that
/// is not in it yet. `None` if it is no object.
pub fn short_response(whole: &RawValue, error: Option<&ApiError>) -> Option<Box<RawValue>> {
    rewritten(whole, error, |name, value| match (name, value.len()) {
        ("output", _) => "[]",
        ("metadata", ..=SHORT_METADATA) | (_, ..=SHORT) => value,
        ("tools", _) => "[]",
        ("text", _) => r#"{"format":{"type":"text"}}"#,
        ("tool_choice", _) => r#""auto""#,
        ("metadata", _) => "{}",
        ("model", _) => r#""""#,
        _ => "null",
    })
}

/// A response object that is over, as it was when it began; `None` if it is no object.
pub(crate) fn opening_response(whole: &RawValue) -> Option<Box<RawValue>> {
    rewritten(whole, None, |name, value| match name {
        "status" => r#""in_progress""#,
        "output" => "[]",
        "completed_at" | "error" | "incomplete_details" | "usage" => "null",
        _ => value,
    })
}

fn rewritten<'a>(
    whole: &'a RawValue,
    error: Option<&ApiError>,
    member: impl Fn(&str, &'a str) -> &'a str,
) -> Option<Box<RawValue>> {
    let Members(members) = serde_json::from_str(whole.get()).ok()?;
    let failure = error.map(|error| serde_json::to_string(&response_error(error))).transpose().ok()?;
    let mut json = String::with_capacity(whole.get().len().min(1 << 20));
    let missing = ["status", "error"].into_iter().filter(|_| failure.is_some());
    let missing = missing.filter(|name| !members.iter().any(|(there, _)| there == name));
    let missing = missing.map(|name| (Cow::Borrowed(name), RawValue::NULL)).collect::<Vec<_>>();
    for (name, value) in members.iter().chain(&missing) {
        json.push(if json.is_empty() { '{' } else { ',' });
        json.push_str(&serde_json::to_string(name).ok()?);
        json.push(':');
        json.push_str(match (&**name, &failure) {
            ("status", Some(_)) => r#""failed""#,
            ("error", Some(failure)) => failure,
            ("incomplete_details" | "completed_at", Some(_)) => "null",
            (name, _) => member(name, value.get()),
        });
    }
    json.push('}');
    RawValue::from_string(json).ok()
}

#[cfg(test)]
mod tests {
    use or_protocol::ErrorKind;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    fn raw(value: &Value) -> Box<RawValue> {
        to_raw_value(value).unwrap()
    }

    #[test]
    fn what_may_be_long_is_left_out_of_a_short_response() {
        let long = "x".repeat(SHORT);
        let whole = json!({
            "id": "resp_1", "status": "completed", "incomplete_details": {"reason": "x"}, "error": null,
            "instructions": long, "model": "m", "output": [1], "tools": [long], "text": {"format": long},
            "tool_choice": {"tools": long}, "metadata": {"kept": long}, "store": true,
        });
        let error = ApiError::internal();
        let failure = json!({"code": "server_error", "message": error.message});
        let want = json!({
            "id": "resp_1", "status": "failed", "incomplete_details": null, "error": failure,
            "instructions": null, "model": "m", "output": [], "tools": [],
            "text": {"format": {"type": "text"}}, "tool_choice": "auto", "metadata": {"kept": long}, "store": true,
        });
        let short = short_response(&raw(&whole), Some(&error)).unwrap();
        assert_eq!(serde_json::from_str::<Value>(short.get()).unwrap(), want);
        let mut failed = whole.clone();
        (failed["status"], failed["error"], failed["incomplete_details"]) =
            ("failed".into(), failure, Value::Null);
        let got = failed_response(&raw(&whole), &error).unwrap();
        assert_eq!(serde_json::from_str::<Value>(got.get()).unwrap(), failed);
        assert!(failed_response(&raw(&json!([1])), &error).is_none());
    }

    #[test]
    fn numbers_keep_their_digits() {
        let whole = RawValue::from_string(r#"{"error":{},"tools":[1e15,1.10]}"#.into()).unwrap();
        let got = failed_response(&whole, &ApiError::new(ErrorKind::Server, "x").with_code("y")).unwrap();
        let want = r#"{"error":{"code":"y","message":"x"},"tools":[1e15,1.10],"status":"failed"}"#;
        assert_eq!(got.get(), want);
    }
}
