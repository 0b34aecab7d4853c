//! MCP in the life of a response: lists and approved calls before the first turn, functions in place of servers.

use or_protocol::{Item, McpItem};

use super::{ResponseLoop, State};
use crate::contract::Output;
use crate::mcp::OfferedServer;
use crate::tool_round::{CallState, RoundCall, ToolResult, ToolRound};

/// What the model is told of an approved call that was cut off: by a crash, or by a client that left.
const UNKNOWN: &str = "This call was approved and begun before, and was cut off. \
Whether it took effect is unknown; it was not run again.";

impl ResponseLoop {
    /// Shows the tools of the servers, runs what the client has approved, then samples. What an earlier process did
    /// of that is not done again.
    pub(super) fn first_turn(&mut self, now: i64, out: &mut Output) {
        let Self { spec, assembly, writer, .. } = self;
        for server in spec.mcp.servers.iter().filter(|server| !server.listed_before) {
            if !assembly.output.iter().any(|item| lists(item, server)) {
                assembly.mcp_list(server, writer);
            }
        }
        let mut round = ToolRound::default();
        for call in &spec.mcp.approved {
            let id = call.request.id.as_str();
            let is_here = |item: &Item| matches!(item, Item::Mcp(McpItem::Call(call)) if call.approval_request_id.as_deref() == Some(id));
            if assembly.output.iter().any(is_here) {
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

fn lists(item: &Item, server: &OfferedServer) -> bool {
    matches!(item, Item::Mcp(McpItem::ListTools(list)) if list.server_label.as_ref() == Some(&server.label))
}
