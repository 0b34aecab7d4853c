//! Streams that never say anything, and never end.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;

use super::{body, failure};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire;

/// A stream that begins, if it does, and then says the same for longer than the server is patient, ends by a timeout, and
/// not before so many seconds.
#[track_caller]
fn check(begins: bool, again: &str, first_s: u64, want_s: u64) {
    let fake = FakeProvider::start();
    let timeouts = format!("first_byte_timeout_s = {first_s}\nidle_timeout_s = 1\n");
    let app = setup(format!("{}{timeouts}", fake.provider("openai-chat"))).start();
    let mut script = Script::head(200, "text/event-stream");
    if begins {
        let frames = wire::frames("openai-chat", &wire::text(&["Hel"]));
        script = frames.into_iter().take(2).fold(script, Script::send);
    }
    for _ in 0..250 {
        script = script.send(again).then(Step::Pause(Duration::from_millis(100)));
    }
    fake.script(script);
    let begin = Instant::now();
    let (_, code, _) = failure(&app.post(&body("openai-chat", true)), again);
    assert_eq!(code, "upstream_timeout");
    let took = begin.elapsed();
    assert!(took >= Duration::from_millis(want_s * 1000 - 100), "{again:?} took {took:?}");
}

#[test]
fn comments_do_not_keep_a_response_alive() {
    check(true, ": k\n\n", 60, 1);
}

#[test]
fn comments_before_the_first_event_are_heard_as_long_as_that_may_take() {
    check(false, ": PROCESSING\n\n", 3, 3);
}

#[test]
fn frames_of_which_nothing_comes_are_heard_as_long_as_a_first_event_may_take() {
    check(true, "data: {\"choices\":[]}\n\n", 3, 3);
}
