//! The built-in demo provider, which needs no key and no network: an adapter like any other, with a small
//! JSON wire of its own. The model behind it runs in this process (`or-demo`).

mod answer;
mod error;
mod history;
mod models;
mod request;
mod schema;
pub mod wire;

pub use self::error::error_words;
pub use self::history::one_line;
pub use self::models::{Comes, Model, Says};
pub use self::wire::COUNT_PATH;
use self::wire::KIND;
use crate::counting::read_number;
pub use crate::shared::names::fingerprint;
use crate::{
    Abilities, Adapter, AdapterError, Framing, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

/// The adapter of the built-in provider.
#[derive(Clone, Copy, Debug)]
pub struct Demo;

impl Demo {
    /// Takes no quirks: any key in the table is refused by name.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        match options.quirks.keys().next() {
            Some(key) => Err(format!("quirks.{key}: the demo provider has no quirks")),
            None => Ok(Self),
        }
    }
}

impl Adapter for Demo {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn in_process(&self) -> bool {
        true
    }

    fn models(&self) -> &'static [&'static str] {
        models::NAMES
    }

    fn abilities(&self, model: &str) -> Abilities {
        let known = Model::named(model).is_some();
        let yes = known.then_some(true);
        Abilities {
            input_modalities: known.then(|| vec!["text"]),
            tools: yes,
            reasoning: known.then(|| model == "demo-reasoning"),
            structured_output: yes,
            context_length: None,
            max_output_tokens: None,
        }
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn credentials(&self, _key: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(answer::AnswerTranslator::new(request))
    }

    fn count(&self, _model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        let (headers, body) = (call.headers.clone(), call.body.clone());
        Some(UpstreamCall { path: COUNT_PATH.into(), headers, body, stream: false, notes: Vec::new() })
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "input")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::read(status, retry_after_s, body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirks_are_refused_by_name() {
        let mut options = ProviderOptions::default();
        assert!(Demo::new(&options).is_ok());
        options.quirks.insert("speed".into(), 1.into());
        assert_eq!(Demo::new(&options).unwrap_err(), "quirks.speed: the demo provider has no quirks");
    }
}
