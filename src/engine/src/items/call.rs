//! How calls grow.

use or_adapters::custom_input;
use or_protocol::{CustomToolCall, EventBody, Extra, FunctionCall, Item, ItemStatus, McpItem};

use crate::events::EventWriter;
use crate::items::{Assembly, Ending, OpenItem, Slot};
use crate::mcp::Callee;

/// A call that begins.
#[derive(Debug)]
pub(crate) struct NewCall {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
    pub(crate) custom: bool,
    /// The tool is custom and the provider was given a function.
    pub(crate) emulated: bool,
    /// Further members of the item.
    pub(crate) extra: Extra,
    /// The tool is one of an MCP server.
    pub(crate) mcp: Option<Callee>,
}

impl Assembly {
    pub(crate) fn call(&mut self, block: u32, call_id: String, call: NewCall, w: &mut EventWriter) {
        if self.knows(block) {
            return;
        }
        let NewCall { name, namespace, custom, emulated, extra, mcp } = call;
        if let Some(callee) = mcp {
            return self.mcp_call(block, callee, w);
        }
        let status = Some(ItemStatus::InProgress);
        let item = if custom {
            Item::CustomToolCall(CustomToolCall {
                id: None,
                call_id,
                name,
                namespace,
                input: String::new(),
                status,
                extra,
            })
        } else {
            Item::FunctionCall(FunctionCall {
                id: None,
                call_id,
                name,
                namespace,
                arguments: String::new(),
                status,
                extra,
            })
        };
        self.open_item(block, item, emulated.then(String::new), w);
    }

    pub(crate) fn arguments(&mut self, block: u32, delta: &str, w: &mut EventWriter) {
        let open = match self.open.get_mut(&block) {
            Some(Slot::Item(open)) => open,
            Some(Slot::Held(held)) => return held.arguments.push_str(delta),
            Some(Slot::Suppressed) | None => return,
        };
        if let Some(buffer) = &mut open.emulated_custom {
            buffer.push_str(delta);
            return;
        }
        let output_index = open.index;
        let (name, item_id, whole) = match self.output.get_mut(output_index) {
            Some(Item::FunctionCall(call)) => {
                ("response.function_call_arguments.delta", call.id.as_deref(), &mut call.arguments)
            }
            Some(Item::CustomToolCall(call)) => {
                ("response.custom_tool_call_input.delta", call.id.as_deref(), &mut call.input)
            }
            Some(Item::Mcp(McpItem::Call(_))) => return self.mcp_arguments(output_index, delta, w),
            _ => return,
        };
        let item_id = item_id.unwrap_or_default();
        w.emit(name, EventBody::ArgumentsDelta { item_id, output_index, delta });
        whole.push_str(delta);
    }

    /// Emits the whole payload of a call; other items have nothing left to say.
    pub(crate) fn finish_call(&mut self, open: &OpenItem, ending: Ending, w: &mut EventWriter) {
        if open.told {
            return;
        }
        let output_index = open.index;
        match self.output.get_mut(output_index) {
            Some(Item::FunctionCall(call)) => {
                // A tool without arguments may get none at all; clients parse what they get.
                if call.arguments.is_empty() && ending == Ending::Completed {
                    call.arguments.push_str("{}");
                    let item_id = call.id.as_deref().unwrap_or_default();
                    w.emit(
                        "response.function_call_arguments.delta",
                        EventBody::ArgumentsDelta { item_id, output_index, delta: "{}" },
                    );
                }
                let item_id = call.id.as_deref().unwrap_or_default();
                let body = EventBody::ArgumentsDone {
                    item_id,
                    output_index,
                    name: &call.name,
                    arguments: &call.arguments,
                };
                w.emit("response.function_call_arguments.done", body);
            }
            Some(Item::CustomToolCall(call)) => {
                let item_id = call.id.as_deref().unwrap_or_default();
                if let Some(arguments) = &open.emulated_custom {
                    let input = custom_input(arguments);
                    if !input.is_empty() {
                        let body = EventBody::ArgumentsDelta { item_id, output_index, delta: &input };
                        w.emit("response.custom_tool_call_input.delta", body);
                    }
                    call.input = input;
                }
                let body = EventBody::InputDone { item_id, output_index, input: &call.input };
                w.emit("response.custom_tool_call_input.done", body);
            }
            Some(Item::Mcp(McpItem::Call(_))) => self.finish_mcp_call(output_index, ending, w),
            _ => {}
        }
    }
}
