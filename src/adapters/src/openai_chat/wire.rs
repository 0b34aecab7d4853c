//! Chat Completions on the wire, answers only. Borrowed where it is hot; whatever is unknown is skipped.

pub(super) mod body;
mod usage;

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

pub(super) use self::usage::WireUsage;
use crate::shared::lenient::{Count, Lenient, List, Objects, Seen, Text, Word};

/// The kind in the configuration, and the origin of sealed reasoning.
pub(super) const KIND: &str = "openai-chat";

/// One piece of a stream, or a whole unary answer: they differ only in `delta` and `message`.
#[derive(Debug, Deserialize)]
pub(super) struct Chunk<'a> {
    #[serde(borrow, default)]
    pub(super) choices: FirstChoice<'a>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) x_groq: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) object: Word<'a>,
    #[serde(borrow, default)]
    pub(super) service_tier: Word<'a>,
    /// Perplexity and xAI; sources, as URLs or as objects.
    #[serde(borrow, default)]
    pub(super) citations: Option<&'a RawValue>,
    /// Perplexity; the same with titles.
    #[serde(borrow, default)]
    pub(super) search_results: Option<&'a RawValue>,
}

/// Groq's own member; `error` says why a stream was stopped.
#[derive(Debug, Default, Deserialize)]
pub(super) struct GroqExtras<'a> {
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Text<'a>,
}

/// The choice with index 0; further candidates are skipped without being kept.
#[derive(Debug, Default)]
pub(super) struct FirstChoice<'a>(pub(super) Option<Choice<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for FirstChoice<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FirstChoiceVisitor).map(FirstChoice)
    }
}

struct FirstChoiceVisitor;

impl<'de> Visitor<'de> for FirstChoiceVisitor {
    type Value = Option<Choice<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of choices")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Choice::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut first = None;
        while let Some(choice) = seq.next_element::<Lenient<Choice<'de>>>()? {
            first = first.or(choice.0.filter(|choice| choice.index.or_zero() == 0));
        }
        Ok(first)
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) delta: Lenient<Delta<'a>>,
    /// The whole message of a unary answer. Some hosts also repeat it, growing, beside each delta.
    #[serde(borrow, default)]
    pub(super) message: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) finish_reason: Word<'a>,
    #[serde(borrow, default)]
    pub(super) logprobs: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) error: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Delta<'a> {
    #[serde(borrow, default)]
    pub(super) content: Content<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_content: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning: Text<'a>,
    #[serde(borrow, default)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) refusal: Text<'a>,
    #[serde(borrow, default)]
    pub(super) annotations: Option<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) tool_calls: Objects<CallPiece<'a>>,
    #[serde(borrow, default)]
    pub(super) function_call: Lenient<FunctionPiece<'a>>,
    #[serde(default)]
    pub(super) executed_tools: Seen,
    #[serde(borrow, default)]
    pub(super) audio: Lenient<WireAudio<'a>>,
    /// OpenRouter.
    #[serde(borrow, default)]
    pub(super) images: Objects<WireImage<'a>>,
}

/// A spoken answer.
#[derive(Debug, Deserialize)]
pub(super) struct WireAudio<'a> {
    #[serde(borrow, default)]
    pub(super) transcript: Text<'a>,
    #[serde(default)]
    pub(super) data: Seen,
}

/// An image, in the forms that hosts have for it.
#[derive(Debug, Deserialize)]
pub(super) struct WireImage<'a> {
    #[serde(borrow, default)]
    pub(super) image_url: Address<'a>,
    #[serde(borrow, default)]
    pub(super) url: Word<'a>,
    #[serde(borrow, default)]
    pub(super) b64_json: Word<'a>,
}

/// A URL, or an object that holds one.
#[derive(Debug, Default)]
pub(super) struct Address<'a>(Word<'a>);

impl Address<'_> {
    pub(super) fn url(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Address<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Inner<'a> {
            #[serde(borrow, default)]
            url: Word<'a>,
        }
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let read = match raw.get().as_bytes().first() {
            Some(b'{') => serde_json::from_str::<Inner<'_>>(raw.get()).map(|inner| inner.url),
            Some(b'"') => serde_json::from_str(raw.get()),
            _ => Ok(Word::default()),
        };
        read.map(Self).map_err(serde::de::Error::custom)
    }
}

/// `content`: text, or Mistral's list of parts.
#[derive(Debug)]
pub(super) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<ContentPiece<'a>>),
}

impl Default for Content<'_> {
    fn default() -> Self {
        Self::Text(Cow::Borrowed(""))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Content<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ContentVisitor)
    }
}

struct ContentVisitor;

impl<'de> Visitor<'de> for ContentVisitor {
    type Value = Content<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text or a list of parts")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Borrowed(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(v.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Content::default())
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Content::default())
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(v.to_string())))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(v.to_string())))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Content::Text(Cow::Owned(v.to_string())))
    }

    /// Some hosts send structured output as the object that it is.
    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let object = Value::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Content::Text(Cow::Owned(object.to_string())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut parts = Vec::new();
        while let Some(part) = seq.next_element::<Element<'de>>()? {
            parts.extend(part.0);
        }
        Ok(Content::Parts(parts))
    }
}

/// An element of a content list: a part, or a plain text.
struct Element<'a>(Option<ContentPiece<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Element<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&'de RawValue>::deserialize(deserializer)?;
        let read = match raw.get().as_bytes().first() {
            Some(b'{') => serde_json::from_str(raw.get()).map(Some),
            Some(b'"') => serde_json::from_str(raw.get()).map(|text| {
                Some(ContentPiece { kind: Word("text".into()), text, ..ContentPiece::default() })
            }),
            _ => Ok(None),
        };
        read.map(Self).map_err(serde::de::Error::custom)
    }
}

/// A part of a content list. A `thinking` part holds a list of text parts.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ContentPiece<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) text: Text<'a>,
    #[serde(borrow, default)]
    pub(super) thinking: Content<'a>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CallPiece<'a> {
    #[serde(default)]
    pub(super) index: Count,
    #[serde(borrow, default)]
    pub(super) id: Word<'a>,
    #[serde(borrow, default)]
    pub(super) function: Lenient<FunctionPiece<'a>>,
    #[serde(borrow, default)]
    pub(super) custom: Lenient<CustomPiece<'a>>,
}

impl CallPiece<'_> {
    /// Some hosts fill a stream with pieces that say nothing.
    pub(super) fn is_empty(&self) -> bool {
        let function = self.function.0.as_ref().is_none_or(|f| f.name.is_empty() && f.arguments.is_empty());
        let custom = self.custom.0.as_ref().is_none_or(|c| c.name.is_empty() && c.input.is_empty());
        self.id.is_empty() && function && custom
    }
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct FunctionPiece<'a> {
    #[serde(borrow, default)]
    pub(super) name: Word<'a>,
    #[serde(borrow, default)]
    pub(super) arguments: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct CustomPiece<'a> {
    #[serde(borrow, default)]
    pub(super) name: Word<'a>,
    #[serde(borrow, default)]
    pub(super) input: Text<'a>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Logprobs {
    #[serde(default)]
    pub(super) content: List<or_protocol::LogProb>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireAnnotation<'a> {
    #[serde(rename = "type", borrow, default)]
    pub(super) kind: Word<'a>,
    #[serde(borrow, default)]
    pub(super) url_citation: Lenient<UrlCitation<'a>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct UrlCitation<'a> {
    #[serde(borrow, default)]
    pub(super) url: Word<'a>,
    #[serde(borrow, default)]
    pub(super) title: Word<'a>,
    #[serde(default)]
    pub(super) start_index: Count,
    #[serde(default)]
    pub(super) end_index: Count,
}
