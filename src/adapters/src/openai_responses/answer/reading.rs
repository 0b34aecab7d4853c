//! What the members of items, parts and responses mean.

use std::borrow::Cow;

use or_protocol::{Annotation, Extra, Phase, RawJson};
use serde_json::value::RawValue;

use super::blocks::{Head, Place};
use super::parts::PartKind;
use crate::openai_responses::wire::{
    Event, Extended, Loose, OutputItem, OutputPart, Response, parse, says_something, string,
};
use crate::shared::lenient::{Text, Word};
use crate::{CallKind, FinishReason, ModelEvent, Note};

impl Event<'_> {
    pub(super) fn place(&self) -> Place<'_> {
        Place { id: self.item_id.as_str(), index: self.output_index.narrow() }
    }
}

impl OutputItem<'_> {
    pub(super) fn head(&self) -> Head<'_> {
        Head { word: self.kind.as_str(), call_id: self.call_id.as_str() }
    }

    /// Its own id says more than that of the event around it.
    pub(super) fn place<'a>(&'a self, event: Place<'a>) -> Place<'a> {
        let id = self.id.as_str();
        if id.is_empty() { event } else { Place { id, ..event } }
    }

    /// A call's arguments or input.
    pub(super) fn payload(&self, call: CallKind) -> Cow<'_, str> {
        let payload = match call {
            CallKind::Function => self.arguments,
            CallKind::Custom => self.input,
        };
        payload.map(string).unwrap_or_default()
    }

    /// What else a call says of itself.
    pub(super) fn extra(&self) -> Extra {
        let members = [("async", self.goes_on), ("caller", self.caller)];
        let given = members.into_iter().filter_map(|(name, value)| Some((name.into(), value?)));
        let given: Vec<_> = given.filter(|(_, value)| says_something(value.get())).collect();
        Extra::of(&given).unwrap_or_default()
    }

    /// The texts of its parts that are not empty.
    pub(super) fn texts(&self) -> Vec<String> {
        let mut texts = Vec::new();
        for list in [&self.summary, &self.content] {
            if let Loose::Text(text) = list {
                texts.push(text.to_string());
            }
            for raw in list.list() {
                let mut mended = String::new();
                let Ok(part) = parse::<OutputPart<'_>>(raw.get(), &mut mended) else { continue };
                texts.push(part.words(PartKind::Refusal).to_owned());
            }
        }
        texts.retain(|text| !text.is_empty());
        texts
    }

    /// The last of them.
    pub(super) fn last_text(&self) -> Option<String> {
        self.texts().pop()
    }
}

impl<'a> OutputPart<'a> {
    /// A part that is only its text.
    pub(super) fn of_text(text: &'a str) -> Self {
        Self { text: Text(text.into()), kind: Word("text".into()), ..Self::default() }
    }

    /// Its text.
    pub(super) fn words(&self, kind: PartKind) -> &str {
        match kind {
            PartKind::Refusal if !self.refusal.is_empty() => self.refusal.as_str(),
            PartKind::Refusal | PartKind::Text | PartKind::Summary | PartKind::Raw => self.text.as_str(),
        }
    }
}

/// Why an incomplete response ended.
pub(super) fn finish_reason(response: &Response<'_>, out: &mut Vec<ModelEvent>) -> FinishReason {
    match response.incomplete_details.0.as_ref().map_or("", |details| details.reason.as_str()) {
        "max_output_tokens" | "max_tokens" | "length" => FinishReason::MaxOutputTokens,
        "content_filter" => FinishReason::ContentFilter,
        other => {
            let why = format!("reason {:?} is reported as max_output_tokens", ascii(other));
            out.push(ModelEvent::Note(Note::emulated("incomplete_details.reason", why)));
            FinishReason::MaxOutputTokens
        }
    }
}

/// One annotation; a `url_citation` may lack everything but its url.
pub(super) fn annotation(raw: &RawValue) -> Option<Annotation> {
    let raw = RawJson::keep(raw).ok().filter(RawJson::is_object)?;
    if raw.text("type").as_deref() != Some("url_citation") {
        return Some(Annotation::Other(raw));
    }
    let text = |key| raw.text(key).unwrap_or_default().into_owned();
    let number = |key| raw.get(key).and_then(|n| n.get().parse().ok()).unwrap_or_default();
    Some(Annotation::UrlCitation {
        url: text("url"),
        title: text("title"),
        start_index: number("start_index"),
        end_index: number("end_index"),
    })
}

pub(super) fn phase(item: &OutputItem<'_>) -> Option<Phase> {
    match item.phase.as_str() {
        "commentary" => Some(Phase::Commentary),
        "final_answer" => Some(Phase::FinalAnswer),
        _ => None,
    }
}

/// A completed response may list a call as in progress; only `incomplete` means cut off.
pub(super) fn is_complete(item: &OutputItem<'_>) -> bool {
    item.status.as_str() != "incomplete"
}

/// The state to seal: the plain blob, or a small object where it needs company.
pub(super) fn blob(item: &OutputItem<'_>) -> Option<String> {
    let blob = item.encrypted_content.filter(|r| r.get().len() > 2 && r.get().starts_with('"'));
    if item.signature.is_some() || blob.is_some() && item.format.is_some() {
        let state = Extended { encrypted_content: blob, format: item.format, signature: item.signature };
        return serde_json::to_string(&state).ok();
    }
    blob.map(|raw| string(raw).into_owned())
}

/// At most 40 characters of a foreign word, fit for a note.
pub(super) fn ascii(word: &str) -> String {
    word.chars().filter(char::is_ascii_graphic).take(40).collect()
}
