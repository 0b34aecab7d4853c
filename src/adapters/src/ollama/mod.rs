//! Ollama's native `/api/chat`: newline-delimited JSON, images as bare base64, no tool choice.
//!
//! Kinds of difference that are emulated here: `tool_choice` (by the tools sent and a system text),
//! structured output beside tools (by a system text), images in tool results (by a user message), and
//! thinking that a model writes into its answer (see `think_tags`).

mod answer;
mod error;
mod history;
mod list;
mod logprobs;
mod media;
mod models;
mod quirks;
mod request;
mod schema;
mod think_tags;
mod tools;
mod wire;

use crate::{
    Adapter, AdapterError, Framing, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

use self::quirks::Quirks;
use self::wire::KIND;

/// Adapter for Ollama servers and ollama.com.
#[derive(Debug)]
pub struct Ollama {
    quirks: Quirks,
}

impl Ollama {
    /// Reads the provider's quirks. The error names the key.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { quirks: Quirks::read(options)? })
    }
}

impl Adapter for Ollama {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image"]
    }

    fn list(&self, _page: Option<&str>) -> Option<UpstreamCall> {
        Some(list::call())
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        list::read(body)
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        if key.is_empty() { Vec::new() } else { vec![("authorization", format!("Bearer {key}"))] }
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(&self.quirks, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(answer::AnswerTranslator::new(&self.quirks, request))
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::read(status, retry_after_s, body)
    }
}
