//! Ollama's native `/api/chat`: newline-delimited JSON, images as bare base64, no tool choice.
//!
//! Kinds of difference that are emulated here: `tool_choice` (by the tools sent and a system text),
//! structured output beside tools (by a system text), images in tool results (by a user message), and
//! thinking that a model writes into its answer (see `think_tags`).

mod error;
mod list;
mod logprobs;
mod media;
mod models;
mod quirks;
mod request;
mod request_items;
mod response;
mod schema;
mod stream;
mod think_tags;
mod tools;
mod wire;

use crate::{
    Adapter, AdapterError, Framing, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

use quirks::Quirks;

/// The configuration's word for this adapter; also the origin of its envelopes.
pub(crate) const KIND: &str = "ollama";

/// Adapter for Ollama servers and ollama.com.
#[derive(Debug)]
pub struct Ollama {
    quirks: Quirks,
    /// The hosted service, which does not enforce `format`.
    hosted: bool,
}

impl Ollama {
    /// Reads the provider's quirks. The error names the key.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        let quirks = Quirks::read(&options.quirks)?;
        Ok(Self { quirks, hosted: models::is_hosted(&options.base_url) })
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
        request::build(&self.quirks, self.hosted, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(stream::Turn::new(&self.quirks, self.hosted, request))
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::read(status, retry_after_s, body)
    }
}

/// A client's word as it may stand in a note: short, one line, ASCII.
fn plain_word(word: &str) -> String {
    word.chars().map(|c| if c.is_ascii_graphic() { c } else { '?' }).take(40).collect()
}
