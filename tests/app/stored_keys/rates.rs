//! The middleware `rate_limit`: what a client key and a group may ask for in a minute.

use open_responses::tools::{FunctionTool, ToolContext, ToolError, ToolOutput, ToolSpec};
use pretty_assertions::assert_eq;
use serde_json::json;

use super::{ask, create, send, with_admin};
use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, text};

const KIND: &str = "openai-chat";
const DEMO: &str = "[providers.demo]\nenabled = true\n";
const LIMIT: &str = "[[middleware]]\nkind = 'rate_limit'\n";

fn left<'a>(answer: &'a Answer, kind: &str) -> [Option<&'a str>; 2] {
    ["limit", "remaining"].map(|what| answer.header(&format!("x-ratelimit-{what}-{kind}")))
}

/// A refusal, and what it says.
#[track_caller]
fn check_refused(answer: &Answer, kind: &str) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let (_, error, code, _) = answer.error();
    assert_eq!((error.as_str(), code.as_deref()), ("too_many_requests", Some("rate_limit_exceeded")));
    assert!(answer.message().contains(&format!("{kind} per minute")), "{}", answer.message());
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
}

#[test]
fn requests_are_counted_by_client_and_a_keys_own_rate_wins() {
    let app = with_admin(&format!("{DEMO}{LIMIT}requests_per_minute = 2\n")).start();
    let ada = create(&app, json!({"name": "ada"}));
    let bob = create(&app, json!({"name": "bob", "rates": {"requests_per_minute": 3}}));
    let first = ask(&app, &ada, "demo");
    assert_eq!((first.status, left(&first, "requests")), (200, [Some("2"), Some("1")]));
    assert!(first.header("x-ratelimit-reset-requests").unwrap().ends_with('s'));
    assert_eq!(left(&first, "tokens"), [None, None]);
    assert_eq!(ask(&app, &ada, "demo").status, 200);
    let refused = ask(&app, &ada, "demo");
    check_refused(&refused, "requests");
    assert_eq!(left(&refused, "requests"), [Some("2"), Some("0")]);
    // The other one does not feel it, and has its own.
    let of_bob = ask(&app, &bob, "demo");
    assert_eq!((of_bob.status, left(&of_bob, "requests")), (200, [Some("3"), Some("2")]));
    let metrics = send(&app, &bob, "GET", "/metrics", None).text();
    assert!(metrics.contains("open_responses_rate_limited_total{client=\"ada\",kind=\"requests\"} 1\n"));
}

#[test]
fn a_group_has_its_bound_together() {
    let app = with_admin(&format!("{DEMO}{LIMIT}group_requests_per_minute = 2\n")).start();
    let keys = ["ada", "bob"].map(|name| create(&app, json!({"name": name, "group": "research"})));
    let alone = create(&app, json!({"name": "eve"}));
    let got = [&keys[0], &keys[1], &keys[0], &keys[1]].map(|key| ask(&app, key, "demo").status);
    assert_eq!(got, [200, 200, 429, 429]);
    assert_eq!([(); 3].map(|()| ask(&app, &alone, "demo").status), [200, 200, 200]);
}

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct City {
    city: String,
}

async fn weather(city: City, _: ToolContext) -> Result<ToolOutput, ToolError> {
    Ok(json!({"city": city.city, "c": 7}).into())
}

fn limited(fake: &FakeProvider, bounds: &str) -> App {
    let tool = FunctionTool::new(ToolSpec::new("get_weather", "Weather of a city"), weather);
    setup(format!("{}{LIMIT}{bounds}\n", fake.provider(KIND))).with(|builder| builder.tool(tool)).start()
}

#[test]
fn tokens_are_what_the_provider_counted() {
    let fake = FakeProvider::start();
    fake.always(wire::answer(KIND, text(&["Hi"])));
    let app = limited(&fake, "tokens_per_minute = 60");
    let used = wire::INPUT_TOKENS + wire::OUTPUT_TOKENS;
    let body = |stream: bool| json!({"model": format!("{KIND}/m"), "input": "Hi", "stream": stream});
    // The head of an answer has the estimate of its input.
    let first = app.post(&body(false));
    assert_eq!((first.status, first.header("x-ratelimit-limit-tokens")), (200, Some("60")));
    let second = app.post(&body(true));
    let input = body(true).to_string().len() as u64 / 4;
    let remaining: u64 = second.header("x-ratelimit-remaining-tokens").unwrap().parse().unwrap();
    assert!((60 - used - input..=60 - used - input + 3).contains(&remaining), "{remaining}");
    assert_eq!(app.post(&body(false)).status, 200);
    check_refused(&app.post(&body(false)), "tokens");
    check_refused(&app.post(&body(true)), "tokens");
    assert_eq!(fake.count(), 3);
}

#[test]
fn a_loop_of_tools_is_one_request_and_is_not_cut_off() {
    let fake = FakeProvider::start();
    fake.push(wire::answer(KIND, CALL));
    fake.push(wire::answer(KIND, CALL));
    fake.push(wire::answer(KIND, text(&["Warm"])));
    let app = limited(&fake, "requests_per_minute = 2\ntokens_per_minute = 60");
    let tools = json!([{"type": "function", "name": "get_weather", "parameters": {"type": "object"}}]);
    let body = json!({"model": format!("{KIND}/m"), "input": "Hi", "tools": tools});
    let answer = app.post(&body);
    assert_eq!((answer.status, answer.response()["status"].clone()), (200, json!("completed")));
    assert_eq!(left(&answer, "requests"), [Some("2"), Some("1")]);
    // It took more than there was.
    check_refused(&app.post(&body), "tokens");
}

#[test]
fn many_at_once_get_no_more_than_there_is() {
    let app = with_admin(&format!("{DEMO}{LIMIT}requests_per_minute = 20\n")).start();
    let key = create(&app, json!({"name": "ada"}));
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..50).map(|_| scope.spawn(|| ask(&app, &key, "demo").status)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let good = statuses.iter().filter(|status| **status == 200).count();
    // One every three seconds comes back.
    assert!(
        (20..=25).contains(&good) && statuses.iter().all(|status| matches!(status, 200 | 429)),
        "{statuses:?}"
    );
}
