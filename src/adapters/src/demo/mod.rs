//! The built-in demo provider: a deterministic model inside this process, so that the server runs with no
//! key and no network.
//!
//! It has two halves. [`Demo`] is an adapter like any other, with a small JSON wire of its own. [`answer`]
//! is the upstream: a pure function from a request body to the bytes and pauses of its answer, which the
//! driver plays with its own timers. What each model name does is in `docs/providers/demo.md`.

mod answer;
mod calls;
mod error;
mod merge;
mod messages;
mod model;
mod plan;
mod request;
mod sample;
mod scalars;
mod stream;
mod wire;
mod words;

pub use answer::{DemoAnswer, DemoEnd, DemoStep, answer, count_answer};

use crate::counting::read_number;
use crate::{
    Abilities, Adapter, AdapterError, Framing, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

/// Adapter kind; also the origin of sealed reasoning state.
const KIND: &str = "demo";
/// Where the demo counts.
pub const COUNT_PATH: &str = "/demo/count";

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

    fn models(&self) -> &'static [&'static str] {
        model::NAMES
    }

    fn abilities(&self, model: &str) -> Abilities {
        let known = model::Model::named(model).is_some();
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
        Box::new(stream::DemoTranslator::new(request.model))
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
