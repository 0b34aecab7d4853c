//! Failures of providers: HTTP errors while nothing was sent, in-stream errors afterwards, never a hang.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, KINDS, text};

fn server(more: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let config: String = KINDS.iter().map(|kind| fake.provider(kind)).collect();
    let keyed = format!("{}api_key_env = 'FAKE_KEY'\n", fake.named_provider("keyed", "openai-chat"));
    let app = setup(format!("{more}\n{config}{keyed}")).env("FAKE_KEY", "sk-server-key").start();
    (fake, app)
}

fn body(kind: &str, stream: bool) -> Value {
    json!({"model": format!("{kind}/m"), "input": "Hi", "stream": stream})
}

/// The provider answers with a status before anything was sent: an HTTP error, streaming or not.
#[track_caller]
fn check_status(status: u16, want: (u16, &str, Option<&str>)) {
    let (fake, app) = server("");
    // An unknown model is told from a wrong path by the words.
    let words = if status == 404 { "model 'm' not found" } else { "the provider's own words" };
    for kind in KINDS {
        for stream in [false, true] {
            fake.push(move |_| Script::json(status, &wire::error(kind, status, words)));
            let answer = app.post(&body(kind, stream));
            let (got, error, code, _) = answer.error();
            assert_eq!((got, error.as_str()), (want.0, want.1), "{kind}: {}", answer.text());
            if want.2.is_some() {
                assert_eq!(code.as_deref(), want.2, "{kind}");
            }
            assert!(answer.message().contains(words), "{kind}: {}", answer.message());
        }
    }
}

#[test]
fn a_400_of_the_provider_is_a_400() {
    check_status(400, (400, "invalid_request_error", None));
}

#[test]
fn a_404_of_the_provider_is_an_unknown_model() {
    check_status(404, (400, "invalid_request_error", Some("model_not_found")));
}

#[test]
fn a_429_of_the_provider_is_a_429() {
    check_status(429, (429, "too_many_requests", Some("rate_limit_exceeded")));
}

#[test]
fn a_500_of_the_provider_is_a_model_error() {
    check_status(500, (502, "model_error", None));
}

#[test]
fn a_provider_without_capacity_is_503() {
    check_status(503, (503, "server_error", Some("overloaded")));
}

#[test]
fn refused_credentials_are_the_servers_fault_unless_they_were_the_clients() {
    let (fake, app) = server("");
    for status in [401, 403] {
        for kind in KINDS {
            fake.push(move |_| Script::json(status, &wire::error(kind, status, "bad key")));
            let (got, error, code, _) = app.post(&body(kind, true)).error();
            let got = (got, error.as_str(), code.as_deref());
            assert_eq!(got, (502, "model_error", Some("upstream_auth_error")), "{kind} {status}");
            fake.push(move |_| Script::json(status, &wire::error(kind, status, "bad key")));
            let mine = app.post_with(&[("x-provider-api-key", "sk-mine")], &body(kind, true));
            let (got, error, code, _) = mine.error();
            let got = (got, error.as_str(), code.as_deref());
            assert_eq!(got, (401, "invalid_request_error", Some("invalid_api_key")), "{kind} {status}");
        }
    }
}

#[test]
fn retry_after_is_passed_on() {
    let (fake, app) = server("");
    for (name, value, want) in
        [("retry-after", "7", "7"), ("retry-after-ms", "1500", "2"), ("retry-after", "0.2", "1")]
    {
        for stream in [false, true] {
            let script = Script::json(429, &wire::error("openai-chat", 429, "slow down")).header(name, value);
            fake.script(script);
            let answer = app.post(&body("openai-chat", stream));
            assert_eq!((answer.status, answer.header("retry-after")), (429, Some(want)), "{name}");
        }
    }
}

#[test]
fn of_two_waits_the_longer_one_counts_up_to_a_day() {
    let (fake, app) = server("");
    for (seconds, milliseconds, want) in [
        ("1", "0", "1"),
        ("1", "2500", "3"),
        ("2300265015", "100", "86400"),
        ("Fri, 01 Jan 2100 00:00:00 GMT", "5", "86400"),
        ("soon", "NaN", ""),
        ("-5", "-1", ""),
    ] {
        let script = Script::json(429, &wire::error("openai-chat", 429, "slow down"));
        fake.script(script.header("retry-after", seconds).header("retry-after-ms", milliseconds));
        let answer = app.post(&body("openai-chat", false));
        assert_eq!(answer.header("retry-after").unwrap_or_default(), want, "{seconds} {milliseconds}");
    }
}

#[test]
fn a_page_is_told_from_a_stream_that_broke() {
    let (fake, app) = server("");
    let page = "<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n<body>data: none</body></html>";
    for kind in KINDS {
        for stream in [false, true] {
            for label in ["text/html", "text/event-stream", ""] {
                fake.script(Script::body(200, label, page));
                let answer = app.post(&body(kind, stream));
                let what = format!("{kind} {stream} {label}");
                if label == "text/html" {
                    assert_eq!(answer.status, 502, "{what}");
                }
                let error = check_failed(&answer, &what);
                assert_eq!(error["code"], "upstream_invalid_response", "{what}");
                assert!(error["message"].as_str().unwrap().contains("model API"), "{what}: {error}");
            }
        }
    }
}

#[test]
fn error_bodies_that_are_no_errors_still_give_a_message() {
    let (fake, app) = server("");
    let html = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
    for kind in KINDS {
        for (content_type, body_text) in [("text/html", html), ("text/plain", ""), ("application/json", "{}")]
        {
            fake.script(Script::body(502, content_type, body_text));
            let answer = app.post(&body(kind, true));
            let (status, error, ..) = answer.error();
            assert_eq!((status, error.as_str()), (502, "model_error"), "{kind} {body_text}");
            assert!(!answer.message().contains('<'), "{kind}: {}", answer.message());
        }
    }
}

#[test]
fn an_answer_that_is_no_answer_is_a_model_error() {
    let (fake, app) = server("");
    for kind in KINDS {
        for stream in [false, true] {
            for (content_type, bytes) in [
                ("text/html", "<html>hello</html>"),
                ("application/json", "nonsense"),
                ("application/json", ""),
            ] {
                fake.script(Script::body(200, content_type, bytes));
                let answer = app.post(&body(kind, stream));
                check_failed(&answer, kind);
            }
        }
    }
}

/// A model error, before the head or inside the stream.
#[track_caller]
fn check_failed(answer: &Answer, what: &str) -> Value {
    if answer.status != 200 {
        let (status, error, ..) = answer.error();
        assert!([502, 504].contains(&status) && error == "model_error", "{what}: {}", answer.text());
        return answer.json()["error"].clone();
    }
    let events = answer.events();
    let [.., (error, flat), (failed, last)] = events.as_slice() else { panic!("{what}: {events:?}") };
    assert_eq!((error.as_str(), failed.as_str()), ("error", "response.failed"), "{what}: {}", answer.text());
    assert_eq!(flat["message"], flat["error"]["message"], "{what}: the flat form is there too");
    let response = &last["response"];
    assert_eq!(response["status"], "failed", "{what}");
    assert!(
        response["error"]["code"].is_string() && response["error"]["message"].is_string(),
        "{what}: {response}"
    );
    flat["error"].clone()
}

/// The head of a stream with two text frames, to break off in many ways.
fn half(kind: &'static str) -> Script {
    let turn = text(&["Half ", "an answer"]);
    let frames = wire::frames(kind, &turn);
    let end = frames.iter().position(|frame| frame.contains("an answer")).unwrap();
    frames.into_iter().take(end + 1).fold(Script::head(200, wire::stream_type(kind)), Script::send)
}

#[test]
fn a_stream_that_breaks_off_fails_with_what_was_made() {
    let (fake, app) = server("");
    for kind in KINDS {
        for (what, script) in [("end", half(kind)), ("cut", half(kind).then(Step::Cut))] {
            fake.script(script);
            let answer = app.post(&body(kind, true));
            assert_eq!(answer.status, 200, "{kind} {what}");
            check_failed(&answer, &format!("{kind} {what}"));
            let response = answer.last_response();
            assert_eq!(response["output"][0]["content"][0]["text"], "Half an answer", "{kind} {what}");
            assert_eq!(response["output"][0]["status"], "incomplete", "{kind} {what}");
            assert_eq!(app.stored(&response["id"]).response(), response, "{kind} {what}");
        }
    }
}

#[test]
fn a_garbage_frame_fails_the_response() {
    let (fake, app) = server("");
    for kind in KINDS {
        let garbage = if kind == "ollama" { "{{{nonsense\n" } else { "data: {{{nonsense\n\n" };
        fake.script(half(kind).send(garbage).then(Step::Hold));
        let asked = fake.count();
        let answer = app.post(&body(kind, true));
        let error = check_failed(&answer, kind);
        assert_eq!(error["code"], "upstream_invalid_response", "{kind}");
        assert!(!answer.text().contains("nonsense"), "{kind}: the frame itself is not shown");
        fake.closed(asked);
    }
}

#[test]
fn an_error_inside_the_stream_is_told_with_the_providers_words() {
    let (fake, app) = server("");
    for kind in KINDS {
        let error = wire::error(kind, 529, "it broke inside");
        let frame = match kind {
            "ollama" => format!("{error}\n"),
            "anthropic" => format!("event: error\ndata: {error}\n\n"),
            "openai-responses" => {
                let failed = json!({"type": "response.failed", "response": {"status": "failed",
                    "error": {"code": "server_error", "message": "it broke inside"}}});
                format!("event: response.failed\ndata: {failed}\n\n")
            }
            _ => format!("data: {error}\n\n"),
        };
        let late = half(kind).send(frame.clone());
        let early = Script::head(200, wire::stream_type(kind)).send(frame);
        for (what, script) in [("late", late), ("early", early)] {
            fake.script(script);
            let answer = app.post(&body(kind, true));
            assert_eq!(answer.status, 200, "{kind} {what}");
            let events = answer.events();
            let (name, error) = &events[events.len() - 2];
            assert_eq!(
                (name.as_str(), &error["error"]["message"]),
                ("error", &json!("it broke inside")),
                "{kind} {what}"
            );
            assert_eq!(
                events.iter().filter(|(name, _)| name == "response.failed").count(),
                1,
                "{kind} {what}"
            );
        }
    }
}

#[test]
fn a_provider_that_is_not_there_is_unreachable() {
    // A port that was free a moment ago and that nobody listens on.
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let app =
        setup(format!("[providers.gone]\nkind = 'openai-chat'\nbase_url = 'http://{free}/v1'\n")).start();
    for stream in [false, true] {
        let (status, error, code, _) = app.post(&body("gone", stream)).error();
        assert_eq!(
            (status, error.as_str(), code.as_deref()),
            (502, "model_error", Some("upstream_unreachable"))
        );
    }
}

#[test]
fn a_connection_that_closes_before_the_head_is_a_model_error() {
    let (fake, app) = server("");
    for stream in [false, true] {
        fake.script(Script::default().then(Step::Cut));
        let (status, error, code, _) = app.post(&body("openai-chat", stream)).error();
        assert_eq!(
            (status, error.as_str(), code.as_deref()),
            (502, "model_error", Some("upstream_disconnected"))
        );
    }
}

#[test]
fn silence_ends_by_timeout() {
    let fake = FakeProvider::start();
    let timeouts = "first_byte_timeout_s = 3\nidle_timeout_s = 3\n";
    let app = setup(format!("{}{timeouts}", fake.provider("openai-chat"))).start();
    let begun = Instant::now();
    std::thread::scope(|scope| {
        // Before the head and inside a unary body: an HTTP error.
        let half_body = Script::head(200, "application/json").send("{\"id\":").then(Step::Hold);
        let silent_stream = Script::head(200, "text/event-stream").then(Step::Hold);
        let scripts = [(Script::silent(), false), (Script::silent(), true), (half_body, false)];
        for (script, stream) in scripts {
            fake.script(script);
            let asked = fake.count();
            let mut connection = app.open(&body("openai-chat", stream));
            fake.request(asked);
            scope.spawn(move || {
                connection.head();
                let (status, error, code, _) = connection.finish().error();
                assert_eq!(
                    (status, error.as_str(), code.as_deref()),
                    (504, "model_error", Some("upstream_timeout"))
                );
            });
        }
        // Inside the stream: an event.
        for script in [half("openai-chat").then(Step::Hold), silent_stream] {
            fake.script(script);
            let asked = fake.count();
            let connection = app.open(&body("openai-chat", true));
            fake.request(asked);
            scope.spawn(move || {
                let error = check_failed(&connection.finish(), "idle");
                assert_eq!(error["code"], "upstream_timeout");
            });
        }
    });
    assert!(begun.elapsed() < Duration::from_secs(25), "{:?}", begun.elapsed());
    for number in 0..5 {
        fake.closed(number);
    }
}

#[test]
fn a_response_that_takes_too_long_is_ended() {
    let fake = FakeProvider::start();
    let app = setup(format!("server.max_response_s = 4\n{}", fake.provider("openai-chat"))).start();
    fake.script(half("openai-chat").then(Step::Hold));
    let error = check_failed(&app.post(&body("openai-chat", true)), "too long");
    assert_eq!(error["code"], "response_timeout");
    fake.closed(0);
}
