//! Tools for providers that only know functions: custom tools and namespaces become functions.

use std::collections::{HashMap, HashSet};

use or_protocol::{CustomTool, FunctionTool, RawJson, Tool};
use serde_json::json;

use crate::note::plain;
use crate::{Note, NoteList};

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
pub(crate) struct Namespaces(HashMap<String, HashMap<String, String>>);

impl Namespaces {
    /// Of all tools of a request, not only those that the choice leaves.
    pub(crate) fn new(tools: &[FlatTool]) -> Self {
        let mut spaces: HashMap<String, HashMap<String, String>> = HashMap::new();
        for tool in tools {
            if let ToolOrigin::Namespace { namespace, function } = &tool.origin {
                let space = spaces.entry(namespace.clone()).or_default();
                space.entry(function.clone()).or_insert_with(|| tool.function.name.clone());
            }
        }
        Self(spaces)
    }

    /// The declared name of a called function; nothing for one without a namespace, or not declared any more.
    pub(crate) fn get(&self, namespace: Option<&str>, name: &str) -> Option<&str> {
        self.0.get(namespace?)?.get(name).map(String::as_str)
    }
}

/// Flattens the request's tools. Hosted tools cannot be run by such a provider: each makes a note.
pub fn flatten_tools(tools: &[Tool], notes: &mut NoteList) -> Vec<FlatTool> {
    let mut flat: Vec<FlatTool> = Vec::with_capacity(tools.len());
    let mut names: HashSet<String> = HashSet::new();
    for (index, tool) in tools.iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                names.insert(function.name.clone());
                flat.push(FlatTool { function: function.clone(), origin: ToolOrigin::Function });
            }
            Tool::Custom(tool) => {
                names.insert(tool.name.clone());
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
                    let taken = names.contains(&function.name);
                    let name =
                        if taken { format!("{namespace}__{}", function.name) } else { function.name.clone() };
                    names.insert(name.clone());
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
    let why = format!("hosted tool {} is not available on this provider", plain(kind));
    Note::dropped(format!("tools[{index}]"), why)
}

/// The syntax and the definition of the grammar that a custom tool's input must match.
fn grammar(tool: &CustomTool) -> Option<(String, String)> {
    let format = tool.raw.member("format")?;
    let text = |key: &str| format.text(key).map(|text| text.into_owned());
    if text("type")? != "grammar" {
        return None;
    }
    Some((text("syntax").unwrap_or_default(), text("definition")?))
}

fn custom_description(tool: &CustomTool) -> Option<String> {
    let Some((syntax, definition)) = grammar(tool) else { return tool.description.clone() };
    let told = format!("The input must match this {syntax} grammar:\n{definition}");
    Some(tool.description.iter().cloned().chain([told]).collect::<Vec<_>>().join("\n\n"))
}

fn custom_schema() -> RawJson {
    json!({
        "type": "object",
        "properties": { "input": { "type": "string", "description": "The tool's whole input as text." } },
        "required": ["input"],
        "additionalProperties": false
    })
    .into()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::Value;

    use super::*;

    fn flat(tool: Value) -> (Vec<FlatTool>, Vec<Note>) {
        let raw = RawJson::from(tool);
        let text = |key: &str| raw.text(key).map(|text| text.into_owned());
        let tool = CustomTool { name: "c".into(), description: text("description"), raw };
        let mut notes = NoteList::default();
        (flatten_tools(&[Tool::Custom(tool)], &mut notes), notes.into_vec())
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
