//! What a program that embeds the server sees of the responses in progress.

use std::sync::Arc;
use std::time::{Duration, Instant};

use open_responses::tools::{Tool, ToolContext, ToolFuture, ToolSpec};
use open_responses::{Phase, RunningResponse};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::{SlowStore, Work};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL};

/// A tool that is never done.
struct Endless;

impl Tool for Endless {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("get_weather", "Weather of a city")
    }

    fn execute(&self, _: Value, _: ToolContext) -> ToolFuture<'_> {
        Box::pin(std::future::pending())
    }
}

/// Waits until the only response in progress is in this phase.
#[track_caller]
fn check(app: &App, phase: &Phase) -> RunningResponse {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let running = app.running();
        match &running[..] {
            [one] if one.phase == *phase => return one.clone(),
            _ => assert!(Instant::now() < end, "not {phase:?}: {running:?}"),
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_response_is_listed_with_what_it_does_until_it_is_over() {
    let app = setup("").start();
    assert!(app.running().is_empty());
    let body = json!({"model": "demo-hang", "input": "x", "stream": true});
    let mut stream = app.open(&body);
    let event = stream.until("response.created");
    let one = check(&app, &Phase::Sampling);
    assert_eq!(event["response"]["id"], one.id.as_str());
    let said = (one.owner.as_str(), one.model.as_str(), one.provider.as_str(), one.stream, one.background);
    assert_eq!(said, ("local", "demo-hang", "demo", true, false));
    assert_eq!((one.turn, one.tokens), (1, 0));
    stream.leave();
    let end = Instant::now() + Duration::from_secs(30);
    while !app.running().is_empty() {
        assert!(Instant::now() < end, "it is over and still listed");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_running_tool_is_named() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).with(|builder| builder.tool(Endless)).start();
    fake.push(wire::answer("openai-chat", CALL));
    let tools = json!([{"type": "function", "name": "get_weather"}]);
    let stream = app.open(&json!({"model": "openai-chat/m", "input": "x", "stream": true, "tools": tools}));
    check(&app, &Phase::RunningTools(vec!["get_weather".into()]));
    stream.leave();
}

#[test]
fn a_response_that_waits_for_the_disk_says_so() {
    let store = SlowStore::new(&Memory::default(), |work| match work {
        Work::Commit => Duration::from_secs(3),
        _ => Duration::ZERO,
    });
    let app = setup("").with(|builder| builder.store(Arc::new(store))).start();
    let unary = app.open(&json!({"model": "demo", "input": "x"}));
    check(&app, &Phase::Storing);
    assert_eq!(unary.finish().status, 200);
}
