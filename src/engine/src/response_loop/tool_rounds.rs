//! Running the calls of a turn on the server, and what comes after.

use std::sync::Arc;

use or_adapters::Note;
use or_protocol::{Item, ItemStatus, McpCallStatus, McpItem, Output as ToolOutput};

use super::{ResponseLoop, State, Turn};
use crate::contract::{Action, Output};
use crate::items::{Ending, Slot};
use crate::mcp::set_result;
use crate::tool_round::{
    CallState, CalledServer, ToolCall, ToolResult, ToolRound, count_repeats, fingerprint,
};

/// What a client reads, and the model of a later response, where a run broke off with the response.
const BROKEN_OFF: &str = "The run of this tool was broken off. Whether it had an effect is not known.";

/// The same where the result came, and the response ends for it.
const WITHHELD: &str = "The tool was run. Its result was withheld, and the response ended with it.";

impl ResponseLoop {
    /// The calls that wait for their results, in the order of the output; to be read at
    /// [`Action::RunTools`](crate::Action::RunTools).
    pub fn tool_calls(&self) -> Vec<ToolCall> {
        let calls = self.progress.tools.iter().flat_map(|round| &round.calls);
        let waiting = calls.filter_map(|call| match call.state {
            CallState::Pending => Some((call.index, false)),
            CallState::Started => Some((call.index, true)),
            CallState::Done(_) | CallState::Told { .. } => None,
        });
        let call = |(index, interrupted)| {
            let iteration = self.progress.rounds;
            match self.assembly.output.get(index)? {
                Item::FunctionCall(call) => Some(ToolCall {
                    index,
                    call_id: call.call_id.clone(),
                    name: call.name.clone(),
                    arguments: call.arguments.clone(),
                    iteration,
                    interrupted,
                    mcp: None,
                }),
                Item::Mcp(McpItem::Call(call)) => Some(ToolCall {
                    index,
                    call_id: call.id.clone().unwrap_or_default(),
                    name: call.name.clone().unwrap_or_default(),
                    arguments: call.arguments.clone().unwrap_or_default(),
                    iteration,
                    interrupted,
                    mcp: Some(CalledServer {
                        label: call.server_label.clone().unwrap_or_default(),
                        approval: call.approval_request_id.clone(),
                    }),
                }),
                _ => None,
            }
        };
        waiting.filter_map(call).collect()
    }

    /// Runs the calls of the turn that are for this server; `false` if there are none.
    pub(super) fn begin_round(&mut self, now: i64, out: &mut Output) -> bool {
        let ours = &self.spec.server_tools;
        if (ours.is_empty() && self.spec.mcp.servers.is_empty()) || self.turn.calls == 0 {
            return false;
        }
        // Before the calls are looked for: closing an item is what puts a server's call among the waiting ones.
        self.assembly.close_all(Ending::Completed, &mut self.writer);
        // A name within a namespace is another name.
        let ours = |call: &or_protocol::FunctionCall| call.namespace.is_none() && ours.contains(&call.name);
        let (output, waiting) = (&self.assembly.output, &self.assembly.waiting);
        let Some(round) = ToolRound::of(output, self.turn.start, waiting, ours) else {
            return false;
        };
        self.progress.rounds += 1;
        self.run_round(round, now, out);
        true
    }

    /// Runs these calls as far as they may be run.
    pub(super) fn run_round(&mut self, mut round: ToolRound, now: i64, out: &mut Output) {
        // The turn is over before its calls run: a record that is taken meanwhile has all its items, and a restart
        // runs the calls in place of sampling again.
        self.settle();
        let left = self.tool_calls_left();
        for (at, call) in (0_u64..).zip(&mut round.calls) {
            if matches!(call.state, CallState::Done(_)) {
                continue;
            }
            if left.is_some_and(|left| at >= left) {
                call.state = CallState::Done(self.not_run());
            } else {
                self.progress.tool_calls += 1;
            }
        }
        self.progress.tools = Some(round);
        self.state = State::RunningTools;
        self.go_on_with_round(true, now, out);
    }

    fn not_run(&self) -> ToolResult {
        let max = self.max_tool_calls().unwrap_or_default();
        let text = format!(
            "The tool was not run: no more than {max} tool calls may be run for this response. Answer without it."
        );
        ToolResult::failed(text)
    }

    pub(super) fn tool_started(&mut self, index: usize) {
        if let Some(state @ CallState::Pending) = self.call_state(index) {
            *state = CallState::Started;
        }
    }

    pub(super) fn tool_done(&mut self, index: usize, result: ToolResult, now: i64, out: &mut Output) {
        if let Some(state @ (CallState::Pending | CallState::Started)) = self.call_state(index) {
            *state = CallState::Done(result);
            self.go_on_with_round(false, now, out);
        }
    }

    /// The result of this call is not to be told, and the response is about to end for it: its call has an output all the
    /// same.
    pub fn withhold(&mut self, index: usize) {
        if let Some(state @ (CallState::Pending | CallState::Started)) = self.call_state(index) {
            *state = CallState::Done(ToolResult::failed(WITHHELD.to_owned()));
        }
    }

    pub(super) fn call_state(&mut self, index: usize) -> Option<&mut CallState> {
        let calls = &mut self.progress.tools.as_mut()?.calls;
        let at = calls.binary_search_by_key(&index, |call| call.index).ok()?;
        calls.get_mut(at).map(|call| &mut call.state)
    }

    /// Tells the results that can be told: in the order of the calls, however they came, so that a stream and its
    /// replay agree. `run`: if others are missing, their calls are still to be run.
    pub(super) fn go_on_with_round(&mut self, run: bool, now: i64, out: &mut Output) {
        let Some(round) = &mut self.progress.tools else { return };
        while let Some(call) = round.untold().and_then(|at| round.calls.get_mut(at)) {
            let CallState::Done(result) = &call.state else {
                if run {
                    out.next = Some(Action::RunTools);
                }
                self.settle();
                return;
            };
            let told = CallState::Told { failed: result.failed };
            let CallState::Done(result) = std::mem::replace(&mut call.state, told) else { return };
            let index = call.index;
            if matches!(self.assembly.output.get(index), Some(Item::Mcp(_))) {
                self.assembly.mcp_result(index, &result, &mut self.writer);
                if let Some(Item::Mcp(McpItem::Call(call))) = self.assembly.output.get(index) {
                    set_result(Arc::make_mut(&mut self.context), &mut self.answers, call);
                }
            } else {
                self.assembly.tool_output(index, result.output, Ending::Completed, &mut self.writer);
            }
        }
        self.settle();
        self.end_round(now, out);
    }

    fn end_round(&mut self, now: i64, out: &mut Output) {
        let Some(round) = self.progress.tools.take() else { return };
        self.state = State::Sampling;
        if round.mixed {
            // The client's calls need its answer first (rules 8.2).
            return self.complete(now, out);
        }
        let made =
            round.calls.iter().filter_map(|call| match (&call.state, self.assembly.output.get(call.index)) {
                (CallState::Told { failed: false }, Some(item)) => fingerprint(item),
                _ => None,
            });
        self.progress.repeats = count_repeats(&self.progress.repeats, made);
        self.next_turn(out);
    }

    /// Takes the model's tools away, once they were run as often as may be.
    pub(super) fn bound_tools(&mut self) {
        if self.progress.rounds > 0
            && !self.progress.last_turn
            && let Some((field, why)) = self.tools_end()
        {
            self.progress.last_turn = true;
            let why = format!("{why}; the model was asked to answer without tools");
            self.notes.push(Note::emulated(field, why));
        }
    }

    /// Why the next turn has to do without tools.
    fn tools_end(&self) -> Option<(&'static str, &'static str)> {
        let limits = &self.spec.limits;
        if self.tool_calls_left() == Some(0) {
            Some(("max_tool_calls", "as many tool calls were run as may be"))
        } else if self.progress.rounds >= limits.max_turns {
            Some(("tools", "tools were run in as many turns as this server allows"))
        } else if self.progress.repeats.iter().any(|(_, times)| *times > limits.max_repeats) {
            Some(("tools", "the model made the same successful call again and again"))
        } else {
            None
        }
    }

    fn max_tool_calls(&self) -> Option<u64> {
        let server = self.spec.limits.max_tool_calls.map(u64::from);
        server.into_iter().chain(self.spec.settings.max_tool_calls).min()
    }

    fn tool_calls_left(&self) -> Option<u64> {
        self.max_tool_calls().map(|max| max.saturating_sub(u64::from(self.progress.tool_calls)))
    }

    /// What was made so far stays, whatever comes: the context of the next turn and the record have it.
    fn settle(&mut self) {
        // A log may have ended between the two events of an output.
        let whole = self.assembly.output.len() - self.assembly.open.len();
        self.remember(self.turn.start..whole);
        self.turn = Turn { start: whole, ..Turn::default() };
    }

    /// The response ends before its tools: what they did is told, and what they were doing.
    pub(super) fn abandon_round(&mut self) {
        let Some(round) = self.progress.tools.take() else { return };
        for call in round.calls {
            if self.assembly.waiting.binary_search(&call.index).is_ok() {
                if let CallState::Done(result) = &call.state {
                    self.assembly.mcp_result(call.index, result, &mut self.writer);
                }
                continue;
            }
            let (output, ending) = match call.state {
                CallState::Done(result) => (result.output, Ending::Completed),
                CallState::Pending | CallState::Started if !self.assembly.open.is_empty() => {
                    (ToolOutput::Text(BROKEN_OFF.into()), Ending::Incomplete)
                }
                CallState::Pending | CallState::Started | CallState::Told { .. } => continue,
            };
            self.assembly.tool_output(call.index, output, ending, &mut self.writer);
        }
        self.assembly.give_up_waiting(BROKEN_OFF, &mut self.writer);
    }

    /// After a restart: takes outputs that were logged behind the record as results. `finished`: items that
    /// the record has. `false` if what was logged does not fit the record.
    ///
    /// Calls and outputs are gone through side by side, each once: results are told in the order of the calls, so the
    /// next output is that of the next call, or the log is not of this round. `open` is looked at last, when it is
    /// known which of its items wait for a result and which one was growing.
    pub(super) fn adopt(&mut self, finished: usize) -> bool {
        let Self { assembly, progress, .. } = self;
        let mut behind = assembly.output.iter().skip(finished);
        let Some(round) = &mut progress.tools else {
            return assembly.open.is_empty() && assembly.output.len() == finished;
        };
        if assembly.output.len() < finished {
            return false;
        }
        let mut growing = 0;
        let mut waiting = Vec::new();
        // Results are told in the order of the calls: behind the first one that is missing there are none, unless
        // the response was about to end.
        let mut in_order = true;
        for call in &mut round.calls {
            let told = matches!(call.state, CallState::Told { .. });
            let Some(item) = assembly.output.get(call.index) else { return false };
            if matches!(item, Item::Mcp(McpItem::Call(_))) {
                match assembly.logged_mcp_call(call.index) {
                    Some(McpCallStatus::InProgress) if !told => {
                        waiting.push(call.index);
                        in_order = false;
                    }
                    Some(McpCallStatus::Completed) if in_order => {
                        call.state = CallState::Told { failed: false };
                    }
                    Some(McpCallStatus::Failed) if in_order => call.state = CallState::Told { failed: true },
                    Some(_) | None => return false,
                }
                continue;
            }
            let Item::FunctionCall(made) = item else { return false };
            if told || !in_order {
                continue;
            }
            match behind.next() {
                Some(Item::FunctionCallOutput(output)) if output.call_id == made.call_id => {
                    match output.status {
                        Some(ItemStatus::Completed) => {
                            let failed = matches!(&call.state, CallState::Done(result) if result.failed);
                            call.state = CallState::Told { failed };
                        }
                        Some(ItemStatus::InProgress) => {
                            growing = 1;
                            in_order = false;
                        }
                        Some(ItemStatus::Incomplete) | None => return false,
                    }
                }
                Some(_) => return false,
                None => in_order = false,
            }
        }
        if behind.next().is_some() {
            return false;
        }
        // They are in the order of the output.
        let waits =
            |slot: &Slot| matches!(slot, Slot::Item(open) if waiting.binary_search(&open.index).is_ok());
        assembly.open.retain(|_, slot| !waits(slot));
        assembly.waiting = waiting;
        assembly.open.len() == growing
    }
}
