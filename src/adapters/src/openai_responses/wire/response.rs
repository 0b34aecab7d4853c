//! The response object of an answer.

use std::fmt;

use or_protocol::ResponseMember;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Incomplete, Loose};
use crate::shared::lenient::{Lenient, Word};

/// Most members that are told as unknown.
const MAX_UNKNOWN: usize = 16;

/// What repeats the request, what this server says itself, the provider's own books, and where
/// some hosts name an error.
const SKIPPED: [&str; 41] = [
    "background",
    "background_options",
    "billing",
    "client_metadata",
    "completed_at",
    "context_management",
    "conversation",
    "cost",
    "created",
    "created_at",
    "frequency_penalty",
    "id",
    "include",
    "input",
    "instructions",
    "last_error",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "model",
    "object",
    "output_text",
    "parallel_tool_calls",
    "presence_penalty",
    "previous_response_id",
    "prompt",
    "prompt_cache_diagnostics",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "seed",
    "status_details",
    "store",
    "stream",
    "temperature",
    "text",
    "tool_choice",
    "tools",
    "top_logprobs",
    "top_p",
    "truncation",
];

/// The parts of a response object that say something new.
#[derive(Debug, Default)]
pub(crate) struct Response<'a> {
    pub(crate) status: Word<'a>,
    /// Nothing else than absent if it is no list.
    pub(crate) output: Option<Loose<'a>>,
    pub(crate) usage: Option<&'a RawValue>,
    pub(crate) error: Option<&'a RawValue>,
    pub(crate) incomplete_details: Lenient<Incomplete<'a>>,
    pub(crate) service_tier: Option<&'a RawValue>,
    /// What is shown as it is. None is empty.
    pub(crate) members: Vec<(ResponseMember, &'a RawValue)>,
    /// Names of others that are not empty.
    pub(crate) unknown: Vec<Word<'a>>,
}

/// Whether JSON is more than the word for nothing.
pub(crate) fn says_something(json: &str) -> bool {
    !matches!(json, "null" | "\"\"" | "{}" | "[]" | "false")
}

impl<'de: 'a, 'a> Deserialize<'de> for Response<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ResponseVisitor)
    }
}

struct ResponseVisitor;

impl<'de> Visitor<'de> for ResponseVisitor {
    type Value = Response<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a response object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Response<'de>, A::Error> {
        let mut response = Response::default();
        while let Some(name) = map.next_key::<Word<'de>>()? {
            match name.as_str() {
                "status" => response.status = map.next_value()?,
                "output" => response.output = map.next_value()?,
                "usage" => response.usage = map.next_value()?,
                "error" => response.error = map.next_value()?,
                "incomplete_details" => response.incomplete_details = map.next_value()?,
                "service_tier" => response.service_tier = map.next_value()?,
                known if SKIPPED.binary_search(&known).is_ok() => {
                    map.next_value::<IgnoredAny>()?;
                }
                other => {
                    let member = ResponseMember::of(other);
                    let value: &RawValue = map.next_value()?;
                    match member {
                        _ if !says_something(value.get()) => {}
                        Some(member) => response.members.push((member, value)),
                        None if response.unknown.len() < MAX_UNKNOWN => response.unknown.push(name),
                        None => {}
                    }
                }
            }
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_skipped_is_in_order() {
        assert!(SKIPPED.is_sorted());
    }
}
