//! Function declarations and the choice among them.

use or_protocol::{AllowedMode, RawJson, Settings, ToolChoice};

use super::models::Traits;
use super::schema;
use super::wire::NAMES;
use super::wire::body::{CallingConfig, Declaration, ToolConfig, ToolList};
use crate::note::plain;
use crate::shared::names::Names;
use crate::shared::tool_plan::{Demand, Support, ToolPlan};
use crate::{FlatTool, Note, NoteList};

/// The `tools` member.
pub(super) fn declarations<'a>(
    tools: &'a [FlatTool],
    names: &'a Names,
    notes: &mut NoteList,
) -> Vec<ToolList<'a>> {
    let mut list = Vec::with_capacity(tools.len());
    for tool in tools {
        let function = &tool.function;
        // One tree at a time: each costs far more than its text.
        let tree = function.parameters.as_ref().map(RawJson::object);
        let parameters = tree.filter(|p| !schema::is_empty_object(p)).map(|parameters| {
            let (schema, changed) = schema::clean(&parameters);
            note_schema(&format!("tools.{}.parameters", function.name), &changed, notes);
            schema.into()
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
pub(super) fn note_schema(field: &str, changed: &[String], notes: &mut NoteList) {
    if !changed.is_empty() {
        let why = format!("schema rewritten for the provider: {}", changed.join(", "));
        notes.push(Note::emulated(field, plain(&why)));
    }
}

/// What the wire can say. A list of allowed tools needs a mode that demands a call or that holds arguments to their
/// schemas.
pub(super) fn support(settings: &Settings, traits: &Traits) -> Support {
    let demanding = matches!(settings.tool_choice, ToolChoice::Allowed { mode: AllowedMode::Required, .. });
    Support { allowed: demanding || traits.validated, one_call: false, ..Support::ALL }
}

/// The `toolConfig` member.
pub(super) fn config<'a>(
    plan: &'a ToolPlan,
    names: &'a Names,
    traits: &Traits,
    notes: &mut NoteList,
) -> Option<ToolConfig<'a>> {
    if plan.functions.is_empty() {
        return None;
    }
    let strict = plan.functions.iter().any(|tool| tool.function.strict == Some(true));
    if strict && !traits.validated {
        notes.push(Note::dropped("tools.strict", "this model has no strict function calling"));
    }
    let (mode, allowed): (_, &[String]) = match &plan.demand {
        Demand::Auto if strict && traits.validated => ("VALIDATED", &[]),
        Demand::Auto => return None,
        Demand::None => ("NONE", &[]),
        Demand::Required => ("ANY", &[]),
        Demand::Function(name) => ("ANY", std::slice::from_ref(name)),
        Demand::Allowed { required: true, names } => ("ANY", names),
        Demand::Allowed { required: false, names } => ("VALIDATED", names),
    };
    let allowed_function_names = allowed.iter().map(|name| names.to_wire(name, &NAMES)).collect();
    Some(ToolConfig { function_calling_config: CallingConfig { mode, allowed_function_names } })
}
