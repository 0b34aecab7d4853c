//! The request's own types, borrowed from the context where they can be.

use std::borrow::Cow;

use or_protocol::RawJson;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shared::fields::cache::CacheControl;

/// The whole body: model and messages, then the fields in the order they were decided.
pub(crate) struct Body<'a> {
    pub(crate) model: &'a str,
    pub(crate) messages: Vec<ChatMessage<'a>>,
    pub(crate) fields: Vec<(&'static str, FieldValue)>,
}

/// The value of a field; schemas stay the text that they are.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum FieldValue {
    Plain(Value),
    Tools(Vec<ChatTool>),
    Format(SchemaFormat),
}

impl From<Value> for FieldValue {
    fn from(value: Value) -> Self {
        Self::Plain(value)
    }
}

/// A declared function.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "function")]
pub(crate) struct ChatTool {
    pub(crate) function: ChatFunction,
}

#[derive(Debug, Serialize)]
pub(crate) struct ChatFunction {
    pub(crate) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) parameters: RawJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}

/// A schema for the answer.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "json_schema")]
pub(crate) struct SchemaFormat {
    pub(crate) json_schema: NamedSchema,
}

#[derive(Debug, Serialize)]
pub(crate) struct NamedSchema {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) schema: RawJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) strict: Option<bool>,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(2 + self.fields.len()))?;
        map.serialize_entry("model", self.model)?;
        map.serialize_entry("messages", &self.messages)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// A message of the request.
#[derive(Debug, Default, Serialize)]
pub(crate) struct ChatMessage<'a> {
    pub(crate) role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<Content<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refusal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning_details: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_call_id: Option<Cow<'a, str>>,
}

impl<'a> ChatMessage<'a> {
    pub(crate) fn new(role: &'static str, content: Content<'a>) -> Self {
        Self { role, content: Some(content), ..Self::default() }
    }

    pub(crate) fn text(role: &'static str, text: impl Into<Cow<'a, str>>) -> Self {
        Self::new(role, Content::Text(text.into()))
    }

    /// The parts of its content, where it is not one text.
    pub(crate) fn parts(&mut self) -> &mut [Part<'a>] {
        match &mut self.content {
            Some(Content::Parts(parts)) => parts,
            Some(Content::Text(_)) | None => &mut [],
        }
    }
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part<'a> {
    Text {
        text: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        cache_control: Option<CacheControl>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<Breakpoint>,
    },
    ImageUrl {
        image_url: Image<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<Breakpoint>,
    },
    File {
        file: File<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<Breakpoint>,
    },
    /// Mistral's form of a file.
    DocumentUrl {
        document_url: Cow<'a, str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        document_name: Option<&'a str>,
    },
    InputAudio {
        input_audio: &'a or_protocol::InputAudio,
        #[serde(skip_serializing_if = "Option::is_none")]
        prompt_cache_breakpoint: Option<Breakpoint>,
    },
    VideoUrl {
        video_url: Url<'a>,
    },
    /// Mistral's form of thinking.
    Thinking {
        thinking: Vec<ThinkingText>,
    },
}

impl<'a> Part<'a> {
    /// A text without a mark for the cache.
    pub(crate) fn text(text: impl Into<Cow<'a, str>>) -> Self {
        Self::Text { text: text.into(), cache_control: None, prompt_cache_breakpoint: None }
    }

    /// Whether it is a text that nothing marks, so that it may be joined with others.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(self, Self::Text { cache_control: None, prompt_cache_breakpoint: None, .. })
    }

    /// Where a mark stands.
    pub(crate) fn mark(&mut self) -> Option<&mut Option<CacheControl>> {
        match self {
            Self::Text { cache_control, .. } => Some(cache_control),
            Self::ImageUrl { .. }
            | Self::File { .. }
            | Self::DocumentUrl { .. }
            | Self::InputAudio { .. }
            | Self::VideoUrl { .. }
            | Self::Thinking { .. } => None,
        }
    }
}

/// OpenAI's own mark. Chat Completions has one lifetime, so none is named.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Breakpoint {
    mode: &'static str,
}

impl Breakpoint {
    /// The one there is.
    pub(crate) const EXPLICIT: Self = Self { mode: "explicit" };
}

#[derive(Debug, Serialize)]
pub(crate) struct Image<'a> {
    pub(crate) url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<or_protocol::Detail>,
}

#[derive(Debug, Serialize)]
pub(crate) struct File<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) filename: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_data: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file_id: Option<&'a str>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Url<'a> {
    pub(crate) url: &'a str,
}

#[derive(Debug, Serialize)]
pub(crate) struct ThinkingText {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) text: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Call<'a> {
    pub(crate) id: Cow<'a, str>,
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) function: Function<'a>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Function<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: Cow<'a, str>,
}
