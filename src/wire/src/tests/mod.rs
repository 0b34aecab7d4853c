//! The client against hosts on real sockets.

mod host;
mod reuse;
mod tls;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use pretty_assertions::assert_eq;

use self::host::{Host, Step};
use crate::{BodyError, Client, Method, Request, Settings, WireError};

fn client() -> Client {
    Client::new(&Settings {
        connect_timeout: Duration::from_secs(5),
        head_timeout: Some(Duration::from_secs(10)),
    })
}

/// Posts `body`; the status and the text of the answer.
async fn ask(client: &Client, host: &Host, body: &str) -> Result<(u16, String), String> {
    ask_bytes(client, host, body.to_owned().into()).await
}

async fn ask_bytes(client: &Client, host: &Host, body: Bytes) -> Result<(u16, String), String> {
    let url = format!("http://{}/", host.address);
    let request = Request { method: Method::POST, url: &url, headers: Vec::new(), body: Some(body) };
    let mut answer = client.send(request).await.map_err(|error| match error {
        WireError::Malformed(text) => format!("malformed: {text}"),
        error => error.to_string(),
    })?;
    let mut text = Vec::new();
    while let Some(piece) = answer.body.next().await {
        match piece {
            Ok(bytes) => text.extend_from_slice(&bytes),
            Err(BodyError::Cut) => return Err("cut".into()),
            Err(error) => return Err(error.to_string()),
        }
    }
    Ok((answer.status.as_u16(), String::from_utf8(text).unwrap()))
}

/// What a client makes of an answer that is these bytes, after which the host closes or not.
async fn check(bytes: &str, closes: bool, want: Result<(u16, &str), &str>) {
    let steps = vec![Step::Send(bytes.as_bytes().to_vec()), if closes { Step::Close } else { Step::Stay }];
    let host = Host::start(move |_, _, _| steps.clone());
    let got = ask(&client(), &host, "x").await;
    let want = want.map(|(status, text)| (status, text.to_owned())).map_err(str::to_owned);
    assert_eq!(got, want, "{bytes:?}");
}

const OK: &str = "HTTP/1.1 200 OK\r\n";

#[actix_rt::test]
async fn interim_answers_are_passed_over() {
    let answer = format!("{OK}content-length: 2\r\n\r\nhi");
    for status in [100, 102, 103, 150] {
        let interim = format!("HTTP/1.1 {status} X\r\nlink: y\r\n\r\n");
        check(&format!("{interim}{answer}"), false, Ok((200, "hi"))).await;
        check(&format!("{}{answer}", interim.repeat(500)), false, Ok((200, "hi"))).await;
    }
    check(
        "HTTP/1.1 101 X\r\n\r\n",
        false,
        Err("malformed: it switches to another protocol, which was not asked for"),
    )
    .await;
    check("HTTP/1.1 100 X\r\n\r\n", true, Err("the connection was closed in place of an answer")).await;
}

#[actix_rt::test]
async fn a_body_without_a_length_is_read_to_the_end() {
    for head in ["", "connection: close\r\n", "connection: keep-alive\r\n", "transfer-encoding: identity\r\n"]
    {
        check(&format!("{OK}{head}\r\nhello"), true, Ok((200, "hello"))).await;
        check(&format!("HTTP/1.1 400 No\r\n{head}\r\nwhy"), true, Ok((400, "why"))).await;
    }
    check("HTTP/1.0 200 OK\r\n\r\nhello", true, Ok((200, "hello"))).await;
    check("HTTP/1.1 200 OK\r\n\r\n", true, Ok((200, ""))).await;
}

#[actix_rt::test]
async fn answers_without_a_body_end_with_their_head() {
    check("HTTP/1.1 204 No Content\r\n\r\n", false, Ok((204, ""))).await;
    check("HTTP/1.1 304 X\r\ncontent-length: 5\r\n\r\n", false, Ok((304, ""))).await;
    check("HTTP/1.1 205 X\r\n\r\n", false, Ok((205, ""))).await;
    check(&format!("{OK}content-length: 0\r\n\r\n"), false, Ok((200, ""))).await;
}

#[actix_rt::test]
async fn odd_heads_are_read() {
    let many: String = (0..3000).map(|n| format!("x-{n}: {n}\r\n")).collect();
    for head in [many.as_str(), "bad header\r\n", "x: a\r\n b\r\n", "X : y\r\n", "x: \u{1}\r\n"] {
        check(&format!("{OK}{head}content-length: 2\r\n\r\nhi"), false, Ok((200, "hi"))).await;
    }
    check("HTTP/1.1 200\r\ncontent-length: 2\r\n\r\nhi", false, Ok((200, "hi"))).await;
    check(&format!("\r\n{OK}content-length: 2\r\ncontent-length: 2\r\n\r\nhi"), false, Ok((200, "hi"))).await;
    let both = "transfer-encoding: chunked\r\ncontent-length: 9\r\n";
    check(&format!("{OK}{both}\r\n2\r\nhi\r\n0\r\nx: y\r\n\r\n"), false, Ok((200, "hi"))).await;
}

#[actix_rt::test]
async fn what_is_no_answer_is_an_error() {
    check("SSH-2.0-x\r\n", false, Err("malformed: it is not HTTP/1")).await;
    let lengths = "malformed: its length is no number, or it has several that differ";
    check(&format!("{OK}content-length: 1\r\ncontent-length: 2\r\n\r\nhi"), false, Err(lengths)).await;
    let coding = "malformed: its transfer coding is not `chunked`";
    check(&format!("{OK}transfer-encoding: gzip, chunked\r\n\r\n"), false, Err(coding)).await;
    let long = format!("{OK}x: {}\r\n\r\n", "y".repeat(300_000));
    check(&long, false, Err("malformed: its head, with interim answers, has more than 262144 bytes")).await;
    check("", true, Err("the connection was closed in place of an answer")).await;
    check("HTTP/1.1 200 O", true, Err("the connection ended before it was complete")).await;
}

#[actix_rt::test]
async fn a_body_that_ends_early_is_not_whole() {
    check(&format!("{OK}content-length: 9\r\n\r\nhi"), true, Err("cut")).await;
    check(&format!("{OK}transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"), true, Err("cut")).await;
    let chunk = "its chunks cannot be read: a chunk without a size";
    check(&format!("{OK}transfer-encoding: chunked\r\n\r\n2\r\nhi\r\nzz\r\n"), false, Err(chunk)).await;
}

#[actix_rt::test]
async fn what_is_packed_is_refused() {
    let refused = "it is compressed (gzip), which was not asked for";
    for head in ["content-encoding: gzip", "Content-Encoding: identity, GZIP", "content-encoding: gzip, br"] {
        check(&format!("{OK}{head}\r\ncontent-length: 2\r\n\r\nhi"), false, Err(refused)).await;
    }
    let plain = format!("{OK}content-encoding: identity\r\ncontent-length: 2\r\n\r\nhi");
    check(&plain, false, Ok((200, "hi"))).await;
    let error = "HTTP/1.1 429 X\r\ncontent-encoding: br\r\ncontent-length: 2\r\n\r\nhi";
    check(error, false, Ok((429, "(what the host said is compressed: br)"))).await;
}

#[actix_rt::test]
async fn a_host_that_refuses_early_is_heard() {
    let large = Bytes::from(vec![b'x'; 32 << 20]);
    for closes in [false, true] {
        let host = Host::start(|_, _, _| Vec::new());
        host.before_body(move |_| {
            let why = b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nwhy".to_vec();
            vec![Step::Send(why), if closes { Step::Close } else { Step::Stay }]
        });
        let got = ask_bytes(&client(), &host, large.clone()).await;
        assert_eq!(got, Ok((413, "why".into())), "closes: {closes}");
    }
}

#[actix_rt::test]
async fn a_body_can_be_asked_again_behind_its_end() {
    for body in [
        "content-length: 2\r\n\r\nhi",
        "content-length: 0\r\n\r\n",
        "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let steps = vec![Step::Send(format!("{OK}{body}").into_bytes()), Step::Stay];
        let host = Host::start(move |_, _, _| steps.clone());
        let url = format!("http://{}/", host.address);
        let request = Request { method: Method::GET, url: &url, headers: Vec::new(), body: None };
        let mut answer = client().send(request).await.unwrap();
        while answer.body.next().await.is_some() {}
        assert_eq!(answer.body.next().await, None);
    }
}
