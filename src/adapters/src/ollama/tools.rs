//! Tools, and the choice among them, which the server does not know.

use or_protocol::{AllowedMode, Settings, ToolChoice};

use super::schema;
use super::wire::{ChatFunction, ChatTool};
use crate::note::plain_word;
use crate::{AdapterError, FlatTool, Note, ToolOrigin, flatten_tools};

/// What stands in for the request's tools and its choice.
#[derive(Debug, Default)]
pub(super) struct ToolPlan {
    /// Functions to declare.
    pub(super) functions: Vec<FlatTool>,
    /// What to say about them in the system text.
    pub(super) hint: Option<String>,
}

const CHOICE: &str = "tool_choice";

/// Applies the choice by leaving tools out and by words.
pub(super) fn plan(settings: &Settings, notes: &mut Vec<Note>) -> Result<ToolPlan, AdapterError> {
    let mut functions = flatten_tools(&settings.tools, notes);
    let mut hint = None;
    if functions.is_empty() {
        if matches!(settings.tool_choice, ToolChoice::Required | ToolChoice::Function(_)) {
            return Err(AdapterError::unsupported(
                CHOICE,
                "tool_choice demands a call, but none of the tools can be used on an Ollama server.",
            ));
        }
        return Ok(ToolPlan::default());
    }
    match &settings.tool_choice {
        ToolChoice::Auto => {}
        ToolChoice::None => {
            functions.clear();
            notes.push(Note::emulated(CHOICE, "the tools were left out"));
        }
        ToolChoice::Required => {
            hint = Some(MUST_CALL.to_owned());
            notes.push(Note::emulated(CHOICE, "a call is asked for in the system text"));
        }
        ToolChoice::Function(name) => hint = Some(force(&mut functions, name, notes)?),
        ToolChoice::Allowed { mode, names, .. } => {
            let all = functions.len();
            if *mode == AllowedMode::None {
                functions.clear();
            }
            functions.retain(|tool| names.iter().any(|name| is_named(tool, name)));
            if functions.len() < all {
                notes.push(Note::emulated(CHOICE, "the other tools were left out"));
            }
            if *mode == AllowedMode::Required {
                if functions.is_empty() {
                    return Err(AdapterError::unsupported(
                        CHOICE,
                        "tool_choice demands a call, but none of the allowed tools can be used on an Ollama \
                         server.",
                    ));
                }
                hint = Some(MUST_CALL.to_owned());
                notes.push(Note::emulated(CHOICE, "a call is asked for in the system text"));
            }
        }
        ToolChoice::Other(raw) => match raw.get("name").and_then(serde_json::Value::as_str) {
            Some(name) if functions.iter().any(|tool| is_named(tool, name)) => {
                hint = Some(force(&mut functions, name, notes)?);
            }
            _ => notes.push(Note::dropped(CHOICE, "the chosen tool is not available on this provider")),
        },
    }
    if !settings.parallel() && !functions.is_empty() {
        notes.push(Note::emulated("parallel_tool_calls", "only the first call of a turn is kept"));
    }
    Ok(ToolPlan { functions, hint })
}

const MUST_CALL: &str =
    "You must call at least one of the given tools now. Do not answer with text instead of a call.";

/// Leaves only the named tool, and words that ask for it.
fn force(functions: &mut Vec<FlatTool>, name: &str, notes: &mut Vec<Note>) -> Result<String, AdapterError> {
    functions.retain(|tool| is_named(tool, name));
    let Some(tool) = functions.first() else {
        return Err(AdapterError::unsupported(
            CHOICE,
            format!("tool_choice names the tool \"{name}\", which cannot be used on an Ollama server."),
        ));
    };
    notes.push(Note::emulated(CHOICE, "only this tool was sent, and the system text asks for it"));
    Ok(format!(
        "You must call the tool \"{}\" now. Do not answer with text instead of the call.",
        tool.function.name
    ))
}

/// By its flattened name, its name inside a namespace, or the namespace's.
fn is_named(tool: &FlatTool, name: &str) -> bool {
    tool.function.name == name
        || match &tool.origin {
            ToolOrigin::Namespace { namespace, function } => namespace == name || function == name,
            ToolOrigin::Function | ToolOrigin::Custom => false,
        }
}

/// Declarations for the wire. Keywords the server does not read are named in one note.
pub(super) fn declare(functions: Vec<FlatTool>, notes: &mut Vec<Note>) -> Vec<ChatTool> {
    let mut report = schema::Report::default();
    let mut strict = false;
    let tools = functions
        .into_iter()
        .map(|tool| {
            let function = tool.function;
            strict |= function.strict == Some(true);
            ChatTool {
                kind: "function",
                function: ChatFunction {
                    name: function.name,
                    description: function.description.unwrap_or_default(),
                    parameters: schema::parameters(function.parameters, &mut report),
                },
            }
        })
        .collect();
    if strict {
        notes.push(Note::dropped("tools.strict", "arguments are not held to the schema"));
    }
    if report.rewritten {
        notes.push(Note::emulated("tools.parameters", "schemas were rewritten in the server's keywords"));
    }
    if !report.lost.is_empty() {
        let words: Vec<_> = report.lost.iter().take(8).map(|word| plain_word(word)).collect();
        let why = format!("the server does not read these schema keywords: {}", words.join(", "));
        notes.push(Note::dropped("tools.parameters", why));
    }
    tools
}
