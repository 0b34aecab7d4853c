//! Providers and endpoints that do what HTTP does not allow, or allows and few do.
//!
//! To try another answer, add a row to [`rows::ROWS`].

mod crowd;
mod labels;
mod late;
mod rows;
mod silence;
mod size;
mod upstream;

use serde_json::{Value, json};

use or_test_support::client::Answer;
use or_test_support::wire::{self, KINDS, Turn, text};

/// What a good answer says.
const TURN: Turn = text(&["Hi ", "there"]);
const SAID: &str = "Hi there";

/// A good body of a kind: as a stream or whole.
fn good(kind: &str, stream: bool) -> String {
    if stream { wire::frames(kind, &TURN).concat() } else { wire::whole(kind, &TURN).to_string() }
}

/// The label that belongs to it.
fn label(kind: &str, stream: bool) -> &'static str {
    if stream { wire::stream_type(kind) } else { "application/json" }
}

fn body(kind: &str, stream: bool) -> Value {
    json!({"model": format!("{kind}/m"), "input": "Hi", "stream": stream})
}

/// The text of a response that is as it should be.
#[track_caller]
fn said(answer: &Answer, stream: bool, what: &str) -> String {
    assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    let response = if stream { answer.last_response() } else { answer.response() };
    assert_eq!(response["status"], "completed", "{what}: {response}");
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// Status and code of a failure, wherever it is told; a stream that had begun has 200.
#[track_caller]
fn failure(answer: &Answer, what: &str) -> (u16, String, String) {
    let error = if answer.status == 200 {
        let events = answer.events();
        let found = events.iter().find(|(name, _)| name == "error");
        found.unwrap_or_else(|| panic!("{what}: no error in {}", answer.text())).1["error"].clone()
    } else {
        answer.error();
        answer.json()["error"].clone()
    };
    let text = |key: &str| error[key].as_str().unwrap_or_default().to_owned();
    (answer.status, text("code"), text("message"))
}

/// Every kind, streamed and whole.
fn all() -> impl Iterator<Item = (&'static str, bool)> {
    KINDS.into_iter().flat_map(|kind| [(kind, false), (kind, true)])
}
