//! A provider that does not stop: `server.max_output_bytes`.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire;

const BOUND: usize = 20_000;
const PIECE: &str =
    "a piece of text that is as long as some hundred bytes, so that its frame is not much longer than itself";

/// Text without an end: what comes is far above the bound, then nothing.
fn endless() -> Script {
    let frames = wire::frames("openai-chat", &wire::text(&[PIECE]));
    let script = Script::head(200, "text/event-stream").send(frames[0].clone());
    (0..4 * BOUND / PIECE.len()).fold(script, |script, _| script.send(frames[1].clone())).then(Step::Hold)
}

fn server() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let config = format!("server.max_output_bytes = {BOUND}\n{}", fake.provider("openai-chat"));
    let app = setup(config).disk(&folder()).start();
    fake.always(|_| endless());
    (fake, app)
}

fn body(more: Value) -> Value {
    let mut body = json!({"model": "openai-chat/m", "input": "Hi"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body
}

#[track_caller]
fn check(response: &Value) {
    assert_eq!(response["status"], "incomplete", "{response}");
    assert_eq!(response["incomplete_details"], json!({"reason": "max_output_bytes"}));
    let text = response["output"][0]["content"][0]["text"].as_str().unwrap().len();
    assert!((BOUND / 2..=BOUND).contains(&text), "{text}");
}

#[test]
fn a_stream_ends_where_its_room_does() {
    let (fake, app) = server();
    for (number, store) in [true, false].into_iter().enumerate() {
        let told = app.post(&body(json!({"stream": true, "store": store}))).last_response();
        check(&told);
        // The call is over too.
        fake.closed(number);
        let stored = app.stored(&told["id"]);
        assert_eq!(stored.status, if store { 200 } else { 404 });
        if store {
            assert_eq!(stored.response(), told);
        }
    }
}

#[test]
fn an_answer_in_one_piece_is_cut() {
    let (fake, app) = server();
    fake.script(Script::json(200, &json!({"id": "c", "object": "chat.completion", "model": "m", "choices": [
        {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "x".repeat(2 * BOUND)}}]})));
    check(&app.post(&body(json!({}))).response());
}

#[test]
fn a_response_in_the_background_ends_in_the_same_way() {
    let (fake, app) = server();
    for (number, stream) in [false, true].into_iter().enumerate() {
        let id = if stream {
            app.open(&body(json!({"background": true, "stream": true}))).until("response.created")["response"]
                ["id"]
                .clone()
        } else {
            app.post(&body(json!({"background": true}))).response()["id"].clone()
        };
        fake.closed(number);
        let wait = || app.stored(&id).response();
        let ended =
            std::iter::repeat_with(wait).find(|response| response["status"] != "in_progress").unwrap();
        check(&ended);
        if stream {
            let path = format!("/v1/responses/{}?stream=true", id.as_str().unwrap());
            assert_eq!(app.get(&path).last_response(), ended);
        }
    }
}
