//! What comes beside text and calls: counts, blocked prompts, media.

use super::Machine;
use crate::gemini::seal::{ImageState, State};
use crate::gemini::wire::{InlineData, PromptFeedback, UsageMetadata};
use crate::{FinishReason, ModelEvent};

impl Machine {
    /// Takes a usage report in.
    pub(super) fn usage(&mut self, new: UsageMetadata<'_>, out: &mut Vec<ModelEvent>) {
        let old = &self.usage;
        let usage = new.over(old);
        if usage == *old {
            return;
        }
        if usage.service_tier != old.service_tier {
            let tier = usage.service_tier.as_str();
            out.push(ModelEvent::ServiceTier(if tier == "standard" { "default" } else { tier }.to_owned()));
        }
        if let Some(counts) = usage.counts() {
            out.push(ModelEvent::Usage(counts));
        }
        self.usage = usage;
    }

    pub(super) fn feedback(&mut self, feedback: PromptFeedback<'_>, out: &mut Vec<ModelEvent>) {
        if let Some(reason) = feedback.block_reason.some() {
            let message = feedback.block_reason_message.as_str();
            self.note(out, "input", &format!("prompt blocked: {reason} {message}"));
            self.reason = Some(FinishReason::ContentFilter);
        }
    }

    /// An image is an item of its own, with what goes back with it; there is none for sounds and films.
    pub(super) fn media(
        &mut self,
        media: InlineData<'_>,
        is_thought: bool,
        sig: Option<String>,
        out: &mut Vec<ModelEvent>,
    ) {
        let format = media.mime_type.as_str().strip_prefix("image/").map(str::to_owned);
        let Some(format) = format.filter(|_| !is_thought && !media.data.is_empty()) else {
            let kind = media.mime_type.as_str();
            let why = match is_thought {
                true => "an image among the thoughts is not carried over".to_owned(),
                false => format!("media of type {kind} in the answer is not carried over"),
            };
            return self.note(out, "output.media", &why);
        };
        self.close(true, out);
        let block = self.block();
        let state = State { image: Some(ImageState { sig }), ..State::default() };
        let item = [
            ("type", "image_generation_call".to_owned()),
            ("status", "completed".to_owned()),
            ("output_format", format),
            ("result", media.data.0.into_owned()),
            ("encrypted_content", state.seal(&self.model)),
        ];
        let item = item.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
        out.push(ModelEvent::HostedItem { block, item, done: true });
    }
}
