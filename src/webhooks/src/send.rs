//! One try.

use std::time::Duration;

use futures_util::StreamExt as _;
use or_wire::{Body, Client, Method, Request, StatusCode, WireError};
use tokio::time::timeout;

use crate::message::Message;

/// What an endpoint may say beside its status so that the connection can be used again. None of it is kept.
const MAX_ANSWER: usize = 16 * 1024;

/// What came of a try.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sent {
    /// The endpoint has it: any status from 200 to 299.
    Delivered,
    /// It wants nothing any more: 410.
    Gone,
    /// Another status; also a redirect, which is not followed.
    Refused {
        status: u16,
        /// How long the endpoint wants to be left alone (`retry-after`, in seconds); zero if it does not say so.
        pause: Duration,
    },
    /// There is no answer, for this reason.
    Unanswered(&'static str),
}

impl Sent {
    /// As the metrics have it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone => "gone",
            Self::Refused { .. } => "refused",
            Self::Unanswered(why) => why,
        }
    }
}

/// Sends a message once, and waits at most `limit` for all of it.
pub(crate) async fn send(client: &Client, url: &str, message: Message, limit: Duration) -> Sent {
    let Message { headers, body } = message;
    let request = Request { method: Method::POST, url, headers, body: Some(body) };
    let work = async {
        let answer = client.send(request).await.map_err(|error| unanswered(&error))?;
        let pause =
            answer.headers.get("retry-after").and_then(|value| value.to_str().ok()?.trim().parse().ok());
        drain(answer.body).await;
        Ok((answer.status, Duration::from_secs(pause.unwrap_or_default())))
    };
    match timeout(limit, work).await {
        Ok(Ok((status, _))) if status.is_success() => Sent::Delivered,
        Ok(Ok((StatusCode::GONE, _))) => Sent::Gone,
        Ok(Ok((status, pause))) => Sent::Refused { status: status.as_u16(), pause },
        Ok(Err(why)) => Sent::Unanswered(why),
        Err(_) => Sent::Unanswered("timeout"),
    }
}

/// Reads a short body to its end. A longer one, or one that breaks, is left: the status has said it all.
async fn drain(mut body: Body) {
    let mut read = 0;
    while let Some(Ok(piece)) = body.next().await {
        read += piece.len();
        if read > MAX_ANSWER {
            return;
        }
    }
}

fn unanswered(error: &WireError) -> &'static str {
    match error {
        WireError::Unreachable(_) => "unreachable",
        WireError::ConnectTimeout | WireError::HeadTimeout => "timeout",
        WireError::Closed | WireError::Broken(_) | WireError::Malformed(_) | WireError::Encoded(_) => {
            "broken"
        }
    }
}
