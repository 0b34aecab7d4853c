//! Token counts under every name that the hosts use.

use serde::Deserialize;

use crate::shared::lenient::{Count, Lenient};

/// Token counts under every name the hosts use.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WireUsage {
    #[serde(default)]
    prompt_tokens: Count,
    #[serde(default)]
    completion_tokens: Count,
    #[serde(default)]
    total_tokens: Count,
    #[serde(default)]
    prompt_tokens_details: Lenient<PromptDetails>,
    #[serde(default)]
    completion_tokens_details: Lenient<CompletionDetails>,
    /// DeepSeek.
    #[serde(default)]
    prompt_cache_hit_tokens: Count,
    /// Anthropic's names, which gateways keep.
    #[serde(default)]
    cache_read_input_tokens: Count,
    #[serde(default)]
    cache_creation_input_tokens: Count,
    /// Moonshot.
    #[serde(default)]
    cached_tokens: Count,
    /// Copilot.
    #[serde(default)]
    reasoning_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
struct PromptDetails {
    #[serde(default)]
    cached_tokens: Count,
    #[serde(default)]
    cache_write_tokens: Count,
    /// DashScope's name of the same.
    #[serde(default)]
    cache_creation_input_tokens: Count,
}

#[derive(Debug, Default, Deserialize)]
struct CompletionDetails {
    #[serde(default)]
    reasoning_tokens: Count,
}

impl WireUsage {
    /// In our counting, over what was counted before: counts that grow never fall. None if nobody counted the input.
    /// A `completion_tokens` without the thinking is recognised by the total.
    pub(crate) fn count(&self, before: Option<or_protocol::Usage>) -> Option<or_protocol::Usage> {
        let total = self.total_tokens.0;
        let rest = |part: Count| total?.checked_sub(part.0?);
        let input = self.prompt_tokens.0.or_else(|| rest(self.completion_tokens));
        let input = input.or(before.map(|before| before.input_tokens))?;
        let mut output = self.completion_tokens.or_zero();
        let reasoning = self.completion_tokens_details.0.as_ref().and_then(|d| d.reasoning_tokens.0);
        let reasoning = reasoning.or(self.reasoning_tokens.0).unwrap_or(0);
        let cached = self.prompt_tokens_details.0.as_ref().and_then(|d| d.cached_tokens.0);
        let cached = cached.or(self.prompt_cache_hit_tokens.0).or(self.cached_tokens.0);
        let cached = cached.or(self.cache_read_input_tokens.0).unwrap_or(0);
        let with_thinking = output.saturating_add(reasoning);
        if reasoning > 0 && total == Some(input.saturating_add(with_thinking)) {
            output = with_thinking;
        }
        let details = self.prompt_tokens_details.0.as_ref();
        let written = details.and_then(|d| d.cache_write_tokens.0.or(d.cache_creation_input_tokens.0));
        let written = written.or(self.cache_creation_input_tokens.0).unwrap_or(0);
        let before = before.unwrap_or_default();
        let usage = or_protocol::Usage::new(input, output, total, cached, reasoning);
        let usage = or_protocol::Usage::new(
            usage.input_tokens.max(before.input_tokens),
            usage.output_tokens.max(before.output_tokens),
            Some(usage.total_tokens.max(before.total_tokens)),
            cached.max(before.input_tokens_details.cached_tokens),
            reasoning.max(before.output_tokens_details.reasoning_tokens),
        );
        Some(usage.with_cache_writes(written.max(before.input_tokens_details.cache_write_tokens)))
    }
}
