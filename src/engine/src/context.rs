//! The effective context of a request: the chain's turns, then the new input (rules 9.1, 3.5).

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use or_adapters::Note;
use or_protocol::{ApiError, ErrorKind, Item, ResponseStatus};
use serde_json::Value;

use crate::mcp::listed_tools;

/// One earlier response of the chain: what it was given and what it made.
#[derive(Clone, Debug)]
pub struct HistoryTurn {
    /// How it ended.
    pub status: ResponseStatus,
    /// Its own input.
    pub input: Vec<Item>,
    /// Its output, sealed state included.
    pub output: Vec<Item>,
    /// The MCP servers of its request, by label.
    pub servers: Vec<(String, ServerThen)>,
}

impl HistoryTurn {
    /// Bytes of its items as JSON.
    pub fn bytes(&self) -> u64 {
        self.input.iter().chain(&self.output).map(Item::bytes).sum()
    }
}

/// An MCP server of an earlier request, as its response shows it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ServerThen {
    /// Where it was; `None` for one of the configuration.
    pub url: Option<String>,
    /// What was allowed of it; null: all.
    pub allowed_tools: Value,
}

/// What the model will see, and what had to be left out of it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Items in order.
    pub items: Vec<Item>,
    /// Where the request's own input begins in them; it goes on to their end.
    pub input_from: usize,
    /// One note for each kind of omission.
    pub notes: Vec<Note>,
    /// The MCP server whose tools were listed, by the id of the list.
    pub listed_for: HashMap<String, ServerThen>,
}

/// Joins the chain, oldest first, and the new input.
///
/// Every output must have its call before it and every call its output behind it, or the request is a 400.
/// Calls of a turn that did not complete may lack their output: they are dropped with a note. An open call of the chain
/// that the input repeats before its output is one call, and stands where the input has it.
pub fn build_context(history: Vec<HistoryTurn>, input: Vec<Item>) -> Result<Context, ApiError> {
    let mut joined = Joined::default();
    let mut unfinished = Vec::new();
    let mut listed_for = HashMap::new();
    for turn in history {
        let lists = if turn.servers.is_empty() { HashMap::new() } else { listed_tools(&turn.output) };
        for (label, server) in turn.servers {
            if let Some(list) = lists.get(label.as_str()) {
                listed_for.insert(list.id.to_owned(), server);
            }
        }
        joined.input(turn.input);
        let start = joined.items.len();
        joined.output(turn.output);
        if turn.status != ResponseStatus::Completed {
            unfinished.push(start..joined.items.len());
        }
    }
    let input_from = joined.items.len();
    joined.input(input);
    let input_len = joined.items.len() - input_from;
    let mut items = joined.whole(&mut unfinished);
    if items.is_empty() {
        let text = "Missing required parameter: 'input'.";
        return Err(ApiError::invalid("missing_required_parameter", "input", text));
    }
    let unanswered = unanswered_calls(&items)?;
    // The ranges are in order, and each is behind the one before.
    let must_stay = |at: &&usize| {
        let next = unfinished.partition_point(|output: &Range<usize>| output.end <= **at);
        !unfinished.get(next).is_some_and(|output| output.contains(*at))
    };
    if let Some(id) = unanswered.iter().find(must_stay).and_then(|at| items.get(*at)).and_then(call_id) {
        return Err(unpaired(format!("No tool output found for function call {id}.")));
    }
    let mut notes = Vec::new();
    if !unanswered.is_empty() {
        items = leave_out(items, &unanswered, &unfinished);
        let why = "unanswered calls of an unfinished response were left out";
        notes.push(Note::emulated("previous_response_id", why));
    }
    // What was left out is of the history.
    Ok(Context { input_from: items.len().saturating_sub(input_len), items, notes, listed_for })
}

/// The items of a chain while they are joined.
#[derive(Default)]
struct Joined {
    /// `None`: moved further back.
    items: Vec<Option<Item>>,
    /// Places of the calls in outputs that nothing has answered so far.
    open: HashMap<String, usize>,
}

impl Joined {
    fn output(&mut self, output: Vec<Item>) {
        for item in output {
            if let Some(id) = call_id(&item) {
                self.open.insert(id.to_owned(), self.items.len());
            } else if let Some(id) = output_id(&item) {
                self.open.remove(&*id);
            }
            self.items.push(Some(item));
        }
    }

    /// Some clients name the response that they continue and send their own messages since the last answer of text all
    /// the same, with the calls (Strands Agents does). The thinking before a call goes with it.
    fn input(&mut self, input: Vec<Item>) {
        for item in input {
            if let Some(id) = output_id(&item) {
                self.open.remove(&*id);
            }
            let repeated = call_id(&item).and_then(|id| self.open.remove(id));
            match repeated
                .filter(|at| self.items.get(*at).is_some_and(|call| same_tool(call.as_ref(), &item)))
            {
                Some(at) => self.move_to_end(at),
                None => self.items.push(Some(item)),
            }
        }
    }

    fn move_to_end(&mut self, call: usize) {
        let is_thinking = |item: &&Option<Item>| matches!(item, Some(Item::Reasoning(_)));
        let before = self.items.get(..call).unwrap_or_default();
        let thinking = before.iter().rev().take_while(is_thinking).count();
        for at in call - thinking..=call {
            let moved = self.items.get_mut(at).and_then(Option::take);
            self.items.push(moved);
        }
    }

    /// All items, and the ranges in them.
    fn whole(self, ranges: &mut [Range<usize>]) -> Vec<Item> {
        let mut gone =
            self.items.iter().enumerate().filter(|(_, item)| item.is_none()).map(|(at, _)| at).peekable();
        let mut before = 0;
        // They are in order, and none is in another.
        for range in ranges {
            let mut less = |end: usize| {
                while gone.next_if(|at| *at < end).is_some() {
                    before += 1;
                }
                end - before
            };
            *range = less(range.start)..less(range.end);
        }
        self.items.into_iter().flatten().collect()
    }
}

fn same_tool(call: Option<&Item>, other: &Item) -> bool {
    match (call, other) {
        (Some(Item::FunctionCall(call)), Item::FunctionCall(other)) => call.name == other.name,
        (Some(Item::CustomToolCall(call)), Item::CustomToolCall(other)) => call.name == other.name,
        _ => false,
    }
}

pub(crate) fn call_id(item: &Item) -> Option<&str> {
    match item {
        Item::FunctionCall(call) => Some(&call.call_id),
        Item::CustomToolCall(call) => Some(&call.call_id),
        Item::Message(_)
        | Item::FunctionCallOutput(_)
        | Item::CustomToolCallOutput(_)
        | Item::Reasoning(_)
        | Item::Compaction(_)
        | Item::ItemReference(_)
        | Item::Mcp(_)
        | Item::Other(_) => None,
    }
}

pub(crate) fn output_id(item: &Item) -> Option<Cow<'_, str>> {
    match item {
        Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => {
            // One without an id answers no call.
            Some(Cow::Borrowed(output.call_id.as_str())).filter(|id| !id.is_empty())
        }
        // Output of a call that the upstream ran by itself.
        Item::Other(other) if other.kind() == "function_call_output" => other.call_id(),
        Item::Message(_)
        | Item::FunctionCall(_)
        | Item::CustomToolCall(_)
        | Item::Reasoning(_)
        | Item::Compaction(_)
        | Item::ItemReference(_)
        | Item::Mcp(_)
        | Item::Other(_) => None,
    }
}

/// Places of the calls that no output follows, in order. Hosts exist that use the same call id in every
/// turn, so an output answers the latest call of its id that is open.
fn unanswered_calls(items: &[Item]) -> Result<Vec<usize>, ApiError> {
    let mut open: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        if let Some(id) = call_id(item) {
            open.entry(id).or_default().push(at);
        }
        if let Some(id) = output_id(item)
            && open.get_mut(&*id).and_then(Vec::pop).is_none()
        {
            return Err(unpaired(format!("No tool call found for function call output with call_id {id}.")));
        }
    }
    let mut unanswered: Vec<usize> = open.into_values().flatten().collect();
    unanswered.sort_unstable();
    Ok(unanswered)
}

/// Removes these calls, and the thinking that led to nothing but them.
fn leave_out(items: Vec<Item>, calls: &[usize], outputs: &[Range<usize>]) -> Vec<Item> {
    let mut gone: HashSet<usize> = calls.iter().copied().collect();
    let has_call = |output: &&Range<usize>| {
        let first = calls.partition_point(|at| *at < output.start);
        calls.get(first).is_some_and(|at| output.contains(at))
    };
    for output in outputs.iter().filter(has_call) {
        for at in output.clone().rev() {
            if gone.contains(&at) {
                continue;
            }
            if !matches!(items.get(at), Some(Item::Reasoning(_))) {
                break;
            }
            gone.insert(at);
        }
    }
    items.into_iter().enumerate().filter(|(at, _)| !gone.contains(at)).map(|(_, item)| item).collect()
}

fn unpaired(message: String) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, message).with_param("input")
}
