//! Content parts and what stands in them.

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use crate::RawJson;
use crate::json::extra::Extra;

/// Image detail; left to the provider when absent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum Detail {
    Low,
    High,
    Auto,
    Original,
}

/// A part of a message's content or of a tool's output (rules 5.1). `extra` has OpenAI's `prompt_cache_breakpoint` and
/// whatever else has no form here.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum ContentPart {
    InputText {
        text: String,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    /// Exactly one of `image_url` (http(s) or data URL) and `file_id` is set.
    InputImage {
        image_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        detail: Detail,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    /// One of `file_data` (base64 or data URL), `file_url`, `file_id` is set.
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    InputVideo {
        video_url: String,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    /// OpenAI's audio input: base64 data and `wav` or `mp3`.
    InputAudio {
        input_audio: InputAudio,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    OutputText {
        text: String,
        annotations: Vec<Annotation>,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprobs: Option<Vec<LogProb>>,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
    Refusal {
        refusal: String,
        #[serde(flatten, skip_serializing_if = "Extra::is_empty")]
        extra: Extra,
    },
}

impl ContentPart {
    /// Members that have no form of their own here.
    pub fn extra(&self) -> &Extra {
        match self {
            Self::InputText { extra, .. }
            | Self::InputImage { extra, .. }
            | Self::InputFile { extra, .. }
            | Self::InputVideo { extra, .. }
            | Self::InputAudio { extra, .. }
            | Self::OutputText { extra, .. }
            | Self::Refusal { extra, .. } => extra,
        }
    }

    /// Text for a model.
    pub fn text(text: impl Into<String>) -> Self {
        Self::InputText { text: text.into(), extra: Extra::default() }
    }
}

/// Base64 audio and its format.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct InputAudio {
    pub data: String,
    pub format: String,
}

/// A note on a span of text. Offsets are in characters (code points) of the part's text, end exclusive.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum Annotation {
    UrlCitation {
        url: String,
        title: String,
        start_index: u64,
        end_index: u64,
    },
    /// `file_citation` and the like, which only OpenAI's hosted tools make.
    #[serde(untagged)]
    Other(RawJson),
}

/// As it was written; one that lacks something is of no type that we know.
impl<'de> Deserialize<'de> for Annotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct UrlCitation {
            url: String,
            title: String,
            start_index: u64,
            end_index: u64,
        }
        let raw = RawJson::deserialize(deserializer)?;
        if raw.text("type").as_deref() == Some("url_citation")
            && let Ok(UrlCitation { url, title, start_index, end_index }) = serde_json::from_str(raw.as_str())
        {
            return Ok(Self::UrlCitation { url, title, start_index, end_index });
        }
        Ok(Self::Other(raw))
    }
}

/// Log probability of one token (rules 5.3).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct LogProb {
    pub token: String,
    pub logprob: f64,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub bytes: Vec<u8>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub top_logprobs: Vec<TopLogProb>,
}

/// One of the most likely tokens at a place.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct TopLogProb {
    pub token: String,
    pub logprob: f64,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub bytes: Vec<u8>,
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}
