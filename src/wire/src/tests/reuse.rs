//! When a connection is used again, and when not.

use std::time::{Duration, Instant};

use bytes::Bytes;
use pretty_assertions::assert_eq;
use tokio::time::sleep;

use super::host::{Host, Step};
use super::{ask, ask_bytes, client};
use crate::pool::SETTLE;

/// An answer with the request's body as its own.
fn echo(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

/// Until the host has done all that it does behind its answers, and the connections have settled.
async fn rest(host: &Host) {
    while host.is_busy() {
        sleep(Duration::from_millis(1)).await;
    }
    sleep(SETTLE * 2).await;
}

/// Asks three times, with enough time between; each answer is its own, and so many connections were made.
async fn check(connections: usize, answer: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static) {
    let host = Host::start(move |_, _, body| answer(body));
    let client = client();
    for body in ["one", "two", "three"] {
        assert_eq!(ask(&client, &host, body).await, Ok((200, body.to_owned())));
        rest(&host).await;
    }
    assert_eq!(host.connections(), connections);
    assert_eq!(host.requests(), ["one", "two", "three"]);
}

#[actix_rt::test]
async fn a_connection_whose_answer_was_read_is_used_again() {
    check(1, |body| vec![Step::Send(echo(body))]).await;
    check(1, |body| {
        let interim = b"HTTP/1.1 103 X\r\n\r\n".to_vec();
        vec![Step::Send(interim), Step::Pause(Duration::from_millis(20)), Step::Send(echo(body))]
    })
    .await;
    check(1, |body| {
        let chunked = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        );
        vec![Step::Send(chunked.into_bytes())]
    })
    .await;
}

#[actix_rt::test]
async fn a_connection_is_not_used_again_at_once() {
    // On a busy machine the second may come too late for this once, but not always.
    for _ in 0..100 {
        let host = Host::start(|_, _, body| vec![Step::Send(echo(body))]);
        let client = client();
        assert_eq!(ask(&client, &host, "one").await, Ok((200, "one".to_owned())));
        let answered = Instant::now();
        assert_eq!(ask(&client, &host, "two").await, Ok((200, "two".to_owned())));
        if answered.elapsed() < SETTLE {
            return assert_eq!(host.connections(), 2);
        }
    }
    panic!("this machine is too slow");
}

#[actix_rt::test]
async fn bytes_behind_an_answer_end_the_connection_and_the_trust() {
    // With the answer, right behind it, and while the connection waits.
    for pause in [0, 10, 80] {
        let host = Host::start(move |connection, _, body| {
            let mut steps = vec![Step::Send(echo(body))];
            if connection == 0 {
                steps.push(Step::Pause(Duration::from_millis(pause)));
                steps.push(Step::Send(echo("not asked for")));
            }
            steps
        });
        let client = client();
        for body in ["one", "two", "three"] {
            assert_eq!(ask(&client, &host, body).await, Ok((200, body.to_owned())), "{pause} ms");
            rest(&host).await;
        }
        // The first offence is seen at the second request; from then on nothing is used again.
        assert_eq!(host.connections(), 3, "{pause} ms");
    }
}

#[actix_rt::test]
async fn a_connection_that_the_host_closed_is_not_used() {
    let host = Host::start(|_, _, body| vec![Step::Send(echo(body)), Step::Close]);
    let client = client();
    for body in ["one", "two"] {
        assert_eq!(ask(&client, &host, body).await, Ok((200, body.to_owned())));
        rest(&host).await;
    }
    assert_eq!(host.connections(), 2);
}

#[actix_rt::test]
async fn a_request_that_may_have_been_taken_is_not_sent_twice() {
    let host = Host::start(|_, number, body| match number {
        0 => vec![Step::Send(echo(body))],
        _ => vec![Step::Close],
    });
    let client = client();
    assert_eq!(ask(&client, &host, "one").await, Ok((200, "one".into())));
    rest(&host).await;
    let closed = "the connection was closed in place of an answer";
    assert_eq!(ask(&client, &host, "two").await, Err(closed.into()));
    assert_eq!(host.requests(), ["one", "two"]);
}

#[actix_rt::test]
async fn a_large_request_has_a_connection_of_its_own() {
    let host = Host::start(|_, _, body| vec![Step::Send(echo(&body.len().to_string()))]);
    let client = client();
    assert_eq!(ask(&client, &host, "one").await, Ok((200, "3".into())));
    rest(&host).await;
    let large = Bytes::from(vec![b'x'; 1 << 20]);
    assert_eq!(ask_bytes(&client, &host, large).await, Ok((200, (1 << 20).to_string())));
    assert_eq!(host.connections(), 2);
}
