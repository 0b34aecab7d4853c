//! OpenAI Chat Completions and compatible hosts.
//!
//! One translation for some thirty hosts: how they differ is data (quirks, with presets by host),
//! never a branch on a name. Carried: text, images, audio, video, files, functions, custom tools and
//! namespaces as functions, structured output, reasoning in all its field names, log probabilities,
//! url citations. `docs/providers/openai-chat.md` lists what is not.

mod answer;
mod cache;
mod call_ids;
mod error;
mod fields;
mod history;
mod media;
mod models;
mod presets;
mod quirks;
mod reasoning;
mod request;
mod roles;
mod wire;

use self::quirks::Quirks;
use self::wire::KIND;
use crate::catalog::{get, read_openai};
use crate::{
    Adapter, AdapterError, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator, UpstreamCall,
    UpstreamError,
};

/// The adapter for `POST {base_url}/chat/completions`.
#[derive(Debug)]
pub struct OpenAiChat {
    quirks: Quirks,
}

impl OpenAiChat {
    /// Reads the quirks over the preset of `base_url`'s host. Fails with a text that names the wrong key.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { quirks: Quirks::read(options)? })
    }
}

impl Adapter for OpenAiChat {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image", "file", "audio", "video"]
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

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::TABLE.read(status, retry_after_s, body)
    }
}
