//! Tools for providers that only know functions: custom tools and namespaces become functions.

use or_protocol::{FunctionTool, Tool};
use serde_json::{Map, Value, json};

use crate::Note;

/// What a flattened function was in the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToolOrigin {
    /// A function tool.
    Function,
    /// A custom tool: the payload travels as `{"input": "…"}`.
    Custom,
    /// A function of a namespace.
    Namespace {
        /// The namespace's name.
        namespace: String,
        /// The function's name inside it.
        function: String,
    },
}

/// A function as every provider can take it.
#[derive(Clone, Debug, PartialEq)]
pub struct FlatTool {
    /// Declaration; the name is unique in the list.
    pub function: FunctionTool,
    /// Where it came from.
    pub origin: ToolOrigin,
}

/// Flattens the request's tools. Hosted tools cannot be run by such a provider: each makes a note.
pub fn flatten_tools(tools: &[Tool], notes: &mut Vec<Note>) -> Vec<FlatTool> {
    let mut flat: Vec<FlatTool> = Vec::with_capacity(tools.len());
    for (index, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                flat.push(FlatTool { function: function.clone(), origin: ToolOrigin::Function });
            }
            Tool::Custom(tool) => {
                flat.push(FlatTool {
                    function: FunctionTool {
                        name: tool.name.clone(),
                        description: tool.description.clone(),
                        parameters: Some(custom_schema()),
                        strict: None,
                    },
                    origin: ToolOrigin::Custom,
                });
                notes.push(Note::emulated(format!("tools[{index}]"), "custom tool sent as a function"));
            }
            Tool::Hosted(hosted) if hosted.kind() == "namespace" => {
                let namespace = tool.name().unwrap_or_default().to_owned();
                for function in hosted.functions() {
                    let origin = ToolOrigin::Namespace {
                        namespace: namespace.clone(),
                        function: function.name.clone(),
                    };
                    let taken = flat.iter().any(|t| t.function.name == function.name);
                    let name =
                        if taken { format!("{namespace}__{}", function.name) } else { function.name.clone() };
                    flat.push(FlatTool { function: FunctionTool { name, ..function }, origin });
                }
                notes.push(Note::emulated(format!("tools[{index}]"), "namespace sent as plain functions"));
            }
            Tool::Hosted(hosted) => notes.push(Note::dropped(
                format!("tools[{index}]"),
                format!("hosted tool {} is not available on this provider", hosted.kind()),
            )),
        }
    }
    flat
}

fn custom_schema() -> Map<String, Value> {
    match json!({
        "type": "object",
        "properties": { "input": { "type": "string", "description": "The tool's whole input as text." } },
        "required": ["input"],
        "additionalProperties": false
    }) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// A custom call's input as the arguments of its function.
pub fn custom_arguments(input: &str) -> String {
    json!({ "input": input }).to_string()
}

/// The way back: arguments of the function to the custom call's input. Text that is not of that form is kept.
pub fn custom_input(arguments: &str) -> String {
    match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(mut map)) => match map.remove("input") {
            Some(Value::String(text)) => text,
            _ => arguments.to_owned(),
        },
        _ => arguments.to_owned(),
    }
}
