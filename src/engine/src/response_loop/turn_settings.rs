//! What one turn is asked with: the request's settings, less what the response has used up.

use std::borrow::Cow;

use or_adapters::Note;
use or_protocol::{AllowedMode, Item, Settings, ToolChoice};

use super::ResponseLoop;
use crate::contract::Output;

/// With fewer output tokens left no further turn begins; also the least that a request may ask for (rules 2).
const MIN_OUTPUT_TOKENS: u64 = 16;

impl ResponseLoop {
    /// The settings of the next sampling. The response object shows those of the request.
    pub fn turn_settings(&self) -> Cow<'_, Settings> {
        let (choice, left) = (self.turn_choice(), self.output_tokens_left());
        let settings = &self.spec.settings;
        let same = left == settings.max_output_tokens && self.hosted_calls_left() == settings.max_tool_calls;
        let plain = self.spec.mcp.servers.is_empty();
        if same && plain && matches!(choice, Cow::Borrowed(_)) {
            return Cow::Borrowed(settings);
        }
        Cow::Owned(Settings {
            tools: self.spec.mcp.model_tools(&settings.tools),
            tool_choice: choice.into_owned(),
            max_tool_calls: self.hosted_calls_left(),
            max_output_tokens: left,
            ..settings.clone()
        })
    }

    /// A demand for a call holds until a call was run, or the loop would never end; a limit holds always.
    pub(super) fn turn_choice(&self) -> Cow<'_, ToolChoice> {
        let choice = &self.choice;
        if self.progress.last_turn {
            // The tools stay declared: the calls of earlier turns are theirs, and not every provider takes
            // calls of tools that it is not told of.
            return Cow::Owned(ToolChoice::None);
        }
        // A hosted tool may have been called before a pause, and nobody else says so.
        let hosted = matches!(choice, ToolChoice::Other(_)) && self.progress.pauses > 0;
        if self.progress.rounds == 0 && !hosted {
            return Cow::Borrowed(choice);
        }
        match choice {
            ToolChoice::Required | ToolChoice::Function(_) | ToolChoice::Other(_) => {
                Cow::Owned(ToolChoice::Auto)
            }
            ToolChoice::Allowed { mode: AllowedMode::Required, names, tools } => {
                let (names, tools) = (names.clone(), tools.clone());
                Cow::Owned(ToolChoice::Allowed { mode: AllowedMode::Auto, names, tools })
            }
            ToolChoice::Auto
            | ToolChoice::None
            | ToolChoice::Allowed { mode: AllowedMode::Auto | AllowedMode::None, .. } => {
                Cow::Borrowed(choice)
            }
        }
    }

    /// What is left of the request's `max_output_tokens`. A provider that does not count uses up nothing.
    fn output_tokens_left(&self) -> Option<u64> {
        let used = self.progress.usage.as_ref().map_or(0, |usage| usage.output_tokens);
        self.spec.settings.max_output_tokens.map(|max| max.saturating_sub(used))
    }

    /// What a provider with tools of its own may run in this turn; at least one, since 0 cannot be asked for.
    fn hosted_calls_left(&self) -> Option<u64> {
        let max = self.spec.settings.max_tool_calls?;
        let is_hosted = |item: &&Item| matches!(item, Item::Other(other) if other.kind().ends_with("_call"));
        let theirs = self.assembly.output.iter().filter(is_hosted).count() as u64;
        let ours = u64::from(self.progress.tool_calls);
        Some(max.saturating_sub(ours).saturating_sub(theirs).max(1))
    }

    /// Samples again, unless the tokens are used up.
    pub(super) fn next_turn(&mut self, out: &mut Output) {
        let total = self.progress.usage.as_ref().map_or(0, |usage| usage.total_tokens);
        if self.spec.limits.max_total_tokens.is_some_and(|max| total >= max) {
            let why = "the response used as many tokens as this server allows";
            self.notes.push(Note::emulated("max_output_tokens", why));
            self.cut("max_output_tokens", out);
        } else if self.output_tokens_left().is_some_and(|left| left < MIN_OUTPUT_TOKENS) {
            self.cut("max_output_tokens", out);
        } else {
            self.bound_tools();
            self.continue_sampling(out);
        }
    }
}
