//! The loop's end of the way back to the client.

mod disk;
mod log_reader;
mod log_writer;

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use or_adapters::Note;
use or_bounds::Budget;
use or_protocol::{ApiError, DONE, ResponseId};
use or_store::Frames;
use tokio::sync::oneshot;

use crate::client_queue::{ToClient, client_queue};
use crate::response::job::{Reply, Trail};
use crate::running::EventLog;
pub(crate) use disk::Disk;
use log_reader::KEEPALIVE;
pub use log_reader::read_along;
use log_writer::LogWriter;

/// Longest report of a tool's progress, in characters.
const MAX_PROGRESS: usize = 500;

/// Where the answer goes.
pub(crate) enum Sink {
    /// Nothing was sent yet.
    Waiting(Waiting),
    /// A stream is open.
    Open(ToClient),
    /// A background response that streams: its readers come and go, the frames go to its log.
    Log(Box<LogWriter>),
    /// A background response that is polled.
    Detached,
    /// Answered, or left.
    Done,
}

/// A client that waits for the beginning of its answer.
pub(crate) struct Waiting {
    pub(crate) reply: oneshot::Sender<Reply>,
    /// Frames that were made meanwhile.
    pub(crate) held: Vec<u8>,
    /// What the headers will say; notes are added when the answer begins.
    pub(crate) trail: Trail,
}

impl Sink {
    pub(crate) fn new(reply: oneshot::Sender<Reply>) -> Self {
        Self::Waiting(Waiting { reply, held: Vec::new(), trail: Trail::default() })
    }

    /// Sets a header of the answer, as long as nothing was sent.
    pub(crate) fn header(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        if let Self::Waiting(waiting) = self {
            waiting.trail.set(name, value);
        }
    }

    /// Where the frames of a background response go, from number `next` on: to its log, if it streams.
    pub(crate) fn detached(log: Option<&Arc<EventLog>>, next: u64) -> Self {
        match log {
            Some(log) => Self::Log(Box::new(LogWriter::new(Arc::clone(log), next))),
            None => Self::Detached,
        }
    }

    /// Frames for the event log, if there is one: to be written, and then published.
    pub(crate) fn hold(&mut self, frames: Vec<u8>) {
        if let Self::Log(log) = self {
            log.hold(frames);
        }
    }

    /// What the log holds that is not on disk yet.
    pub(crate) fn unwritten(&self) -> Vec<Frames> {
        match self {
            Self::Log(log) => log.unwritten(),
            Self::Waiting(_) | Self::Open(_) | Self::Detached | Self::Done => Vec::new(),
        }
    }

    /// Shows the first rows of that, which are on disk.
    pub(crate) fn publish(&mut self, count: usize) {
        if let Self::Log(log) = self {
            log.publish(count);
        }
    }

    /// Whether an error can still be an ordinary HTTP answer.
    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting(_))
    }

    /// Whether it may leave: nobody has to stay for a background response.
    fn stays(&self) -> bool {
        matches!(self, Self::Log(_) | Self::Detached)
    }

    /// Keeps a silent stream alive. `false`: the client left.
    pub(crate) async fn keep_alive(&mut self) -> bool {
        self.comment(KEEPALIVE.to_vec()).await
    }

    /// Tells the client of a stream how far a tool is, as a comment. `false`: the client left.
    pub(crate) async fn progress(&mut self, text: &str) -> bool {
        let line: String =
            text.chars().take(MAX_PROGRESS).map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.comment(format!(": progress: {line}\n\n").into_bytes()).await
    }

    async fn comment(&mut self, comment: Vec<u8>) -> bool {
        // What is read from a log is kept alive by its readers.
        self.is_waiting() || self.stays() || self.send(comment).await
    }

    /// The client that waits, if one does.
    pub(crate) fn take_waiting(&mut self) -> Option<Waiting> {
        if !self.is_waiting() {
            return None;
        }
        match std::mem::replace(self, Self::Done) {
            Self::Waiting(waiting) => Some(waiting),
            Self::Open(_) | Self::Log(_) | Self::Detached | Self::Done => None,
        }
    }

    /// Answers with an error, if nothing was sent yet.
    pub(crate) fn refuse(&mut self, error: ApiError) {
        self.fail(error, None);
    }

    /// The same for a response that may be kept.
    pub(crate) fn fail(&mut self, error: ApiError, kept: Option<ResponseId>) {
        if let Some(Waiting { reply, trail, .. }) = self.take_waiting() {
            // The client may have left; then nobody needs the answer.
            let _ = reply.send(Reply::Error { error, kept, trail });
        }
    }

    /// Answers with a whole response.
    pub(crate) fn answer(&mut self, body: Vec<u8>, notes: Vec<Note>) {
        if let Some(Waiting { reply, trail, .. }) = self.take_waiting() {
            let _ = reply.send(Reply::Json { body, trail: Trail { notes, ..trail } });
        }
    }

    /// Opens the stream and sends what was held back; later turns find it open.
    pub(crate) fn open(&mut self, notes: &[Note], budget: &Budget) {
        if let Some(Waiting { reply, held, trail }) = self.take_waiting() {
            let (sender, frames) = client_queue(budget);
            sender.push(Bytes::from(held));
            let trail = Trail { notes: notes.to_vec(), ..trail };
            if reply.send(Reply::Stream { frames, trail }).is_ok() {
                *self = Self::Open(sender);
            }
        }
    }

    /// Sends frames, or holds them back. `false`: the client left. One that takes nothing is told apart by its
    /// connection, which then closes.
    pub(crate) async fn send(&mut self, frames: Vec<u8>) -> bool {
        match self {
            Self::Done => false,
            Self::Detached => true,
            Self::Log(log) => {
                log.hold(frames);
                true
            }
            Self::Waiting(Waiting { held, .. }) => {
                if held.is_empty() {
                    *held = frames;
                } else {
                    held.extend_from_slice(&frames);
                }
                true
            }
            Self::Open(sender) => {
                let sent = if frames.ends_with(DONE.as_bytes()) {
                    sender.push(frames.into())
                } else {
                    sender.send(frames.into()).await
                };
                if !sent {
                    *self = Self::Done;
                }
                sent
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;

    #[tokio::test]
    async fn a_header_goes_out_with_the_answer_as_it_was_set_last() {
        let (reply, answer) = oneshot::channel();
        let mut client = Sink::new(reply);
        client.header("openresponses-attempts", "1");
        client.header("openresponses-attempts", "2");
        client.answer(b"{}".to_vec(), Vec::new());
        client.header("openresponses-attempts", "3");
        let Ok(Reply::Json { trail, .. }) = answer.await else { panic!("no answer") };
        assert_eq!(trail.headers, [("openresponses-attempts".into(), "2".to_owned())]);
    }

    #[tokio::test]
    async fn a_stream_that_is_open_stays_open_in_the_next_turn() {
        let (reply, answer) = oneshot::channel();
        let mut client = Sink::new(reply);
        let budget = Budget::new(0);
        client.open(&[], &budget);
        client.open(&[], &budget);
        assert!(client.send(b"frame".to_vec()).await);
        let Ok(Reply::Stream { mut frames, .. }) = answer.await else { panic!("no stream") };
        let next = poll_fn(|cx| frames.poll_next(cx)).await;
        assert_eq!(next.as_deref(), Some(&b"frame"[..]));
    }
}
