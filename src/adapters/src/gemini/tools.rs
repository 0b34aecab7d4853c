//! Function declarations and the choice among them.

use std::borrow::Cow;

use or_protocol::{AllowedMode, Settings, ToolChoice};
use serde_json::Value;

use super::models::Traits;
use super::schema;
use super::wire::NAMES;
use super::wire::body::{CallingConfig, Declaration, ToolConfig, ToolList};
use crate::note::plain;
use crate::shared::names::Names;
use crate::{FlatTool, Note};

/// The `tools` member.
pub(super) fn declarations<'a>(
    tools: &'a [FlatTool],
    names: &'a Names,
    hidden: impl Fn(&str) -> bool,
    notes: &mut Vec<Note>,
) -> Vec<ToolList<'a>> {
    let mut list = Vec::with_capacity(tools.len());
    for tool in tools {
        let function = &tool.function;
        if hidden(&function.name) {
            continue;
        }
        let parameters =
            function.parameters.as_ref().filter(|p| !schema::is_empty_object(p)).map(|parameters| {
                let (schema, changed) = schema::clean(parameters);
                note_schema(&format!("tools.{}.parameters", function.name), &changed, notes);
                schema
            });
        list.push(Declaration {
            name: names.to_wire(&function.name, &NAMES),
            description: function.description.as_deref().unwrap_or_default(),
            parameters_json_schema: parameters,
        });
    }
    for name in names.renamed() {
        notes.push(Note::emulated(format!("tools.{name}.name"), "sent under a name the provider accepts"));
    }
    if list.is_empty() { Vec::new() } else { vec![ToolList { function_declarations: list }] }
}

/// One note for all that was changed in a schema.
pub(super) fn note_schema(field: &str, changed: &[String], notes: &mut Vec<Note>) {
    if !changed.is_empty() {
        let why = format!("schema rewritten for the provider: {}", changed.join(", "));
        notes.push(Note::emulated(field, plain(&why)));
    }
}

/// The `toolConfig` member, and the names that must be hidden because the mode cannot exclude them.
#[derive(Debug, Default)]
pub(super) struct Choice<'a> {
    pub(super) config: Option<ToolConfig<'a>>,
    pub(super) only: Option<&'a [String]>,
}

/// Translates `tool_choice`. `tools` is not empty.
pub(super) fn choice<'a>(
    settings: &'a Settings,
    tools: &[FlatTool],
    names: &'a Names,
    traits: &Traits,
    notes: &mut Vec<Note>,
) -> Choice<'a> {
    let strict = tools.iter().any(|t| t.function.strict == Some(true));
    if strict && !traits.validated {
        notes.push(Note::dropped("tools.strict", "this model has no strict function calling"));
    }
    let validated = strict && traits.validated;
    let declared = |name: &str| tools.iter().any(|t| t.function.name == name);
    let wire = |list: &'a [String]| -> Vec<Cow<'a, str>> {
        list.iter().filter(|n| declared(n)).map(|n| names.to_wire(n, &NAMES)).collect()
    };
    let with = |mode: &'static str, names: Vec<Cow<'a, str>>| Choice {
        config: Some(ToolConfig {
            function_calling_config: CallingConfig { mode, allowed_function_names: names },
        }),
        only: None,
    };
    let free = || if validated { with("VALIDATED", Vec::new()) } else { Choice::default() };
    match &settings.tool_choice {
        ToolChoice::Auto => free(),
        ToolChoice::None | ToolChoice::Allowed { mode: AllowedMode::None, .. } => with("NONE", Vec::new()),
        ToolChoice::Required => with("ANY", Vec::new()),
        ToolChoice::Function(name) if declared(name) => with("ANY", vec![names.to_wire(name, &NAMES)]),
        ToolChoice::Allowed { mode, names: list, .. } => match (mode, wire(list)) {
            (_, allowed) if allowed.is_empty() => with("NONE", Vec::new()),
            (AllowedMode::Required, allowed) => with("ANY", allowed),
            (_, allowed) if traits.validated => with("VALIDATED", allowed),
            _ => {
                notes.push(Note::emulated("tool_choice", "tools that are not allowed are left out"));
                Choice { config: None, only: Some(list) }
            }
        },
        ToolChoice::Other(raw) => {
            let name = raw.get("name").and_then(Value::as_str).filter(|name| declared(name));
            match name {
                Some(name) => with("ANY", vec![names.to_wire(name, &NAMES)]),
                None => {
                    notes.push(Note::dropped(
                        "tool_choice",
                        "the forced tool is not available on this provider",
                    ));
                    free()
                }
            }
        }
        ToolChoice::Function(_) => {
            notes.push(Note::dropped("tool_choice", "the forced function is not declared"));
            free()
        }
    }
}
