//! Reads an answer that is not streamed.

use bytes::{Bytes, BytesMut};
use or_adapters::{AdapterError, FrameDecoder, Framing, ModelEvent, ResponseTranslator};
use or_wire::Body;

use super::shape::{MARK, Shape};
use crate::provider::answer::read_body;
use crate::provider::error::SampleError;
use crate::provider::http::Upstream;

/// Largest unary answer, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;

/// Reads and translates an answer that is not streamed, of which `begin` was read already.
pub(crate) async fn whole(
    upstream: &Upstream,
    body: &mut Body,
    begin: BytesMut,
    translator: Box<dyn ResponseTranslator>,
) -> Result<Vec<ModelEvent>, SampleError> {
    let spec = upstream.spec();
    let limit = MAX_BODY.min(spec.max_answer_bytes);
    let read = read_body(body, begin, limit, spec.first_byte_timeout).await;
    match read.missing {
        // What is missing may be no more than the end of the body: JSON says by itself whether it is whole.
        Some(broken) if read.is_cut && !read.bytes.is_empty() => {
            translated(upstream, translator, read.bytes).await.map_err(|error| match error {
                SampleError::Panicked => SampleError::Panicked,
                _ => broken,
            })
        }
        Some(error) => Err(error),
        None => translated(upstream, translator, read.bytes).await,
    }
}

async fn translated(
    upstream: &Upstream,
    mut translator: Box<dyn ResponseTranslator>,
    bytes: Bytes,
) -> Result<Vec<ModelEvent>, SampleError> {
    let framing = upstream.spec().adapter.framing();
    let length = bytes.len();
    let is_nothing = Shape::of(&bytes, framing) == Some(Shape::Other);
    let work = move || {
        let mut events = Vec::new();
        translate_whole(translator.as_mut(), framing, &bytes, &mut events).map(|()| events)
    };
    upstream.sized(length, work).await?.map_err(|error| no_answer(is_nothing, error))
}

/// What is wrong with an answer; `is_nothing`: its first bytes are those of none.
pub(super) fn no_answer(is_nothing: bool, error: AdapterError) -> SampleError {
    match error {
        AdapterError::BadFrame { .. } | AdapterError::Truncated { .. } if is_nothing => {
            SampleError::NoAnswer("it is none of a model API, such as a page for people".to_owned())
        }
        error => error.into(),
    }
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
