//! One call of a model: the head, then the body through the translator.

use bytes::BytesMut;
use futures_util::{StreamExt as _, stream};
use or_adapters::{ModelEvent, ResponseTranslator};
use or_wire::Body;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use super::answer::{Answer, refused};
use super::body::{Shape, StreamReader, whole};
use super::error::SampleError;
use super::http::Upstream;
use super::messages::{Sample, Sampled};
use super::permit::Permit;
use super::redact::mask;
use super::spec::ProviderSpec;

/// Batches that may wait between the reader and the loop. The next one is read when there is room for it.
const QUEUE: usize = 1;
/// Blank bytes before an answer.
const MAX_BLANK: usize = 4 * 1024;

/// What an answer turned out to be.
enum Begun {
    Whole(Vec<ModelEvent>),
    Stream(Body, Box<dyn ResponseTranslator>),
}

/// Makes the call and answers with its head: a unary answer whole, a stream as soon as it begins.
pub(crate) async fn sample(
    upstream: &Upstream,
    message: Sample,
    permit: Permit,
) -> Result<Sampled, SampleError> {
    let Sample { call, translator, key, mut gone, .. } = message;
    let (spec, streams) = (upstream.spec(), call.stream);
    let work = async {
        let mut answer = upstream.send(call, &key).await?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(spec, &mut answer).await);
        }
        begin(upstream, answer, streams, translator).await
    };
    let begun = tokio::select! {
        biased;
        _ = &mut gone => return Err(SampleError::Gone),
        begun = work => begun.map_err(|error| mask(spec, &key, error))?,
    };
    let (body, translator) = match begun {
        Begun::Whole(events) => return Ok(Sampled::Whole(events)),
        Begun::Stream(body, translator) => (body, translator),
    };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reader = StreamReader { upstream: upstream.clone(), key, body, translator, sender, gone, permit };
    actix_rt::spawn(Box::new(reader).run());
    Ok(Sampled::Stream(receiver))
}

/// Finds out what the answer is: by its label, and by its first byte where that says something else.
async fn begin(
    upstream: &Upstream,
    mut answer: Answer,
    streams: bool,
    translator: Box<dyn ResponseTranslator>,
) -> Result<Begun, SampleError> {
    let spec = upstream.spec();
    // The reader of a stream sees for itself whether it is one.
    if answer.is_stream.unwrap_or(streams) {
        return Ok(Begun::Stream(answer.body, translator));
    }
    let mut begin = BytesMut::new();
    if streams {
        begin = first_bytes(spec, &mut answer.body).await?;
        if Shape::of(&begin, spec.adapter.framing()) == Some(Shape::Events) {
            let begin = stream::iter([Ok(begin.freeze())]);
            return Ok(Begun::Stream(Box::pin(begin.chain(answer.body)), translator));
        }
    }
    whole(upstream, &mut answer.body, begin, translator).await.map(Begun::Whole)
}

/// Reads up to the first byte that is not blank, or to the end.
async fn first_bytes(spec: &ProviderSpec, body: &mut Body) -> Result<BytesMut, SampleError> {
    let mut begin = BytesMut::new();
    let end = Instant::now() + spec.first_byte_timeout;
    while Shape::of(&begin, spec.adapter.framing()).is_none() && begin.len() < MAX_BLANK {
        match timeout_at(end, body.next()).await {
            Err(_) => return Err(SampleError::Silent(spec.first_byte_timeout.as_secs())),
            Ok(None) => break,
            Ok(Some(Err(error))) => return Err(SampleError::Broken(error.to_string())),
            Ok(Some(Ok(bytes))) => begin.extend_from_slice(&bytes),
        }
    }
    Ok(begin)
}
