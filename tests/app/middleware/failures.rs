//! Middlewares that panic, fail, or take too long.

use std::time::{Duration, Instant};

use open_responses::middleware::OnFailure;
use pretty_assertions::assert_eq;

use super::{Act, Delivery, Log, Probe, bench, body, lines};
use or_test_support::wire::{self, CALL, text};

const KIND: &str = "anthropic";
const SOON: Duration = Duration::from_millis(200);

/// One that does this at this hook, then one that goes on.
#[track_caller]
fn check(hook: &'static str, act: &Act, apart: bool, on_failure: OnFailure, delivery: Delivery) {
    let log = Log::default();
    let turn = if hook == "event" { 2 } else { 1 };
    let told = act.clone();
    let script = move |at: &str, now| if (at, now) == (hook, turn) { told.clone() } else { Act::Go };
    let probe =
        Probe::new("a", &log, script).with(|spec| (spec.timeout, spec.on_failure) = (SOON, on_failure));
    let bench = bench(KIND, vec![if apart { probe.apart() } else { probe }]);
    bench.fake.push(wire::answer(KIND, CALL));
    bench.fake.push(wire::answer(KIND, text(&["Seven"])));
    let (answer, response) = bench.ask(KIND, delivery);
    let place = format!("{hook} {apart} {on_failure:?} {delivery:?}: {}", answer.text());
    let status = match on_failure {
        OnFailure::Pass => {
            assert_eq!(response["status"], "completed", "{place}");
            assert_eq!(response["output"][2]["content"][0]["text"], "Seven", "{place}");
            "completed"
        }
        OnFailure::Fail if answer.status != 200 => {
            assert_eq!(answer.error().2.as_deref(), Some("middleware_failed"), "{place}");
            // Who waits for a whole answer of what was begun gets an error as well.
            if hook == "before" { "refused" } else { "failed" }
        }
        OnFailure::Fail => {
            assert_eq!(response["error"]["code"], "middleware_failed", "{place}");
            "failed"
        }
    };
    let ends = lines(&log, 1);
    let last = ends.last().unwrap();
    assert!(
        last.starts_with(&format!("a end {status}")) || last.starts_with("a end refused"),
        "{place} {ends:#?}"
    );
    // Everybody else goes on.
    bench.fake.push(wire::answer(KIND, text(&["Seven"])));
    let metrics = bench.app.get("/metrics").text();
    assert!(metrics.contains("open_responses_middleware_stops_total{"), "{metrics}");
}

#[test]
fn a_fault_fails_its_response_or_is_passed_over() {
    for hook in ["before", "event", "after", "tool"] {
        for on_failure in [OnFailure::Fail, OnFailure::Pass] {
            for apart in [false, true] {
                check(hook, &Act::Panic, apart, on_failure, Delivery::Stream);
                check(hook, &Act::Fail, apart, on_failure, Delivery::Background);
            }
            check(hook, &Act::Panic, true, on_failure, Delivery::Whole);
        }
    }
}

#[test]
fn one_that_takes_too_long_fails_its_response_or_is_passed_over() {
    for on_failure in [OnFailure::Fail, OnFailure::Pass] {
        for hook in ["before", "after", "tool"] {
            for apart in [false, true] {
                check(hook, &Act::Hang, apart, on_failure, Delivery::Stream);
            }
            check(hook, &Act::Block(Duration::from_secs(1)), true, on_failure, Delivery::BackgroundStream);
        }
        check("event", &Act::Block(Duration::from_secs(1)), true, on_failure, Delivery::Stream);
    }
}

#[test]
fn one_that_cannot_begin_fails_its_response() {
    let log = Log::default();
    let probe = Probe::new("a", &log, |hook, _| if hook == "begin" { Act::Panic } else { Act::Go });
    let bench = bench(KIND, vec![probe]);
    assert_eq!(bench.app.post(&body(KIND, Delivery::Whole)).error().2.as_deref(), Some("middleware_failed"));
}

#[test]
fn a_panic_at_the_end_harms_nobody() {
    let log = Log::default();
    let script = |hook: &str, _| if hook == "end" { Act::Panic } else { Act::Go };
    let bench = bench(KIND, vec![Probe::new("a", &log, script), Probe::new("b", &log, script).apart()]);
    for _ in 0..2 {
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        assert_eq!(bench.ask(KIND, Delivery::Whole).1["status"], "completed");
    }
    lines(&log, 4);
}

#[test]
fn one_that_blocks_holds_nobody_else_up() {
    let log = Log::default();
    let script = |hook: &str, _| if hook == "before" { Act::Block(Duration::from_secs(3)) } else { Act::Go };
    let probe = Probe::new("a", &log, script).apart().with(|spec| {
        spec.models = Some(regex::Regex::new("slow").unwrap());
    });
    let bench = bench(KIND, vec![probe]);
    let mut slow = body(KIND, Delivery::Stream);
    slow["model"] = "anthropic/slow".into();
    let slow = [bench.app.open(&slow), bench.app.open(&slow)];
    std::thread::sleep(Duration::from_millis(100));
    let begun = Instant::now();
    for _ in 0..10 {
        bench.fake.push(wire::answer(KIND, text(&["Seven"])));
        assert_eq!(bench.ask(KIND, Delivery::Whole).1["status"], "completed");
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    drop(slow);
}

#[test]
fn a_client_that_leaves_ends_the_hook_that_it_waits_for() {
    let log = Log::default();
    let script = |hook: &str, _| if hook == "before" { Act::Hang } else { Act::Go };
    let bench = bench(KIND, vec![Probe::new("a", &log, script).apart(), Probe::new("b", &log, script)]);
    let open = bench.app.open(&body(KIND, Delivery::Stream));
    std::thread::sleep(Duration::from_millis(100));
    open.leave();
    assert!(lines(&log, 2).iter().any(|line| line.starts_with("a end cancelled")));
}
