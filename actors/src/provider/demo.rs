//! Plays the built-in demo provider's answers, with their delays, cuts and silences.

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use or_demo::{DemoAnswer, DemoEnd, DemoStep};
use or_wire::BodyError;
use tokio::time::sleep;

use super::answer::Answer;

/// An answer of the demo, as if it had come over a network.
pub(crate) async fn play(script: DemoAnswer) -> Answer {
    match script.head_after_ms {
        Some(0) => {}
        Some(ms) => sleep(Duration::from_millis(ms)).await,
        None => std::future::pending().await,
    }
    let state = (script.steps, Some(script.end));
    let body = stream::unfold(state, |(mut steps, end)| async move {
        match (steps.next(), end) {
            (Some(DemoStep { after_ms, bytes }), end) => {
                if after_ms > 0 {
                    sleep(Duration::from_millis(after_ms)).await;
                }
                Some((Ok(Bytes::from(bytes)), (steps, end)))
            }
            (None, Some(DemoEnd::Cut)) => {
                Some((Err(BodyError::Broken("connection cut".to_owned())), (steps, None)))
            }
            (None, Some(DemoEnd::Hang)) => std::future::pending().await,
            (None, Some(DemoEnd::Clean) | None) => None,
        }
    });
    Answer {
        status: script.status,
        retry_after_s: script.retry_after_s,
        is_stream: None,
        body: Box::pin(body),
    }
}
