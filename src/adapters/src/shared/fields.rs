//! The field ledger: no setting of a request is left without a fate.
//!
//! An adapter writes [`Fates`] as a literal, so a field that is added here does not compile in any adapter before it
//! says what becomes of it; and [`Settings`] is taken apart by name, so a field that is added there cannot be
//! forgotten here. Members without a form of their own have theirs in [`MemberFates`].

pub(crate) mod cache;
mod fate;
pub(crate) mod members;

use or_protocol::{
    Include, ReasoningConfig, Settings, TextConfig, TextFormat, ToolChoice, Truncation, Verbosity,
};

use self::fate::note;
pub(crate) use self::fate::{
    BY_BEGINNING, Fate, NO_HOSTED_TOOLS, NO_SUCH_TIER, NOT_KNOWN, REFUSES_LONG_INPUT,
};
use self::members::MemberFates;
use crate::{AdapterError, Note, NoteList};

/// The fate of every field. It matters only if the request asks for something in it, so a fate may be said whether or
/// not the field is given.
#[derive(Debug)]
pub(crate) struct Fates {
    pub(crate) instructions: Fate,
    pub(crate) tools: Fate,
    pub(crate) tool_choice: Fate,
    pub(crate) parallel_tool_calls: Fate,
    pub(crate) max_tool_calls: Fate,
    pub(crate) text_format: Fate,
    pub(crate) verbosity: Fate,
    pub(crate) effort: Fate,
    pub(crate) summary: Fate,
    pub(crate) temperature: Fate,
    pub(crate) top_p: Fate,
    pub(crate) presence_penalty: Fate,
    pub(crate) frequency_penalty: Fate,
    pub(crate) max_output_tokens: Fate,
    pub(crate) top_logprobs: Fate,
    /// The word of `include` for log probabilities.
    pub(crate) logprobs: Fate,
    /// The word of `include` for sealed reasoning.
    pub(crate) sealed_reasoning: Fate,
    /// The words of `include` for sources of a search, for its results, and for what code put out.
    pub(crate) search_sources: Fate,
    pub(crate) search_results: Fate,
    pub(crate) code_outputs: Fate,
    /// The words of `include` for items of other hosted tools.
    pub(crate) hosted_results: Fate,
    pub(crate) truncation: Fate,
    pub(crate) service_tier: Fate,
    pub(crate) safety_identifier: Fate,
    pub(crate) prompt_cache_key: Fate,
    pub(crate) metadata: Fate,
    pub(crate) user: Fate,
    /// Members that have no form of their own.
    pub(crate) members: MemberFates,
}

impl Fates {
    /// Notes what was emulated or dropped of a request. What is absent, or asks for no more than the default, needs no
    /// note.
    ///
    /// # Errors
    /// If one that must not be ignored is not carried out.
    pub(crate) fn note(self, settings: &Settings, notes: &mut NoteList) -> Result<(), AdapterError> {
        let Settings {
            instructions,
            tools,
            tool_choice,
            parallel_tool_calls,
            max_tool_calls,
            text: TextConfig { format, verbosity },
            reasoning,
            temperature,
            top_p,
            presence_penalty,
            frequency_penalty,
            max_output_tokens,
            top_logprobs,
            include,
            truncation,
            service_tier,
            safety_identifier,
            prompt_cache_key,
            metadata,
            user,
            members: _,
            // Of the context, whose translation says what becomes of them.
            brought: _,
        } = settings;
        let ReasoningConfig { effort, summary } = reasoning.unwrap_or_default();
        let other_than = |value: &Option<f64>, default| value.is_some_and(|v| v != default);
        let rows = [
            ("instructions", instructions.as_ref().is_some_and(|text| !text.is_empty()), self.instructions),
            ("tools", !tools.is_empty(), self.tools),
            ("tool_choice", *tool_choice != ToolChoice::Auto, self.tool_choice),
            ("parallel_tool_calls", *parallel_tool_calls == Some(false), self.parallel_tool_calls),
            ("max_tool_calls", max_tool_calls.is_some(), self.max_tool_calls),
            ("text.format", *format != TextFormat::Text, self.text_format),
            ("text.verbosity", verbosity.is_some_and(|v| v != Verbosity::Medium), self.verbosity),
            ("reasoning.effort", effort.is_some(), self.effort),
            ("reasoning.summary", summary.is_some(), self.summary),
            ("temperature", other_than(temperature, 1.0), self.temperature),
            ("top_p", other_than(top_p, 1.0), self.top_p),
            ("presence_penalty", other_than(presence_penalty, 0.0), self.presence_penalty),
            ("frequency_penalty", other_than(frequency_penalty, 0.0), self.frequency_penalty),
            ("max_output_tokens", max_output_tokens.is_some(), self.max_output_tokens),
            ("top_logprobs", top_logprobs.is_some_and(|n| n > 0), self.top_logprobs),
            ("truncation", *truncation != Truncation::Disabled, self.truncation),
            (
                "service_tier",
                !matches!(service_tier.as_deref(), None | Some("auto" | "default")),
                self.service_tier,
            ),
            ("safety_identifier", safety_identifier.is_some(), self.safety_identifier),
            ("prompt_cache_key", prompt_cache_key.is_some(), self.prompt_cache_key),
            ("metadata", !metadata.is_empty(), self.metadata),
            ("user", user.is_some(), self.user),
        ];
        for (field, asked, fate) in rows {
            if asked {
                notes.extend(note(field, fate)?);
            }
        }
        self.members.note(settings, notes)?;
        for word in include {
            let fate = match word {
                Include::OutputTextLogprobs => &self.logprobs,
                Include::ReasoningEncryptedContent => &self.sealed_reasoning,
                // Of the client's own input, which stands in the answer as it came.
                Include::InputImageUrl => &Fate::Ours,
                Include::WebSearchSources => &self.search_sources,
                Include::WebSearchResults => &self.search_results,
                Include::CodeInterpreterOutputs => &self.code_outputs,
                Include::FileSearchResults | Include::ComputerImageUrl => &self.hosted_results,
            };
            let note = note("include", fate.clone())?;
            notes.extend(note.map(|n| Note { why: format!("{}: {}", word.as_str(), n.why), ..n }));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use or_protocol::CreateResponseBody;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    /// As if a provider knew nothing at all.
    fn all(fate: Fate) -> Fates {
        let f = || fate.clone();
        Fates {
            instructions: f(),
            tools: f(),
            tool_choice: f(),
            parallel_tool_calls: f(),
            max_tool_calls: f(),
            text_format: f(),
            verbosity: f(),
            effort: f(),
            summary: f(),
            temperature: f(),
            top_p: f(),
            presence_penalty: f(),
            frequency_penalty: f(),
            max_output_tokens: f(),
            top_logprobs: f(),
            logprobs: f(),
            sealed_reasoning: f(),
            search_sources: f(),
            search_results: f(),
            code_outputs: f(),
            hosted_results: f(),
            truncation: f(),
            service_tier: f(),
            safety_identifier: f(),
            prompt_cache_key: f(),
            metadata: f(),
            user: f(),
            members: MemberFates::translated(),
        }
    }

    #[track_caller]
    fn check(body: Value, fate: Fate, want: &[&str]) {
        let settings = CreateResponseBody::from_value(body).unwrap().settings;
        let mut notes = NoteList::default();
        all(fate).note(&settings, &mut notes).unwrap();
        assert_eq!(notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), want);
    }

    fn everything() -> Value {
        json!({
            "instructions": "i", "tools": [{"type": "function", "name": "f"}], "tool_choice": "required",
            "parallel_tool_calls": false, "max_tool_calls": 3, "reasoning": {"effort": "low", "summary": "auto"},
            "text": {"format": {"type": "json_object"}, "verbosity": "low"}, "temperature": 0.5, "top_p": 0.5,
            "presence_penalty": 1, "frequency_penalty": 1, "max_output_tokens": 99, "top_logprobs": 2,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content", "web_search_call.results",
                "message.input_image.image_url"],
            "truncation": "auto", "service_tier": "flex", "safety_identifier": "s", "prompt_cache_key": "p",
            "metadata": {"a": "b"}, "user": "u"
        })
    }

    #[test]
    fn every_field_that_is_dropped_or_emulated_has_its_note() {
        let all = [
            "instructions",
            "tools",
            "tool_choice",
            "parallel_tool_calls",
            "max_tool_calls",
            "text.format",
            "text.verbosity",
            "reasoning.effort",
            "reasoning.summary",
            "temperature",
            "top_p",
            "presence_penalty",
            "frequency_penalty",
            "max_output_tokens",
            "top_logprobs",
            "truncation",
            "service_tier",
            "safety_identifier",
            "prompt_cache_key",
            "metadata",
            "user",
            "include",
            "include",
            "include",
        ];
        check(everything(), Fate::dropped("w"), &all);
        check(everything(), Fate::emulated("w"), &all);
    }

    #[test]
    fn what_is_sent_or_done_here_needs_no_note() {
        check(everything(), Fate::Sent, &[]);
        check(everything(), Fate::Ours, &[]);
    }

    #[test]
    fn what_is_absent_or_asks_for_the_default_needs_no_note() {
        check(json!({}), Fate::dropped("w"), &[]);
        let defaults = json!({
            "instructions": "", "tools": [], "tool_choice": "auto", "parallel_tool_calls": true,
            "text": {"format": {"type": "text"}, "verbosity": "medium"}, "reasoning": {}, "temperature": 1, "top_p": 1,
            "presence_penalty": 0, "frequency_penalty": 0, "top_logprobs": 0, "include": [],
            "truncation": "disabled", "metadata": {}
        });
        check(defaults, Fate::dropped("w"), &[]);
        check(json!({"service_tier": "default"}), Fate::dropped("w"), &[]);
        check(json!({"service_tier": "auto"}), Fate::dropped("w"), &[]);
    }

    #[test]
    fn the_word_of_include_is_in_the_note() {
        let settings =
            CreateResponseBody::from_value(json!({"include": ["web_search_call.results"]})).unwrap().settings;
        let mut notes = NoteList::default();
        all(Fate::dropped("why")).note(&settings, &mut notes).unwrap();
        assert_eq!(notes.into_vec(), [Note::dropped("include", "web_search_call.results: why")]);
    }
}
