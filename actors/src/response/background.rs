//! What is special about a background response: it begins on disk, ends on disk, and is nobody's to wait for.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use or_adapters::{AdapterError, UpstreamErrorKind};
use or_engine::{Input, Output};
use or_protocol::{ApiError, ErrorKind};
use tokio::time::{Instant, sleep_until};

use crate::provider::SampleError;
use crate::response::attend::interrupted;
use crate::response::driver::{Driver, Step, unix_now};
use crate::response::job::Reply;
use crate::response::sink::{LogWriter, Sink, read_along};
use or_store::{Change, Frames};

/// Before the first retry of a provider call that named no time; doubled for each further one.
const CALL_AGAIN: Duration = Duration::from_secs(1);

impl Driver {
    /// Where the frames of a background response go, from number `next` on.
    pub(crate) fn detached(&self, next: u64) -> Sink {
        match &self.neighbours.log {
            Some(log) => {
                let id = self.id().clone();
                Sink::Log(Box::new(LogWriter::new(id, self.disk(), Arc::clone(log), next)))
            }
            None => Sink::Detached,
        }
    }

    /// Writes the first record, then tells the client that the response exists.
    pub(crate) async fn begin(&mut self) -> Step {
        let Some(record) = self.stored() else { return self.refuse(ApiError::internal()) };
        let Some((reply, held)) = self.sink.take_waiting() else { return Step::End(None) };
        let first = Frames { first: 0, bytes: Bytes::from(held) };
        let frames = self.neighbours.log.is_some().then(|| first.clone());
        let change = Change { id: self.id().clone(), record: Some(record), frames };
        if let Err(error) = self.disk().write(change).await {
            tracing::error!(response_id = %self.id(), %error, "a background response could not begin");
            let text = "The response could not be stored, so it was not begun.";
            let error = ApiError::new(ErrorKind::Storage, text).with_code("storage_error");
            self.sink = Sink::Waiting { reply, held: Vec::new() };
            return self.refuse(error);
        }
        let notes = self.notes.clone();
        self.sink = self.detached(0);
        let answer = match &mut self.sink {
            Sink::Log(log) => {
                log.publish(first);
                let frames = read_along(&self.neighbours.node, self.id().clone(), 0);
                Reply::Stream { frames, notes }
            }
            _ => Reply::Json {
                body: self.engine.as_ref().map(or_engine::ResponseLoop::current_json).unwrap_or_default(),
                notes,
            },
        };
        // If the client has left, the response goes on all the same.
        let _ = reply.send(answer);
        self.feed(Input::Begun).await
    }

    /// Between two steps: what was made so far is not made again after a restart. The frames that tell it go to disk
    /// with it. `false`: the server is stopping and they did not.
    pub(crate) async fn checkpoint(&mut self, frames: Vec<u8>) -> bool {
        let Some(record) = self.stored() else { return false };
        let row = self.row(frames);
        let change = Change { id: self.id().clone(), record: Some(record), frames: row.clone() };
        let written = self.disk().persist(change).await;
        if written {
            self.publish(row);
        }
        written
    }

    /// Frames as a row of the log, if there is a log and they are any.
    fn row(&self, frames: Vec<u8>) -> Option<Frames> {
        match &self.sink {
            Sink::Log(log) if !frames.is_empty() => Some(log.row(frames)),
            _ => None,
        }
    }

    fn publish(&mut self, row: Option<Frames>) {
        if let (Sink::Log(log), Some(row)) = (&mut self.sink, row) {
            log.publish(row);
        }
    }

    /// Writes the end and the events that tell it, all at once.
    pub(crate) async fn commit_background(&mut self) -> Step {
        // Frames that tell the end must not be on disk without the record that says it.
        let Some(record) = self.stored() else { return Step::Park };
        let mut out = Output::default();
        if let Some(engine) = &mut self.engine {
            engine.handle(Input::Committed(Ok(())), unix_now(), &mut out);
        }
        let row = self.row(out.frames);
        let change = Change { id: self.id().clone(), record: Some(record), frames: row.clone() };
        if !self.disk().persist(change).await {
            return Step::Park;
        }
        self.publish(row);
        Step::of(out.next)
    }

    /// Whether the next start can go on with it: its key is at hand then, and nothing was shown that a new
    /// sampling would contradict.
    pub(crate) fn can_park(&self) -> bool {
        let shown = self.request.stream && self.engine.as_ref().is_some_and(|e| e.turn_has_output());
        self.request.background && !self.request.route.uses_client_key() && !shown
    }

    /// How long to wait before the failed call is made again; `None`: it is not. Only while nothing came of it.
    fn retry_delay(&self, error: &SampleError) -> Option<Duration> {
        let limits = &self.neighbours.node.limits;
        let fresh = self.engine.as_ref().is_some_and(|engine| !engine.turn_has_output());
        if !self.request.background || !fresh {
            return None;
        }
        // Our own limit: it waits for its turn, however long that takes.
        if matches!(error, SampleError::Busy(_)) {
            return Some(CALL_AGAIN);
        }
        if self.retries >= limits.background_max_retries {
            return None;
        }
        let named = match error {
            SampleError::Adapter(AdapterError::Upstream(error)) => match error.kind {
                UpstreamErrorKind::RateLimit | UpstreamErrorKind::Overloaded => error.retry_after_s,
                _ => return None,
            },
            SampleError::Unreachable(_)
            | SampleError::Broken(_)
            | SampleError::Adapter(AdapterError::Truncated { .. }) => None,
            SampleError::Adapter(AdapterError::Unsupported { .. } | AdapterError::BadFrame { .. })
            | SampleError::Busy(_)
            | SampleError::Silent(_)
            | SampleError::TooLarge(_)
            | SampleError::Panicked
            | SampleError::Gone => return None,
        };
        match named.map(Duration::from_secs) {
            // A provider that wants more patience than we have is not asked again.
            Some(wanted) => (wanted <= limits.background_max_retry_delay).then_some(wanted),
            None => {
                let doubled = CALL_AGAIN * 2_u32.saturating_pow(self.retries.min(16));
                Some(doubled.min(limits.background_max_retry_delay))
            }
        }
    }

    /// Makes a failed call again after a pause, if that is called for.
    pub(crate) async fn retry(&mut self, error: &SampleError) -> Option<Step> {
        let delay = self.retry_delay(error)?;
        if !matches!(error, SampleError::Busy(_)) {
            self.retries += 1;
        }
        let provider = &self.request.provider;
        self.neighbours.node.metrics.retried(provider);
        tracing::warn!(
            response_id = %self.id(), provider, reason = error.reason(), %error,
            retry = self.retries, after_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
            "provider call failed and is made again"
        );
        let until = Instant::now() + delay;
        loop {
            let mailbox = Rc::clone(&self.neighbours.mailbox);
            let why = tokio::select! {
                () = sleep_until(until) => break,
                why = interrupted(std::future::pending(), &mailbox, self.deadline) => why,
            };
            if let Some(next) = self.interrupt(why).await {
                return Some(next);
            }
        }
        Some(self.feed(Input::Retry).await)
    }
}
