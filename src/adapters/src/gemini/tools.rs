//! Function declarations and the choice among them.

use or_protocol::{AllowedMode, RawJson, Settings, ToolChoice};

use super::models::Traits;
use super::schema;
use super::wire::NAMES;
use super::wire::body::{CallingConfig, CodeExecution, Declaration, GoogleSearch, ToolConfig, ToolList};
use crate::note::plain;
use crate::shared::hosted::{HostedOptions, demanded};
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
    let mut lists = Vec::new();
    for tool in tools {
        match tool.hosted() {
            Some(HostedOptions::WebSearch(search)) => {
                let google_search = Some(GoogleSearch { exclude_domains: &search.blocked });
                lists.push(ToolList { google_search, ..ToolList::default() });
                continue;
            }
            Some(HostedOptions::CodeInterpreter) => {
                lists.push(ToolList { code_execution: Some(CodeExecution {}), ..ToolList::default() });
                continue;
            }
            None => {}
        }
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
    if !list.is_empty() {
        lists.insert(0, ToolList { function_declarations: list, ..ToolList::default() });
    }
    lists
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
/// It says nothing of the provider's own tools.
pub(super) fn support(settings: &Settings, tools: &[FlatTool], traits: &Traits) -> Support {
    let demanding = matches!(settings.tool_choice, ToolChoice::Allowed { mode: AllowedMode::Required, .. });
    let own = demanded(&settings.tool_choice).is_some() || tools.iter().all(|tool| tool.hosted().is_some());
    let allowed = (demanding || traits.validated) && tools.iter().all(|tool| tool.hosted().is_none());
    Support { required: !own, named: !own, allowed, one_call: false, ..Support::ALL }
}

/// Takes out what cannot stand beside the others. Gives whether functions stand beside the provider's own tools.
pub(super) fn settle(plan: &mut ToolPlan, mixes: bool, notes: &mut NoteList) -> bool {
    let own = plan.functions.iter().filter(|tool| tool.hosted().is_some()).count();
    let out = |plan: &mut ToolPlan| plan.functions.retain(|tool| tool.hosted().is_none());
    if own == 0 {
        return false;
    }
    if plan.demand == Demand::None {
        out(plan);
        notes.push(Note::emulated("tool_choice", "the provider's own tools are not sent"));
        return false;
    }
    if own == plan.functions.len() {
        return false;
    }
    if !mixes {
        out(plan);
        notes.push(Note::dropped("tools", "this model has no tools of its own beside functions"));
    } else if plan.demand == Demand::Required {
        notes.push(Note::emulated("tool_choice", "a call of a function is demanded"));
    }
    mixes
}

/// The `toolConfig` member.
pub(super) fn config<'a>(
    plan: &'a ToolPlan,
    names: &'a Names,
    traits: &Traits,
    mixed: bool,
    notes: &mut NoteList,
) -> Option<ToolConfig<'a>> {
    let function_calling_config = calling(plan, names, traits, notes);
    (mixed || function_calling_config.is_some())
        .then_some(ToolConfig { function_calling_config, include_server_side_tool_invocations: mixed })
}

/// The choice among functions.
fn calling<'a>(
    plan: &'a ToolPlan,
    names: &'a Names,
    traits: &Traits,
    notes: &mut NoteList,
) -> Option<CallingConfig<'a>> {
    if plan.functions.iter().all(|tool| tool.hosted().is_some()) {
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
    Some(CallingConfig { mode, allowed_function_names })
}
