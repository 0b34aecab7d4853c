//! Client keys in the store: made, used, rotated and revoked on a running server, and what each may use.

mod admin;
mod life;
mod process;
mod rates;
mod use_of_models;

use serde_json::{Value, json};

use crate::stage::app::{App, Setup, setup};
use or_test_support::client::Answer;

const ADMIN: &str = "a-long-key-of-the-admin";

fn with_admin(more: &str) -> Setup {
    setup(format!("{more}\n[admin]\nkey_env = 'ADMIN'\n")).env("ADMIN", ADMIN)
}

fn send(app: &App, key: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let bearer = format!("Bearer {key}");
    let body = body.map(|body| body.to_string().into_bytes());
    app.request(method, path, &[("authorization", &bearer)], body.as_deref()).finish()
}

/// Asks the admin API. `path`: behind `/admin/v1/keys`.
fn admin(app: &App, method: &str, path: &str, body: Value) -> Answer {
    send(app, ADMIN, method, &format!("/admin/v1/keys{path}"), Some(&body))
}

/// Makes a key and gives its secret.
#[track_caller]
fn create(app: &App, body: Value) -> String {
    let made = admin(app, "POST", "", body);
    assert_eq!(made.status, 200, "{}", made.text());
    made.json()["secret"].as_str().unwrap().to_owned()
}

fn ask(app: &App, key: &str, model: &str) -> Answer {
    send(app, key, "POST", "/v1/responses", Some(&json!({"model": model, "input": "Hi"})))
}

/// The status of a request that this key makes.
fn status(app: &App, key: &str) -> u16 {
    ask(app, key, "demo").status
}
