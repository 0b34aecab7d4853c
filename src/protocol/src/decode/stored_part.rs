//! Content parts of our own records and event logs.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::json::extra::Extra;
use crate::json::{Word, members};
use crate::{Annotation, ContentPart, Detail, InputAudio, LogProb};

/// Writes a member behind those that are there.
pub(super) fn push<E: Error>(text: &mut String, key: &str, value: &str) -> Result<(), E> {
    text.push(if text.is_empty() { '{' } else { ',' });
    text.push_str(&serde_json::to_string(key).map_err(E::custom)?);
    text.push(':');
    text.push_str(value);
    Ok(())
}

/// The members of an object that was not closed yet.
pub(super) fn closed<E: Error>(mut text: String) -> Result<Extra, E> {
    if text.is_empty() {
        return Ok(Extra::default());
    }
    text.push('}');
    let raw = RawValue::from_string(text).map_err(E::custom)?;
    Extra::of(&members(&raw)).map_err(E::custom)
}

/// The members of every type of part.
#[derive(Default)]
pub(super) struct StoredPart {
    kind: Option<PartKind>,
    pub(super) text: Option<String>,
    annotations: Vec<Annotation>,
    logprobs: Option<Vec<LogProb>>,
    refusal: Option<String>,
    image_url: Option<String>,
    file_id: Option<String>,
    detail: Option<Detail>,
    filename: Option<String>,
    file_data: Option<String>,
    file_url: Option<String>,
    video_url: Option<String>,
    input_audio: Option<InputAudio>,
    extra: Extra,
}

impl<'de> Deserialize<'de> for StoredPart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PartVisitor)
    }
}

struct PartVisitor;

impl<'de> Visitor<'de> for PartVisitor {
    type Value = StoredPart;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a content part")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredPart, A::Error> {
        let (mut part, mut others) = (StoredPart::default(), String::new());
        while let Some(Word(key)) = map.next_key()? {
            match &*key {
                "type" => part.kind = Some(map.next_value()?),
                "text" => part.text = map.next_value()?,
                "annotations" => part.annotations = map.next_value()?,
                "logprobs" => part.logprobs = map.next_value()?,
                "refusal" => part.refusal = map.next_value()?,
                "image_url" => part.image_url = map.next_value()?,
                "file_id" => part.file_id = map.next_value()?,
                "detail" => part.detail = map.next_value()?,
                "filename" => part.filename = map.next_value()?,
                "file_data" => part.file_data = map.next_value()?,
                "file_url" => part.file_url = map.next_value()?,
                "video_url" => part.video_url = map.next_value()?,
                "input_audio" => part.input_audio = map.next_value()?,
                _ => {
                    let value: Box<RawValue> = map.next_value()?;
                    push(&mut others, &key, value.get())?;
                }
            }
        }
        part.extra = closed(others)?;
        Ok(part)
    }
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum PartKind {
    InputText,
    InputImage,
    InputFile,
    InputVideo,
    InputAudio,
    OutputText,
    Refusal,
    SummaryText,
    ReasoningText,
}

impl StoredPart {
    pub(super) fn into_content(self) -> Result<ContentPart, &'static str> {
        let extra = self.extra;
        Ok(match self.kind.ok_or("type")? {
            PartKind::InputText => ContentPart::InputText { text: self.text.ok_or("text")?, extra },
            PartKind::InputImage => ContentPart::InputImage {
                image_url: self.image_url,
                file_id: self.file_id,
                detail: self.detail.ok_or("detail")?,
                extra,
            },
            PartKind::InputFile => ContentPart::InputFile {
                filename: self.filename,
                file_data: self.file_data,
                file_url: self.file_url,
                file_id: self.file_id,
                extra,
            },
            PartKind::InputVideo => {
                ContentPart::InputVideo { video_url: self.video_url.ok_or("video_url")?, extra }
            }
            PartKind::InputAudio => {
                ContentPart::InputAudio { input_audio: self.input_audio.ok_or("input_audio")?, extra }
            }
            PartKind::OutputText => ContentPart::OutputText {
                text: self.text.ok_or("text")?,
                annotations: self.annotations,
                logprobs: self.logprobs,
                extra,
            },
            PartKind::Refusal => ContentPart::Refusal { refusal: self.refusal.ok_or("refusal")?, extra },
            PartKind::SummaryText | PartKind::ReasoningText => return Err("type of a content part"),
        })
    }
}
