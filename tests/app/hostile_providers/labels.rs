//! Bodies whose label says something else than they are.

use pretty_assertions::assert_eq;

use super::{SAID, body, good, said};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, KINDS};

const LABELS: [&str; 5] =
    ["application/json", "text/plain", "application/octet-stream", "", "text/event-stream"];

#[test]
fn a_body_is_what_its_first_byte_says() {
    let fake = FakeProvider::start();
    let app = setup(KINDS.map(|kind| fake.provider(kind)).concat()).start();
    for kind in KINDS {
        for label in LABELS {
            for (asked, given) in [(true, true), (false, true), (true, false), (false, false)] {
                for blank in ["", "\n \r\n"] {
                    let what = format!("{kind} as '{label}', asked {asked}, given {given}, after {blank:?}");
                    fake.script(Script::body(200, label, format!("{blank}{}", good(kind, given))));
                    let answer = app.post(&body(kind, asked));
                    assert_eq!(said(&answer, asked, &what), SAID, "{what}");
                }
            }
        }
    }
}

#[test]
fn events_that_are_labelled_as_json_are_passed_on_as_they_come() {
    let fake = FakeProvider::start();
    let app = setup(KINDS.map(|kind| fake.provider(kind)).concat()).start();
    for kind in KINDS.into_iter().filter(|kind| *kind != "ollama") {
        let gate = Gate::default();
        let frames = wire::frames(kind, &super::TURN);
        let first = frames.iter().position(|frame| frame.contains("Hi ")).unwrap();
        let begun = frames[..=first].iter().cloned();
        let script = begun.fold(Script::head(200, "application/json"), Script::send);
        let script = script.then(Step::Wait(gate.clone()));
        fake.script(frames[first + 1..].iter().cloned().fold(script, Script::send));
        let mut connection = app.open(&body(kind, true));
        connection.until("response.output_text.delta");
        gate.open();
        assert_eq!(said(&connection.finish(), true, kind), SAID, "{kind}");
    }
}
