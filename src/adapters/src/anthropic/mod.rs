//! Anthropic Messages: `POST /messages` below a base URL that ends in `/v1`.
//!
//! What is mapped, emulated and left out is listed in `docs/providers/anthropic.md`.

mod answer;
mod error;
mod history;
mod list;
mod media;
mod models;
mod quirks;
mod request;
mod schema;
mod thinking;
mod tools;
mod wire;

use or_protocol::Settings;

use self::quirks::Quirks;
use self::wire::KIND;
use crate::counting::{counting, members, read_number};
use crate::{
    Adapter, AdapterError, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator, UpstreamCall,
    UpstreamError,
};

/// What the counter takes of a request.
const COUNTED: &[&str] =
    &["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"];

/// The adapter for Anthropic's API and for hosts that speak it.
#[derive(Debug)]
pub struct Anthropic {
    quirks: Quirks,
}

impl Anthropic {
    /// Reads the provider's quirks. The error names the key that is wrong.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        Ok(Self { quirks: Quirks::read(options)? })
    }
}

impl Adapter for Anthropic {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn gen_ai_provider(&self) -> Option<&'static str> {
        Some("anthropic")
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image", "file"]
    }

    fn prefills(&self, model: &str, settings: &Settings) -> bool {
        request::prefills(&self.quirks, model, settings)
    }

    fn list(&self, page: Option<&str>) -> Option<UpstreamCall> {
        Some(list::call(&self.quirks, page))
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        list::read(body)
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        self.quirks.auth.credentials(key)
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(&self.quirks, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(answer::AnswerTranslator::new(&self.quirks, request))
    }

    fn count(&self, _model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        counting(call, "/messages/count_tokens".into(), &members(&call.body, COUNTED)?)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "input_tokens")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::TABLE.read(status, retry_after_s, body)
    }
}

#[cfg(test)]
mod answer_tests;
#[cfg(test)]
mod delta_tests;
#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod server_back_tests;
#[cfg(test)]
mod server_tests;
#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    fn options(quirks: Value) -> ProviderOptions {
        ProviderOptions {
            name: "a".into(),
            base_url: "https://host.example/v1".into(),
            quirks: quirks.as_object().unwrap().clone(),
        }
    }

    #[test]
    fn the_key_goes_into_the_chosen_header() {
        let own = Anthropic::new(&options(json!({}))).unwrap();
        assert_eq!(own.credentials("k"), [("x-api-key", "k".to_owned())]);
        let bearer = Anthropic::new(&options(json!({"auth": "bearer"}))).unwrap();
        assert_eq!(bearer.credentials("k"), [("authorization", "Bearer k".to_owned())]);
    }
}
