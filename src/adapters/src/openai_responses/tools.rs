//! Tools and the choice among them.

use or_protocol::{AllowedMode, RawJson, Settings, Tool, ToolChoice};
use serde_json::json;
use serde_json::value::to_raw_value;

use super::quirks::Quirks;
use super::wire::body::{FunctionRef, SentTool};
use crate::shared::flat_tools::Namespaces;
use crate::{FlatTool, Note, NoteKind, NoteList, flatten_tools};

/// The request's tools for one host.
#[derive(Debug)]
pub(super) struct SentTools<'a> {
    pub(super) tools: Vec<SentTool<'a>>,
    pub(super) choice: Option<RawJson>,
    /// What functions of namespaces became, if the host only knows functions.
    pub(super) flat: Option<Namespaces>,
}

/// Chooses the form of every tool and of the choice.
pub(super) fn translate<'a>(settings: &'a Settings, quirks: &Quirks, notes: &mut NoteList) -> SentTools<'a> {
    let flat = (!quirks.custom_tools).then(|| {
        let mut all = NoteList::default();
        let flat = flatten_tools(settings.all_tools(), &mut all);
        // Hosted tools are the host's own affair and are passed on below.
        notes.extend(all.into_vec().into_iter().filter(|n| n.kind == NoteKind::Emulated));
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
            Tool::Hosted(hosted) if flat.is_none() || hosted.kind() != "namespace" => {
                tools.push(SentTool::Raw(hosted.raw()))
            }
            // With its credentials, which only its echo leaves out.
            Tool::Mcp(mcp) => tools.push(SentTool::Raw(&mcp.raw)),
            Tool::Function(_) | Tool::Custom(_) | Tool::Hosted(_) => {}
        }
    }
    let choice = choice(settings, quirks, flat.as_deref(), &mut tools, notes);
    SentTools { tools, choice, flat: flat.as_deref().map(Namespaces::new) }
}

/// The choice, where it says more than the default. May cut the list for hosts without `allowed_tools`.
fn choice(
    settings: &Settings,
    quirks: &Quirks,
    flat: Option<&[FlatTool]>,
    tools: &mut Vec<SentTool<'_>>,
    notes: &mut NoteList,
) -> Option<RawJson> {
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
        ToolChoice::Function(name) => Some(json!({"type": "function", "name": flat_name(name)}).into()),
        ToolChoice::Other(raw) => match (raw.text("type").as_deref(), raw.text("name")) {
            (Some("custom"), Some(name)) if flat.is_some() => {
                Some(json!({"type": "function", "name": flat_name(&name)}).into())
            }
            _ => Some(raw.clone()),
        },
        ToolChoice::Allowed { mode: AllowedMode::None, .. } => Some(json!("none").into()),
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
            (*mode == AllowedMode::Required && !tools.is_empty()).then(|| json!("required").into())
        }
        ToolChoice::Allowed { mode, tools, .. } if flat.is_some() => {
            let made = |tool: &RawJson| match tool.text("name") {
                Some(name) => json!({"type": "function", "name": flat_name(&name)}).into(),
                None => tool.clone(),
            };
            let tools = tools.iter().map(made).collect();
            written(&ToolChoice::Allowed { mode: *mode, names: Vec::new(), tools })
        }
        choice @ (ToolChoice::None | ToolChoice::Required | ToolChoice::Allowed { .. }) => written(choice),
    }
}

fn written(choice: &ToolChoice) -> Option<RawJson> {
    to_raw_value(choice).ok().map(RawJson::from)
}
