//! Google's `generateContent` and `streamGenerateContent` (v1beta), on the Gemini API and on Vertex AI.
//!
//! Carried: text, images, files, video and audio in; text, function calls, thought summaries, citations
//! and log probabilities out; thought signatures there and back. See `docs/providers/gemini.md`.

mod answer;
mod error;
mod history;
mod list;
mod media;
mod models;
mod quirks;
mod request;
mod schema;
mod seal;
mod tools;
mod wire;

use or_protocol::Settings;

use self::quirks::{Credential, Quirks};
use self::wire::KIND;
use crate::counting::read_number;
use crate::{
    Adapter, AdapterError, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator, UpstreamCall,
    UpstreamError,
};

/// Translates for Gemini.
#[derive(Debug)]
pub struct Gemini {
    quirks: Quirks,
}

impl Gemini {
    /// Reads the provider's quirks. The error names the key that is wrong.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { quirks: Quirks::read(options)? })
    }
}

impl Adapter for Gemini {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn gen_ai_provider(&self) -> Option<&'static str> {
        Some(if self.quirks.vertex { "gcp.vertex_ai" } else { "gcp.gemini" })
    }

    fn gen_ai_operation(&self) -> &'static str {
        "generate_content"
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image", "file", "audio", "video"]
    }

    /// Vertex AI lists models at another place than it serves them from.
    fn list(&self, page: Option<&str>) -> Option<UpstreamCall> {
        (!self.quirks.vertex).then(|| list::call(page))
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        list::read(body)
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        // Exactly one: two kinds at once are refused.
        match self.quirks.credential {
            Credential::Key => vec![("x-goog-api-key", key.to_owned())],
            Credential::Bearer => vec![("authorization", format!("Bearer {key}"))],
        }
    }

    fn prefills(&self, model: &str, _: &Settings) -> bool {
        self.quirks.traits(model).prefill
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(&self.quirks, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(answer::AnswerTranslator::new(&self.quirks, request))
    }

    fn count(&self, model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        request::count(model, call, self.quirks.vertex)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "totalTokens")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::TABLE.read(status, retry_after_s, body)
    }
}
