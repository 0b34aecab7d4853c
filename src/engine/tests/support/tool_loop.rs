//! Loops over the server's own tools, read from bytes: played, stopped and gone on with.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use or_adapters::{FinishReason, ModelEvent};
use or_engine::{Action, Input, LoopLimits, LoopSpec, Mcp, Outcome, ResumeError, ToolCall};
use serde_json::{Value, json};

use super::mcp::server as server_with;
use super::play::{Played, play_raw};
use super::restart::{Checkpoint, frames};
use super::script::*;
use super::server_tools::{done_with, failed_with, spec_with};
use or_test_support::{Options, order};

const NAMES: [&str; 6] = ["f", "g", "f", "g", "f", "client"];
/// With tools of an MCP server; calls of `ask` need approval.
const MCP_NAMES: [&str; 6] = ["f", "read", "read", "client", "read", "ask"];
const ARGUMENTS: [&str; 4] = ["{}", "{\"a\":1}", "{", ""];

/// What the models and the tools of a loop do.
pub struct ToolLoop {
    request: Value,
    /// Whether it has an MCP server.
    mcp: bool,
    limits: LoopLimits,
    turns: Vec<Vec<ModelEvent>>,
    /// Mixes the order in which tools are done.
    order: usize,
    /// Whether every third call fails.
    failing: bool,
    /// Before which input the response is ended.
    end: Option<usize>,
}

/// What came of a loop.
pub struct Seen {
    pub outcome: Outcome,
    pub runs: usize,
}

/// What of a response an interrupted process left behind.
struct Saved {
    disk: Checkpoint,
    /// Calls whose results it knows.
    done: BTreeSet<usize>,
    started: BTreeSet<usize>,
    in_round: bool,
}

/// A loop on its way.
struct Driver<'a> {
    script: &'a ToolLoop,
    played: Played,
    turn: usize,
    /// How often each call was run to its end.
    done: BTreeMap<usize, u32>,
    started: BTreeSet<usize>,
    saved: Vec<Saved>,
}

impl ToolLoop {
    /// Reads a loop; there is one for every byte string.
    pub fn read(bytes: &[u8]) -> Self {
        let mut bytes = bytes.iter().copied();
        let mut next = || bytes.next().unwrap_or_default();
        let bits = next();
        let set = |bit: u8| bits & (1 << bit) != 0;
        let failing = set(0);
        let limits = LoopLimits {
            max_turns: u32::from(next() % 5) + 1,
            max_tool_calls: Some(u32::from(next() % 12)).filter(|_| set(1)),
            // A log does not say of a result whether it was a failure.
            max_repeats: if failing { u32::MAX } else { u32::from(next() % 3) },
            max_total_tokens: Some(u64::from(next())).filter(|_| set(2)),
            max_output_bytes: u64::MAX,
        };
        let request = json!({
            "max_tool_calls": if set(3) { json!(next() % 8 + 1) } else { Value::Null },
            "parallel_tool_calls": !set(4),
            "max_output_tokens": if set(5) { json!(200) } else { Value::Null },
            "tool_choice": if set(6) { json!("required") } else { json!("auto") },
        });
        let end = Some(usize::from(next() % 60)).filter(|_| set(7));
        let order = usize::from(next());
        let mcp = next() % 2 == 0;
        let names = if mcp { MCP_NAMES } else { NAMES };
        let turns = (0..next() % 6 + 1).map(|_| turn(&mut next, names)).collect();
        Self { request, mcp, limits, turns, order, failing, end }
    }

    fn spec(&self, stream: bool) -> LoopSpec {
        let mut request = self.request.clone();
        (request["stream"], request["background"]) = (json!(stream), json!(true));
        let spec = if self.mcp {
            let function = |name: &str| json!({"type": "function", "name": name});
            let server = json!({"type": "mcp", "server_label": "s"});
            request["tools"] = json!([function("f"), function("client"), server]);
            let mcp = Mcp { servers: vec![server_with(&["ask"])], ..Mcp::default() };
            LoopSpec { mcp, ..spec_with(request) }
        } else {
            spec_with(request)
        };
        LoopSpec { limits: self.limits, store: true, ..spec }
    }

    fn start(&self, stream: bool) -> Driver<'_> {
        let played = play_raw(self.spec(stream), [], Ok(()));
        let mut driver = Driver::new(self, played, 0);
        driver.run(Input::Start, self.end);
        driver
    }

    /// Plays it as a stream and without, and checks both.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check(&self) -> Seen {
        let (streamed, unary) = (self.start(true), self.start(false));
        let outcome = streamed.check();
        assert_eq!(streamed.played.response(), unary.played.response());
        assert_eq!(streamed.played.actions, unary.played.actions);
        Seen { outcome, runs: streamed.done.len() }
    }

    /// Stops after every frame, with every record that could be there, and goes on; how often within a round.
    ///
    /// # Panics
    /// When a rule is broken.
    pub fn check_restarts(&self, stream: bool) -> u32 {
        let whole = self.start(stream);
        let list = frames(&whole.played.sse);
        let mut in_round = 0;
        for (at, saved) in whole.saved.iter().enumerate() {
            let next = whole.saved.get(at + 1).map_or(list.len(), |next| next.disk.frames);
            for cut in saved.disk.frames..=next {
                let log = list[..cut].concat();
                match saved.disk.resume(self.spec(stream), &log) {
                    Ok(played) => {
                        let adopted = adopted(&log, &whole.played);
                        let mut rest = Driver::new(self, played, saved.disk.input);
                        // A result goes to disk whole; a log that ends within one is closed all the same.
                        let torn = list.get(cut.wrapping_sub(1)).is_some_and(|last| tells_end_of_mcp(last));
                        in_round += u32::from(rest.resume(saved, &adopted, &whole, torn));
                    }
                    Err(ResumeError::Ended(_)) => assert!(cut + 1 >= list.len()),
                    Err(error) => panic!("{error}\n{}", String::from_utf8_lossy(&log)),
                }
            }
            self.check_misfit(saved, &list, at);
        }
        in_round
    }

    /// Any record with any log: whatever comes of it is legal.
    fn check_misfit(&self, saved: &Saved, list: &[&[u8]], at: usize) {
        let log = list[..(self.order + at * 7) % (list.len() + 1)].concat();
        if let Ok(played) = saved.disk.resume(self.spec(!list.is_empty()), &log) {
            let mut rest = Driver::new(self, played, saved.disk.input);
            rest.run(Input::Resume, None);
            rest.check_stream();
        }
    }
}

fn tells_end_of_mcp(frame: &[u8]) -> bool {
    [&b"event: response.mcp_call.completed"[..], b"event: response.mcp_call.failed"]
        .iter()
        .any(|start| frame.starts_with(start))
}

/// Calls whose outputs the log has, by output index.
fn adopted(log: &[u8], whole: &Played) -> BTreeSet<usize> {
    let log = std::str::from_utf8(log).unwrap();
    let data = log.lines().filter_map(|line| line.strip_prefix("data: ")).filter(|data| *data != "[DONE]");
    let events: Vec<Value> = data.map(|data| serde_json::from_str(data).unwrap()).collect();
    let told = events.iter().filter(|event| event["type"] == "response.output_item.done");
    let ids: Vec<&str> = told
        .filter_map(|event| match event["item"]["type"].as_str()? {
            "function_call_output" => event["item"]["call_id"].as_str(),
            "mcp_call" => event["item"]["id"].as_str(),
            _ => None,
        })
        .collect();
    let response = whole.response();
    let output = response["output"].as_array().unwrap();
    let is_told = |item: &Value| match item["type"].as_str() {
        Some("function_call") => ids.iter().any(|id| item["call_id"] == *id),
        Some("mcp_call") => ids.iter().any(|id| item["id"] == *id),
        _ => false,
    };
    output.iter().enumerate().filter(|(_, item)| is_told(item)).map(|(index, _)| index).collect()
}

/// One turn; its call ids are made unique when it is played.
fn turn(next: &mut impl FnMut() -> u8, names: [&str; 6]) -> Vec<ModelEvent> {
    let mut events = Vec::new();
    for block in 0..u32::from(next() % 4 + 1) {
        match next() % 8 {
            0 => events.push(text(block, "a")),
            1 => events.extend([trace(block, "t"), sealed(block, "or1.s")]),
            kind => {
                events.push(call(block, "", names[usize::from(kind) % names.len()]));
                events.push(args(block, ARGUMENTS[usize::from(next()) % ARGUMENTS.len()]));
            }
        }
        events.push(done(block));
    }
    events.push(usage(3, u64::from(next() % 40)));
    events.push(finish(match next() {
        240..=249 => FinishReason::MaxOutputTokens,
        220..=239 => FinishReason::Pause,
        _ => FinishReason::Stop,
    }));
    events
}

impl<'a> Driver<'a> {
    fn new(script: &'a ToolLoop, played: Played, turn: usize) -> Self {
        let (done, started, saved) = Default::default();
        Self { script, played, turn, done, started, saved }
    }

    fn run(&mut self, first: Input, end: Option<usize>) {
        let mut queue = VecDeque::from([first]);
        let mut step = 0;
        while let Some(mut input) = queue.pop_front() {
            if end == Some(step) && !matches!(input, Input::Start | Input::Committed(_)) {
                input = if step % 2 == 0 { Input::Cancel } else { broken() };
            }
            step += 1;
            let of_tool = self.note(&input);
            match self.played.feed(input) {
                Some(Action::Begin) => {
                    self.save(false);
                    queue.push_front(Input::Begun);
                }
                Some(Action::CallModel) => {
                    self.save(false);
                    queue = self.next_turn().into_iter().map(Input::Model).collect();
                }
                Some(Action::RunTools) => {
                    self.save(true);
                    queue = self.tools();
                }
                Some(Action::Commit) => queue = VecDeque::from([Input::Committed(Ok(()))]),
                Some(Action::End(_)) => return,
                None if of_tool => self.save(true),
                None => {}
            }
        }
        panic!("no end: {:?}", self.played.actions);
    }

    fn note(&mut self, input: &Input) -> bool {
        match input {
            Input::ToolStarted { index } => self.started.insert(*index),
            Input::ToolDone { index, .. } => {
                *self.done.entry(*index).or_default() += 1;
                true
            }
            _ => false,
        }
    }

    fn save(&mut self, in_round: bool) {
        let disk = Checkpoint::take(&self.played, self.turn);
        let (done, started) = (self.done.keys().copied().collect(), self.started.clone());
        self.saved.push(Saved { disk, done, started, in_round });
    }

    fn next_turn(&mut self) -> Vec<ModelEvent> {
        let number = self.turn;
        self.turn += 1;
        let Some(turn) = self.script.turns.get(number) else { return vec![text(0, "end"), stop()] };
        let own = |event: &ModelEvent| match event.clone() {
            ModelEvent::ToolCallStart { block, name, .. } => {
                call(block, &format!("c{number}_{block}"), &name)
            }
            event => event,
        };
        turn.iter().map(own).collect()
    }

    /// They end in an order of the script's; they begin together, or each when the one before ended.
    fn tools(&self) -> VecDeque<Input> {
        let mut left = self.played.engine.tool_calls();
        let started = |call: &ToolCall| Input::ToolStarted { index: call.index };
        let together = !self.script.order.is_multiple_of(3);
        let mut queue: VecDeque<Input> = left.iter().filter(|_| together).map(started).collect();
        while !left.is_empty() {
            let call = left.swap_remove(self.script.order % left.len());
            queue.extend((!together).then(|| started(&call)));
            let output = format!("{} {}", call.call_id, call.arguments);
            let failed = self.script.failing && call.index.is_multiple_of(3);
            queue.push_back(if failed {
                failed_with(call.index, &output)
            } else {
                done_with(call.index, &output)
            });
            // Once more, in vain.
            queue.push_back(done_with(call.index, "again"));
        }
        queue
    }

    /// Goes on; whether it was within a round.
    fn resume(&mut self, saved: &Saved, adopted: &BTreeSet<usize>, whole: &Driver<'_>, torn: bool) -> bool {
        let offered = self.played.engine.tool_calls();
        for call in &offered {
            assert!(!saved.done.contains(&call.index) && !adopted.contains(&call.index), "{call:?}");
            assert_eq!(call.interrupted, saved.started.contains(&call.index), "{call:?}");
        }
        self.run(Input::Resume, None);
        self.check_stream();
        for index in self.done.keys() {
            assert!(!saved.done.contains(index) && !adopted.contains(index), "{index} ran again");
        }
        let interrupted = self.played.response()["error"]["code"] == "interrupted";
        if saved.in_round && self.script.end.is_none() {
            assert!(!interrupted || torn);
        }
        if !interrupted && self.script.end.is_none() {
            self.check();
            assert_eq!(self.played.response(), whole.played.response());
            assert_eq!(String::from_utf8_lossy(&self.played.sse), String::from_utf8_lossy(&whole.played.sse));
        }
        saved.in_round
    }

    fn check_stream(&self) {
        let response = self.played.response();
        let ends = self.played.actions.iter().filter(|action| matches!(action, Action::End(_))).count();
        assert_eq!(ends, 1);
        if self.played.sse.is_empty() {
            return;
        }
        let events = order::parse_sse(&self.played.sse).unwrap_or_else(|error| panic!("{error}"));
        if let Err(findings) =
            order::check_events_with(&events, if self.script.mcp { Options::HOSTED } else { Options::STRICT })
        {
            panic!("{findings:#?}\n{}", String::from_utf8_lossy(&self.played.sse));
        }
        assert_eq!(events.last().map(|(_, data)| &data["response"]), Some(&response));
    }

    /// Checks the whole answer.
    fn check(&self) -> Outcome {
        self.check_stream();
        let Some(Action::End(outcome)) = self.played.actions.last() else { panic!("no end") };
        let response = self.played.response();
        let output = response["output"].as_array().unwrap();
        let answered = |id: &Value| {
            output
                .iter()
                .filter(|item| item["type"] == "function_call_output" && item["call_id"] == *id)
                .count()
        };
        // A turn that was cut off runs nothing; it is the last one.
        let cut = output.iter().rposition(|item| item["type"] == "function_call_output").unwrap_or_default();
        for (index, item) in output.iter().enumerate().filter(|(_, item)| item["type"] == "function_call") {
            let want = usize::from(item["name"] != "client");
            let got = answered(&item["call_id"]);
            match outcome {
                Outcome::Completed => assert_eq!(got, want, "{item}"),
                Outcome::Incomplete if index < cut => assert_eq!(got, want, "{item}"),
                Outcome::Incomplete | Outcome::Failed | Outcome::Cancelled => assert!(got <= want, "{item}"),
            }
        }
        let ended = |item: &Value| match item["type"].as_str() {
            Some("mcp_call") => matches!(item["status"].as_str(), Some("completed" | "failed")),
            Some("mcp_list_tools" | "mcp_approval_request") => true,
            _ => item["status"] == "completed",
        };
        assert!(output.iter().all(ended) || *outcome != Outcome::Completed);
        let growing = output.iter().filter(|item| item["status"] == "in_progress");
        assert_eq!(growing.count(), 0);
        let calls = self.played.actions.iter().filter(|action| **action == Action::CallModel).count();
        assert!(calls <= 5 + 1 + 10, "{calls} turns");
        *outcome
    }
}
