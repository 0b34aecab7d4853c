//! What happens to a response, as a program that embeds the server hears of it.

use std::fmt::{self, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, text};
use pretty_assertions::assert_eq;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{Interest, set_global_default};
use tracing::{Event, Metadata, Subscriber};

use crate::stage::app::setup;

/// The target that docs/observability.md names.
const TARGET: &str = "open_responses::lifecycle";

/// What was heard, one line each: the name and its fields.
static HEARD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Listener;

impl Subscriber for Listener {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if metadata.target() == TARGET { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("{} {}", event.metadata().level(), event.metadata().name()));
        event.record(&mut line);
        HEARD.lock().unwrap_or_else(PoisonError::into_inner).push(line.0);
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // They differ from run to run.
        if field.name() != "duration_ms" {
            let name = field.name().trim_start_matches("r#");
            write!(self.0, " {name}={}", format!("{value:?}").trim_matches('"')).unwrap();
        }
    }
}

/// What was heard of a response; waits for its end.
fn heard(id: &str) -> Vec<String> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let all = HEARD.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_id = format!(" response_id={id}");
        let own: Vec<_> = all.iter().filter_map(|line| line.split_once(&of_id)).collect();
        if own.iter().any(|(name, _)| *name == "DEBUG request.stop") {
            return own.into_iter().map(|(name, rest)| format!("{name}{rest}")).collect();
        }
        assert!(Instant::now() < end, "{all:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn an_embedder_hears_of_every_step() {
    set_global_default(Listener).unwrap();
    let (fake, endpoint) = (FakeProvider::start(), FakeProvider::start());
    endpoint.always(|_| Script::body(200, "text/plain", "7"));
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://{}/'\n",
        endpoint.address
    );
    let app = setup(fake.provider("openai-chat") + &tool).start();
    for turn in [CALL, text(&["Seven"])] {
        fake.push(wire::answer("openai-chat", turn));
    }
    let tools = json!([{"type": "function", "name": "get_weather"}]);
    let answer = app.post(&json!({"model": "openai-chat/m", "input": "Hi", "stream": true, "tools": tools}));
    let response = answer.last_response();
    let heard = heard(response["id"].as_str().unwrap());

    let (events, steps): (Vec<String>, Vec<String>) =
        heard.into_iter().partition(|line| line.starts_with("TRACE stream_event "));
    let told: Vec<_> =
        answer.events().iter().map(|(name, _)| format!("TRACE stream_event type={name}")).collect();
    assert_eq!(events, told);

    let (chunks, steps): (Vec<String>, Vec<String>) =
        steps.into_iter().partition(|line| line.starts_with("TRACE adapter_stream.chunk "));
    for (iteration, kind) in [(1, "tool_call_start"), (1, "finished"), (2, "text_delta"), (2, "finished")] {
        let want =
            format!("TRACE adapter_stream.chunk model=openai-chat/m iteration={iteration} type={kind}");
        assert!(chunks.contains(&want), "{want} in {chunks:?}");
    }
    let model = "model=openai-chat/m";
    let turn = |n: u32, action: &str| {
        [
            format!("DEBUG loop_iteration.start {model} provider=openai-chat iteration={n}"),
            format!("DEBUG adapter_stream.start {model} iteration={n} provider=openai-chat"),
            format!("DEBUG adapter_stream.stop {model} iteration={n} provider=openai-chat result=ok"),
            format!("DEBUG loop_iteration.stop {model} iteration={n} action={action}"),
        ]
    };
    let call = "call_id=call_1 tool=get_weather kind=http";
    let mut want = vec![format!(
        "DEBUG request.start {model} provider=openai-chat stream=true background=false client=local"
    )];
    want.extend(turn(1, "run_tools"));
    want.push(format!("DEBUG tool_dispatch.start {call}"));
    want.push(format!("DEBUG tool_dispatch.stop {call} result=ok"));
    want.extend(turn(2, "end"));
    want.push(format!("DEBUG request.stop {model} status=completed"));
    assert_eq!(steps, want);
}
