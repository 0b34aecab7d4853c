//! Calls that are made again in place, and how many there may be.

use std::time::Instant;

use pretty_assertions::assert_eq;

use super::{Two, answers, ask, fails, shown_text, trail};
use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::text;

fn one(resilience: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let app = setup(format!("resilience = {{ {resilience} }}\n{}", fake.provider("openai-chat"))).start();
    (fake, app)
}

#[test]
fn a_call_is_made_again_while_its_client_waits() {
    let (fake, app) = one("retry_delay_ms = 1, retry_budget_floor = 100");
    for stream in [false, true] {
        for status in [408, 409, 429, 500, 502, 503, 529] {
            let before = fake.count();
            fake.push(fails(status));
            fake.script(Script::default().then(Step::Cut));
            fake.push(answers(text(&["At last"])));
            let answer = app.post(&ask("openai-chat/m", stream));
            assert_eq!(trail(&answer), ("openai-chat", "3"), "{status}: {}", answer.text());
            let response = if stream { answer.last_response() } else { answer.response() };
            assert_eq!((shown_text(&response), fake.count() - before), ("At last", 3), "{status}");
        }
    }
    let metrics = app.get("/metrics").text();
    for line in [
        "open_responses_retries_total{provider=\"openai-chat\"} 28",
        "open_responses_upstream_requests_total{attempt=\"first\",provider=\"openai-chat\",status=\"5xx\"} 8",
        "open_responses_upstream_requests_total{attempt=\"retry\",provider=\"openai-chat\",status=\"none\"} 14",
        "open_responses_upstream_requests_total{attempt=\"retry\",provider=\"openai-chat\",status=\"2xx\"} 14",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn retries_have_an_end_and_mistakes_have_none() {
    let (fake, app) = one("retry_delay_ms = 1, retries = 2");
    for (status, calls) in [(500, 3), (400, 1), (401, 1), (404, 1), (413, 1)] {
        let before = fake.count();
        fake.always(fails(status));
        let answer = app.post(&ask("openai-chat/m", true));
        assert_eq!(trail(&answer), ("openai-chat", calls.to_string().as_str()), "{}", answer.text());
        assert_eq!((answer.status >= 400, fake.count() - before), (true, calls), "{status}");
    }
}

#[test]
fn a_client_that_is_told_to_wait_long_is_told_so_at_once() {
    let (fake, app) = one("retry_delay_ms = 1");
    let limited = |seconds: &'static str| move |r: &_| fails(429)(r).header("retry-after", seconds);
    fake.push(limited("1"));
    fake.push(answers(text(&["Yes"])));
    let begun = Instant::now();
    assert_eq!(trail(&app.post(&ask("openai-chat/m", false))), ("openai-chat", "2"));
    assert!(begun.elapsed().as_millis() >= 1000);
    fake.push(limited("3"));
    let answer = app.post(&ask("openai-chat/m", false));
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("3")));
    assert_eq!(trail(&answer), ("openai-chat", "1"));
}

#[test]
fn a_client_that_leaves_ends_the_pause() {
    let (fake, app) = one("retry_delay_ms = 60000, max_retry_delay_ms = 60000");
    fake.push(fails(500));
    let connection = app.open(&ask("openai-chat/m", false));
    fake.request(0);
    connection.leave();
    app.stop();
    assert_eq!(fake.count(), 1);
}

#[test]
fn an_outage_is_not_multiplied() {
    let (fake, app) =
        one("retry_delay_ms = 1, breaker_failures = 0, retry_budget_percent = 50, retry_budget_floor = 0");
    fake.always(fails(500));
    for _ in 0..20 {
        assert_eq!(app.post(&ask("openai-chat/m", false)).status, 502);
    }
    assert_eq!(fake.count(), 30);
}

#[test]
fn the_budget_is_for_calls_at_the_same_target() {
    let rules = "retries = 2\nretry_delay_ms = 1\nretry_budget_percent = 0\nretry_budget_floor = 0";
    let two = Two::start("", rules);
    two.a.always(fails(500));
    two.b.always(answers(text(&["From b"])));
    for _ in 0..15 {
        assert_eq!(trail(&two.post()), ("b", "2"));
    }
    assert_eq!((two.a.count(), two.b.count()), (15, 15));
}
