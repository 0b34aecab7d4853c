//! Responses that run without their client: polled, streamed, resumed, cancelled.

mod races;
mod readers;
mod recovery;
mod restart;

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, KINDS, text};

const PATIENCE: Duration = Duration::from_secs(40);

fn body(kind: &str, stream: bool) -> Value {
    json!({"model": format!("{kind}/m"), "input": "Hi", "stream": stream, "background": true})
}

/// A server whose providers are the fake, one of each kind.
fn app(fake: &FakeProvider) -> App {
    setup(KINDS.map(|kind| fake.provider(kind)).concat()).start()
}

/// The first frames of a turn and, once the gate is open, the rest.
fn gated(kind: &str, gate: &Gate) -> Script {
    let frames = wire::frames(kind, &text(&["Half", " and half"]));
    let half = frames.len() / 2;
    let script = Script::head(200, wire::stream_type(kind));
    let script = frames[..half].iter().cloned().fold(script, Script::send).then(Step::Wait(gate.clone()));
    frames[half..].iter().cloned().fold(script, Script::send)
}

fn stream_of(app: &App, id: &Value, query: &str) -> Connection {
    let path = format!("/v1/responses/{}?stream=true{query}", id.as_str().unwrap());
    app.request("GET", &path, &[], None)
}

fn cancel(app: &App, id: &Value) -> Answer {
    let path = format!("/v1/responses/{}/cancel", id.as_str().unwrap());
    app.request("POST", &path, &[], None).finish()
}

/// Polls until the response is as wanted.
#[track_caller]
fn poll(app: &App, id: &Value, wanted: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + PATIENCE;
    loop {
        let response = app.stored(id).response();
        if wanted(&response) {
            return response;
        }
        assert!(Instant::now() < end, "it stays {response}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn over(response: &Value) -> bool {
    response["status"] != "queued" && response["status"] != "in_progress"
}

fn shown_text(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_default()
}

#[test]
fn a_background_response_is_queued_then_polled_to_its_end() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for kind in KINDS {
        let gate = Gate::default();
        fake.script(gated(kind, &gate));
        let queued = app.post(&body(kind, false)).response();
        assert_eq!((&queued["status"], &queued["background"]), (&json!("queued"), &json!(true)), "{kind}");
        assert_eq!((&queued["output"], &queued["usage"]), (&json!([]), &Value::Null));
        let id = &queued["id"];
        let running = poll(&app, id, |response| shown_text(response).starts_with("Half"));
        assert_eq!((&running["status"], &running["usage"]), (&json!("in_progress"), &Value::Null));
        assert_eq!(running["output"][0]["status"], "in_progress");
        let items = app.get(&format!("/v1/responses/{}/input_items", id.as_str().unwrap())).json();
        assert_eq!(items["data"][0]["content"][0]["text"], "Hi");
        let chained = json!({"model": "openai-chat/m", "input": "More", "previous_response_id": id});
        assert_eq!(app.post(&chained).error().2.as_deref(), Some("previous_response_not_finished"));
        gate.open();
        let done = poll(&app, id, over);
        assert_eq!((&done["status"], shown_text(&done)), (&json!("completed"), "Half and half"), "{kind}");
        assert_eq!(done["usage"]["output_tokens"], wire::OUTPUT_TOKENS);
        fake.push(wire::answer("openai-chat", text(&["Yes"])));
        assert_eq!(app.post(&chained).response()["previous_response_id"], *id);
    }
}

#[test]
fn the_stream_goes_on_without_its_first_reader_and_is_the_same_for_all() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for kind in KINDS {
        let gate = Gate::default();
        fake.script(gated(kind, &gate));
        let mut first = app.open(&body(kind, true));
        let created = first.until("response.created");
        assert_eq!(created["response"]["status"], "queued");
        let id = created["response"]["id"].clone();
        assert_eq!(first.until("response.queued")["sequence_number"], 1);
        first.until("response.output_text.delta");
        let mut along = stream_of(&app, &id, "");
        along.until("response.output_text.delta");
        first.leave();
        gate.open();
        let whole = along.finish();
        let events = whole.events();
        assert_eq!(events.last().unwrap().0, "response.completed");
        assert_eq!(shown_text(&whole.last_response()), "Half and half");
        assert_eq!(app.stored(&id).response(), whole.last_response());
        // Afterwards, from every place.
        let text = whole.text();
        let mut rest = text.as_str();
        for n in 0..events.len() {
            rest = rest.split_once("\n\n").unwrap().1;
            let answer = stream_of(&app, &id, &format!("&starting_after={n}")).finish();
            assert_eq!((answer.status, answer.text().as_str()), (200, rest), "{kind} after {n}");
        }
        assert_eq!(rest, "data: [DONE]\n\n");
        assert_eq!(stream_of(&app, &id, "&starting_after=999").finish().text(), rest);
        assert_eq!(stream_of(&app, &id, "").finish().text(), text);
    }
}

#[test]
fn who_does_not_read_slows_nobody() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    let frames = wire::frames("openai-chat", &text(&[LONG; 400]));
    let gate = Gate::default();
    let script = Script::head(200, "text/event-stream").then(Step::Wait(gate.clone()));
    fake.script(frames.into_iter().fold(script, Script::send));
    let mut idle = app.open(&body("openai-chat", true));
    let id = idle.until("response.created")["response"]["id"].clone();
    let more: Vec<_> = (0..20).map(|_| stream_of(&app, &id, "")).collect();
    let reader = stream_of(&app, &id, "&starting_after=2");
    gate.open();
    let fast = reader.finish();
    assert!(fast.text().ends_with("data: [DONE]\n\n") && !fast.cut);
    let late: Vec<_> = more.into_iter().map(|c| c.finish().text()).collect();
    assert!(late.iter().all(|text| text.ends_with(&fast.text())));
    assert_eq!(idle.finish().text(), late[0]);
}

/// Longer than what sockets hold, four hundred times.
const LONG: &str = "A sentence of some length, so that many of them do not fit into the buffers between a server and a reader that does not read, which is what this is about. A sentence of some length, so that many of them do not fit into the buffers between a server and a reader that does not read, which is what this is about. A sentence of some length, so that many of them do not fit into the buffers between.";

#[test]
fn a_cancelled_response_keeps_its_output_and_hangs_up_on_the_provider() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for (n, stream) in [false, true].into_iter().enumerate() {
        fake.script(gated("anthropic", &Gate::default()));
        let id = if stream {
            app.open(&body("anthropic", true)).until("response.created")["response"]["id"].clone()
        } else {
            app.post(&body("anthropic", false)).response()["id"].clone()
        };
        poll(&app, &id, |response| shown_text(response) == "Half");
        let reader = stream.then(|| stream_of(&app, &id, ""));
        let asked = Instant::now();
        let cancelled = cancel(&app, &id).response();
        let closed = fake.closed(n).saturating_duration_since(asked);
        assert!(closed < Duration::from_secs(15), "{closed:?}");
        assert_eq!(cancelled["status"], "cancelled");
        assert_eq!(cancelled["incomplete_details"], json!({"reason": "cancelled"}));
        assert_eq!(
            (shown_text(&cancelled), &cancelled["output"][0]["status"]),
            ("Half", &json!("incomplete"))
        );
        assert_eq!(cancel(&app, &id).response(), cancelled);
        assert_eq!(app.stored(&id).response(), cancelled);
        if let Some(reader) = reader {
            let answer = reader.finish();
            assert_eq!(answer.events().last().unwrap().0, "response.incomplete");
            assert_eq!(answer.last_response(), cancelled);
            assert_eq!(stream_of(&app, &id, "").finish().text(), answer.text());
        }
    }
}

#[test]
fn what_is_over_stays_as_it_is() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    fake.push(wire::answer("gemini", text(&["Done"])));
    let id = app.post(&body("gemini", false)).response()["id"].clone();
    let done = poll(&app, &id, over);
    assert_eq!(cancel(&app, &id).response(), done);
    fake.push(wire::answer("gemini", text(&["Done"])));
    let foreground = app.post(&json!({"model": "gemini/m", "input": "Hi"})).response();
    let refused = cancel(&app, &foreground["id"]).error();
    assert_eq!((refused.0, refused.2.as_deref()), (400, Some("response_not_in_background")));
    for id in ["resp_0190000000007000800000000000abcd", "nonsense"] {
        assert_eq!(cancel(&app, &json!(id)).error().0, 404);
    }
}

#[test]
fn a_running_response_can_be_deleted() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for (n, background) in [true, false].into_iter().enumerate() {
        fake.script(gated("openai-chat", &Gate::default()));
        let request =
            json!({"model": "openai-chat/m", "input": "Hi", "stream": true, "background": background});
        let mut client = app.open(&request);
        let id = client.until("response.created")["response"]["id"].clone();
        client.until("response.output_text.delta");
        assert_eq!(app.stored(&id).response()["status"], "in_progress");
        let path = format!("/v1/responses/{}", id.as_str().unwrap());
        assert_eq!(app.request("DELETE", &path, &[], None).finish().json()["deleted"], true);
        fake.closed(n);
        assert_eq!(client.finish().last_response()["status"], "cancelled");
        assert_eq!(app.stored(&id).status, 404);
        assert_eq!(stream_of(&app, &id, "").finish().status, 404);
    }
}

#[test]
fn what_cannot_be_done_is_refused_at_once() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    #[track_caller]
    fn check(app: &App, change: Value, want: (&str, &str)) {
        let mut request = body("openai-chat", false);
        request.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let (status, _, code, param) = app.post(&request).error();
        assert_eq!((status, code.as_deref(), param.as_deref()), (400, Some(want.0), Some(want.1)));
    }
    check(&app, json!({"store": false}), ("invalid_value", "background"));
    check(&app, json!({"model": "nobody"}), ("model_not_found", "model"));
    let unknown = json!({"previous_response_id": "resp_0190000000007000800000000000abcd"});
    check(&app, unknown, ("previous_response_not_found", "previous_response_id"));
    fake.push(wire::answer("openai-chat", text(&["Done"])));
    let id = app.post(&body("openai-chat", false)).response()["id"].clone();
    poll(&app, &id, over);
    for (query, code, param) in [
        ("?stream=true", "response_not_streamed", "stream"),
        ("?stream=yes", "invalid_type", "stream"),
        ("?starting_after=1", "invalid_value", "starting_after"),
        ("?stream=true&starting_after=-1", "invalid_type", "starting_after"),
    ] {
        let error = app.get(&format!("/v1/responses/{}{query}", id.as_str().unwrap())).error();
        assert_eq!((error.0, error.2.as_deref(), error.3.as_deref()), (400, Some(code), Some(param)));
    }
    assert_eq!(fake.count(), 1);
}

#[test]
fn calls_refused_for_lack_of_capacity_are_made_again() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    let busy = json!({"error": {"message": "busy", "type": "rate_limit_error"}});
    fake.script(Script::json(429, &busy).header("retry-after", "0"));
    fake.script(Script::json(529, &busy).header("retry-after", "0"));
    fake.script(Script::default().then(Step::Cut));
    fake.push(wire::answer("openai-chat", text(&["At last"])));
    let id = app.post(&body("openai-chat", true)).last_response()["id"].clone();
    let done = poll(&app, &id, over);
    assert_eq!((&done["status"], shown_text(&done), fake.count()), (&json!("completed"), "At last", 4));
    assert!(app.get("/metrics").text().contains("open_responses_retries_total{provider=\"openai-chat\"} 3"));
}

#[test]
fn retries_have_an_end() {
    let fake = FakeProvider::start();
    let app = setup(format!("{}\n[background]\nmax_retries = 2", fake.provider("openai-chat"))).start();
    fake.always(|_| Script::json(429, &json!({"error": {"message": "busy"}})).header("retry-after", "0"));
    let id = app.post(&body("openai-chat", false)).response()["id"].clone();
    let failed = poll(&app, &id, over);
    assert_eq!(
        (&failed["status"], &failed["error"]["code"]),
        (&json!("failed"), &json!("rate_limit_exceeded"))
    );
    assert_eq!(fake.count(), 3);
    // More patience than the configuration has, and mistakes, are not worth a retry.
    for script in [
        Script::json(429, &json!({"error": {"message": "busy"}})).header("retry-after", "3600"),
        Script::json(400, &json!({"error": {"message": "no"}})),
    ] {
        let before = fake.count();
        fake.script(script);
        let id = app.post(&body("openai-chat", false)).response()["id"].clone();
        assert_eq!(poll(&app, &id, over)["status"], "failed");
        assert_eq!(fake.count(), before + 1);
    }
}

#[test]
fn a_response_waits_for_a_place_at_its_provider() {
    let fake = FakeProvider::start();
    let provider = format!("{}max_concurrent = 1\n", fake.provider("openai-chat"));
    let app = setup(format!("{provider}\n[background]\nmax_retries = 0")).start();
    let gate = Gate::default();
    fake.script(gated("openai-chat", &gate));
    fake.push(wire::answer("openai-chat", text(&["Second"])));
    let first = app.post(&body("openai-chat", false)).response()["id"].clone();
    fake.request(0);
    let second = app.post(&body("openai-chat", false)).response()["id"].clone();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!over(&app.stored(&second).response()));
    gate.open();
    assert_eq!(shown_text(&poll(&app, &first, over)), "Half and half");
    assert_eq!(shown_text(&poll(&app, &second, over)), "Second");
}

#[test]
fn a_turn_that_made_something_is_not_made_again() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    let frames = wire::frames("openai-chat", &text(&["Half", " and half"]));
    let begin = frames[..2].iter().cloned().fold(Script::head(200, "text/event-stream"), Script::send);
    fake.script(begin.then(Step::Pause(Duration::from_millis(100))).then(Step::Cut));
    let id = app.post(&body("openai-chat", false)).response()["id"].clone();
    let failed = poll(&app, &id, over);
    assert_eq!((&failed["status"], shown_text(&failed), fake.count()), (&json!("failed"), "Half", 1));
}

#[test]
fn a_cancel_ends_the_wait_for_a_retry() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    fake.script(Script::json(429, &json!({"error": {"message": "busy"}})).header("retry-after", "50"));
    let id = app.post(&body("openai-chat", false)).response()["id"].clone();
    fake.request(0);
    let begin = Instant::now();
    assert_eq!(cancel(&app, &id).response()["status"], "cancelled");
    assert!(begin.elapsed() < Duration::from_secs(25));
}

#[test]
fn another_key_sees_nothing_of_it() {
    let fake = FakeProvider::start();
    let keys = "[auth]\nclient_keys_env = 'KEYS'\n";
    let app = setup(format!("{keys}{}", fake.provider("openai-chat")))
        .env("KEYS", "client-key-number-one,client-key-number-two")
        .start();
    fake.script(gated("openai-chat", &Gate::default()));
    let mine = [("authorization", "Bearer client-key-number-one")];
    let body = body("openai-chat", true).to_string();
    let mut stream = app.request("POST", "/v1/responses", &mine, Some(body.as_bytes()));
    let id = stream.until("response.created")["response"]["id"].clone();
    let path = format!("/v1/responses/{}", id.as_str().unwrap());
    let ask = |key: &str, method: &str, path: &str| {
        app.request(method, path, &[("authorization", &format!("Bearer {key}"))], None).finish().status
    };
    let cancel = format!("{path}/cancel");
    for (method, path) in
        [("GET", &path), ("GET", &format!("{path}?stream=true")), ("POST", &cancel), ("DELETE", &path)]
    {
        assert_eq!(ask("client-key-number-two", method, path), 404, "{method} {path}");
    }
    assert_eq!(ask("client-key-number-one", "GET", &path), 200);
    assert_eq!(ask("client-key-number-one", "POST", &cancel), 200);
}
