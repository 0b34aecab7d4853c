//! A provider of one's own: an adapter for a service that the server does not know.
//!
//! The service here, run inside the example, takes `{"say": TEXT}` and answers with a line of JSON for each
//! word, in capitals, and `{}` at the end.
//!
//!     cargo run --example custom_provider
//!     curl http://127.0.0.1:4000/v1/responses -H 'content-type: application/json' -d '{"model":"shout/loud","input":"Hello there"}'

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use std::sync::Arc;

use actix_web::{App, HttpServer, web};
use open_responses::ServerBuilder;
use open_responses::adapters::{
    Adapter, AdapterError, FinishReason, Frame, Framing, ModelEvent, ModelRequest, Note, ResponseTranslator,
    UpstreamCall,
};
use open_responses::config::{Config, Env};
use open_responses::protocol::{ContentPart, Item};
use serde_json::{Value, json};

/// From our requests to the service's, and back. It holds no state: it is shared by all requests.
struct Shout;

impl Adapter for Shout {
    fn kind(&self) -> &'static str {
        "shout"
    }

    fn framing(&self) -> Framing {
        Framing::Ndjson
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        let Some(Item::Message(last)) = request.context.last() else {
            return Err(AdapterError::unsupported("input", "This provider needs a message at the end."));
        };
        let texts = last.content.iter().filter_map(|part| match part {
            ContentPart::InputText { text, .. } => Some(text.as_str()),
            _ => None,
        });
        let body = json!({"say": texts.collect::<String>()}).to_string().into_bytes();
        // Whatever is left out is said: it stands in the header `openresponses-translation`.
        let dropped = |_| Note::dropped("temperature", "shouting has one temperature");
        let notes = request.settings.temperature.map(dropped).into_iter().collect();
        // The service only streams; the server collects the stream for clients that want one JSON answer.
        Ok(UpstreamCall { path: "/shout".into(), headers: Vec::new(), body, stream: true, notes })
    }

    fn translator(&self, _request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(ShoutTranslator { ended: false })
    }
}

/// One answer, line by line. The server joins the words, opens and closes items, and numbers events.
struct ShoutTranslator {
    ended: bool,
}

impl ResponseTranslator for ShoutTranslator {
    fn push(&mut self, frame: Frame<'_>, out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        let line: Value = frame.parse("shout")?;
        self.ended |= line["word"].is_null();
        out.push(match line["word"].as_str() {
            Some(text) => ModelEvent::TextDelta { block: 0, text: text.into(), logprobs: Vec::new() },
            None => ModelEvent::Finished { reason: FinishReason::Stop },
        });
        Ok(())
    }

    fn finish(&mut self, _stray: &[u8], _out: &mut Vec<ModelEvent>) -> Result<(), AdapterError> {
        if self.ended { Ok(()) } else { Err(AdapterError::Truncated { provider: "shout" }) }
    }
}

async fn service(body: web::Json<Value>) -> String {
    let words = body["say"].as_str().unwrap_or_default().to_uppercase();
    let lines = words.split_inclusive(' ').map(|word| format!("{}\n", json!({ "word": word })));
    lines.collect::<String>() + "{}\n"
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let app = || App::new().route("/shout", web::post().to(service));
    let http = HttpServer::new(app).workers(1).disable_signals().bind("127.0.0.1:0")?;
    let base_url = format!("http://{}", http.addrs()[0]);
    actix_web::rt::spawn(http.run());

    let bind = std::env::args().nth(1).unwrap_or("127.0.0.1:4000".into());
    let table = format!("server.bind = '{bind}'\n[providers.shout]\nkind = 'shout'\nbase_url = '{base_url}'");
    let resolved = Config::from_toml(&table)?.resolve(&Env::of_process())?;
    let running = ServerBuilder::new(resolved).adapter("shout", |_| Ok(Arc::new(Shout))).start()?;
    println!("the model shout/loud is served on http://{}", running.addresses()[0]);
    actix_web::rt::signal::ctrl_c().await?;
    Ok(running.stop().await?)
}
