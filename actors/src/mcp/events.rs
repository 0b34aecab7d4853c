//! Server-sent events of a server that may be hostile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt as _, future};
use rmcp::transport::streamable_http_client::SseError;
use sse_stream::{Sse, SseStream};

/// Milliseconds to a new connection that a server may ask for at least.
const MIN_RETRY_MS: u64 = 1000;

/// The events of a body. A broken body and an event over the limit end the stream, as if the server had closed it:
/// rmcp makes a new connection without a pause after an error, and with one after an end. `too_large` tells which.
pub(super) fn events<E>(
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
    SseStream::from_bytes_stream(bounded)
        .take_while(|event| future::ready(event.is_ok()))
        .map(|event| {
            event.map(|event| Sse { retry: event.retry.map(|pause| pause.max(MIN_RETRY_MS)), ..event })
        })
        .boxed()
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
