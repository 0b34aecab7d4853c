//! The server inside another program: configured in code, started beside the program's own work, asked over HTTP
//! by it, and stopped in order.
//!
//!     cargo run --example embedding

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use open_responses::ServerBuilder;
use open_responses::config::{Config, Env};
use serde_json::{Value, json};

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    // Everything that config.toml knows is a field here. `check` applies the same rules.
    let data = tempfile::tempdir()?;
    let mut config = Config::default();
    config.server.bind = "127.0.0.1:0".parse()?;
    config.server.workers = 1;
    config.store.path = data.path().into();
    // Also beside providers that have a key in the environment.
    if let Some(demo) = config.providers.get_mut("demo") {
        demo.enabled = Some(true);
    }
    config.check()?;

    // Keys are looked up in the environment, once, when the configuration is resolved.
    let resolved = config.resolve(&Env::of_process())?;
    let running = ServerBuilder::new(resolved).start()?;
    let url = format!("http://{}/v1/responses", running.addresses()[0]);
    println!("listening on {url}");

    let first = ask(&url, json!({"model": "demo", "input": "My name is Ada."})).await?;
    let second = json!({"model": "demo", "input": "What is my name", "previous_response_id": first["id"]});
    let second = ask(&url, second).await?;
    let text = second["output"][0]["content"][0]["text"].as_str().unwrap_or_default();
    println!("{text}");
    anyhow::ensure!(text.contains("My name is Ada."), "the chain was forgotten: {second}");

    // Streams may finish within `server.shutdown_grace_s`.
    running.stop().await?;
    Ok(())
}

async fn ask(url: &str, request: Value) -> anyhow::Result<Value> {
    let sent = awc::Client::default().post(url).send_json(&request).await;
    let mut answer = sent.map_err(|error| anyhow::anyhow!("no answer: {error}"))?;
    let body: Value = answer.json().await?;
    anyhow::ensure!(answer.status().is_success(), "{}: {body}", answer.status());
    Ok(body)
}
