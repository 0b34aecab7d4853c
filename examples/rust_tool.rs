//! A tool in Rust that the server runs: the model calls it, the loop goes on by itself, the client sees the answer.
//!
//!     cargo run --example rust_tool

#![expect(clippy::print_stdout, reason = "an example talks to the person at the terminal")]

use std::time::Duration;

use open_responses::ServerBuilder;
use open_responses::config::{Config, Env};
use open_responses::tools::{FunctionTool, Offer, ToolContext, ToolError, ToolOutput, ToolSpec};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

/// What the model has to give; its JSON Schema is made of this.
#[derive(Deserialize, JsonSchema)]
struct PriceOf {
    /// Name of the product.
    product: String,
}

/// An error is a text for the model, which can then do better.
async fn price_of(asked: PriceOf, context: ToolContext) -> Result<ToolOutput, ToolError> {
    context.progress("looking the price up");
    match asked.product.to_lowercase().as_str() {
        "lamp" => Ok(json!({"product": "lamp", "price": 25, "currency": "EUR"}).into()),
        other => Err(format!("there is no product '{other}'").into()),
    }
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let data = tempfile::tempdir()?;
    let mut config = Config::default();
    config.server.bind = "127.0.0.1:0".parse()?;
    config.server.workers = 1;
    config.store.path = data.path().into();
    // Also beside providers that have a key in the environment.
    if let Some(demo) = config.providers.get_mut("demo") {
        demo.enabled = Some(true);
    }

    let spec = ToolSpec {
        timeout: Duration::from_secs(5),
        idempotent: true,
        // Every request gets it. With `Offer::Requested` a request names it in its `tools`.
        offer: Offer::Always,
        ..ToolSpec::new("get_price", "The price of a product in the shop.")
    };
    let resolved = config.resolve(&Env::of_process())?;
    let running = ServerBuilder::new(resolved).tool(FunctionTool::new(spec, price_of)).start()?;

    let url = format!("http://{}/v1/responses", running.addresses()[0]);
    let request = json!({"model": "demo", "input": "What is the price of the \"lamp\"?"});
    let sent = awc::Client::default().post(url).send_json(&request).await;
    let mut answer = sent.map_err(|error| anyhow::anyhow!("no answer: {error}"))?;
    let response: Value = answer.json().await?;
    for item in response["output"].as_array().into_iter().flatten() {
        println!("{item}");
    }
    running.stop().await?;
    Ok(())
}
