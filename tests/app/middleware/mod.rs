//! Middlewares of a program that embeds the server.

mod builtin;
mod failures;
mod halts;
mod hooks;
mod restart;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use open_responses::adapters::{ModelEvent, Note};
use open_responses::middleware::{
    End, EndFuture, Facts, Halt, HookFuture, Hooks, Middleware, MiddlewareSpec, SampledTurn, Stop,
    ToolOutcome, TurnRequest,
};
use open_responses::protocol::{ContentPart, Item, Output};
use open_responses::tools::{FunctionTool, ToolContext, ToolError, ToolOutput, ToolSpec};
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;

const PATIENCE: Duration = Duration::from_secs(20);

/// What a hook does.
#[derive(Clone)]
pub(super) enum Act {
    Go,
    Change,
    Halt(Halt),
    Fail,
    Panic,
    /// For ever, and its thread is free.
    Hang,
    /// For so long, and its thread is not.
    Block(Duration),
}

impl Act {
    fn carry_out(&self) -> Result<(), Stop> {
        match self {
            Self::Go | Self::Change | Self::Hang => Ok(()),
            Self::Halt(halt) => Err(halt.clone().into()),
            Self::Fail => Err(Stop::Failed("as told".into())),
            Self::Panic => panic!("as told"),
            Self::Block(time) => {
                std::thread::sleep(*time);
                Ok(())
            }
        }
    }

    fn future<'a>(self) -> HookFuture<'a> {
        Box::pin(async move {
            match self {
                Self::Hang => std::future::pending().await,
                other => other.carry_out(),
            }
        })
    }
}

pub(super) type Log = Arc<Mutex<Vec<String>>>;
type Script = Arc<dyn Fn(&str, u32) -> Act + Send + Sync>;

/// Writes down what it is called with, and does as it is told: by hook and turn.
#[derive(Clone)]
pub(super) struct Probe {
    pub(super) spec: MiddlewareSpec,
    log: Log,
    script: Script,
}

impl Probe {
    /// In place, which is the way of the built-in ones; see [`apart`](Self::apart).
    pub(super) fn new(
        name: &str,
        log: &Log,
        script: impl Fn(&str, u32) -> Act + Send + Sync + 'static,
    ) -> Self {
        let spec = MiddlewareSpec { in_place: true, ..MiddlewareSpec::new(name) };
        Self { spec, log: Arc::clone(log), script: Arc::new(script) }
    }

    pub(super) fn apart(mut self) -> Self {
        self.spec.in_place = false;
        self
    }

    pub(super) fn with(mut self, change: impl FnOnce(&mut MiddlewareSpec)) -> Self {
        change(&mut self.spec);
        self
    }
}

impl Middleware for Probe {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn begin(&self, facts: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        let run = Run { probe: self.clone(), turn: 0 };
        run.note(format!("begin {}{}", facts.model, if facts.resumed { " again" } else { "" }));
        if let Act::Panic = (self.script)("begin", 0) {
            panic!("as told")
        }
        Some(Box::new(run))
    }
}

struct Run {
    probe: Probe,
    turn: u32,
}

impl Run {
    fn note(&self, what: impl AsRef<str>) {
        self.probe.log.lock().unwrap().push(format!("{} {}", self.probe.spec.name, what.as_ref()));
    }

    fn act(&self, hook: &str) -> Act {
        (self.probe.script)(hook, self.turn)
    }
}

fn louder(text: &mut String) {
    *text = text.to_uppercase();
}

impl Hooks for Run {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        self.turn = turn.turn;
        self.note(format!("before {} ({} items)", turn.turn, turn.items().len()));
        let act = self.act("before");
        if let Act::Change = act {
            turn.settings_mut().instructions = Some("Be loud.".into());
            for item in turn.items_mut() {
                if let Item::Message(message) = item {
                    message.content = vec![ContentPart::text("CHANGED")];
                }
            }
            turn.headers.set("X-Probe", format!("turn {}", turn.turn));
            turn.notes.push(Note::emulated("input", "it was changed"));
        }
        act.future()
    }

    fn on_event(&mut self, mut event: ModelEvent, out: &mut Vec<ModelEvent>) -> Result<(), Stop> {
        let act = self.act("event");
        if let ModelEvent::TextDelta { text, .. } = &mut event {
            self.note(format!("event {text:?}"));
            match act {
                Act::Change => louder(text),
                other => other.carry_out()?,
            }
        }
        out.push(event);
        Ok(())
    }

    fn after_sample<'a>(&'a mut self, turn: &'a mut SampledTurn) -> HookFuture<'a> {
        let kinds: Vec<_> = turn.items.iter().map(Item::kind).collect();
        let tokens = turn.usage.map_or(0, |usage| usage.output_tokens);
        self.note(format!("after {} [{}] {tokens} tokens", turn.turn, kinds.join(", ")));
        let act = self.act("after");
        if let Act::Change = act {
            for item in &mut turn.items {
                if let Item::Message(message) = item
                    && let [ContentPart::OutputText { text, .. }] = &mut message.content[..]
                {
                    louder(text);
                }
            }
            turn.headers.set("x-probe-after", "1");
        }
        act.future()
    }

    fn on_tool_result<'a>(&'a mut self, outcome: &'a mut ToolOutcome) -> HookFuture<'a> {
        self.note(format!("tool {} {}", outcome.name, outcome.arguments));
        let act = self.act("tool");
        if let Act::Change = act {
            outcome.output = Output::Text("a secret".into());
        }
        act.future()
    }

    fn on_end<'a>(&'a mut self, end: &'a End) -> EndFuture<'a> {
        let code = end.error.as_ref().map(|error| format!(" {}", error.code())).unwrap_or_default();
        let tokens = end.usage.map_or(0, |usage| usage.output_tokens);
        self.note(format!("end {}{code}, {tokens} tokens", end.status.as_str()));
        if let Act::Panic = self.act("end") {
            panic!("as told")
        }
        Box::pin(std::future::ready(()))
    }
}

/// How a client gets its answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Delivery {
    Whole,
    Stream,
    Background,
    BackgroundStream,
}

pub(super) const DELIVERIES: [Delivery; 4] =
    [Delivery::Whole, Delivery::Stream, Delivery::Background, Delivery::BackgroundStream];

impl Delivery {
    pub(super) fn streams(self) -> bool {
        matches!(self, Self::Stream | Self::BackgroundStream)
    }

    pub(super) fn is_background(self) -> bool {
        matches!(self, Self::Background | Self::BackgroundStream)
    }
}

/// A server with these middlewares, a tool, and a provider that plays scripts.
pub(super) struct Bench {
    pub(super) fake: FakeProvider,
    pub(super) app: App,
}

#[derive(schemars::JsonSchema, serde::Deserialize)]
struct City {
    city: String,
}

async fn weather(city: City, _: ToolContext) -> Result<ToolOutput, ToolError> {
    Ok(json!({"city": city.city, "c": 7}).into())
}

pub(super) fn bench(kind: &str, probes: Vec<Probe>) -> Bench {
    let fake = FakeProvider::start();
    let config = fake.provider(kind);
    let customise = move |mut builder: open_responses::ServerBuilder| {
        for probe in probes {
            builder = builder.middleware(probe);
        }
        builder.tool(FunctionTool::new(ToolSpec::new("get_weather", "Weather of a city"), weather))
    };
    Bench { app: setup(config).with(customise).start(), fake }
}

pub(super) fn body(kind: &str, delivery: Delivery) -> Value {
    json!({"model": format!("{kind}/m"), "input": "How is it in Oslo?", "stream": delivery.streams(),
           "background": delivery.is_background(), "tools": [{"type": "function", "name": "get_weather"}]})
}

impl Bench {
    /// The first answer, and the response as it is in the end; null if there is none.
    #[track_caller]
    pub(super) fn ask(&self, kind: &str, delivery: Delivery) -> (Answer, Value) {
        let answer = self.app.post(&body(kind, delivery));
        let response = if answer.status != 200 {
            Value::Null
        } else if delivery.streams() {
            answer.last_response()
        } else if delivery.is_background() {
            self.end(&answer.response()["id"])
        } else {
            answer.response()
        };
        (answer, response)
    }

    #[track_caller]
    fn end(&self, id: &Value) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let response = self.app.stored(id).response();
            if response["status"] != "queued" && response["status"] != "in_progress" {
                return response;
            }
            assert!(Instant::now() < end, "it stays {response}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What was written down, once there are so many ends.
#[track_caller]
pub(super) fn lines(log: &Log, ends: usize) -> Vec<String> {
    let end = Instant::now() + PATIENCE;
    loop {
        let lines = log.lock().unwrap().clone();
        if lines.iter().filter(|line| line.contains(" end ")).count() >= ends {
            return lines;
        }
        assert!(Instant::now() < end, "{lines:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
