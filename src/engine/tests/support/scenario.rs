//! Whatever a provider, a client and a disk might do to a loop, read from bytes.
//!
//! The property test and the fuzz target share it: every byte string is a scenario, most of them illegal.

use or_adapters::{CallKind, FinishReason, ModelEvent, Note};
use or_engine::{Action, Input, LoopSpec, Outcome, ReasoningEvents};
use or_protocol::{ApiError, ErrorKind, Phase, ResponseMember};
use serde_json::{Value, json};

use super::play::{Played, play_raw, spec};
use super::script::*;
use or_test_support::{Options, order};

/// Blocks that a scenario plays with; few, so that they meet again.
const BLOCKS: u8 = 5;
const TEXTS: [&str; 6] = ["a", "two words", "\u{e9}\u{1f600}\n", "\"\\", "", "data: [DONE]\n\n"];
const NAMES: [&str; 5] = ["f", "g", "shout", "ns__f", "unknown"];
const PIECES: [&str; 4] = ["{\"input\":", "\"x\"}", "{}", ""];

/// A request and what happens while it is answered.
pub struct Scenario {
    pub request: Value,
    pub options: Options,
    openai_names: bool,
    /// Whether commits are answered at once, and how.
    pub commit: Option<Result<(), ()>>,
    /// What ends the response if the bytes did not.
    last: u8,
    bytes: Vec<u8>,
}

/// What became of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    pub outcome: Outcome,
    pub items: usize,
}

struct Bytes<'a>(std::slice::Iter<'a, u8>);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, limit: u8) -> u8 {
        self.next() % limit
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[usize::from(self.next()) % list.len()]
    }

    fn flag(&mut self) -> bool {
        self.next() % 2 == 1
    }
}

impl Scenario {
    /// Reads a scenario; there is one for every byte string.
    pub fn read(bytes: &[u8]) -> Self {
        let mut from = Bytes(bytes.iter());
        let (tools, options) = tools(from.next());
        let choice = match from.below(8) {
            0 => json!("none"),
            1 => {
                json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]})
            }
            _ => json!("auto"),
        };
        let bits = from.next();
        let set = |bit: u8| bits & (1 << bit) != 0;
        let include = if set(0) { json!(["reasoning.encrypted_content"]) } else { json!([]) };
        let request = json!({
            "tools": tools, "tool_choice": choice, "include": include, "store": set(1),
            "parallel_tool_calls": set(2), "top_logprobs": if set(3) { json!(2) } else { Value::Null },
            "background": set(5),
        });
        let commit = match from.below(8) {
            0 => None,
            1 => Some(Err(())),
            _ => Some(Ok(())),
        };
        let last = from.next();
        Self { request, options, openai_names: set(4), commit, last, bytes: from.0.as_slice().to_vec() }
    }

    pub fn spec(&self, stream: bool) -> LoopSpec {
        let mut request = self.request.clone();
        request["stream"] = json!(stream);
        let reasoning_events =
            if self.openai_names { ReasoningEvents::OpenAi } else { ReasoningEvents::Spec };
        LoopSpec { reasoning_events, ..spec(request) }
    }

    pub fn inputs(&self) -> Vec<Input> {
        let mut from = Bytes(self.bytes.iter());
        // Nearly all begin as they should.
        let mut inputs = if self.last == 0 { Vec::new() } else { vec![Input::Start] };
        while !from.0.as_slice().is_empty() {
            inputs.push(input(&mut from));
        }
        inputs
    }

    fn play(&self, stream: bool) -> Played {
        let mut played = match self.commit {
            Some(result) => play_raw(self.spec(stream), self.inputs(), result),
            // Commits are answered by chance, or at the very end.
            None => {
                let mut played = play_raw(self.spec(stream), [], Ok(()));
                for input in self.inputs() {
                    if played.feed(input) == Some(Action::Begin) {
                        played.feed(Input::Begun);
                    }
                }
                played
            }
        };
        let endings = [
            if self.last % 8 == 1 { Input::Cancel } else { Input::Model(stop()) },
            Input::Committed(Ok(())),
            // Only where nothing ever began.
            Input::Cancel,
            Input::Committed(Ok(())),
        ];
        for input in endings {
            if played.feed(input) == Some(Action::Commit) {
                played.feed(Input::Committed(self.commit.unwrap_or(Ok(()))));
            }
        }
        played
    }

    /// Plays the scenario as a stream and as a unary answer, and checks both.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check(&self) -> Seen {
        let (streamed, unary) = (self.play(true), self.play(false));
        let ends: Vec<Outcome> = streamed
            .actions
            .iter()
            .filter_map(|action| match action {
                Action::End(outcome) => Some(*outcome),
                Action::Begin | Action::CallModel | Action::RunTools | Action::Commit => None,
            })
            .collect();
        let [outcome] = ends[..] else { panic!("{ends:?}") };
        assert!(matches!(streamed.actions.last(), Some(Action::End(_))));
        assert!(unary.sse.is_empty(), "a unary answer has no frames");
        assert_eq!(unary.response(), streamed.response());
        assert_eq!(unary.actions, streamed.actions);
        let events = match order::parse_sse(&streamed.sse) {
            Ok(events) => events,
            Err(error) => panic!("{error}"),
        };
        if let Err(findings) = order::check_events_with(&events, self.options) {
            panic!("{findings:#?}\n{}", String::from_utf8_lossy(&streamed.sse));
        }
        let response = streamed.response();
        assert_eq!(events.last().map(|(_, data)| &data["response"]), Some(&response));
        Seen { outcome, items: response["output"].as_array().map_or(0, Vec::len) }
    }
}

fn tools(bits: u8) -> (Value, Options) {
    let all = [
        json!({"type": "function", "name": "f"}),
        json!({"type": "function", "name": "g"}),
        json!({"type": "custom", "name": "shout"}),
        json!({"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "f"}]}),
        json!({"type": "web_search"}),
    ];
    // Half of the requests have functions only; `f` is always there, since `tool_choice` may name it.
    let mask = if bits & 0x80 == 0 { bits & 0b11 } else { bits } | 1;
    let chosen: Vec<Value> =
        all.into_iter().enumerate().filter(|(at, _)| mask & (1 << at) != 0).map(|(_, tool)| tool).collect();
    (json!(chosen), Options { allow_hosted: mask & 0b11100 != 0 })
}

fn input(from: &mut Bytes<'_>) -> Input {
    let op = from.next();
    match op {
        252 => broken(),
        253 => Input::Cancel,
        254 => Input::Committed(if from.flag() { Ok(()) } else { Err(()) }),
        255 => match from.below(4) {
            0 => Input::Failed(ApiError::new(ErrorKind::InvalidRequest, "no")),
            1 => Input::Retry,
            2 => Input::Begun,
            _ => Input::Start,
        },
        _ => Input::Model(event(op, from)),
    }
}

fn event(op: u8, from: &mut Bytes<'_>) -> ModelEvent {
    let block = u32::from(from.below(BLOCKS));
    match op {
        0..=49 => text(block, from.pick(&TEXTS)),
        50..=59 => likely(block, from.pick(&TEXTS)),
        60..=69 => refusal(block, from.pick(&TEXTS)),
        70..=84 => trace(block, from.pick(&TEXTS)),
        85..=96 => digest(block, from.pick(&TEXTS)),
        97..=102 => sealed(block, "or1.seal"),
        103..=126 => {
            let kind = if from.below(4) == 0 { CallKind::Custom } else { CallKind::Function };
            call_of(block, from.pick(&["c1", "c2", "c3"]), from.pick(&NAMES), kind)
        }
        127..=156 => args(block, from.pick(&PIECES)),
        157..=166 => citation(block, "https://example.org", 0, 1),
        167..=176 => hosted(block, hosted_item(from), from.flag()),
        177..=182 => {
            let kinds = [
                "response.web_search_call.searching",
                "response.completed",
                "response.output_item.done",
                "acme:search.step",
                "a\n\nb",
            ];
            hosted_event(block, json!({"type": from.pick(&kinds), "sequence_number": 3, "x": 1}))
        }
        183..=190 => part_done(block),
        191..=235 => ModelEvent::BlockDone { block, complete: from.flag() },
        236..=240 => message(block, from.flag().then_some(Phase::Commentary)),
        241 if from.flag() => ModelEvent::ResponseMember {
            member: ResponseMember::ToolUsage,
            value: json!({"web_search": {"num_requests": from.next()}}).into(),
        },
        241 => usage(u64::from(from.next()), 1),
        242 => ModelEvent::ServiceTier("flex".into()),
        243 => ModelEvent::Note(Note::dropped("output", "x")),
        244..=247 => stop(),
        248 => finish(FinishReason::MaxOutputTokens),
        249 => finish(FinishReason::ContentFilter),
        _ => finish(FinishReason::Pause),
    }
}

fn hosted_item(from: &mut Bytes<'_>) -> Value {
    match from.below(6) {
        0 => json!({"type": "function_call_output", "call_id": "c1", "output": "7", "status": "completed"}),
        1 => json!({"type": "mcp_list_tools", "id": "mcpl_1", "tools": []}),
        2 => json!({"type": "message", "role": "assistant", "content": []}),
        3 => json!({}),
        4 => json!({"type": "web_search_call", "id": "ws_1", "status": "searching"}),
        _ => json!({"type": "web_search_call", "id": "ws_1", "status": "completed"}),
    }
}
