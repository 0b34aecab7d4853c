//! A middleware in Rust: it asks the model for short answers, keeps the name of a project out of what the client sees,
//! and counts what each response cost.
//!
//!     cargo run --example middleware

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use open_responses::ServerBuilder;
use open_responses::adapters::ModelEvent;
use open_responses::config::{Config, Env};
use open_responses::middleware::{
    End, EndFuture, Facts, HookFuture, Hooks, Middleware, MiddlewareSpec, Stop, TurnRequest,
};
use serde_json::{Value, json};

/// What all responses share.
struct House {
    tokens: Arc<AtomicU64>,
}

impl Middleware for House {
    fn spec(&self) -> MiddlewareSpec {
        MiddlewareSpec::new("house")
    }

    fn begin(&self, _facts: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        Some(Box::new(Guest { tokens: Arc::clone(&self.tokens) }))
    }
}

/// What belongs to one response.
struct Guest {
    tokens: Arc<AtomicU64>,
}

impl Hooks for Guest {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        turn.settings_mut().instructions = Some("Answer in one sentence.".into());
        turn.headers.set("x-house", "open");
        Box::pin(async { Ok(()) })
    }

    fn on_event(&mut self, mut event: ModelEvent, out: &mut Vec<ModelEvent>) -> Result<(), Stop> {
        // Only within one piece; the built-in `content_filter` also finds what is split over several.
        if let ModelEvent::TextDelta { text, .. } = &mut event {
            *text = text.replace("Bluebird", "the project");
        }
        out.push(event);
        Ok(())
    }

    fn on_end<'a>(&'a mut self, end: &'a End) -> EndFuture<'a> {
        self.tokens.fetch_add(end.usage.map_or(0, |usage| usage.total_tokens), Ordering::Relaxed);
        Box::pin(async {})
    }
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let (data, tokens) = (tempfile::tempdir()?, Arc::<AtomicU64>::default());
    let mut config = Config::from_toml("server.bind = '127.0.0.1:0'\nproviders.demo.enabled = true")?;
    config.store.path = data.path().into();
    let house = House { tokens: Arc::clone(&tokens) };
    let running = ServerBuilder::new(config.resolve(&Env::of_process())?).middleware(house).start()?;
    let url = format!("http://{}/v1/responses", running.addresses()[0]);
    let sent = awc::Client::default()
        .post(url)
        .send_json(&json!({"model": "demo", "input": "Tell me of Bluebird."}));
    let mut answer = sent.await.map_err(|error| anyhow::anyhow!("no answer: {error}"))?;
    let response: Value = answer.json().await?;
    println!("{}", response["output"][0]["content"][0]["text"]);
    running.stop().await?;
    println!("tokens: {}", tokens.load(Ordering::Relaxed));
    Ok(())
}
