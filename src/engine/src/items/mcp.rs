//! The items of MCP in a response that is made: how they begin, grow and end.

use or_adapters::Note;
use or_protocol::{
    ContentPart, EventBody, Item, McpApprovalRequest, McpCall, McpCallStatus, McpItem, McpListTools, Output,
};
use serde_json::{Map, Value, json};

use crate::events::EventWriter;
use crate::items::{Assembly, Ending, HeldCall, Slot};
use crate::mcp::{ApprovalRequest, ApprovedCall, Callee, OfferedServer, approval_id};
use crate::tool_round::{McpFault, ToolResult};

/// What the client sees of a result. Parts go as JSON, in the form that tools of the server use as well.
fn shown(output: &Output) -> String {
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
                ContentPart::InputText { text: words, .. } => text(words),
                other => json!(other),
            };
            parts.iter().map(shown).collect()
        }
    }
}

impl Assembly {
    fn mcp_event(&self, index: usize, name: &'static str, more: Option<(&str, &str)>, w: &mut EventWriter) {
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
    pub(crate) fn mcp_list(&mut self, server: &OfferedServer, w: &mut EventWriter) {
        let list = McpListTools::new(&server.label);
        let index = self.open_item(0, Item::Mcp(McpItem::ListTools(Box::new(list))), None, w);
        self.open.clear();
        self.mcp_event(index, "response.mcp_list_tools.in_progress", None, w);
        self.mcp_event(index, "response.mcp_list_tools.completed", None, w);
        if let Some(Item::Mcp(McpItem::ListTools(list))) = self.output.get_mut(index) {
            let tools: Vec<_> = server.tools.iter().map(|tool| tool.listing()).collect();
            list.tools = Some(Value::from(tools).into());
        }
        self.announce(index, Ending::Completed, w);
    }

    /// Begins a call of the model; one that needs approval is held back until it is whole.
    pub(crate) fn mcp_call(&mut self, block: u32, callee: Callee, w: &mut EventWriter) {
        match callee.approval.clone() {
            Some(identity) => {
                let held = HeldCall { callee, identity, arguments: String::new() };
                self.open.insert(block, Slot::Held(Box::new(held)));
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
        let call = McpCall::new(label, name, approval);
        let index = self.open_item(block, Item::Mcp(McpItem::Call(Box::new(call))), None, w);
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
        if let Some(arguments) = self.mcp_call_at(index).and_then(|call| call.arguments.as_mut()) {
            arguments.push_str(delta);
        }
    }

    /// The arguments of a call are whole.
    pub(crate) fn finish_mcp_call(&mut self, index: usize, ending: Ending, w: &mut EventWriter) {
        let Some(call) = self.mcp_call_at(index) else { return };
        if call.arguments.as_deref() == Some("") && ending == Ending::Completed {
            self.mcp_arguments(index, "{}", w);
        }
        let Some(Item::Mcp(McpItem::Call(call))) = self.output.get(index) else { return };
        let arguments = call.arguments.as_deref().unwrap_or_default();
        self.mcp_event(index, "response.mcp_call_arguments.done", Some(("arguments", arguments)), w);
    }

    fn mcp_call_at(&mut self, index: usize) -> Option<&mut McpCall> {
        match self.output.get_mut(index)? {
            Item::Mcp(McpItem::Call(call)) => Some(call),
            _ => None,
        }
    }

    /// Shows a call that was held back, as a request for approval. A call that was cut off is nothing to approve.
    pub(crate) fn release(&mut self, held: HeldCall, w: &mut EventWriter) -> usize {
        let HeldCall { callee: Callee { label, name, .. }, identity, mut arguments } = held;
        if arguments.is_empty() {
            arguments.push_str("{}");
        }
        let place = self.output.len();
        let id = approval_id(&self.approval_key, &self.id, place, &identity, [&label, &name, &arguments]);
        let request = McpApprovalRequest::new(id, label, name, arguments);
        self.show_item(Item::Mcp(McpItem::ApprovalRequest(Box::new(request))), w)
    }

    /// Tells the result of a call, and ends it.
    pub(crate) fn mcp_result(&mut self, index: usize, result: &ToolResult, w: &mut EventWriter) {
        if let Ok(at) = self.waiting.binary_search(&index) {
            self.waiting.remove(at);
        }
        let Some(call) = self.mcp_call_at(index) else { return };
        let name = if result.failed {
            call.status = Some(McpCallStatus::Failed);
            call.error = Some(shown_error(result).into());
            "response.mcp_call.failed"
        } else {
            call.status = Some(McpCallStatus::Completed);
            call.output = Some(shown(&result.output));
            "response.mcp_call.completed"
        };
        self.mcp_event(index, name, None, w);
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
