//! Streams that break in the middle and go on elsewhere.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::{Two, answers, ask, fails, route, shown_text, trail};
use crate::stage::app::setup;
use or_test_support::client::Answer;
use or_test_support::provider::{FakeProvider, Request, Script, Step};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

const BEGIN: &str = "The first half of it,";
const WHOLE: &str = "The first half of it, and the second.";
const REST: Turn = text(&[" and the", " second."]);
const ANEW: Turn = text(&["The first half", " of it, and the", " second."]);

/// The frames of a turn up to the first that has these words, and then nothing.
fn breaks(turn: Turn, behind: &'static str) -> impl Fn(&Request) -> Script + Send + Sync + 'static {
    move |request| {
        let kind = wire::kind_of(request);
        let frames = wire::frames(kind, &turn);
        let last = frames.iter().position(|frame| frame.contains(behind)).unwrap();
        let script = Script::head(200, wire::stream_type(kind));
        frames.into_iter().take(last + 1).fold(script, Script::send).then(Step::Cut)
    }
}

fn pairs() -> Vec<(&'static str, &'static str)> {
    KINDS.iter().flat_map(|a| KINDS.map(|b| (*a, b))).collect()
}

/// The events of one text: its deltas are what the end says, all in one item.
#[track_caller]
fn check_one_text(answer: &Answer, what: &str) -> Value {
    let events = answer.events();
    let deltas = events.iter().filter(|(name, _)| name == "response.output_text.delta");
    let told: String = deltas.clone().map(|(_, event)| event["delta"].as_str().unwrap()).collect();
    let response = answer.last_response();
    assert_eq!((told.as_str(), shown_text(&response)), (WHOLE, WHOLE), "{what}");
    assert_eq!(response["output"].as_array().unwrap().len(), 1, "{what}: {response}");
    assert!(deltas.clone().all(|(_, event)| event["item_id"] == response["output"][0]["id"]), "{what}");
    response
}

/// All pairs of kinds, with what the second answers.
#[track_caller]
fn check(second: Turn) {
    let (a, b) = (FakeProvider::start(), FakeProvider::start());
    a.always(breaks(text(&[BEGIN, " and"]), BEGIN));
    b.always(answers(second));
    let mut config = String::from("resilience = { retries = 0, breaker_failures = 0, mid_stream = true }\n");
    for kind in KINDS {
        config.push_str(&a.named_provider(&format!("a-{kind}"), kind));
        config.push_str(&b.named_provider(&format!("b-{kind}"), kind));
    }
    for (first, then) in pairs() {
        let targets =
            [format!("{{ provider = 'a-{first}' }}"), format!("{{ provider = 'b-{then}', model = 'm' }}")];
        config.push_str(&route(&format!("^{first}--{then}$"), &targets.each_ref().map(String::as_str), ""));
    }
    let app = setup(config).start();
    for (first, then) in pairs() {
        let what = format!("{first}, then {then}");
        let response = check_one_text(&app.post(&ask(&format!("{first}--{then}"), true)), &what);
        assert!(response["usage"]["output_tokens"].as_u64().unwrap() >= wire::OUTPUT_TOKENS, "{what}");
        assert_eq!(app.stored(&response["id"]).response()["output"], response["output"], "{what}");
        let asked = b.request(b.count() - 1).body.to_string();
        assert!(asked.contains("The first half of it,"), "{what}: {asked}");
    }
}

#[test]
fn a_stream_that_breaks_goes_on_at_another_provider() {
    check(REST);
}

#[test]
fn what_the_other_provider_repeats_is_told_once() {
    check(ANEW);
}

fn two(rules: &str) -> Two {
    Two::start("", rules)
}

#[test]
fn it_is_asked_for_by_route() {
    let two = two("");
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    let answer = two.app.post(&ask("m", true));
    let response = answer.last_response();
    assert_eq!(
        (&response["status"], &response["error"]["code"]),
        (&json!("failed"), &json!("upstream_disconnected"))
    );
    assert_eq!(two.b.count(), 0);
}

#[test]
fn it_goes_on_as_often_as_there_are_targets() {
    let two = two("mid_stream = true");
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    two.b.push(breaks(text(&[" and the", " second."]), " and the"));
    let response = two.app.post(&ask("m", true)).last_response();
    assert_eq!(
        (&response["status"], shown_text(&response)),
        (&json!("failed"), "The first half of it, and the")
    );
    // A target that does not even begin.
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    two.b.push(fails(500));
    let response = two.app.post(&ask("m", true)).last_response();
    assert_eq!((&response["status"], shown_text(&response)), (&json!("failed"), BEGIN));
}

#[test]
fn a_background_response_goes_on_too() {
    let two = two("mid_stream = true");
    for stream in [false, true] {
        two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
        two.b.push(answers(REST));
        let body = json!({"model": "m", "input": "Hi", "background": true, "stream": stream});
        let answer = two.app.post(&body);
        let id = if stream { check_one_text(&answer, "streamed") } else { answer.response() }["id"].clone();
        let response = loop {
            let response = two.app.stored(&id).response();
            if response["status"] != "queued" && response["status"] != "in_progress" {
                break response;
            }
        };
        assert_eq!((&response["status"], shown_text(&response)), (&json!("completed"), WHOLE));
    }
}

#[test]
fn half_a_call_is_nobody_elses_to_finish() {
    let two = two("mid_stream = true");
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    two.a.push(breaks(CALL, "\"arguments\":\"{"));
    let response =
        two.app.post(&json!({"model": "m", "input": "Hi", "stream": true, "tools": tools})).last_response();
    assert_eq!((&response["status"], two.b.count()), (&json!("failed"), 0));
}

#[test]
fn half_a_structured_answer_is_nobody_elses_to_finish() {
    let two = two("mid_stream = true");
    let mut body = ask("m", true);
    body["text"] = json!({"format": {"type": "json_object"}});
    two.a.push(breaks(text(&["{\"a\":", "1}"]), "a\\\":"));
    let answer = two.app.post(&body);
    assert_eq!((&answer.last_response()["status"], two.b.count()), (&json!("failed"), 0));
}

#[test]
fn thoughts_are_closed_and_the_turn_begins_anew() {
    let two = Two::of(["openai-chat", "openai-chat"], "", "mid_stream = true");
    let thinks = |text| Turn { thinking: "Let me think.", ..text };
    two.a.push(breaks(thinks(text(&["x"])), "Let me think."));
    two.b.push(answers(text(&["Done."])));
    let response = two.app.post(&ask("m", true)).last_response();
    let kinds: Vec<_> =
        response["output"].as_array().unwrap().iter().map(|item| item["type"].clone()).collect();
    assert_eq!(
        (&response["status"], kinds),
        (&json!("completed"), vec![json!("reasoning"), json!("message")])
    );
    // Thoughts of who takes over in the middle of a text have no place in it.
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    two.b.push(answers(thinks(REST)));
    check_one_text(&two.app.post(&ask("m", true)), "with thoughts");
}

#[test]
fn a_turn_of_a_tool_loop_goes_on_and_the_next_one_sees_the_whole() {
    let two = two("mid_stream = true");
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    two.b.push(answers(Turn { text: &[" and the second."], ..CALL }));
    let body = json!({"model": "m", "input": "Hi", "stream": true, "tools": tools});
    let response = two.app.post(&body).last_response();
    assert_eq!((shown_text(&response), &response["output"][1]["type"]), (WHOLE, &json!("function_call")));
    two.a.push(answers(text(&["Done."])));
    let output =
        json!([{"type": "function_call_output", "call_id": response["output"][1]["call_id"], "output": "7"}]);
    let next = json!({"model": "m", "input": output, "previous_response_id": response["id"]});
    assert_eq!(trail(&two.app.post(&next)), ("a", "1"));
    let seen = two.a.request(1).body.to_string();
    assert!(seen.contains(WHOLE) && !seen.contains("cut off"), "{seen}");
}

#[test]
fn a_middleware_that_looks_at_events_may_hold_a_part_of_it() {
    let filter = "[[middleware]]\nkind = 'content_filter'\n[[middleware.rules]]\nname = 'x'\n\
                  pattern = 'sk-[a-z]{4}'\nreplacement = '-'\naction = 'redact'\n";
    let two = Two::start(filter, "mid_stream = true");
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    let response = two.app.post(&ask("m", true)).last_response();
    assert_eq!((&response["status"], two.b.count()), (&json!("failed"), 0));
}

#[test]
fn an_audit_log_has_both_halves_and_who_answered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let config = format!("[[middleware]]\nkind = 'audit_log'\npath = {path:?}\ncontent = 'on'\n");
    let two = Two::start(&config, "mid_stream = true");
    two.a.push(breaks(text(&[BEGIN, " and"]), BEGIN));
    two.b.push(answers(REST));
    check_one_text(&two.app.post(&ask("m", true)), "audited");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(40);
    let line = loop {
        let text = std::fs::read_to_string(&path).unwrap();
        if text.ends_with('\n') {
            break serde_json::from_str::<Value>(&text).unwrap();
        }
        assert!(std::time::Instant::now() < end, "nothing is written");
        std::thread::sleep(std::time::Duration::from_millis(5));
    };
    let output = line["output"].as_str().unwrap();
    assert!(output.contains(BEGIN) && output.contains(" and the second."), "{line}");
    assert_eq!(line["provider"], "b");
}
