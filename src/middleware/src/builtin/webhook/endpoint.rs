//! The way to an endpoint. Its client has a thread of its own, since it cannot leave the one that it is made on.

use std::time::Duration;

use actix_rt::Arbiter;
use futures_util::StreamExt as _;
use or_wire::{Client, Method, Request, Settings, WireError};
use tokio::sync::{mpsc, oneshot};

/// To make a connection; the answer has the middleware's own time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Questions on their way to the thread; those behind wait.
const QUEUE: usize = 256;
/// Bytes of an answer.
const MAX_ANSWER: usize = 16 << 20;

struct Call {
    body: String,
    reply: oneshot::Sender<Result<Vec<u8>, String>>,
}

/// Cheap to clone. The thread ends with the last one.
#[derive(Clone)]
pub(super) struct Endpoint(mpsc::Sender<Call>);

impl Endpoint {
    /// Needs an actix system.
    pub(super) fn new(url: String, headers: Vec<(String, String)>) -> Self {
        let (sender, calls) = mpsc::channel(QUEUE);
        Arbiter::new().spawn_fn(move || {
            actix_rt::spawn(serve(url, headers, calls));
        });
        Self(sender)
    }

    /// Sends JSON and gives the body of the answer. Dropping the future closes the connection.
    pub(super) async fn ask(&self, body: String) -> Result<Vec<u8>, String> {
        let (reply, answer) = oneshot::channel();
        let gone = || "the thread for the endpoint is gone".to_owned();
        self.0.send(Call { body, reply }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

async fn serve(url: String, headers: Vec<(String, String)>, mut calls: mpsc::Receiver<Call>) {
    // How many there are at once is bounded by the responses in progress.
    let client = Client::new(&Settings { connect_timeout: CONNECT_TIMEOUT, head_timeout: None });
    while let Some(Call { body, mut reply }) = calls.recv().await {
        let (client, url, headers) = (client.clone(), url.clone(), headers.clone());
        actix_rt::spawn(async move {
            let answer = tokio::select! {
                biased;
                // Nobody waits for it any more.
                () = reply.closed() => return,
                answer = send(&client, &url, &headers, body) => answer,
            };
            let _ = reply.send(answer);
        });
    }
    Arbiter::current().stop();
}

/// The errors are for the log, and without the address, which may hold a key.
async fn send(
    client: &Client,
    url: &str,
    headers: &[(String, String)],
    body: String,
) -> Result<Vec<u8>, String> {
    let mut headers: Vec<_> = headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    headers.push(("content-type", "application/json".to_owned()));
    let request = Request { method: Method::POST, url, headers, body: Some(body.into()) };
    let mut answer = client.send(request).await.map_err(|error| match error {
        WireError::Unreachable(_) | WireError::ConnectTimeout => {
            "the endpoint could not be reached".to_owned()
        }
        error => format!("the endpoint did not answer: {error}"),
    })?;
    if !answer.status.is_success() {
        return Err(format!("the endpoint answered with HTTP status {}", answer.status));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.body.next().await {
        let chunk = chunk.map_err(|_| "the connection to the endpoint broke".to_owned())?;
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(format!("the endpoint's answer has more than {MAX_ANSWER} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
