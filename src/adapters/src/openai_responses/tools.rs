//! Tools and the choice among them.

use or_protocol::{AllowedMode, HostedTool, Settings, Tool, ToolChoice};
use serde_json::{Map, Value, json};

use super::quirks::Quirks;
use super::wire::body::{FunctionRef, SentTool};
use crate::shared::flat_tools::Namespaces;
use crate::{FlatTool, Note, NoteKind, flatten_tools};

/// The request's tools for one host.
#[derive(Debug)]
pub(super) struct SentTools<'a> {
    pub(super) tools: Vec<SentTool<'a>>,
    pub(super) choice: Option<Value>,
    /// What functions of namespaces became, if the host only knows functions.
    pub(super) flat: Option<Namespaces>,
}

/// Chooses the form of every tool and of the choice.
pub(super) fn translate<'a>(settings: &'a Settings, quirks: &Quirks, notes: &mut Vec<Note>) -> SentTools<'a> {
    let flat = (!quirks.custom_tools).then(|| {
        let mut all = Vec::new();
        let flat = flatten_tools(&settings.tools, &mut all);
        // Hosted tools are the host's own affair and are passed on below.
        notes.extend(all.into_iter().filter(|n| n.kind == NoteKind::Emulated));
        flat
    });
    if !quirks.strict_tools
        && settings.tools.iter().any(|t| matches!(t, Tool::Function(f) if f.strict == Some(true)))
    {
        notes.push(Note::dropped("tools.strict", "this provider does not take strict tools"));
    }
    let write_strict = quirks.strict_tools;
    let mut tools: Vec<SentTool<'_>> = Vec::with_capacity(settings.tools.len());
    if let Some(flat) = &flat {
        let made = |tool: &FlatTool| SentTool::Function {
            function: FunctionRef::Made(tool.function.clone()),
            write_strict,
        };
        tools.extend(flat.iter().map(made));
    }
    for tool in &settings.tools {
        match tool {
            Tool::Function(function) if flat.is_none() => {
                tools.push(SentTool::Function { function: FunctionRef::Given(function), write_strict });
            }
            Tool::Custom(custom) if flat.is_none() => tools.push(SentTool::Raw(&custom.raw)),
            Tool::Hosted(HostedTool(map)) if flat.is_none() || !is_namespace(map) => {
                tools.push(SentTool::Raw(map))
            }
            // With its credentials, which only its echo leaves out.
            Tool::Mcp(mcp) => tools.push(SentTool::Raw(&mcp.raw)),
            Tool::Function(_) | Tool::Custom(_) | Tool::Hosted(_) => {}
        }
    }
    let choice = choice(settings, quirks, flat.as_deref(), &mut tools, notes);
    SentTools { tools, choice, flat: flat.as_deref().map(Namespaces::new) }
}

fn is_namespace(map: &Map<String, Value>) -> bool {
    map.get("type").and_then(Value::as_str) == Some("namespace")
}

/// The choice, where it says more than the default. May cut the list for hosts without `allowed_tools`.
fn choice(
    settings: &Settings,
    quirks: &Quirks,
    flat: Option<&[FlatTool]>,
    tools: &mut Vec<SentTool<'_>>,
    notes: &mut Vec<Note>,
) -> Option<Value> {
    if tools.is_empty() {
        return None;
    }
    if quirks.drops("tool_choice") {
        if settings.tool_choice != ToolChoice::Auto {
            notes.push(Note::dropped("tool_choice", "this provider does not take it"));
        }
        return None;
    }
    let flat_name = |name: &str| match flat.and_then(|f| FlatTool::find(f, name)) {
        Some(tool) => tool.function.name.clone(),
        None => name.to_owned(),
    };
    match &settings.tool_choice {
        ToolChoice::Auto => None,
        ToolChoice::Function(name) => Some(json!({"type": "function", "name": flat_name(name)})),
        ToolChoice::Other(map) => match (map.get("type").and_then(Value::as_str), map.get("name")) {
            (Some("custom"), Some(Value::String(name))) if flat.is_some() => {
                Some(json!({"type": "function", "name": flat_name(name)}))
            }
            _ => Some(Value::Object(map.clone())),
        },
        ToolChoice::Allowed { mode: AllowedMode::None, .. } => Some(json!("none")),
        ToolChoice::Allowed { mode, names, .. } if !quirks.allowed_tools => {
            let names: Vec<String> = names.iter().map(|n| flat_name(n)).collect();
            let all = tools.len();
            tools.retain(|tool| match tool {
                SentTool::Function { function: FunctionRef::Given(f), .. } => names.contains(&f.name),
                SentTool::Function { function: FunctionRef::Made(f), .. } => names.contains(&f.name),
                SentTool::Raw(_) => true,
            });
            if tools.len() < all {
                notes.push(Note::emulated("tool_choice", "tools that are not allowed were left out"));
            }
            (*mode == AllowedMode::Required && !tools.is_empty()).then(|| json!("required"))
        }
        ToolChoice::Allowed { mode, tools, .. } if flat.is_some() => {
            let tools: Vec<Value> = tools
                .iter()
                .map(|tool| match tool.get("name").and_then(Value::as_str) {
                    Some(name) => json!({"type": "function", "name": flat_name(name)}),
                    None => Value::Object(tool.clone()),
                })
                .collect();
            Some(json!({"type": "allowed_tools", "mode": mode, "tools": tools}))
        }
        choice @ (ToolChoice::None | ToolChoice::Required | ToolChoice::Allowed { .. }) => {
            serde_json::to_value(choice).ok()
        }
    }
}
