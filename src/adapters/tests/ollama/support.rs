//! Drives the adapter as a caller would: bytes in, events out.

use or_adapters::ollama::Ollama;
use or_adapters::{Adapter, AdapterError, FrameDecoder, ModelEvent, ModelRequest, ProviderOptions};
use or_protocol::CreateResponseBody;
use serde_json::{Map, Value, json};

/// An adapter with these quirks.
pub(crate) fn adapter(quirks: &Value) -> Ollama {
    adapter_at("http://127.0.0.1:11434", quirks)
}

/// An adapter for a server.
pub(crate) fn adapter_at(base_url: &str, quirks: &Value) -> Ollama {
    let quirks: Map<String, Value> = quirks.as_object().cloned().unwrap_or_default();
    Ollama::new(&ProviderOptions { name: "test".into(), base_url: base_url.into(), quirks }).unwrap()
}

/// A create body; the model is added where there is none.
pub(crate) fn decode(mut body: Value) -> CreateResponseBody {
    body.as_object_mut().unwrap().entry("model").or_insert(json!("qwen3:8b"));
    CreateResponseBody::from_value(body).unwrap()
}

/// The turn a create body asks for.
pub(crate) fn turn(body: &CreateResponseBody) -> ModelRequest<'_> {
    ModelRequest {
        model: body.model.as_deref().unwrap_or_default(),
        context: &body.input,
        settings: &body.settings,
        stream: body.stream,
    }
}

/// Events of a streamed answer that comes in these pieces.
pub(crate) fn stream<'b>(
    adapter: &Ollama,
    body: &CreateResponseBody,
    pieces: impl IntoIterator<Item = &'b [u8]>,
) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut decoder = FrameDecoder::new(adapter.framing());
    let mut translator = adapter.translator(&turn(body));
    let mut out = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(frame) = decoder.next()? {
            translator.push(frame, &mut out)?;
        }
    }
    decoder.close();
    while let Some(frame) = decoder.next()? {
        translator.push(frame, &mut out)?;
    }
    translator.finish(decoder.stray(), &mut out)?;
    Ok(out)
}

/// Events of a unary answer.
pub(crate) fn unary(
    adapter: &Ollama,
    body: &CreateResponseBody,
    answer: &[u8],
) -> Result<Vec<ModelEvent>, AdapterError> {
    let mut out = Vec::new();
    adapter.translator(&turn(body)).unary(answer, &mut out)?;
    Ok(out)
}

/// Joins neighbouring deltas, so that a stream can be compared with a unary answer.
pub(crate) fn joined(events: Vec<ModelEvent>) -> Vec<ModelEvent> {
    let mut out: Vec<ModelEvent> = Vec::new();
    for event in events {
        match (out.last_mut(), event) {
            (
                Some(ModelEvent::TextDelta { text, logprobs, .. }),
                ModelEvent::TextDelta { text: more, logprobs: more_logprobs, .. },
            ) => {
                text.push_str(&more);
                logprobs.extend(more_logprobs);
            }
            (
                Some(ModelEvent::ReasoningDelta { text, .. }),
                ModelEvent::ReasoningDelta { text: more, .. },
            ) => {
                text.push_str(&more);
            }
            (_, event) => out.push(event),
        }
    }
    out
}

/// The JSON body that is sent.
pub(crate) fn sent(adapter: &Ollama, body: &CreateResponseBody) -> Value {
    serde_json::from_slice(&adapter.request(&turn(body)).unwrap().body).unwrap()
}
