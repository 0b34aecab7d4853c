//! One call of a model: the head, then the body through the translator.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use actix_rt::task::spawn_blocking;
use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use or_adapters::{AdapterError, FrameDecoder, ModelEvent, ResponseTranslator};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::answer::{Body, read_body, refused};
use super::error::SampleError;
use super::http::Upstream;
use super::messages::{Batch, Sample, Sampled};
use super::permit::Permit;
use super::redact::mask;
use super::spec::{ProviderKey, ProviderSpec};
use crate::limits::HEAVY;

/// Largest unary answer, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Bytes that are taken in before what they hold is passed on.
const GATHER: usize = 32 * 1024;
/// The same, in pieces of the body. Short ones take many times their length as events, and wait as long as the client
/// is slow.
const GATHER_PIECES: usize = 128;
/// Batches that may wait between the reader and the loop.
const QUEUE: usize = 2;
/// How long the rest of a finished stream is read, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

/// Makes the call and answers with its head: a unary answer whole, a stream as soon as it begins.
pub(crate) async fn sample(
    upstream: &Upstream,
    message: Sample,
    permit: Permit,
) -> Result<Sampled, SampleError> {
    let Sample { call, mut translator, key, mut gone } = message;
    let streams = call.stream;
    let work = async {
        let mut answer = upstream.send(call, &key).await?;
        if !(200..300).contains(&answer.status) {
            return Err(refused(upstream.spec(), &mut answer).await);
        }
        if answer.is_stream.unwrap_or(streams) {
            return Ok((Some(answer.body), translator, Vec::new()));
        }
        let bytes = read_body(&mut answer.body, MAX_BODY, upstream.spec().first_byte_timeout).await?;
        let mut events = Vec::new();
        if bytes.len() < HEAVY {
            translator.unary(&bytes, &mut events)?;
            return Ok((None, translator, events));
        }
        let heavy = move || {
            let result = translator.unary(&bytes, &mut events);
            (result, translator, events)
        };
        let (result, translator, events) = spawn_blocking(heavy).await.map_err(|_| SampleError::Panicked)?;
        result?;
        Ok((None, translator, events))
    };
    let done = tokio::select! {
        biased;
        _ = &mut gone => return Err(SampleError::Gone),
        done = work => done.map_err(|error| mask(upstream.spec(), &key, error))?,
    };
    let (body, translator, events) = done;
    let Some(body) = body else { return Ok(Sampled::Whole(events)) };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reader = StreamReader {
        spec: Arc::clone(upstream.spec()),
        key,
        body,
        translator,
        sender,
        gone,
        ended: None,
        _permit: permit,
    };
    actix_rt::spawn(Box::new(reader).run());
    Ok(Sampled::Stream(receiver))
}

/// Reads a stream for one loop, as fast as the loop takes it and no faster.
struct StreamReader {
    spec: Arc<ProviderSpec>,
    key: ProviderKey,
    body: Body,
    translator: Box<dyn ResponseTranslator>,
    sender: mpsc::Sender<Batch>,
    gone: oneshot::Receiver<()>,
    /// An end of the body that was found while gathering.
    ended: Option<Option<Result<Bytes, String>>>,
    _permit: Permit,
}

impl StreamReader {
    async fn run(mut self: Box<Self>) {
        let sender = self.sender.clone();
        let result = AssertUnwindSafe(self.read()).catch_unwind().await;
        let error = match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => mask(&self.spec, &self.key, error),
            Err(_) => SampleError::Panicked,
        };
        // If the loop is gone, nobody needs the error.
        let _ = sender.send(Err(Box::new(error))).await;
    }

    /// Ends with `Ok` when the loop has all it needs or is gone; dropping the body closes the connection.
    async fn read(&mut self) -> Result<(), SampleError> {
        let mut decoder = FrameDecoder::new(self.spec.adapter.framing());
        let mut silence = Silence::new(self.spec.first_byte_timeout);
        loop {
            // While the loop is the slow side this timer does not run: it covers the reading alone.
            silence.begin();
            let chunk = loop {
                if let Some(ended) = self.ended.take() {
                    break ended;
                }
                tokio::select! {
                    biased;
                    chunk = self.body.next() => break chunk,
                    _ = &mut self.gone => return Ok(()),
                    () = silence.tick() => if silence.is_over() {
                        return Err(SampleError::Silent(silence.limit.as_secs()));
                    },
                }
            };
            let mut batch = Vec::new();
            let (result, ended) = match chunk {
                Some(Err(e)) => return Err(SampleError::Broken(e)),
                Some(Ok(bytes)) => {
                    decoder.feed(&bytes);
                    self.gather(&mut decoder, bytes.len());
                    (translate(&mut decoder, self.translator.as_mut(), &mut batch), false)
                }
                None => {
                    decoder.close();
                    let result = translate(&mut decoder, self.translator.as_mut(), &mut batch)
                        .and_then(|()| self.translator.finish(decoder.stray(), &mut batch));
                    (result, true)
                }
            };
            silence.limit = self.spec.idle_timeout;
            // What came before an error is passed on before it: the client is shown all that there was.
            let finished = matches!(batch.last(), Some(ModelEvent::Finished { .. }));
            if !batch.is_empty() && self.sender.send(Ok(batch)).await.is_err() {
                if finished && !ended {
                    self.drain().await;
                }
                return Ok(());
            }
            result?;
            if ended {
                return Ok(());
            }
            if finished {
                self.drain().await;
                return Ok(());
            }
        }
    }

    /// Takes in what has arrived already: one read of the socket may hold many pieces of a chunked body,
    /// and what comes together shall travel together.
    fn gather(&mut self, decoder: &mut FrameDecoder, mut size: usize) {
        let mut pieces = 1;
        while size < GATHER && pieces < GATHER_PIECES {
            pieces += 1;
            match self.body.next().now_or_never() {
                Some(Some(Ok(bytes))) => {
                    size += bytes.len();
                    decoder.feed(&bytes);
                }
                // An end or an error is for the next turn of the reading loop.
                ended => return self.ended = ended,
            }
        }
    }

    /// Reads what is left after the last event, so that the connection goes back to the pool.
    async fn drain(&mut self) {
        if self.ended.is_some() {
            return;
        }
        let rest = async { while let Some(Ok(_)) = self.body.next().await {} };
        let _ = timeout(DRAIN, rest).await;
    }
}

/// A limit on waiting that is set anew for every read. The timer itself is armed only when it runs out,
/// because arming one for each read costs more than the read.
struct Silence {
    limit: Duration,
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl Silence {
    fn new(limit: Duration) -> Self {
        Self { limit, since: Instant::now(), timer: Box::pin(sleep(limit)) }
    }

    fn begin(&mut self) {
        self.since = Instant::now();
        // A shorter limit than the armed one would come too late.
        if self.since + self.limit < self.timer.deadline() {
            self.timer.as_mut().reset(self.since + self.limit);
        }
    }

    async fn tick(&mut self) {
        self.timer.as_mut().await;
        self.timer.as_mut().reset(self.since + self.limit);
    }

    fn is_over(&self) -> bool {
        self.since.elapsed() >= self.limit
    }
}

fn translate(
    decoder: &mut FrameDecoder,
    translator: &mut dyn ResponseTranslator,
    batch: &mut Vec<ModelEvent>,
) -> Result<(), AdapterError> {
    while let Some(frame) = decoder.next()? {
        translator.push(frame, batch)?;
    }
    Ok(())
}
