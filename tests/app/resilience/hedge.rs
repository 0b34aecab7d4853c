//! A second target is asked beside one that does not begin.

use pretty_assertions::assert_eq;

use super::{Two, answers, ask, fails, shown_text, trail};
use or_test_support::provider::{Gate, Request, Script, Step};
use or_test_support::wire::{self, text};

const RULES: &str = "hedge_after_ms = 50";

/// The head at once, and the rest once the gate is open.
fn slow(gate: &Gate, words: &'static [&'static str]) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
    let gate = gate.clone();
    move |request| {
        let kind = wire::kind_of(request);
        let script = Script::head(200, wire::stream_type(kind)).then(Step::Wait(gate.clone()));
        wire::frames(kind, &text(words)).into_iter().fold(script, Script::send)
    }
}

#[test]
fn whoever_begins_first_answers_and_the_other_call_is_closed() {
    let two = Two::start("", RULES);
    let (never, gate) = (Gate::default(), Gate::default());
    two.a.push(slow(&never, &["From a"]));
    two.b.push(answers(text(&["From b"])));
    let answer = two.app.post(&ask("m", true));
    assert_eq!((trail(&answer), shown_text(&answer.last_response())), (("b", "2"), "From b"));
    two.a.closed(0);
    let stored = two.app.stored(&answer.last_response()["id"]);
    assert_eq!(shown_text(&stored.response()), "From b");
    // The other way round.
    two.a.push(slow(&gate, &["From a"]));
    two.b.push(slow(&never, &["From b"]));
    let connection = two.app.open(&ask("m", true));
    two.b.request(1);
    gate.open();
    let answer = connection.finish();
    assert_eq!((trail(&answer), shown_text(&answer.last_response())), (("a", "2"), "From a"));
    two.b.closed(1);
    let metrics = two.app.get("/metrics").text();
    for line in [
        "upstream_requests_total{attempt=\"hedge\",provider=\"b\",status=\"2xx\"} 1",
        "upstream_requests_total{attempt=\"hedge\",provider=\"b\",status=\"none\"} 1",
        "upstream_requests_total{attempt=\"first\",provider=\"a\",status=\"none\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in {metrics}");
    }
}

#[test]
fn if_one_of_two_fails_the_other_is_waited_for() {
    let two = Two::start("", RULES);
    let gate = Gate::default();
    let held = gate.clone();
    two.a.push(move |request| fails(500)(request).after(Step::Wait(held.clone())));
    two.b.push(slow(&gate, &["From b"]));
    let connection = two.app.open(&ask("m", true));
    two.b.request(0);
    gate.open();
    let answer = connection.finish();
    assert_eq!(shown_text(&answer.last_response()), "From b");
    // And the other way round.
    let gate = Gate::default();
    two.a.push(slow(&gate, &["From a"]));
    two.b.push(fails(500));
    let connection = two.app.open(&ask("m", true));
    two.b.request(1);
    gate.open();
    assert_eq!(shown_text(&connection.finish().last_response()), "From a");
}

#[test]
fn if_both_fail_the_client_is_told() {
    let two = Two::start("", RULES);
    let gate = Gate::default();
    let held = gate.clone();
    two.a.push(move |request| fails(500)(request).after(Step::Wait(held.clone())));
    two.b.push(fails(503));
    let connection = two.app.open(&ask("m", false));
    two.b.request(0);
    gate.open();
    assert!(connection.finish().status >= 500);
    assert_eq!((two.a.count(), two.b.count()), (1, 1));
}

#[test]
fn the_budget_is_for_hedges_too_and_who_is_in_time_needs_none() {
    let two = Two::start("", "hedge_after_ms = 50\nretry_budget_percent = 0\nretry_budget_floor = 1");
    let gate = Gate::default();
    two.a.push(slow(&gate, &["From a"]));
    two.b.push(answers(text(&["From b"])));
    assert_eq!(trail(&two.app.post(&ask("m", true))), ("b", "2"));
    two.a.push(slow(&gate, &["From a"]));
    let connection = two.app.open(&ask("m", true));
    two.a.request(1);
    std::thread::sleep(std::time::Duration::from_millis(200));
    gate.open();
    assert_eq!((trail(&connection.finish()), two.b.count()), (("a", "1"), 1));
    let quick = Two::start("", "hedge_after_ms = 60000");
    quick.a.push(answers(text(&["From a"])));
    assert_eq!((trail(&quick.post()), quick.b.count()), (("a", "1"), 0));
}
