//! The answer side of the wire, borrowed from the frame. Unknown fields and words are tolerated.

pub(super) mod body;
mod response;

use std::borrow::Cow;
use std::fmt;

use or_protocol::Usage;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub(super) use self::response::{Response, says_something};
use crate::AdapterError;
use crate::shared::lenient::{self, Count, Lenient, Text, Word};

/// The kind in the configuration, and the origin of sealed state.
pub(super) const KIND: &str = "openai-responses";

/// What is a text or a list on this wire. Anything else counts as nothing (hosted events have objects as `delta`).
#[derive(Debug, Default)]
pub(super) enum Loose<'a> {
    Text(Cow<'a, str>),
    List(Vec<&'a RawValue>),
    #[default]
    Other,
}

impl<'a> Loose<'a> {
    /// The text, made once.
    pub(super) fn into_text(self) -> String {
        match self {
            Self::Text(text) => text.into_owned(),
            Self::List(_) | Self::Other => String::new(),
        }
    }

    pub(super) fn list(&self) -> &[&'a RawValue] {
        match self {
            Self::List(list) => list,
            Self::Text(_) | Self::Other => &[],
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Loose<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LooseVisitor)
    }
}

struct LooseVisitor;

impl<'de> Visitor<'de> for LooseVisitor {
    type Value = Loose<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Loose<'de>, E> {
        Ok(Loose::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Loose<'de>, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = seq.next_element()? {
            list.push(value);
        }
        Ok(Loose::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Loose<'de>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Loose::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }

    fn visit_unit<E>(self) -> Result<Loose<'de>, E> {
        Ok(Loose::Other)
    }
}

/// All that a delta needs, read in one pass. Nine of ten events are
/// deltas, so this is kept small.
#[derive(Debug, Deserialize)]
pub(super) struct DeltaEvent<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) item_id: Word<'a>,
    #[serde(default)]
    pub(super) output_index: Count,
    #[serde(default)]
    pub(super) content_index: Count,
    #[serde(default)]
    pub(super) summary_index: Count,
    #[serde(borrow, default)]
    pub(super) delta: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
}

/// Any other stream event. What only some of them have stays raw.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) item_id: Word<'a>,
    #[serde(default)]
    pub(super) output_index: Count,
    #[serde(default)]
    pub(super) content_index: Count,
    #[serde(default)]
    pub(super) summary_index: Count,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) text: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) item: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) part: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) annotation: Option<&'a RawValue>,
}

/// A terminal event.
#[derive(Debug, Deserialize)]
pub(super) struct Ended<'a> {
    #[serde(borrow, default)]
    pub(super) response: Lenient<Response<'a>>,
}

/// An output item of the four types that we model; others only show their type.
#[derive(Debug, Deserialize)]
pub(super) struct OutputItem<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) status: Word<'a>,
    #[serde(borrow, default)]
    pub(super) phase: Word<'a>,
    #[serde(borrow, default)]
    pub(super) call_id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) name: Word<'a>,
    #[serde(borrow, default)]
    pub(super) namespace: Word<'a>,
    #[serde(borrow, default)]
    pub(super) arguments: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) input: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) content: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) summary: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) encrypted_content: Option<&'a RawValue>,
    /// OpenAI's: whether the model goes on meanwhile.
    #[serde(rename = "async", borrow, default)]
    pub(super) goes_on: Option<&'a RawValue>,
    /// Who made the call; OpenAI's programmatic tool calling.
    #[serde(borrow, default)]
    pub(super) caller: Option<&'a RawValue>,
    /// Form of the encrypted content; OpenRouter's.
    #[serde(borrow, default)]
    pub(super) format: Option<&'a RawValue>,
    /// OpenRouter's: signature of a plain trace.
    #[serde(borrow, default)]
    pub(super) signature: Option<&'a RawValue>,
}

/// A content or summary part.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OutputPart<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) annotations: Loose<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
}

/// Why a response ended early.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Incomplete<'a> {
    #[serde(borrow, default)]
    pub(super) reason: Word<'a>,
}

#[derive(Default, Deserialize)]
struct UsageCounts {
    #[serde(default)]
    input_tokens: Count,
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    output_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    input_tokens_details: Lenient<Details>,
    #[serde(default)]
    output_tokens_details: Lenient<Details>,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
    #[serde(default)]
    reasoning_tokens: Count,
}

/// Token counts; hosts leave details out.
pub(super) fn usage(raw: &RawValue) -> Option<Usage> {
    let counts: UsageCounts = lenient::owned(raw.get())?;
    let input = counts.input_tokens_details.0.unwrap_or_default();
    let reasoning = counts.output_tokens_details.0.unwrap_or_default().reasoning_tokens;
    let usage = Usage::new(
        counts.input_tokens.0.unwrap_or(counts.prompt_tokens.or_zero()),
        counts.output_tokens.0.unwrap_or(counts.completion_tokens.or_zero()),
        counts.total_tokens.0,
        input.cached_tokens.or_zero(),
        reasoning.or_zero(),
    );
    Some(usage.with_cache_writes(input.cache_write_tokens.or_zero()))
}

/// The text of a raw string; of anything else its JSON. A host that sends arguments as an object is thus read.
pub(super) fn string(raw: &RawValue) -> Cow<'_, str> {
    let json = raw.get();
    if !json.starts_with('"') {
        return Cow::Borrowed(json);
    }
    match serde_json::from_str::<Text<'_>>(json) {
        Ok(text) => text.0,
        Err(_) => lenient::owned(json).map_or(Cow::Borrowed(json), Cow::Owned),
    }
}

/// Encrypted reasoning that only goes back together with further members (OpenRouter's `format`,
/// `signature`). Its JSON begins with `{`, which no plain blob does.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Extended<'a> {
    /// The blob, if there is one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) encrypted_content: Option<&'a RawValue>,
    /// Form of the blob.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) format: Option<&'a RawValue>,
    /// Signature of the text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub(super) signature: Option<&'a RawValue>,
}

/// Reads JSON of the provider. What has to be mended is kept in `mended`, an empty text of the caller's.
pub(super) fn parse<'a, T: Deserialize<'a>>(
    text: &'a str,
    mended: &'a mut String,
) -> Result<T, AdapterError> {
    lenient::read(KIND, text, mended)
}
