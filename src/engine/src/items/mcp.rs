//! The items of MCP in a response that is made: how they begin, grow and end.

use or_adapters::Note;
use or_protocol::{ContentPart, EventBody, Item, OtherItem, Output};
use serde_json::{Map, Value, json};

use crate::events::EventWriter;
use crate::items::{Assembly, Ending, Slot};
use crate::mcp::{ApprovalRequest, ApprovedCall, Callee, McpServer, approval_id};
use crate::tool_round::{McpFault, ToolResult};

/// A call that needs approval. It is shown whole, because its id is signed over all of it.
#[derive(Debug)]
pub(crate) struct HeldCall {
    callee: Callee,
    identity: String,
    pub(crate) arguments: String,
}

/// How far a server's call is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum McpState {
    Running,
    Done { failed: bool },
}

/// Member of an item, if it is a text.
pub(crate) fn text<'a>(item: &'a OtherItem, key: &str) -> Option<&'a str> {
    item.0.get(key).and_then(Value::as_str)
}

/// The item as a call of a server.
pub(crate) fn call_of(item: &Item) -> Option<&OtherItem> {
    match item {
        Item::Other(other) if other.kind() == "mcp_call" => Some(other),
        _ => None,
    }
}

/// The server's label, the tool and the arguments of a call.
pub(crate) fn calls_server(call: &OtherItem) -> [&str; 3] {
    ["server_label", "name", "arguments"].map(|key| text(call, key).unwrap_or_default())
}

/// Whether the item is a call that waits for its result.
pub(crate) fn is_running(item: &Item) -> bool {
    call_of(item).is_some_and(|call| state_of(call) == Some(McpState::Running))
}

pub(crate) fn state_of(call: &OtherItem) -> Option<McpState> {
    match text(call, "status")? {
        "in_progress" => Some(McpState::Running),
        "completed" => Some(McpState::Done { failed: false }),
        "failed" => Some(McpState::Done { failed: true }),
        _ => None,
    }
}

fn other(value: Value) -> Item {
    match value {
        Value::Object(map) => Item::Other(OtherItem(map)),
        _ => Item::Other(OtherItem(Map::new())),
    }
}

fn new_call(label: &str, name: &str, approval: Option<&str>) -> Item {
    other(json!({
        "type": "mcp_call",
        "id": null,
        "status": "in_progress",
        "approval_request_id": approval,
        "arguments": "",
        "error": null,
        "name": name,
        "output": null,
        "server_label": label,
    }))
}

/// What the client sees of a result. Parts go as JSON, in the form that tools of the server use as well.
pub(super) fn shown(output: &Output) -> String {
    match output {
        Output::Text(text) => text.clone(),
        Output::Parts(parts) => json!({ "content_parts": parts }).to_string(),
    }
}

/// An error in the form of OpenAI's API. The content of a tool's is MCP's, but for parts that are no text.
fn shown_error(result: &ToolResult) -> Value {
    let (kind, code) = match result.fault {
        Some(McpFault::Protocol(code)) => ("mcp_protocol_error", i64::from(code)),
        Some(McpFault::Http(status)) => ("http_error", i64::from(status)),
        None => return json!({"type": "mcp_tool_execution_error", "content": content(&result.output)}),
    };
    json!({"type": kind, "code": code, "message": shown(&result.output)})
}

fn content(output: &Output) -> Vec<Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    match output {
        Output::Text(whole) => vec![text(whole)],
        Output::Parts(parts) => {
            let shown = |part: &ContentPart| match part {
                ContentPart::InputText { text: words } => text(words),
                other => json!(other),
            };
            parts.iter().map(shown).collect()
        }
    }
}

impl Assembly {
    fn mcp_event(&self, index: usize, name: &str, more: Option<(&str, &str)>, w: &mut EventWriter) {
        let id = self.output.get(index).and_then(Item::id).unwrap_or_default();
        let mut event = Map::new();
        event.insert("item_id".into(), id.into());
        event.insert("output_index".into(), index.into());
        if let Some((key, value)) = more {
            event.insert(key.into(), value.into());
        }
        w.emit(name, EventBody::Hosted(&event));
    }

    /// Shows which tools a server has.
    pub(crate) fn mcp_list(&mut self, server: &McpServer, w: &mut EventWriter) {
        let item = json!({"type": "mcp_list_tools", "id": null, "server_label": server.label, "tools": []});
        let index = self.open_item(0, other(item), None, w);
        self.open.clear();
        self.mcp_event(index, "response.mcp_list_tools.in_progress", None, w);
        self.mcp_event(index, "response.mcp_list_tools.completed", None, w);
        if let Some(Item::Other(item)) = self.output.get_mut(index) {
            item.0.insert("tools".into(), server.tools.iter().map(|tool| tool.listing()).collect());
        }
        self.announce(index, Ending::Completed, w);
    }

    /// Begins a call of the model; one that needs approval is held back until it is whole.
    pub(crate) fn mcp_call(&mut self, block: u32, callee: Callee, w: &mut EventWriter) {
        match callee.approval.clone() {
            Some(identity) => {
                let held = HeldCall { callee, identity, arguments: String::new() };
                self.open.push((block, Slot::Held(Box::new(held))));
            }
            None => self.open_mcp_call(block, &callee.label, &callee.name, None, w),
        }
    }

    fn open_mcp_call(
        &mut self,
        block: u32,
        label: &str,
        name: &str,
        approval: Option<&str>,
        w: &mut EventWriter,
    ) {
        let index = self.open_item(block, new_call(label, name, approval), None, w);
        self.mcp_event(index, "response.mcp_call.in_progress", None, w);
    }

    /// Shows a call that the client has approved; it waits to be run.
    pub(crate) fn mcp_approved(&mut self, call: &ApprovedCall, w: &mut EventWriter) -> usize {
        let ApprovalRequest { id, label, name, arguments } = &call.request;
        self.open_mcp_call(0, label, name, Some(id), w);
        self.arguments(0, arguments, w);
        self.block_done(0, w);
        self.output.len().saturating_sub(1)
    }

    /// Grows the arguments of the open call at `index`.
    pub(crate) fn mcp_arguments(&mut self, index: usize, delta: &str, w: &mut EventWriter) {
        self.mcp_event(index, "response.mcp_call_arguments.delta", Some(("delta", delta)), w);
        if let Some(Item::Other(call)) = self.output.get_mut(index)
            && let Some(Value::String(arguments)) = call.0.get_mut("arguments")
        {
            arguments.push_str(delta);
        }
    }

    /// The arguments of a call are whole.
    pub(crate) fn finish_mcp_call(&mut self, index: usize, ending: Ending, w: &mut EventWriter) {
        let Some(call) = self.output.get(index).and_then(call_of) else { return };
        if text(call, "arguments") == Some("") && ending == Ending::Completed {
            self.mcp_arguments(index, "{}", w);
        }
        let Some(call) = self.output.get(index).and_then(call_of) else { return };
        let arguments = text(call, "arguments").unwrap_or_default();
        self.mcp_event(index, "response.mcp_call_arguments.done", Some(("arguments", arguments)), w);
    }

    /// Shows a call that was held back, as a request for approval. A call that was cut off is nothing to approve.
    pub(crate) fn release(&mut self, held: HeldCall, w: &mut EventWriter) -> usize {
        let HeldCall { callee: Callee { label, name, .. }, identity, mut arguments } = held;
        if arguments.is_empty() {
            arguments.push_str("{}");
        }
        let place = self.output.len();
        let id = approval_id(&self.approval_key, &self.id, place, &identity, [&label, &name, &arguments]);
        let item = json!({
            "type": "mcp_approval_request",
            "id": id,
            "arguments": arguments,
            "name": name,
            "server_label": label,
        });
        self.show_item(other(item), w)
    }

    /// Tells the result of a call, and ends it.
    pub(crate) fn mcp_result(&mut self, index: usize, result: &ToolResult, w: &mut EventWriter) {
        self.waiting.retain(|at| *at != index);
        let Some(Item::Other(call)) = self.output.get_mut(index) else { return };
        let (status, key, value) = match result.failed {
            true => ("failed", "error", shown_error(result)),
            false => ("completed", "output", shown(&result.output).into()),
        };
        call.0.insert("status".into(), status.into());
        call.0.insert(key.into(), value);
        self.mcp_event(index, &format!("response.mcp_call.{status}"), None, w);
        // It has said how it ended.
        self.announce(index, Ending::Completed, w);
    }

    /// Ends calls that will not be run, or not to their end. They have failed: only the last item of a response
    /// may be incomplete (rules 4.3).
    pub(crate) fn give_up_waiting(&mut self, why: &str, w: &mut EventWriter) {
        let result = ToolResult::failed(why);
        for index in std::mem::take(&mut self.waiting) {
            self.mcp_result(index, &result, w);
        }
    }
}

/// Of a call that needed approval and was cut off.
pub(crate) fn cut_note() -> Note {
    Note::dropped("output", "a call that needs approval was cut off before it was whole")
}
