//! Each kind of provider fails in each way, and each kind takes its place.

use std::net::TcpListener;

use pretty_assertions::assert_eq;

use super::{answers, ask, fails, route, shown_text, trail};
use crate::stage::app::setup;
use or_test_support::provider::{FakeProvider, Request, Script, Step};
use or_test_support::wire::{self, KINDS, text};

/// Asks for all pairs of kinds at the same time. `failing`: the place of the first of each pair, and keys of its table.
#[track_caller]
fn check(failing: &str, more: &str) {
    let healthy = FakeProvider::start();
    healthy.always(answers(text(&["From", " the other"])));
    let mut config = String::from("resilience = { retries = 0, breaker_failures = 0, key_cooldown_s = 0 }\n");
    for kind in KINDS {
        config.push_str(&format!("[providers.a-{kind}]\nkind = '{kind}'\nbase_url = '{failing}'\n{more}\n"));
        config.push_str(&healthy.named_provider(&format!("b-{kind}"), kind));
    }
    let pairs: Vec<_> = KINDS.iter().flat_map(|a| KINDS.map(|b| (*a, b))).collect();
    for (a, b) in &pairs {
        let targets = [format!("{{ provider = 'a-{a}' }}"), format!("{{ provider = 'b-{b}', model = 'm' }}")];
        config.push_str(&route(&format!("^{a}--{b}$"), &targets.each_ref().map(String::as_str), ""));
    }
    let app = setup(config).start();
    let asked = pairs.iter().flat_map(|pair| [(pair, false), (pair, true)]);
    let asked: Vec<_> =
        asked.map(|((a, b), stream)| (a, b, stream, app.open(&ask(&format!("{a}--{b}"), stream)))).collect();
    for (a, b, stream, connection) in asked {
        let answer = connection.finish();
        let what = format!("{a}, then {b}, {stream}: {}", answer.text());
        assert_eq!(trail(&answer), (format!("b-{b}").as_str(), "2"), "{what}");
        let response = if stream { answer.last_response() } else { answer.response() };
        assert_eq!(shown_text(&response), "From the other", "{what}");
        assert_eq!(app.stored(&response["id"]).response()["output"], response["output"]);
    }
}

#[track_caller]
fn check_script(more: &str, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) {
    let failing = FakeProvider::start();
    failing.always(answer);
    check(&format!("http://{}/v1", failing.address), more);
}

#[test]
fn another_takes_the_place_of_one_that_is_not_there() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    check(&format!("http://{nobody}/v1"), "");
}

#[test]
fn another_takes_the_place_of_one_that_hangs_up() {
    check_script("", |_| Script::default().then(Step::Cut));
}

#[test]
fn another_takes_the_place_of_one_that_is_slow() {
    check_script("first_byte_timeout_s = 1", |_| Script::silent());
}

#[test]
fn another_takes_the_place_of_one_that_limits() {
    check_script("", fails(429));
}

#[test]
fn another_takes_the_place_of_one_that_fails() {
    check_script("", fails(500));
}

#[test]
fn another_takes_the_place_of_one_that_refuses_the_key() {
    check_script("", fails(401));
}

#[test]
fn another_takes_the_place_of_one_whose_stream_breaks_before_it_begins() {
    check_script("", |request| Script::head(200, wire::stream_type(wire::kind_of(request))).then(Step::Cut));
}
