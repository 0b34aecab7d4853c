//! The body of a call, as OpenAI names things.

use std::borrow::Cow;

use or_protocol::{
    Annotation, Detail, Effort, Extra, FunctionTool, InputAudio, Phase, RawJson, ReasoningPart, Role,
    SummaryPart, SummaryStyle, Verbosity,
};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;
use serde_json::value::RawValue;

/// The whole body.
#[derive(Serialize)]
pub(crate) struct Body<'a> {
    pub(crate) model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) instructions: Option<&'a str>,
    pub(crate) input: Vec<InputItem<'a>>,
    pub(crate) stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) include: Vec<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) tools: Vec<SentTool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tool_choice: Option<RawJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tool_calls: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<TextSettings<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reasoning: Option<Reasoning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_p: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) presence_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_output_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) top_logprobs: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) truncation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) service_tier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) safety_identifier: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt_cache_key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<&'a str>,
    /// Members that have no form of their own.
    #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
    pub(crate) extra: Extra,
}

#[derive(Serialize)]
pub(crate) struct StreamOptions {
    pub(crate) include_obfuscation: bool,
    #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
    pub(crate) extra: Extra,
}

#[derive(Serialize)]
pub(crate) struct Reasoning {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) effort: Option<Effort>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<SummaryStyle>,
    #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
    pub(crate) extra: Extra,
}

#[derive(Serialize)]
pub(crate) struct TextSettings<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) format: Option<Format<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) verbosity: Option<Verbosity>,
    #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
    pub(crate) extra: Extra,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Format<'a> {
    /// Only where a member of it has no form of its own.
    Text {
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    JsonObject {
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    JsonSchema {
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        description: Option<&'a str>,
        schema: &'a RawJson,
        strict: bool,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
}

/// An input item as it is sent.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum InputItem<'a> {
    Message {
        role: Role,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<Phase>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        arguments: Cow<'a, str>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    FunctionCallOutput {
        #[serde(skip_serializing_if = "str::is_empty")]
        call_id: &'a str,
        output: Content<'a>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    CustomToolCall {
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
        input: &'a str,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    CustomToolCallOutput {
        call_id: &'a str,
        output: Content<'a>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    Reasoning {
        summary: &'a [SummaryPart],
        #[serde(skip_serializing_if = "<[_]>::is_empty")]
        content: &'a [ReasoningPart],
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<Box<RawValue>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        signature: Option<Box<RawValue>>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    Compaction {
        encrypted_content: String,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    #[serde(untagged)]
    Other(RawJson),
}

/// A string or a list of parts.
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Content<'a> {
    Text(Cow<'a, str>),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Part<'a> {
    InputText {
        text: &'a str,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    InputImage {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: Detail,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Cow<'a, str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    InputVideo {
        video_url: &'a str,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    InputAudio {
        input_audio: &'a InputAudio,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    OutputText {
        text: &'a str,
        annotations: Vec<&'a Annotation>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
    Refusal {
        refusal: &'a str,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: &'a Extra,
    },
}

/// A tool as it is sent.
#[derive(Debug)]
pub(crate) enum SentTool<'a> {
    /// A function; `strict` is written unless the host refuses it.
    Function { function: FunctionRef<'a>, write_strict: bool },
    /// Custom, namespace and hosted tools, as they came.
    Raw(&'a RawJson),
}

/// A function of the request, or one made by flattening.
#[derive(Debug)]
pub(crate) enum FunctionRef<'a> {
    /// Of the request.
    Given(&'a FunctionTool),
    /// Made from a custom or namespace tool.
    Made(FunctionTool),
}

impl Serialize for SentTool<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (function, write_strict) = match self {
            Self::Raw(map) => return map.serialize(serializer),
            Self::Function { function: FunctionRef::Given(f), write_strict } => (*f, *write_strict),
            Self::Function { function: FunctionRef::Made(f), write_strict } => (f, *write_strict),
        };
        // OpenAI takes an absent `strict` as true and then rewrites the schema, so it is always said.
        let strict = function.strict.unwrap_or(false);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "function")?;
        map.serialize_entry("name", &function.name)?;
        if let Some(description) = &function.description {
            map.serialize_entry("description", description)?;
        }
        match &function.parameters {
            Some(parameters) => map.serialize_entry("parameters", parameters)?,
            None if strict => {
                let closed = json!({"type": "object", "properties": {}, "required": [], "additionalProperties": false});
                map.serialize_entry("parameters", &closed)?;
            }
            None => map.serialize_entry("parameters", &json!({"type": "object", "properties": {}}))?,
        }
        if write_strict {
            map.serialize_entry("strict", &strict)?;
        }
        for (name, value) in function.extra.members() {
            map.serialize_entry(&name, value)?;
        }
        map.end()
    }
}
