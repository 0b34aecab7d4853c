//! Tools for providers that only know functions: custom tools and namespaces become functions.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use or_protocol::{CustomTool, Extra, FunctionTool, InnerTool, RawJson, Tool};
use serde_json::json;
use serde_json::value::RawValue;

use super::hosted::{HostedKind, HostedOptions, HostedRules};
use crate::note::plain;
use crate::{Note, NoteList};

/// What a flattened function was in the request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ToolOrigin {
    /// A function tool.
    Function,
    /// A custom tool: the payload travels as `{"input": "…"}`.
    Custom,
    /// A function or custom tool of a namespace.
    Namespace {
        /// The namespace's name.
        namespace: String,
        /// The tool's name inside it.
        function: String,
        /// Whether it is a custom tool.
        custom: bool,
    },
    /// A tool that the provider runs itself.
    Hosted(HostedOptions),
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
            || matches!(&self.origin, ToolOrigin::Namespace { namespace, function, .. } if namespace == name || function == name)
    }

    /// The hosted tool that it is.
    pub(crate) fn hosted(&self) -> Option<&HostedOptions> {
        match &self.origin {
            ToolOrigin::Hosted(options) => Some(options),
            ToolOrigin::Function | ToolOrigin::Custom | ToolOrigin::Namespace { .. } => None,
        }
    }

    /// Whether it is the hosted tool of this kind.
    pub(crate) fn is_hosted(&self, kind: HostedKind) -> bool {
        self.hosted().is_some_and(|options| options.kind() == kind)
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
            if let ToolOrigin::Namespace { namespace, function, .. } = &tool.origin {
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
pub fn flatten_tools<'a>(tools: impl IntoIterator<Item = &'a Tool>, notes: &mut NoteList) -> Vec<FlatTool> {
    flatten_for(HostedRules::default(), tools, notes)
}

/// The same for a provider that runs some hosted tools: these are among the functions, under the tool's own name.
pub(crate) fn flatten_for<'a>(
    rules: HostedRules,
    tools: impl IntoIterator<Item = &'a Tool>,
    notes: &mut NoteList,
) -> Vec<FlatTool> {
    let mut flat: Vec<FlatTool> = Vec::new();
    let mut names: HashSet<String> = HashSet::new();
    for (index, tool) in tools.into_iter().enumerate() {
        match tool {
            Tool::Function(function) => {
                names.insert(function.name.clone());
                note_members(&format!("tools[{index}]"), &function.extra, notes);
                flat.push(FlatTool { function: function.clone(), origin: ToolOrigin::Function });
            }
            Tool::Custom(tool) => {
                names.insert(tool.name.clone());
                let function = custom_function(&format!("tools[{index}]"), tool, notes);
                flat.push(FlatTool { function, origin: ToolOrigin::Custom });
            }
            Tool::Hosted(hosted) if hosted.kind() == "namespace" => {
                let namespace = tool.name().unwrap_or_default().to_owned();
                let first = flat.len();
                for tool in hosted.tools() {
                    let field = format!("tools[{index}].tools");
                    let (function, custom) = match tool {
                        InnerTool::Function(function) => {
                            note_members(&field, &function.extra, notes);
                            (function, false)
                        }
                        InnerTool::Custom(tool) => (custom_function(&field, &tool, notes), true),
                    };
                    let origin = ToolOrigin::Namespace {
                        namespace: namespace.clone(),
                        function: function.name.clone(),
                        custom,
                    };
                    let taken = names.contains(&function.name);
                    let name =
                        if taken { format!("{namespace}__{}", function.name) } else { function.name.clone() };
                    names.insert(name.clone());
                    flat.push(FlatTool { function: FunctionTool { name, ..function }, origin });
                }
                if let Some(about) = hosted.raw().text("description").filter(|text| !text.is_empty()) {
                    describe(flat.get_mut(first..).unwrap_or_default(), &namespace, &about);
                }
                notes.push(Note::emulated(format!("tools[{index}]"), "namespace sent as plain functions"));
            }
            Tool::Hosted(hosted) => {
                let field = format!("tools[{index}]");
                match rules.read(&field, hosted.raw(), hosted.kind(), notes) {
                    None => notes.push(hosted_note(index, hosted.kind())),
                    Some(Err(why)) => notes.push(Note::dropped(field, why)),
                    Some(Ok(options)) => {
                        let name = options.kind().name();
                        if !names.insert(name.to_owned()) {
                            let why = format!("another tool is called {name}, so the hosted one is left out");
                            notes.push(Note::dropped(field, why));
                            continue;
                        }
                        let function = FunctionTool::named(name);
                        flat.push(FlatTool { function, origin: ToolOrigin::Hosted(options) });
                    }
                }
            }
            Tool::Mcp(_) => notes.push(hosted_note(index, "mcp")),
        }
    }
    flat
}

/// Tells what a namespace says of itself, once, with the first of its functions.
fn describe(functions: &mut [FlatTool], namespace: &str, about: &str) {
    let names = functions.iter().map(|tool| tool.function.name.as_str()).collect::<Vec<_>>().join(", ");
    if let Some(first) = functions.first_mut() {
        let own = first.function.description.take().into_iter();
        let told = format!("About the tools of {namespace} ({names}): {about}");
        first.function.description = Some(own.chain([told]).collect::<Vec<_>>().join("\n\n"));
    }
}

/// A custom tool as a function of one text.
fn custom_function(field: &str, tool: &CustomTool, notes: &mut NoteList) -> FunctionTool {
    notes.push(Note::emulated(field, "custom tool sent as a function"));
    if grammar(tool).is_some() {
        notes.push(Note::emulated(format!("{field}.format"), "the grammar is described, not enforced"));
    }
    const KNOWN: &[&str] = &["type", "name", "description", "format"];
    note_each(field, tool.raw.members().into_iter().filter(|(name, _)| !KNOWN.contains(&&**name)), notes);
    FunctionTool {
        description: custom_description(tool),
        parameters: Some(custom_schema()),
        ..FunctionTool::named(&tool.name)
    }
}

fn note_members(field: &str, extra: &Extra, notes: &mut NoteList) {
    note_each(field, extra.members().into_iter(), notes);
}

/// Notes members of a tool that only OpenAI's own models are told of, unless they ask for what is done anyway.
fn note_each<'a>(
    field: &str,
    members: impl Iterator<Item = (Cow<'a, str>, &'a RawValue)>,
    notes: &mut NoteList,
) {
    for (name, value) in members {
        let why = match (&*name, value.get()) {
            ("async" | "defer_loading", "false") | ("allowed_callers", r#"["direct"]"#) | (_, "null") => {
                continue;
            }
            ("async", _) => "this provider waits for every result",
            ("defer_loading", _) => "this provider loads no tools later, the tool is declared at once",
            ("allowed_callers", _) => "on this provider the model itself calls every tool",
            ("output_schema", _) => "this provider knows no schemas of results",
            _ => {
                notes.push(Note::unknown(&format!("{field}."), &name));
                continue;
            }
        };
        notes.push(Note::dropped(format!("{field}.{name}"), why));
    }
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
    fn a_namespace_says_once_what_it_is_about() {
        let inner = |name: &str| json!({"type": "function", "name": name, "description": name});
        let space = |about: Option<&str>| {
            let tools = [inner("get"), inner("put")];
            json!({"tools": [{"type": "namespace", "name": "crm", "description": about, "tools": tools}]})
        };
        let described = |body: Value| {
            let settings = or_protocol::CreateResponseBody::from_value(body).unwrap().settings;
            let flat = flatten_tools(&settings.tools, &mut NoteList::default());
            flat.into_iter().map(|tool| tool.function.description.unwrap_or_default()).collect::<Vec<_>>()
        };
        let told = "get\n\nAbout the tools of crm (get, put): Customers.";
        assert_eq!(described(space(Some("Customers."))), [told, "put"]);
        assert_eq!(described(space(None)), ["get", "put"]);
        assert_eq!(described(space(Some(""))), ["get", "put"]);
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
