//! What the request's tools say about calls and whole items.

use std::collections::HashMap;

use or_adapters::{Note, NoteList, ToolOrigin, flatten_tools};
use or_protocol::{Item, Path, Settings, Tool, ToolChoice, decode_item};
use serde_json::{Map, Value};

use crate::items::call::NewCall;
use crate::mcp::{Callee, Mcp};

/// The request's tools, as far as an answer must be measured by them.
#[derive(Debug)]
pub(crate) struct ToolRules {
    /// Names of custom tools that the provider sees as functions, and of flattened namespace functions.
    origins: HashMap<String, ToolOrigin>,
    takes_custom: bool,
    takes_hosted: bool,
    /// By the name that the model knows.
    mcp: HashMap<String, Callee>,
}

impl ToolRules {
    pub(crate) fn new(settings: &Settings, mcp: &Mcp) -> Self {
        let plain = settings.all_tools().all(|tool| matches!(tool, Tool::Function(_)));
        let hosted = |tool: &Tool| match tool {
            Tool::Hosted(hosted) => hosted.kind() != "namespace",
            Tool::Mcp(tool) => mcp.is_of_provider(&tool.server_label),
            Tool::Function(_) | Tool::Custom(_) => false,
        };
        Self {
            origins: if plain { HashMap::new() } else { origins(settings.all_tools()) },
            takes_custom: !plain,
            takes_hosted: settings.all_tools().any(hosted),
            mcp: mcp.callees(),
        }
    }

    /// Gives a call the form that its tool has in the request.
    pub(crate) fn restore(&self, call: &mut NewCall) {
        if call.namespace.is_none() {
            call.mcp = self.mcp.get(&call.name).cloned();
        }
        match self.origins.get(&call.name) {
            Some(ToolOrigin::Custom) if !call.custom => {
                call.custom = true;
                call.emulated = true;
            }
            Some(ToolOrigin::Namespace { namespace, function, custom }) if call.namespace.is_none() => {
                if *custom && !call.custom {
                    call.custom = true;
                    call.emulated = true;
                }
                call.namespace = Some(namespace.clone());
                call.name.clone_from(function);
            }
            Some(_) | None => {}
        }
    }

    /// Why a call must not reach the client: the hard limits (rules 8.6, 8.7, 8.9) and design D14.
    /// `earlier`: calls of this turn that came through.
    pub(crate) fn refusal(
        &self,
        call: &NewCall,
        choice: &ToolChoice,
        parallel: bool,
        earlier: usize,
    ) -> Option<Note> {
        if call.name.is_empty() {
            // Nobody could run it (rules 12.4).
            Some(Note::dropped("output", "the model made a call without a name"))
        } else if !permits(choice, call) {
            let why = "the model called a tool that tool_choice forbids; the call was suppressed";
            Some(Note::emulated("tool_choice", why))
        } else if !parallel && earlier > 0 {
            let why = "the model made a further call; it was suppressed";
            Some(Note::emulated("parallel_tool_calls", why))
        } else if call.custom && !self.takes_custom {
            Some(unasked("custom_tool_call"))
        } else {
            None
        }
    }

    /// An item that a provider sent whole, or why it cannot be shown: hosted tools' items are for those who
    /// asked for such a tool (design D14). An image may come without one.
    pub(crate) fn whole_item(&self, item: Map<String, Value>) -> Result<Item, Note> {
        let kind = item.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        match kind.as_str() {
            // Of the standard's closed union.
            "function_call_output" | "compaction" => {
                decode_item(Value::Object(item), Path::Root).map_err(|_| unfit(&kind))
            }
            // These grow by events of their own.
            "" | "message" | "reasoning" | "function_call" | "custom_tool_call" | "item_reference" => {
                Err(unfit(&kind))
            }
            // What a model answers that makes images: without it there would be no answer.
            "image_generation_call" => Ok(Item::foreign(item.into())),
            _ if self.takes_hosted => Ok(Item::foreign(item.into())),
            _ => Err(unasked(&kind)),
        }
    }
}

/// A choice may name a tool or its whole namespace.
fn permits(choice: &ToolChoice, call: &NewCall) -> bool {
    choice.permits(&call.name) || call.namespace.as_deref().is_some_and(|space| choice.permits(space))
}

fn unfit(kind: &str) -> Note {
    Note::dropped("output", format!("the provider sent a {kind} item in a form that does not fit"))
}

fn unasked(kind: &str) -> Note {
    Note::dropped("output", format!("the provider sent a {kind} item that no tool of the request makes"))
}

fn origins<'a>(tools: impl Iterator<Item = &'a Tool>) -> HashMap<String, ToolOrigin> {
    flatten_tools(tools, &mut NoteList::default())
        .into_iter()
        .filter(|tool| tool.origin != ToolOrigin::Function)
        .map(|tool| (tool.function.name, tool.origin))
        // The first of a name is the one that is called.
        .rev()
        .collect()
}
