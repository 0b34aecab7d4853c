//! Rounds of calls that the server runs itself: what they are, and what is written down of them.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use or_protocol::{FunctionCall, Item, McpItem, Output};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::context::{call_id, output_id};

/// Items of hosted tools that the client has to answer, though they are no function calls.
const FOR_THE_CLIENT: &[&str] = &["computer_call", "local_shell_call", "shell_call", "apply_patch_call"];

/// The server's bounds on one response. Whatever bound of the tools is reached, the model gets one last turn
/// without tools to answer in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LoopLimits {
    /// Turns whose calls this server runs, 1 or more.
    pub max_turns: u32,
    /// Calls that this server runs; `None`: any number. The request's own bound counts too, and the smaller
    /// one wins.
    pub max_tool_calls: Option<u32>,
    /// In how many turns in a row the same call may succeed.
    pub max_repeats: u32,
    /// Tokens of all turns together, input and output: no further turn begins once that many were used.
    pub max_total_tokens: Option<u64>,
    /// Bytes of the output, as JSON. Above it the response is incomplete; so it is where a background stream's log
    /// is several times as long.
    pub max_output_bytes: u64,
}

impl Default for LoopLimits {
    fn default() -> Self {
        Self {
            max_turns: 32,
            max_tool_calls: None,
            max_repeats: 3,
            max_total_tokens: None,
            max_output_bytes: u64::MAX,
        }
    }
}

/// A call that this server has to run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ToolCall {
    /// Output index of its item.
    pub index: usize,
    /// What pairs it with its output.
    pub call_id: String,
    /// Of the tool, as the model sees it.
    pub name: String,
    /// As the model wrote them: they need not be JSON.
    pub arguments: String,
    /// Number of the round, from 1.
    pub iteration: u32,
    /// It was started before, and nobody knows how it ended: it may have had its effect.
    pub interrupted: bool,
    /// Of a call of an MCP server: `name` is the server's own, `call_id` the id of the item.
    pub mcp: Option<CalledServer>,
}

/// Whose tool a call is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CalledServer {
    /// The server's label.
    pub label: String,
    /// Id of the request that the client has approved, if the call needed that.
    pub approval: Option<String>,
}

/// What came of a call.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct ToolResult {
    /// What the model is told.
    pub output: Output,
    /// Whether it did not do what was asked. The loop goes on all the same.
    #[serde(default)]
    pub failed: bool,
    /// Who failed, where that was an MCP server and not its tool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<McpFault>,
}

impl ToolResult {
    /// What the tool gave.
    pub fn done(output: Output) -> Self {
        Self { output, failed: false, fault: None }
    }

    /// Why there is nothing.
    pub fn failed(why: impl Into<String>) -> Self {
        Self { output: Output::Text(why.into()), failed: true, fault: None }
    }
}

/// Why an MCP server did not run a tool, with its code.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum McpFault {
    /// The code of its JSON-RPC error.
    Protocol(i32),
    /// Its HTTP status.
    Http(u16),
}

/// The calls of one turn that this server runs, and how far each of them is.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ToolRound {
    /// In the order of the output.
    pub(crate) calls: Vec<RoundCall>,
    /// The turn also has calls for the client, which gets control when ours are done.
    #[serde(default)]
    pub(crate) mixed: bool,
}

/// One call of a round.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct RoundCall {
    /// Output index.
    pub(crate) index: usize,
    pub(crate) state: CallState,
}

/// How far a call is.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallState {
    Pending,
    Started,
    /// An earlier call of the round is not done yet.
    Done(ToolResult),
    /// Its output is an item.
    Told {
        failed: bool,
    },
}

impl ToolRound {
    /// The calls of a turn whose items begin at `start`; `None` if none is for this server.
    ///
    /// `waiting`: calls of MCP servers that are to be run.
    pub(crate) fn of(
        output: &[Item],
        start: usize,
        waiting: &[usize],
        ours: impl Fn(&FunctionCall) -> bool,
    ) -> Option<Self> {
        let turn = output.get(start..).unwrap_or_default();
        // A provider may answer calls of its own.
        let outputs: HashSet<Cow<'_, str>> = turn.iter().filter_map(output_id).collect();
        let answers = answers(turn);
        let open = |id: &str| !outputs.contains(id);
        let mut round = Self::default();
        for (index, item) in turn.iter().enumerate() {
            match item {
                Item::FunctionCall(call) if ours(call) => {
                    if open(&call.call_id) {
                        round.calls.push(RoundCall { index: start + index, state: CallState::Pending });
                    }
                }
                Item::Mcp(McpItem::Call(_)) if waiting.binary_search(&(start + index)).is_ok() => {
                    round.calls.push(RoundCall { index: start + index, state: CallState::Pending });
                }
                Item::Mcp(McpItem::ApprovalRequest(_)) => round.mixed = true,
                Item::Other(other) => {
                    round.mixed |= FOR_THE_CLIENT.contains(&other.kind())
                        && !other.call_id().is_some_and(|id| answers.contains(&id));
                }
                _ => round.mixed |= call_id(item).is_some_and(open),
            }
        }
        (!round.calls.is_empty()).then_some(round)
    }

    /// Place in the round of the first call whose output is no item yet.
    pub(crate) fn untold(&self) -> Option<usize> {
        // They are told in their order.
        let told = self.calls.partition_point(|call| matches!(call.state, CallState::Told { .. }));
        (told < self.calls.len()).then_some(told)
    }
}

/// What the provider ran itself: results, of whatever type, in the same turn.
fn answers(turn: &[Item]) -> HashSet<Cow<'_, str>> {
    turn.iter()
        .filter_map(|item| match item {
            Item::Other(other) if other.kind().ends_with("_output") => other.call_id(),
            _ => None,
        })
        .collect()
}

/// How often calls succeeded in a row of turns, by [`fingerprint`].
pub(crate) type Repeats = Vec<(u64, u32)>;

/// The same for calls that ask for the same: arguments count as JSON, where they are. `None` for other items.
pub(crate) fn fingerprint(item: &Item) -> Option<u64> {
    let (label, name, arguments) = match item {
        Item::FunctionCall(call) => ("", call.name.as_str(), call.arguments.as_str()),
        Item::Mcp(McpItem::Call(call)) => (
            call.server_label.as_deref().unwrap_or_default(),
            call.name.as_deref().unwrap_or_default(),
            call.arguments.as_deref().unwrap_or_default(),
        ),
        _ => return None,
    };
    // Another version of the standard library may hash otherwise; then a restart forgets some repetitions.
    let mut hasher = DefaultHasher::new();
    (label, name).hash(&mut hasher);
    match serde_json::from_str::<Value>(arguments) {
        Ok(arguments) => arguments.hash(&mut hasher),
        Err(_) => arguments.hash(&mut hasher),
    }
    Some(hasher.finish())
}

/// Counts one more round, whose successful calls are `made`; what was not called again is forgotten.
pub(crate) fn count_repeats(before: &Repeats, made: impl Iterator<Item = u64>) -> Repeats {
    let before: HashMap<u64, u32> = before.iter().copied().collect();
    let mut counted = Repeats::new();
    let mut known = HashSet::new();
    for call in made.filter(|call| known.insert(*call)) {
        let times = before.get(&call).copied().unwrap_or_default();
        counted.push((call, times.saturating_add(1)));
    }
    counted
}
