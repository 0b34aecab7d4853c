//! Providers that are left alone, and keys that rest.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use super::{Two, answers, ask, fails, shown_text, trail};
use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const PATIENCE: Duration = Duration::from_secs(40);

#[track_caller]
fn breaker(app: &App, provider: &str, model: &str) -> char {
    let metrics = app.get("/metrics").text();
    let begin = format!("open_responses_breaker_state{{model=\"{model}\",provider=\"{provider}\"}} ");
    let line =
        metrics.lines().find_map(|line| line.strip_prefix(&begin)).unwrap_or_else(|| panic!("{metrics}"));
    line.chars().next().unwrap()
}

#[test]
fn a_provider_that_fails_is_passed_over_until_it_answers_again() {
    let two = Two::start("resilience = { retries = 0, breaker_failures = 2, breaker_open_s = 1 }", "");
    two.a.always(fails(503));
    two.b.always(answers(text(&["From b"])));
    assert_eq!([two.post(), two.post()].each_ref().map(trail), [("b", "2"), ("b", "2")]);
    assert_eq!((trail(&two.post()), two.a.count()), (("b", "1"), 2));
    assert_eq!(breaker(&two.app, "a", "m"), '2');
    assert!(two.app.get("/metrics").text().contains("open_responses_fallbacks_total{from=\"a\",to=\"b\"} 2"));
    two.a.always(answers(text(&["From a"])));
    let end = Instant::now() + PATIENCE;
    while trail(&two.post()).0 == "b" {
        assert!(Instant::now() < end, "it stays alone");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!((trail(&two.post()), breaker(&two.app, "a", "m")), (("a", "1"), '0'));
}

#[test]
fn one_request_tries_a_provider_again_while_others_pass_it_over() {
    let two = Two::start("resilience = { retries = 0, breaker_failures = 1, breaker_open_s = 1 }", "");
    two.b.always(answers(text(&["From b"])));
    two.a.push(fails(500));
    two.post();
    let gate = Gate::default();
    let held = gate.clone();
    two.a.always(move |_| {
        Script::json(500, &wire::error("openai-chat", 500, "no")).after(Step::Wait(held.clone()))
    });
    let end = Instant::now() + PATIENCE;
    let mut open = Vec::new();
    while two.a.count() < 2 {
        assert!(Instant::now() < end, "nobody tries it");
        open.push(two.app.open(&ask("m", false)));
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(breaker(&two.app, "a", "m"), '1');
    assert_eq!(trail(&two.post()), ("b", "1"));
    gate.open();
    assert!(open.into_iter().all(|connection| shown_text(&connection.finish().response()) == "From b"));
    assert_eq!((two.a.count(), breaker(&two.app, "a", "m")), (2, '2'));
}

#[test]
fn if_all_fail_each_request_is_tried_once_and_none_is_refused_unasked() {
    let fake = FakeProvider::start();
    let resilience =
        "resilience = { retries = 2, retry_delay_ms = 1, breaker_failures = 3, breaker_open_s = 60 }";
    let app = setup(format!("{resilience}\n{}", fake.provider("openai-chat"))).start();
    fake.always(fails(500));
    let ask = || app.post(&ask("openai-chat/m", false));
    assert_eq!((ask().status, fake.count()), (502, 3));
    assert_eq!((ask().status, fake.count()), (502, 4));
    fake.always(answers(text(&["Again"])));
    assert_eq!((ask().status, breaker(&app, "openai-chat", "other")), (200, '0'));
}

#[test]
fn a_mistake_of_the_client_opens_nothing() {
    let two = Two::start("resilience = { retries = 0, breaker_failures = 1 }", "");
    two.a.always(fails(400));
    two.b.always(fails(400));
    for _ in 0..3 {
        assert_eq!(two.post().status, 400);
    }
    assert_eq!((two.a.count(), two.b.count()), (3, 3));
}

/// One provider with two keys; `keys`: those of the calls that it got.
fn keyed(resilience: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let provider = format!("{}api_key_envs = ['ONE', 'TWO']\n", fake.provider("openai-chat"));
    let setup = setup(format!("resilience = {{ retry_delay_ms = 1, {resilience} }}\n{provider}"));
    let app = setup.env("ONE", "sk-number-one").env("TWO", "sk-number-two").start();
    (fake, app)
}

fn keys(fake: &FakeProvider) -> Vec<String> {
    let key =
        |number| fake.request(number).header("authorization").unwrap().rsplit('-').next().unwrap().to_owned();
    (0..fake.count()).map(key).collect()
}

#[test]
fn keys_are_used_in_turn_and_one_that_is_refused_rests() {
    for status in [401, 402, 403, 429] {
        let (fake, app) = keyed("retries = 1");
        fake.always(move |request| match request.header("authorization") {
            Some("Bearer sk-number-one") => fails(status)(request),
            _ => answers(text(&["Yes"]))(request),
        });
        for _ in 0..4 {
            assert_eq!(app.post(&ask("openai-chat/m", false)).status, 200, "{status}");
        }
        assert_eq!(keys(&fake), ["one", "two", "two", "two", "two"], "{status}");
    }
    let (fake, app) = keyed("");
    fake.always(answers(text(&["Yes"])));
    for _ in 0..4 {
        app.post(&ask("openai-chat/m", false));
    }
    assert_eq!(keys(&fake), ["one", "two", "one", "two"]);
}

#[test]
fn if_all_keys_rest_the_client_is_told_and_no_key_is_shown() {
    let (fake, app) = keyed("retries = 3");
    fake.always(|request| {
        let said = format!("no quota for {}", request.header("authorization").unwrap());
        Script::json(429, &wire::error("openai-chat", 429, &said)).header("retry-after", "60")
    });
    let answer = app.post(&ask("openai-chat/m", false));
    assert_eq!((answer.status, answer.header("retry-after"), fake.count()), (429, Some("60"), 2));
    assert!(!answer.text().contains("sk-number"), "{}", answer.text());
}
