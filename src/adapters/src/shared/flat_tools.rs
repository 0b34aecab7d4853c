//! Tools for providers that only know functions: custom tools and namespaces become functions.

use or_protocol::{CustomTool, FunctionTool, Tool};
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

impl FlatTool {
    /// Whether a choice by this name means the tool: its own, that inside its namespace, or the namespace's.
    pub(crate) fn is_named(&self, name: &str) -> bool {
        self.function.name == name
            || matches!(&self.origin, ToolOrigin::Namespace { namespace, function } if namespace == name || function == name)
    }

    /// The tool that a name means; its own name counts most.
    pub(crate) fn find<'a>(tools: &'a [Self], name: &str) -> Option<&'a Self> {
        let exact = tools.iter().find(|tool| tool.function.name == name);
        exact.or_else(|| tools.iter().find(|tool| tool.is_named(name)))
    }
}

/// Names of the functions of namespaces as they are declared, for the calls of the history.
#[derive(Debug, Default)]
pub(crate) struct Namespaces(Vec<(String, String, String)>);

impl Namespaces {
    /// Of all tools of a request, not only those that the choice leaves.
    pub(crate) fn new(tools: &[FlatTool]) -> Self {
        let named = tools.iter().filter_map(|tool| match &tool.origin {
            ToolOrigin::Namespace { namespace, function } => {
                Some((namespace.clone(), function.clone(), tool.function.name.clone()))
            }
            ToolOrigin::Function | ToolOrigin::Custom => None,
        });
        Self(named.collect())
    }

    /// The declared name of a called function; nothing for one without a namespace, or not declared any more.
    pub(crate) fn get(&self, namespace: Option<&str>, name: &str) -> Option<&str> {
        let namespace = namespace?;
        let known = self.0.iter().find(|(space, function, _)| space == namespace && function == name);
        known.map(|(_, _, flat)| flat.as_str())
    }
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
                        description: custom_description(tool),
                        parameters: Some(custom_schema()),
                        strict: None,
                    },
                    origin: ToolOrigin::Custom,
                });
                notes.push(Note::emulated(format!("tools[{index}]"), "custom tool sent as a function"));
                if grammar(tool).is_some() {
                    let field = format!("tools[{index}].format");
                    notes.push(Note::emulated(field, "the grammar is described, not enforced"));
                }
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
            Tool::Hosted(hosted) => notes.push(hosted_note(index, hosted.kind())),
            Tool::Mcp(_) => notes.push(hosted_note(index, "mcp")),
        }
    }
    flat
}

fn hosted_note(index: usize, kind: &str) -> Note {
    let why = format!("hosted tool {kind} is not available on this provider");
    Note::dropped(format!("tools[{index}]"), why)
}

/// The syntax and the definition of the grammar that a custom tool's input must match.
fn grammar(tool: &CustomTool) -> Option<(&str, &str)> {
    let format = tool.raw.get("format").filter(|format| format["type"] == "grammar")?;
    Some((format["syntax"].as_str().unwrap_or_default(), format["definition"].as_str()?))
}

fn custom_description(tool: &CustomTool) -> Option<String> {
    let Some((syntax, definition)) = grammar(tool) else { return tool.description.clone() };
    let told = format!("The input must match this {syntax} grammar:\n{definition}");
    Some(tool.description.iter().cloned().chain([told]).collect::<Vec<_>>().join("\n\n"))
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

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn flat(tool: Value) -> (Vec<FlatTool>, Vec<Note>) {
        let raw = match tool {
            Value::Object(raw) => raw,
            _ => Map::new(),
        };
        let text = |key: &str| raw.get(key).and_then(Value::as_str).map(str::to_owned);
        let tool = CustomTool { name: "c".into(), description: text("description"), raw };
        let mut notes = Vec::new();
        (flatten_tools(&[Tool::Custom(tool)], &mut notes), notes)
    }

    #[track_caller]
    fn check(tool: Value, description: Option<&str>, fields: &[&str]) {
        let (flat, notes) = flat(tool);
        assert_eq!(flat[0].function.description.as_deref(), description);
        assert_eq!(notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), fields);
    }

    #[test]
    fn a_grammar_is_told_to_the_model_and_noted() {
        let format = json!({"type": "grammar", "syntax": "regex", "definition": "a+"});
        let told = "The input must match this regex grammar:\na+";
        let fields = ["tools[0]", "tools[0].format"];
        check(json!({"description": "d", "format": format}), Some(&format!("d\n\n{told}")), &fields);
        check(json!({ "format": format }), Some(told), &fields);
        check(json!({"description": "d", "format": {"type": "text"}}), Some("d"), &["tools[0]"]);
    }
}
