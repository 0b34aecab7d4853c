//! A model whose text says whose answer it is, and which try.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use or_test_support::provider::{Request, Script, Step};

/// Pieces of an answer's text, the last one not counted.
const MOST_PIECES: usize = 12;
const LONGEST_PAUSE_MS: u64 = 15;

/// What was asked, by the last message of it.
#[derive(Default)]
pub(crate) struct Model(Mutex<HashMap<String, (u32, Value)>>);

impl Model {
    /// The body of the last call for this message.
    pub(crate) fn asked(&self, key: &str) -> Value {
        self.0.lock().unwrap().get(key).map(|(_, body)| body.clone()).unwrap_or_default()
    }

    pub(crate) fn answer(&self, request: &Request) -> Script {
        let last = request.body["messages"].as_array().and_then(|m| m.last()).cloned().unwrap_or_default();
        let key = last["content"].as_str().unwrap_or_default().to_owned();
        let attempt = {
            let mut asked = self.0.lock().unwrap();
            let (count, body) = asked.entry(key.clone()).or_default();
            (*count, *body) = (*count + 1, request.body.clone());
            *count
        };
        let mut pieces: Vec<_> =
            (0..fastrand::usize(0..MOST_PIECES)).map(|n| format!("{key}@{attempt}.{n} ")).collect();
        pieces.push(format!("{key}@{attempt}.end"));
        let pause = || Step::Pause(Duration::from_millis(fastrand::u64(0..LONGEST_PAUSE_MS)));
        let usage = json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2});
        if request.body["stream"] != true {
            let message = json!({"role": "assistant", "content": pieces.concat()});
            let whole = json!({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                               "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]});
            return Script::json(200, &whole).after(pause());
        }
        let frame = |choices: Value, usage: Value| {
            let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
                               "choices": choices, "usage": usage});
            format!("data: {chunk}\n\n")
        };
        let choice = |delta: Value, end: Value| {
            frame(json!([{"index": 0, "delta": delta, "finish_reason": end}]), Value::Null)
        };
        let mut script = Script::head(200, "text/event-stream");
        for piece in pieces {
            script = script.then(pause()).send(choice(json!({"content": piece}), Value::Null));
        }
        script.send(choice(json!({}), json!("stop"))).send(frame(json!([]), usage)).send("data: [DONE]\n\n")
    }
}

/// Whether `text` is the answer to `key`, or the beginning of it, all of one try.
pub(crate) fn check_text(key: &str, text: &str, whole: bool) -> Result<(), String> {
    let mut attempt = None;
    let mut ended = false;
    for (n, word) in text.split_whitespace().enumerate() {
        let place = word.strip_prefix(key).and_then(|rest| rest.strip_prefix('@')?.split_once('.'));
        let Some((try_, place)) = place else { return Err(format!("`{word}` is not of {key}")) };
        if *attempt.get_or_insert(try_) != try_ {
            return Err(format!("text of two tries: {text}"));
        }
        if ended || (place != "end" && place != n.to_string()) {
            return Err(format!("`{word}` is out of place: {text}"));
        }
        ended = place == "end";
    }
    if whole && !ended { Err(format!("the end is missing: {text}")) } else { Ok(()) }
}
