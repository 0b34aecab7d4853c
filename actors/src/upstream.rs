//! One HTTP exchange with a provider: the head, then the body through the translator.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use actix_rt::task::spawn_blocking;
use awc::error::{ConnectError, SendRequestError};
use awc::http::header::{self, HeaderMap, HttpDate};
use awc::{Client, Connector};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use or_adapters::{AdapterError, FrameDecoder, ModelEvent, ResponseTranslator, UpstreamCall};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, Sleep, sleep, timeout};

use crate::mask::mask;
use crate::play::play;
use crate::provider::Permit;
use crate::{Batch, ProviderKey, ProviderSpec, Sample, SampleError, Sampled, Transport};

/// Largest unary answer and error body, in bytes.
const MAX_BODY: usize = 64 * 1024 * 1024;
const MAX_ERROR_BODY: usize = 1024 * 1024;
/// Bodies from this size on are translated off the arbiter.
const HEAVY_BODY: usize = 256 * 1024;
/// Bytes that are taken in before what they hold is passed on.
const GATHER: usize = 32 * 1024;
/// Batches that may wait between the reader and the loop.
const QUEUE: usize = 8;
/// How long the rest of a finished stream is read, so that its connection can be used again.
const DRAIN: Duration = Duration::from_secs(1);

type Body = Pin<Box<dyn Stream<Item = Result<Bytes, String>>>>;

/// The beginning of an answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u64>,
    /// Whether the body is a stream, as far as its content type says; `None` if it says nothing useful.
    pub(crate) is_stream: Option<bool>,
    pub(crate) body: Body,
}

/// A provider and the client to reach it. Cheap to clone; lives on one arbiter.
#[derive(Clone)]
pub(crate) struct Upstream {
    spec: Arc<ProviderSpec>,
    http: Client,
}

impl Upstream {
    pub(crate) fn new(spec: Arc<ProviderSpec>) -> Self {
        // Admission is ours; awc's own limit would make request 101 wait in silence.
        let connector = Connector::new().limit(0).timeout(spec.connect_timeout);
        let http = Client::builder()
            .connector(connector)
            .timeout(spec.first_byte_timeout)
            .disable_redirects()
            .finish();
        Self { spec, http }
    }

    pub(crate) fn spec(&self) -> &Arc<ProviderSpec> {
        &self.spec
    }

    pub(crate) async fn send(&self, call: UpstreamCall, key: &ProviderKey) -> Result<Answer, SampleError> {
        if self.spec.transport == Transport::Demo {
            return Ok(play(&call.path, call.body).await);
        }
        let url = format!("{}{}", self.spec.base_url, call.path);
        let mut request = match call.body.is_empty() {
            true => self.http.get(url),
            false => self.http.post(url).insert_header((header::CONTENT_TYPE, "application/json")),
        };
        request = request.insert_header((header::ACCEPT_ENCODING, "identity"));
        for (name, value) in call.headers {
            request = request.insert_header((name, value));
        }
        let key = match key {
            ProviderKey::Server => self.spec.key.as_deref(),
            ProviderKey::Client(key) => Some(&**key),
        };
        for (name, value) in key.map(|key| self.spec.adapter.credentials(key)).unwrap_or_default() {
            request = request.insert_header((name, value));
        }
        for (name, value) in &self.spec.headers {
            request = request.insert_header((name.as_str(), value.as_str()));
        }
        let response = request.send_body(call.body).await.map_err(|e| self.unreachable(&e))?;
        let content_type =
            response.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_stream = match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json" => Some(false),
            "text/event-stream" | "application/x-ndjson" => Some(true),
            _ => None,
        };
        let (status, retry_after_s) = (response.status().as_u16(), retry_after(response.headers()));
        // A stream would keep the headers, some 3 KiB, to its end.
        let response = response.map_body(|head, body| {
            head.headers = HeaderMap::new();
            body
        });
        let body = Box::pin(response.map(|chunk| chunk.map_err(|e| e.to_string())));
        Ok(Answer { status, retry_after_s, is_stream, body })
    }

    fn unreachable(&self, error: &SendRequestError) -> SampleError {
        match error {
            SendRequestError::Timeout => SampleError::Silent(self.spec.first_byte_timeout.as_secs()),
            SendRequestError::Connect(ConnectError::Timeout) => {
                SampleError::Unreachable("the connection took too long".into())
            }
            // The connection was made; the provider closed it in place of an answer.
            SendRequestError::Connect(e @ ConnectError::Disconnected) => SampleError::Broken(e.to_string()),
            SendRequestError::Connect(e) => SampleError::Unreachable(e.to_string()),
            other => SampleError::Broken(other.to_string()),
        }
    }
}

/// Seconds from `retry-after-ms` or `retry-after` (seconds or a date), rounded up.
fn retry_after(headers: &HeaderMap) -> Option<u64> {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok()).map(str::trim);
    if let Some(ms) = text("retry-after-ms").and_then(|v| v.parse::<f64>().ok()) {
        return Some((ms / 1000.0).ceil().max(0.0) as u64);
    }
    let value = text("retry-after")?;
    if let Ok(seconds) = value.parse::<f64>() {
        return Some(seconds.ceil().max(0.0) as u64);
    }
    let date: SystemTime = value.parse::<HttpDate>().ok()?.into();
    Some(date.duration_since(SystemTime::now()).map_or(0, |left| left.as_secs() + 1))
}

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
            return Err(refused(upstream, &mut answer).await);
        }
        if answer.is_stream.unwrap_or(streams) {
            return Ok((Some(answer.body), translator, Vec::new()));
        }
        let bytes = read_body(&mut answer.body, MAX_BODY, upstream.spec.first_byte_timeout).await?;
        let mut events = Vec::new();
        if bytes.len() < HEAVY_BODY {
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
        done = work => done.map_err(|error| mask(&upstream.spec, &key, error))?,
    };
    let (body, translator, events) = done;
    let Some(body) = body else { return Ok(Sampled::Whole(events)) };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let reader = Reader {
        spec: Arc::clone(&upstream.spec),
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

pub(crate) async fn refused(upstream: &Upstream, answer: &mut Answer) -> SampleError {
    // The status is what counts; a body that does not come makes no difference.
    let body = read_body(&mut answer.body, MAX_ERROR_BODY, Duration::from_secs(10)).await.unwrap_or_default();
    let error = upstream.spec.adapter.error(answer.status, answer.retry_after_s, &body);
    SampleError::Adapter(AdapterError::Upstream(error))
}

pub(crate) async fn read_body(
    body: &mut Body,
    limit: usize,
    silence: Duration,
) -> Result<Bytes, SampleError> {
    let mut whole = BytesMut::new();
    loop {
        let chunk = match timeout(silence, body.next()).await {
            Err(_) => return Err(SampleError::Silent(silence.as_secs())),
            Ok(None) => return Ok(whole.freeze()),
            Ok(Some(Err(e))) => return Err(SampleError::Broken(e)),
            Ok(Some(Ok(chunk))) => chunk,
        };
        if whole.len() + chunk.len() > limit {
            return Err(SampleError::TooLarge(limit));
        }
        whole.extend_from_slice(&chunk);
    }
}

/// Reads a stream for one loop, as fast as the loop takes it and no faster.
struct Reader {
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

impl Reader {
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
        while size < GATHER {
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
