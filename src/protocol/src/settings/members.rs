//! Members of a request that have no form of their own: they go on to a provider of the same wire as they came, and
//! every other one's adapter says what becomes of them.

use crate::RawJson;
use crate::json::extra::Extra;

/// Members of a request and of the objects in it that have no form of their own here.
///
/// Those that OpenAI's types know were checked as far as something depends on them, see [`KNOWN_MEMBERS`]; all others
/// are as they came. Source: the `openai` packages of November 2026.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Members {
    /// Of the request itself.
    pub body: Extra,
    /// Of `reasoning`.
    pub reasoning: Extra,
    /// Of `text`.
    pub text: Extra,
    /// Of `text.format`.
    pub format: Extra,
    /// Of `stream_options`.
    pub stream_options: Extra,
}

/// Members that are known by name, as paths. OpenAI's, but for `client_metadata`, which its Codex sends.
pub const KNOWN_MEMBERS: &[&str] = &[
    "access_programs",
    "background_options",
    "client_metadata",
    "context_management",
    "generate",
    "image",
    "moderation",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning.context",
    "reasoning.mode",
];

impl Members {
    /// All of them with their paths.
    pub fn paths(&self) -> Vec<(String, RawJson)> {
        let Self { body, reasoning, text, format, stream_options } = self;
        let places = [
            ("", body),
            ("reasoning.", reasoning),
            ("text.", text),
            ("text.format.", format),
            ("stream_options.", stream_options),
        ];
        let of = |(place, extra): (&str, &Extra)| {
            let members = extra.members();
            let path = |name: &str| (format!("{place}{name}"), extra.member(name).unwrap_or_default());
            members.iter().map(|(name, _)| path(name)).collect::<Vec<_>>()
        };
        places.into_iter().flat_map(of).collect()
    }

    /// Bytes that they have about.
    pub(crate) fn size(&self) -> usize {
        let Self { body, reasoning, text, format, stream_options } = self;
        [body, reasoning, text, format, stream_options].map(Extra::size).iter().sum()
    }
}

/// Where breakpoints of the prompt cache are set.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CacheMode {
    /// The provider chooses one, beside those of the request.
    #[default]
    Implicit,
    /// Only those of the request count; without any nothing is cached.
    Explicit,
}

impl CacheMode {
    /// Wire words.
    pub const TABLE: &'static [(&'static str, Self)] =
        &[("implicit", Self::Implicit), ("explicit", Self::Explicit)];

    /// The wire word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Implicit => "implicit",
            Self::Explicit => "explicit",
        }
    }
}

/// `prompt_cache_options` of a request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PromptCacheOptions {
    /// Where breakpoints are set.
    pub mode: CacheMode,
    /// How long an entry lives at least: `30m` by default, `12h`.
    pub ttl: Option<String>,
    /// Nothing may be generated, the prompt is only written to the cache.
    pub prewarm: bool,
    /// Response with which the use of the cache is compared in the answer.
    pub comparison_response_id: Option<String>,
}
