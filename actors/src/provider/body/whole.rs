//! Reads an answer that is not streamed.

use actix_rt::task::spawn_blocking;
use bytes::{Bytes, BytesMut};
use or_adapters::{AdapterError, FrameDecoder, Framing, ModelEvent, ResponseTranslator};
use or_wire::Body;

use super::shape::{MARK, Shape};
use crate::limits::HEAVY;
use crate::provider::answer::read_body;
use crate::provider::error::SampleError;
use crate::provider::spec::ProviderSpec;

/// Largest unary answer, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Reads and translates an answer that is not streamed, of which `begin` was read already.
pub(in crate::provider) async fn whole(
    spec: &ProviderSpec,
    body: &mut Body,
    begin: BytesMut,
    translator: Box<dyn ResponseTranslator>,
) -> Result<Vec<ModelEvent>, SampleError> {
    let limit = MAX_BODY.min(spec.max_answer_bytes);
    let read = read_body(body, begin, limit, spec.first_byte_timeout).await;
    match read.missing {
        // What is missing may be no more than the end of the body: JSON says by itself whether it is whole.
        Some(broken) if read.is_cut && !read.bytes.is_empty() => {
            translated(spec, translator, read.bytes).await.map_err(|error| match error {
                SampleError::Panicked => SampleError::Panicked,
                _ => broken,
            })
        }
        Some(error) => Err(error),
        None => translated(spec, translator, read.bytes).await,
    }
}

async fn translated(
    spec: &ProviderSpec,
    mut translator: Box<dyn ResponseTranslator>,
    bytes: Bytes,
) -> Result<Vec<ModelEvent>, SampleError> {
    let framing = spec.adapter.framing();
    let mut events = Vec::new();
    if bytes.len() < HEAVY {
        translate_whole(translator.as_mut(), framing, &bytes, &mut events)?;
        return Ok(events);
    }
    let heavy = move || {
        let result = translate_whole(translator.as_mut(), framing, &bytes, &mut events);
        (result, events)
    };
    let (result, events) = spawn_blocking(heavy).await.map_err(|_| SampleError::Panicked)?;
    result?;
    Ok(events)
}

/// Gives the translator a body that was read whole.
fn translate_whole(
    translator: &mut dyn ResponseTranslator,
    framing: Framing,
    body: &[u8],
    events: &mut Vec<ModelEvent>,
) -> Result<(), AdapterError> {
    // An answer of one object is for `unary`, and so are lines: they may be an object over several.
    if Shape::of(body, framing) != Some(Shape::Events) {
        return translator.unary(body.strip_prefix(MARK).unwrap_or(body), events);
    }
    let mut decoder = FrameDecoder::new(Framing::Sse);
    decoder.feed(body);
    decoder.close();
    while let Some(frame) = decoder.next()? {
        translator.push(frame, events)?;
    }
    translator.finish(decoder.stray(), events)
}
