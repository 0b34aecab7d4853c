//! Which of two names a client reads where OpenAI and the specification differ.

use actix_web::http::header::{HeaderMap, USER_AGENT};
use or_engine::ReasoningEvents;
use or_protocol::{ApiError, ErrorKind};

use crate::headers::only_one;

/// The request header that decides it, whatever the server's configuration says.
const HEADER: &str = "openresponses-reasoning-events";
/// Every SDK that is made from OpenAI's description sends headers of this family.
const SDK_HEADERS: &str = "x-stainless-";
/// Words in the user agent of clients that read OpenAI's names only: OpenAI's SDKs and those that follow them, Vercel's AI
/// SDK, Codex.
const AGENTS: &[&str] = &["openai", AI_SDK, "codex"];
/// In the user agent of Vercel's AI SDK.
const AI_SDK: &str = "ai-sdk/";

/// Names of the raw-reasoning events (rules 12.9): as the request's header says, else as the server is told (`forced`),
/// else by who asks. A header with another word is a 400.
pub(crate) fn reasoning_events(
    headers: &HeaderMap,
    forced: Option<ReasoningEvents>,
) -> Result<ReasoningEvents, ApiError> {
    let asked = match only_one(headers, HEADER)?.map(|value| value.as_bytes()) {
        None => forced,
        Some(b"spec") => Some(ReasoningEvents::Spec),
        Some(b"openai") => Some(ReasoningEvents::OpenAi),
        Some(b"auto") => None,
        Some(_) => {
            let text = format!("The header '{HEADER}' has to be 'auto', 'spec' or 'openai'.");
            return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_value"));
        }
    };
    Ok(asked.unwrap_or_else(|| of_client(headers)))
}

/// Whether the client shows an error only if each of its members is a text: the AI SDK's for this API, which does not
/// always name itself apart from its others.
pub(crate) fn reads_texts_only(headers: &HeaderMap) -> bool {
    agent(headers).contains(AI_SDK)
}

fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    agent.to_ascii_lowercase()
}

fn of_client(headers: &HeaderMap) -> ReasoningEvents {
    let agent = agent(headers);
    let sdk = || headers.keys().any(|name| name.as_str().starts_with(SDK_HEADERS));
    if AGENTS.iter().any(|word| agent.contains(word)) || sdk() {
        ReasoningEvents::OpenAi
    } else {
        ReasoningEvents::Spec
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderName, HeaderValue};

    use super::*;

    fn names(
        list: &[(&'static str, &'static str)],
        forced: Option<ReasoningEvents>,
    ) -> Option<ReasoningEvents> {
        let headers =
            list.iter().map(|(k, v)| (HeaderName::from_static(k), HeaderValue::from_static(v))).collect();
        reasoning_events(&headers, forced).ok()
    }

    #[test]
    fn names_go_by_header_then_configuration_then_client() {
        let (spec, openai) = (Some(ReasoningEvents::Spec), Some(ReasoningEvents::OpenAi));
        for (headers, forced, want) in [
            (&[][..], None, spec),
            (&[("user-agent", "curl/8.5.0")], None, spec),
            (&[("x-stainless-lang", "js")], None, openai),
            (&[("user-agent", "OpenAI/Python 3.57.0")], None, openai),
            (&[("user-agent", "ai/7.0 ai-sdk/open-responses/2.0 runtime/node.js/22")], None, openai),
            (&[("user-agent", "codex_cli_rs/0.171.0 (Debian 13; x86_64)")], None, openai),
            (&[("x-stainless-lang", "js")], spec, spec),
            (&[], openai, openai),
            (&[("openresponses-reasoning-events", "spec"), ("x-stainless-lang", "js")], openai, spec),
            (&[("openresponses-reasoning-events", "openai")], spec, openai),
            (&[("openresponses-reasoning-events", "auto"), ("x-stainless-lang", "js")], spec, openai),
            (&[("openresponses-reasoning-events", "SPEC")], None, None),
        ] {
            assert_eq!(names(headers, forced), want, "{headers:?} {forced:?}");
        }
    }
}
