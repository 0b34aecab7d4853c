//! Server-sent events of a server that may be hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, future};
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::{Sse, SseStream};
use tokio::time::sleep;

use super::slim;

/// Milliseconds to a new connection that a server may ask for at least.
const MIN_RETRY_MS: u64 = 1000;

/// Events of one stream in a second; more wait. All servers share a thread.
const MAX_EVENTS: u32 = 1000;
const SECOND: Duration = Duration::from_secs(1);

/// The events of a body. A broken body and an event over the limit end the stream, as if the server had closed it:
/// rmcp makes a new connection without a pause after an error, and with one after an end. `too_large` tells which.
pub(crate) fn events<E>(
    body: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    limit: usize,
    too_large: Arc<AtomicBool>,
) -> BoxStream<'static, Result<Sse, SseError>>
where
    E: std::error::Error + Send + Sync + 'static,
{
    let mut size = EventSize::default();
    let bounded = body
        .take_while(move |read| {
            let fits = match read {
                Ok(bytes) if size.add(bytes) > limit => {
                    too_large.store(true, Ordering::Relaxed);
                    false
                }
                Ok(_) => true,
                Err(_) => false,
            };
            future::ready(fits)
        })
        .boxed();
    let mut pace = Pace::default();
    SseStream::from_bytes_stream(bounded)
        .take_while(|event| future::ready(event.is_ok()))
        .then(move |event| {
            let pause = pace.next(Instant::now());
            async move {
                if !pause.is_zero() {
                    sleep(pause).await;
                }
                event
            }
        })
        .then(|event| async move {
            let mut event = event?;
            if let Some(data) = event.data.take() {
                // What is no message is passed over.
                event.data = Some(slim::text(data).await.unwrap_or_default());
            }
            Ok(event)
        })
        .map(|event| {
            event.map(|event| Sse { retry: event.retry.map(|pause| pause.max(MIN_RETRY_MS)), ..event })
        })
        .boxed()
}

/// Counts the events of a second.
#[derive(Default)]
struct Pace {
    since: Option<Instant>,
    events: u32,
}

impl Pace {
    /// How long the next event has to wait.
    fn next(&mut self, now: Instant) -> Duration {
        let since = self.since.filter(|since| now.saturating_duration_since(*since) < SECOND);
        self.events = if since.is_some() { self.events.saturating_add(1) } else { 1 };
        let since = *self.since.insert(since.unwrap_or(now));
        match self.events > MAX_EVENTS {
            true => (since + SECOND).saturating_duration_since(now),
            false => Duration::ZERO,
        }
    }
}

/// Counts the bytes since the last empty line.
#[derive(Default)]
struct EventSize {
    event: usize,
    line: usize,
    after_cr: bool,
}

impl EventSize {
    /// The largest that an event was within these bytes.
    fn add(&mut self, bytes: &[u8]) -> usize {
        let mut largest = self.event;
        for byte in bytes {
            let second_half = *byte == b'\n' && self.after_cr;
            self.after_cr = *byte == b'\r';
            self.event += 1;
            if second_half {
                continue;
            }
            if !matches!(byte, b'\r' | b'\n') {
                self.line += 1;
            } else if self.line > 0 {
                self.line = 0;
            } else {
                largest = largest.max(self.event);
                self.event = 0;
            }
        }
        largest.max(self.event)
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use futures_util::stream;
    use pretty_assertions::assert_eq;

    use super::*;

    async fn check(reads: &[&'static str], limit: usize, want: &[&str]) {
        let body = stream::iter(
            reads
                .iter()
                .map(|read| Ok::<_, io::Error>(Bytes::from_static(read.as_bytes())))
                .collect::<Vec<_>>(),
        );
        let too_large = Arc::new(AtomicBool::new(false));
        let events = events(body, limit, Arc::clone(&too_large));
        let got: Vec<_> = events.map(|event| event.unwrap().data.unwrap()).collect().await;
        assert_eq!(got, want);
        // A body that fits is read to its end.
        assert_eq!(too_large.load(Ordering::Relaxed), want.len() < 2);
    }

    #[actix_rt::test]
    async fn small_events_go_on_for_ever() {
        check(&["data: a\n\ndata: b\n\n", "data: c\n\n"], 10, &["a", "b", "c"]).await;
        check(&["data: a\r\n\r", "\ndata: b\r\n\r\n"], 12, &["a", "b"]).await;
    }

    #[actix_rt::test]
    async fn an_event_that_never_ends_ends_the_stream() {
        check(&["data: a\n\n", "data: 0123", "456789"], 12, &["a"]).await;
        check(&["data: a\n\n", "data: 0\r\n", "data: 1\r\n", "data: 2\r\n"], 20, &["a"]).await;
        check(&["data: a\n\n", ": 0\n", ": 1\n", ": 2\n", ": 3\n"], 12, &["a"]).await;
    }

    #[test]
    fn a_flood_of_events_waits() {
        let (mut pace, start) = (Pace::default(), Instant::now());
        let half = start + SECOND / 2;
        let waits = (0..MAX_EVENTS).map(|_| pace.next(start)).filter(|pause| !pause.is_zero());
        assert_eq!(waits.count(), 0);
        assert_eq!(pace.next(half), SECOND / 2);
        // The next second is another one.
        assert_eq!(pace.next(start + SECOND), Duration::ZERO);
        assert_eq!(pace.next(half + SECOND), Duration::ZERO);
    }

    #[actix_rt::test]
    async fn a_broken_body_ends_the_stream() {
        let body = stream::iter([Ok(Bytes::from_static(b"data: a\n\n")), Err(io::Error::other("reset"))]);
        let got: Vec<_> =
            events(body, 100, Arc::default()).map(|event| event.unwrap().data.unwrap()).collect().await;
        assert_eq!(got, ["a"]);
    }

    #[actix_rt::test]
    async fn a_server_cannot_ask_for_connections_without_a_pause() {
        let body = stream::iter([Ok::<_, io::Error>(Bytes::from_static(b"retry: 0\ndata: a\n\n"))]);
        let got: Vec<_> = events(body, 100, Arc::default()).map(|event| event.unwrap().retry).collect().await;
        assert_eq!(got, [Some(1000)]);
    }
}
