//! The body of a streaming answer.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::http::header::{CACHE_CONTROL, HeaderName};
use actix_web::http::{ConnectionType, Version};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use bytes::Bytes;
use or_actors::ClientFrames;
use or_protocol::DONE;

use crate::connection::{self, Busy};

/// Why a body was cut: its loop is gone without a terminal event.
#[derive(Debug, thiserror::Error)]
#[error("the stream was cut")]
pub(crate) struct Cut;

impl From<Infallible> for Cut {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The answer that streams these frames.
pub(crate) fn stream(
    request: &HttpRequest,
    response: &mut HttpResponseBuilder,
    frames: ClientFrames,
) -> HttpResponse {
    let mut response = response
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-cache"))
        // nginx and its kin would hold small events back.
        .insert_header((HeaderName::from_static("x-accel-buffering"), "no"))
        .body(FrameBody { frames, done: false, _busy: connection::work(request) });
    if request.version() < Version::HTTP_11 {
        // The end of the connection is the end of the body: HTTP/1.0 knows no chunks.
        response.head_mut().no_chunking(true);
        response.head_mut().set_connection_type(ConnectionType::Close);
    }
    response
}

/// Frames of one response, each piece one write. A stream that ends without its `[DONE]` is cut, so that
/// no client takes it for whole.
struct FrameBody {
    frames: ClientFrames,
    done: bool,
    _busy: Option<Busy>,
}

impl MessageBody for FrameBody {
    type Error = Cut;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Cut>>> {
        let this = self.get_mut();
        match this.frames.poll_next(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Some(frames)) => {
                this.done = frames.ends_with(DONE.as_bytes());
                Poll::Ready(Some(Ok(frames)))
            }
            Poll::Ready(None) if this.done => Poll::Ready(None),
            Poll::Ready(None) => Poll::Ready(Some(Err(Cut))),
        }
    }
}
