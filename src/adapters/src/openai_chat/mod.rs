//! OpenAI Chat Completions and compatible hosts.
//!
//! One translation for some thirty hosts: how they differ is data (quirks, with presets by host),
//! never a branch on a name. Carried: text, images, audio, video, files, functions, custom tools and
//! namespaces as functions, structured output, reasoning in all its field names, log probabilities,
//! url citations. `docs/providers/openai-chat.md` lists what is not.

mod answer;
mod body;
mod calls;
mod error;
mod fields;
mod messages;
mod models;
mod parts;
mod presets;
mod quirks;
mod reasoning;
mod request;
mod response;
mod stream;
mod tool_ids;
mod wire;

use std::sync::Arc;

use quirks::{AuthHeader, Quirks};

use crate::catalog::{get, read_openai};
use crate::{
    Adapter, AdapterError, Framing, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

const KIND: &str = "openai-chat";

/// Which host an answer came from: reasoning it sealed is no use to another one.
#[derive(Clone, Debug)]
struct Host(Arc<str>);

impl Host {
    fn name(&self) -> &str {
        &self.0
    }
}

/// The adapter for `POST {base_url}/chat/completions`.
#[derive(Debug)]
pub struct OpenAiChat {
    quirks: Quirks,
    host: Host,
}

impl OpenAiChat {
    /// Reads the quirks over the preset of `base_url`'s host. Fails with a text that names the wrong key.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        let quirks = Quirks::load(options)?;
        Ok(Self { quirks, host: Host(quirks::host(&options.base_url).into()) })
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

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        match self.quirks.auth_header {
            AuthHeader::Bearer => vec![("authorization", format!("Bearer {key}"))],
            AuthHeader::ApiKey => vec![("api-key", key.to_owned())],
        }
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::translate(&self.quirks, self.host.name(), request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        let optional = self.quirks.finish_reason_optional;
        Box::new(stream::ChatTranslator::new(request, self.host.clone(), optional))
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::read(status, retry_after_s, body)
    }
}
