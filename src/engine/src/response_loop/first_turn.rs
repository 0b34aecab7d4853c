//! MCP in the life of a response: lists and approved calls before the first turn, functions in place of servers.

use std::collections::HashSet;

use or_protocol::{Item, McpItem};

use super::{ResponseLoop, State};
use crate::contract::Output;
use crate::tool_round::{CallState, RoundCall, ToolResult, ToolRound};

/// What the model is told of an approved call that was cut off: by a crash, or by a client that left.
const UNKNOWN: &str = "This call was approved and begun before, and was cut off. \
Whether it took effect is unknown; it was not run again.";

impl ResponseLoop {
    /// Shows the tools of the servers, runs what the client has approved, then samples. What an earlier process did
    /// of that is not done again.
    pub(super) fn first_turn(&mut self, now: i64, out: &mut Output) {
        let Self { spec, assembly, writer, .. } = self;
        let done = Done::of(&assembly.output);
        for server in spec.mcp.servers.iter().filter(|server| !server.listed_before) {
            if !done.listed.contains(&server.label) {
                assembly.mcp_list(server, writer);
            }
        }
        let mut round = ToolRound::default();
        for call in &spec.mcp.approved {
            if done.approved.contains(&call.request.id) {
                continue;
            }
            let index = assembly.mcp_approved(call, writer);
            let state = match call.unknown {
                true => CallState::Done(ToolResult::failed(UNKNOWN)),
                false => CallState::Pending,
            };
            round.calls.push(RoundCall { index, state });
        }
        if round.calls.is_empty() {
            self.state = State::Sampling;
            return self.call_model(out);
        }
        self.run_round(round, now, out);
    }
}

/// What an earlier process did: labels of the servers whose tools it listed, and ids of the requests whose calls it made.
#[derive(Default)]
struct Done {
    listed: HashSet<String>,
    approved: HashSet<String>,
}

impl Done {
    fn of(output: &[Item]) -> Self {
        let mut done = Self::default();
        for item in output {
            match item {
                Item::Mcp(McpItem::ListTools(list)) => done.listed.extend(list.server_label.clone()),
                Item::Mcp(McpItem::Call(call)) => done.approved.extend(call.approval_request_id.clone()),
                _ => {}
            }
        }
        done
    }
}
