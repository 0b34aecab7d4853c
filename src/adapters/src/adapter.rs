//! What an adapter is.

use or_protocol::{Item, Settings};
use serde_json::{Map, Value};

use crate::{Abilities, AdapterError, Frame, Framing, ModelEvent, ModelPage, UpstreamCall, UpstreamError};

/// One turn as the loop asks for it.
///
/// `context` is the whole effective context in order: the chain's items, the new input, and the output
/// of earlier turns of this response. References are resolved, and every `function_call_output` has its
/// call before it. `settings.instructions` is not part of `context`.
#[derive(Clone, Copy, Debug)]
pub struct ModelRequest<'a> {
    /// Upstream model name, a provider prefix already cut.
    pub model: &'a str,
    /// Everything the model shall see, apart from the instructions.
    pub context: &'a [Item],
    /// The request's settings.
    pub settings: &'a Settings,
    /// Whether the client wants a stream.
    pub stream: bool,
}

/// What an adapter is told about its provider at start.
#[derive(Clone, Debug, Default)]
pub struct ProviderOptions {
    /// Name in the configuration.
    pub name: String,
    /// Base URL without trailing slash; presets may go by its host.
    pub base_url: String,
    /// The provider's `quirks` table; each adapter reads it into a struct that refuses unknown keys.
    pub quirks: Map<String, Value>,
}

/// Translates for one kind of provider. Shared by all requests, so it holds no state of theirs.
pub trait Adapter: Send + Sync {
    /// The kind, as in the configuration; also names the origin of sealed state (design D11).
    fn kind(&self) -> &'static str;

    /// Whether calls are answered inside this process instead of over a network; they are not unless said
    /// otherwise.
    fn in_process(&self) -> bool {
        false
    }

    /// What OpenTelemetry's conventions call the provider. `None`: they have no name for it, or its table in the
    /// configuration has the better one.
    fn gen_ai_provider(&self) -> Option<&'static str> {
        None
    }

    /// What the same conventions call one call of it.
    fn gen_ai_operation(&self) -> &'static str {
        "chat"
    }

    /// Models of this kind that are there without asking, for the server's list of models; none unless said
    /// otherwise.
    fn models(&self) -> &'static [&'static str] {
        &[]
    }

    /// What is known of a model without asking; nothing unless said otherwise.
    fn abilities(&self, model: &str) -> Abilities {
        let _ = model;
        Abilities::default()
    }

    /// Kinds of input that can be carried to this provider at all, whatever the model.
    fn carries(&self) -> &'static [&'static str] {
        &["text"]
    }

    /// The call for a page of the provider's list of models; `page` comes from the page before. `None`: it has
    /// no list, as is so unless said otherwise.
    fn list(&self, page: Option<&str>) -> Option<UpstreamCall> {
        let _ = page;
        None
    }

    /// Reads a page of the list.
    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        let _ = body;
        Err(AdapterError::BadFrame { provider: self.kind(), what: "a list of models".into() })
    }

    /// Whether this model continues a context that ends with a message of the assistant's, as if it had written it up to
    /// there; it does not unless said otherwise.
    fn prefills(&self, model: &str, settings: &Settings) -> bool {
        let _ = (model, settings);
        false
    }

    /// How a streamed answer is cut into frames; server-sent events unless said otherwise.
    fn framing(&self) -> Framing {
        Framing::Sse
    }

    /// Credential headers for a key; a bearer token unless said otherwise.
    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("Bearer {key}"))]
    }

    /// Translates one turn. Fails if the request cannot be expressed at all.
    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError>;

    /// The other direction of the same turn.
    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator>;

    /// The call that asks the provider's own counter how many tokens `call` would be, a translated turn of
    /// `model`. `None`: it has no counter, as is so unless said otherwise.
    fn count(&self, model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        let _ = (model, call);
        None
    }

    /// Reads the counter's answer.
    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        let _ = body;
        Err(AdapterError::BadFrame { provider: self.kind(), what: "a token count".into() })
    }

    /// Reads an answer whose status is not 2xx. `retry_after_s` comes from the headers. The default goes by
    /// the status alone.
    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        let _ = body;
        UpstreamError::of_status(status, retry_after_s)
    }
}

/// Turns one answer of a provider into [`ModelEvent`]s. It never reads, waits or logs.
///
/// For a stream: `push` for every frame, then `finish` once. For a unary answer: `unary` once.
/// A failure reported inside the answer is `Err(AdapterError::Upstream)`. After `Finished` or an error
/// nothing more is expected, but further frames must be harmless.
pub trait ResponseTranslator: Send {
    /// Feeds one frame; appends what follows from it to `out`.
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError>;

    /// Whether the answer is whole and its end untold, because token counts may follow. Whoever reads waits a moment for
    /// them, and then calls [`Self::finish`]; no provider sends any behind its end unless said otherwise.
    fn is_whole(&self) -> bool {
        false
    }

    /// The upstream closed the connection. `stray` holds bytes that were not part of any frame.
    fn finish(&mut self, stray: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError>;

    /// Translates a whole unary body. A provider that is always asked for a stream has no need of it.
    fn unary(&mut self, body: &[u8], out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let _ = (body, out);
        Err(AdapterError::BadFrame {
            provider: "the provider",
            what: "an answer that is not a stream".into(),
        })
    }
}
