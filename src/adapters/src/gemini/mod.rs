//! Google's `generateContent` and `streamGenerateContent` (v1beta), on the Gemini API and on Vertex AI.
//!
//! Carried: text, images, files, video and audio in; text, function calls, thought summaries, citations
//! and log probabilities out; thought signatures there and back. See `docs/providers/gemini.md`.

mod body;
mod call_ids;
mod contents;
mod error;
mod finish;
mod grounding;
mod json;
mod list;
mod media;
mod models;
mod names;
mod notes;
mod open;
mod options;
mod partial_args;
mod request;
mod response;
mod schema;
mod state;
mod stream;
mod tool_config;
mod turn;
mod wire;

use options::{Credential, Options};
use stream::Translator;

use crate::counting::read_number;
use crate::{
    Adapter, AdapterError, Framing, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

/// The kind in the configuration and in envelopes.
const KIND: &str = "gemini";

/// Translates for Gemini.
#[derive(Debug)]
pub struct Gemini {
    options: Options,
}

impl Gemini {
    /// Reads the provider's quirks. The error names the key that is wrong.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { options: Options::new(options)? })
    }
}

impl Adapter for Gemini {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image", "file", "audio", "video"]
    }

    /// Vertex AI lists models at another place than it serves them from.
    fn list(&self, page: Option<&str>) -> Option<UpstreamCall> {
        (!self.options.vertex).then(|| list::call(page))
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        list::read(body)
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        // Exactly one: two kinds at once are refused.
        match self.options.credential {
            Credential::Key => vec![("x-goog-api-key", key.to_owned())],
            Credential::Bearer => vec![("authorization", format!("Bearer {key}"))],
        }
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::translate(request, &self.options)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(Translator::new(request))
    }

    fn count(&self, model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        request::count(model, call, self.options.vertex)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "totalTokens")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::read(status, retry_after_s, body)
    }
}
