//! Hooks that end their response.

use open_responses::middleware::Halt;
use open_responses::protocol::ErrorKind;
use pretty_assertions::assert_eq;

use super::{Act, DELIVERIES, Delivery, Log, Probe, bench, lines};
use or_test_support::wire::{self, CALL, text};

const KIND: &str = "anthropic";

fn denied() -> Halt {
    let halt = Halt::new(ErrorKind::TooManyRequests, "too_many", "Not today.");
    halt.retry_after_s(7).header("x-ratelimit-remaining-requests", "0")
}

/// Two middlewares of which the first halts at this hook of this turn; what is asked is a tool, then a text.
#[track_caller]
fn check(hook: &'static str, turn: u32, halt: &Halt, delivery: Delivery, want: Want) {
    let log = Log::default();
    let (act, other) = (Act::Halt(halt.clone()), Probe::new("b", &log, |_, _| Act::Go).apart());
    let script = move |at: &str, now| if (at, now) == (hook, turn) { act.clone() } else { Act::Go };
    let bench = bench(KIND, vec![Probe::new("a", &log, script), other]);
    bench.fake.push(wire::answer(KIND, CALL));
    bench.fake.push(wire::answer(KIND, text(&["Seven"])));
    let (answer, response) = bench.ask(KIND, delivery);
    let place = format!("{hook} {turn} {delivery:?}");
    let lines = lines(&log, 2);
    match want {
        Want::Http(asked) => {
            let error = (429, "too_many_requests".to_owned(), Some("too_many".to_owned()), None);
            assert_eq!(answer.error(), error, "{place}");
            assert_eq!(answer.header("retry-after"), Some("7"), "{place}");
            assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("0"), "{place}");
            assert_eq!(bench.fake.count(), asked, "{place}");
        }
        Want::Failed(items) => {
            assert_eq!(response["status"], "failed", "{place}");
            assert_eq!(response["error"]["code"], "too_many", "{place}");
            assert_eq!(response["output"].as_array().unwrap().len(), items, "{place}: {response}");
        }
        Want::Incomplete(items) => {
            assert_eq!(response["status"], "incomplete", "{place}");
            assert_eq!(response["incomplete_details"]["reason"], "budget", "{place}");
            assert_eq!(response["output"].as_array().unwrap().len(), items, "{place}: {response}");
        }
    }
    // Those behind it are not asked, and all hear of the end.
    let (mine, theirs) = lines.iter().partition::<Vec<_>, _>(|line| line.starts_with("a "));
    let calls = |lines: &[&String]| lines.iter().filter(|line| !line.contains("event")).count();
    assert_eq!(calls(&mine), calls(&theirs) + usize::from(hook != "event"), "{place}: {lines:#?}");
    assert!(lines[lines.len() - 2..].iter().all(|line| line.contains(" end ")), "{lines:#?}");
}

enum Want {
    /// An HTTP error, after the model was asked so often.
    Http(usize),
    Failed(usize),
    Incomplete(usize),
}

#[test]
fn a_halt_before_the_model_was_asked_is_an_http_error() {
    for delivery in DELIVERIES {
        check("before", 1, &denied(), delivery, Want::Http(0));
        check("before", 1, &denied().incomplete("budget"), delivery, Want::Http(0));
    }
}

#[test]
fn a_later_halt_ends_the_response_as_it_says_with_what_was_made() {
    for delivery in DELIVERIES {
        let cut = denied().incomplete("budget");
        check("after", 1, &cut, delivery, Want::Incomplete(1));
        // The call, and that its result was withheld.
        check("tool", 1, &cut, delivery, Want::Incomplete(2));
        check("before", 2, &cut, delivery, Want::Incomplete(2));
        check("event", 2, &cut, delivery, Want::Incomplete(2));
        check("after", 2, &cut, delivery, Want::Incomplete(3));
    }
}

#[test]
fn a_later_halt_can_fail_the_response() {
    for delivery in [Delivery::Stream, Delivery::Background, Delivery::BackgroundStream] {
        check("after", 1, &denied(), delivery, Want::Failed(1));
        check("tool", 1, &denied(), delivery, Want::Failed(2));
        check("before", 2, &denied(), delivery, Want::Failed(2));
        check("event", 2, &denied(), delivery, Want::Failed(2));
        check("after", 2, &denied(), delivery, Want::Failed(3));
    }
    // Who waits for a whole answer gets the error.
    check("after", 1, &denied(), Delivery::Whole, Want::Http(1));
    check("before", 2, &denied(), Delivery::Whole, Want::Http(1));
}

#[test]
fn what_one_let_through_before_it_halted_is_shown() {
    let log = Log::default();
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let script = move |hook: &str, _| match hook {
        // Of a message: its beginning, and a first delta.
        "event" if seen.fetch_add(1, std::sync::atomic::Ordering::SeqCst) >= 3 => {
            Act::Halt(denied().incomplete("budget"))
        }
        _ => Act::Go,
    };
    let bench = bench(KIND, vec![Probe::new("a", &log, script)]);
    bench.fake.push(wire::answer(KIND, text(&["One ", "two ", "three"])));
    let (_, response) = bench.ask(KIND, Delivery::Stream);
    assert_eq!(response["status"], "incomplete");
    let text = response["output"][0]["content"][0]["text"].as_str().unwrap();
    assert!("One two three".starts_with(text) && !text.is_empty() && !text.contains("three"), "{text:?}");
}
