//! A provider of one's own: an adapter for a service that the server does not know.
//!
//! The service here, run inside the example, takes `{"say": TEXT}` and answers with a line of JSON for each word,
//! in capitals, and `{}` at the end. `--check` makes one request and exits.
//!
//!     cargo run --example custom_provider
//!     curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' -d '{"model":"shout/loud","input":"Hello there"}'

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use open_responses::ServerBuilder;
use open_responses::adapters::{
    Adapter, AdapterError, FinishReason, Frame, Framing, ModelEvent, ModelRequest, Note, ResponseTranslator,
    UpstreamCall, UpstreamError, UpstreamErrorKind,
};
use open_responses::config::{Config, Env};
use open_responses::protocol::{ContentPart, Item};
use serde::Deserialize;
use serde_json::{Value, json};

const KIND: &str = "shout";

/// From our requests to the service's, and back. It holds no state: it is shared by all requests.
struct Shout;

impl Adapter for Shout {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn credentials(&self, _key: &str) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        let Some(Item::Message(last)) = request.context.last() else {
            return Err(AdapterError::unsupported("input", "This provider needs a message at the end."));
        };
        let texts = last.content.iter().filter_map(|part| match part {
            ContentPart::InputText { text } => Some(text.as_str()),
            _ => None,
        });
        let body = json!({"say": texts.collect::<String>()}).to_string().into_bytes();
        // Whatever is left out is said: it stands in the header `openresponses-translation`.
        let dropped = |_| Note::dropped("temperature", "shouting has one temperature");
        let notes = request.settings.temperature.map(dropped).into_iter().collect();
        Ok(UpstreamCall { path: "/shout".into(), headers: Vec::new(), body, stream: true, notes })
    }

    fn translator(&self, _request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(ShoutTranslator { ended: false })
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, _body: &[u8]) -> UpstreamError {
        let message = "The shouting service failed.".into();
        let kind = UpstreamErrorKind::Server;
        UpstreamError { kind, status: Some(status), message, code: None, retry_after_s }
    }
}

/// A line of the service; the last one is empty.
#[derive(Deserialize)]
struct Line {
    word: Option<String>,
}

/// One answer, line by line. The server joins the words, opens and closes items, and numbers events.
struct ShoutTranslator {
    ended: bool,
}

impl ResponseTranslator for ShoutTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let Line { word } = frame.parse(KIND)?;
        self.ended |= word.is_none();
        out.push(match word {
            Some(text) => ModelEvent::TextDelta { block: 0, text, logprobs: Vec::new() },
            None => ModelEvent::Finished { reason: FinishReason::Stop },
        });
        Ok(())
    }

    fn finish(&mut self, _stray: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended { Ok(()) } else { Err(AdapterError::Truncated { provider: KIND }) }
    }

    fn unary(&mut self, _body: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        // The service only streams, and `request` asks for that; the server collects it for unary clients.
        Err(AdapterError::BadFrame { provider: KIND, what: "an answer that is not a stream".into() })
    }
}

async fn shout(body: web::Json<Value>) -> String {
    let words = body["say"].as_str().unwrap_or_default().to_uppercase();
    words.split_inclusive(' ').map(|word| format!("{}\n", json!({ "word": word }))).collect::<String>()
        + "{}\n"
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let service =
        HttpServer::new(|| App::new().route("/shout", web::post().to(shout))).bind("127.0.0.1:0")?;
    let address = service.addrs()[0];
    actix_web::rt::spawn(service.workers(1).run());

    let table = format!("[providers.shout]\nkind = \"{KIND}\"\nbase_url = \"http://{address}\"");
    let mut config = Config::from_toml(&table)?;
    let check = std::env::args().any(|argument| argument == "--check");
    if check {
        config.server.bind.set_port(0);
    }
    let resolved = config.resolve(&Env::of_process())?;
    let running = ServerBuilder::new(resolved).adapter(KIND, |_| Ok(Arc::new(Shout))).start()?;
    let url = format!("http://{}/v1/responses", running.addresses()[0]);
    println!("serving the model shout/loud on {url}");
    if check {
        let request = json!({"model": "shout/loud", "input": "Hello there", "temperature": 0.5});
        let sent = awc::Client::default().post(url).send_json(&request).await;
        let mut answer = sent.map_err(|error| anyhow::anyhow!("no answer: {error}"))?;
        let body: Value = answer.json().await?;
        anyhow::ensure!(body["output"][0]["content"][0]["text"] == "HELLO THERE", "unexpected: {body}");
        println!("HELLO THERE; notes: {:?}", answer.headers().get("openresponses-translation"));
    } else {
        actix_web::rt::signal::ctrl_c().await?;
    }
    Ok(running.stop().await?)
}
