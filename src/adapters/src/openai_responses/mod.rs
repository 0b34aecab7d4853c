//! OpenAI Responses: OpenAI, Azure and every other host that speaks the same wire.
//!
//! What it supports:
//! - text, refusals, annotations, log probabilities, phases;
//! - reasoning as summary or raw text, and its encrypted state, sealed and given back byte for byte;
//! - function, custom and namespace tools, and every hosted tool of the provider, as they came;
//! - any difference of a host is data: a preset by the host of `base_url` (`quirks`), a table by model
//!   name (`models`).
//!
//! Items are told apart by their ids, their `output_index` and their place, in this order (`answer::blocks`): some
//! hosts change ids between two events of one item, and some give all items one index.

mod answer;
#[cfg(test)]
mod answer_tests;
mod error;
#[cfg(test)]
mod failure_tests;
mod history;
mod media;
mod models;
mod quirks;
mod request;
#[cfg(test)]
mod request_tests;
mod roles;
mod tools;
mod wire;

use self::quirks::Quirks;
use self::wire::KIND;
use crate::catalog::{get, read_openai};
use crate::counting::{counting, members, read_number};
use crate::{
    Adapter, AdapterError, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator, UpstreamCall,
    UpstreamError,
};

/// What the counter takes of a request.
const COUNTED: &[&str] = &[
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "text",
    "reasoning",
    "truncation",
    "parallel_tool_calls",
];

/// The adapter; holds what is known about its host.
#[derive(Debug)]
pub struct OpenAiResponses {
    quirks: Quirks,
}

impl OpenAiResponses {
    /// Reads the provider's quirks over the preset of its host. The error names the offending key.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { quirks: Quirks::read(options)? })
    }
}

impl Adapter for OpenAiResponses {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn gen_ai_provider(&self) -> Option<&'static str> {
        Some("openai")
    }

    fn carries(&self) -> &'static [&'static str] {
        if self.quirks.input_video {
            &["text", "image", "file", "audio", "video"]
        } else {
            &["text", "image", "file", "audio"]
        }
    }

    fn list(&self, _page: Option<&str>) -> Option<UpstreamCall> {
        Some(get("/models".into(), Vec::new()))
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        read_openai(KIND, body)
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        self.quirks.auth_header.credentials(key)
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(&self.quirks, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(answer::AnswerTranslator::new(&self.quirks, request))
    }

    fn count(&self, _model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        counting(call, "/responses/input_tokens".into(), &members(&call.body, COUNTED)?)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "input_tokens")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::TABLE.read(status, retry_after_s, body)
    }
}
