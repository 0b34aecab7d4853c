//! Plays a script of inputs through a loop and reads back what a client would see.

use or_adapters::ModelEvent;
use or_engine::{Action, Input, LoopSpec, Output, ReasoningEvents, ResponseLoop};
use or_protocol::{CreateResponseBody, ResponseId};
use serde_json::{Value, json};

use or_test_support::{Options, order, schema};

/// The time of every creation, and of every input.
pub const CREATED: i64 = 1_770_000_000;
pub const NOW: i64 = 1_770_000_002;

/// A spec from a request body, whose defaults are a stream that is not stored.
pub fn spec(mut request: Value) -> LoopSpec {
    for (key, value) in [("stream", json!(true)), ("store", json!(false)), ("input", json!("Hi"))] {
        if request.get(key).is_none() {
            request[key] = value;
        }
    }
    let body = CreateResponseBody::from_value(request).unwrap();
    LoopSpec {
        id: ResponseId::parse("resp_0198c0de0000700080000000000000aa").unwrap(),
        created_at: CREATED,
        model: body.model.unwrap_or_else(|| "demo-model".into()),
        previous_response_id: body.previous_response_id,
        store: body.store,
        background: body.background,
        stream: body.stream,
        settings: body.settings,
        context: body.input,
        reasoning_events: ReasoningEvents::Spec,
        server_tools: Default::default(),
        mcp: Default::default(),
        seal: Default::default(),
        prompt_cache_diagnostics: None,
        limits: Default::default(),
    }
}

/// What came of a script.
pub struct Played {
    /// Frames as the client got them.
    pub sse: Vec<u8>,
    pub actions: Vec<Action>,
    pub engine: ResponseLoop,
}

/// Plays `Start` and the inputs; every commit is good.
pub fn play(spec: LoopSpec, inputs: impl IntoIterator<Item = Input>) -> Played {
    play_raw(spec, std::iter::once(Input::Start).chain(inputs), Ok(()))
}

/// Plays `Start` and the model's events.
pub fn say(spec: LoopSpec, events: impl IntoIterator<Item = ModelEvent>) -> Played {
    play(spec, events.into_iter().map(Input::Model))
}

/// Plays the inputs as they are; every beginning is written, every commit ends in `commit`.
pub fn play_raw(spec: LoopSpec, inputs: impl IntoIterator<Item = Input>, commit: Result<(), ()>) -> Played {
    let mut played = Played { sse: Vec::new(), actions: Vec::new(), engine: ResponseLoop::new(spec) };
    for input in inputs {
        match played.feed(input) {
            Some(Action::Begin) => played.feed(Input::Begun),
            Some(Action::Commit) => played.feed(Input::Committed(commit)),
            Some(Action::CallModel | Action::RunTools | Action::End(_)) | None => continue,
        };
    }
    played
}

impl Played {
    /// Feeds one more input; what it asked for.
    pub fn feed(&mut self, input: Input) -> Option<Action> {
        let mut out = Output::default();
        self.engine.handle(input, NOW, &mut out);
        self.sse.extend_from_slice(&out.frames);
        self.actions.extend(out.next);
        out.next
    }

    /// The response object as a client sees it at this moment.
    pub fn current(&self) -> Value {
        serde_json::from_slice(&self.engine.current_json()).unwrap()
    }

    /// The response object as it would be written at this moment.
    pub fn written(&self) -> Value {
        serde_json::from_str(self.engine.record().response_json.get()).unwrap()
    }

    /// The final response object.
    pub fn response(&self) -> Value {
        serde_json::from_slice(self.engine.response_json()).unwrap_or(Value::Null)
    }

    /// The events of a whole stream; its order and the form of each event are checked.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        self.events_with(Options::STRICT)
    }

    /// The same for a request with tools outside the official unions.
    #[track_caller]
    pub fn hosted_events(&self) -> Vec<Value> {
        self.events_with(Options::HOSTED)
    }

    #[track_caller]
    fn events_with(&self, options: Options) -> Vec<Value> {
        let events = match order::parse_sse(&self.sse) {
            Ok(events) => events,
            Err(error) => panic!("{error}"),
        };
        if let Err(findings) = order::check_events_with(&events, options) {
            panic!("{findings:#?}\n{}", String::from_utf8_lossy(&self.sse));
        }
        if let Some(schemas) = schema::schemas() {
            for (_, event) in &events {
                let found = schemas.check_event(event, options);
                assert_eq!(found, Ok(()), "{event}");
            }
        }
        assert_eq!(events.last().map(|(_, data)| &data["response"]), Some(&self.response()));
        events.into_iter().map(|(_, data)| data).collect()
    }

    /// The types of the events between `in_progress` and the end, `response.` cut off.
    #[track_caller]
    pub fn types(&self) -> Vec<String> {
        let events = self.events_with(Options::HOSTED);
        let middle = events.get(2..events.len() - 1).unwrap_or_default();
        let short =
            |event: &Value| event["type"].as_str().map(|t| t.trim_start_matches("response.").to_owned());
        middle.iter().filter_map(short).collect()
    }
}
