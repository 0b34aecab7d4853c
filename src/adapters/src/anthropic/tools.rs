//! Tools, the choice among them, and the form of the answer.

mod server;

use std::collections::HashSet;

use or_protocol::{RawJson, Settings, TextFormat};
use serde_json::{Map, Value, json};

use self::server::server_tool;
use super::models::{Forcing, Rules};
use super::quirks::Quirks;
use super::schema::{self, StrictSchema};
use super::wire::body::Format;
use super::wire::{ChoiceKind, ClientTool, NAMES, ToolChoiceParam, ToolParam};
use crate::shared::flat_tools::{Namespaces, flatten_for};
use crate::shared::tool_plan::{self, Demand, Support, ToolPlan};
use crate::{AdapterError, FlatTool, Note, NoteList, ToolOrigin};

/// The provider's limits over all enforced schemas of a request.
const MAX_STRICT_TOOLS: usize = 20;
const MAX_OPTIONAL: usize = 24;
const MAX_UNIONS: usize = 16;
/// Keywords at the top of a tool's schema that the provider refuses.
const TOP_UNIONS: &[&str] = &["anyOf", "oneOf", "allOf"];

/// What a request says about tools and the form of the answer.
#[derive(Debug, Default)]
pub(super) struct Tools {
    pub(super) tools: Vec<ToolParam>,
    pub(super) choice: Option<ToolChoiceParam>,
    pub(super) format: Option<Format>,
    /// Name of the tool whose input is the answer.
    pub(super) answer_tool: Option<String>,
    /// Sentences for the system prompt that stand in for what the provider lacks.
    pub(super) hints: Vec<String>,
    /// Of all tools of the request.
    pub(super) namespaces: Namespaces,
}

impl Tools {
    pub(super) fn new(
        settings: &Settings,
        quirks: &Quirks,
        rules: Rules,
        notes: &mut NoteList,
    ) -> Result<Self, AdapterError> {
        let flat = flatten_for(quirks.hosted(), settings.all_tools(), notes);
        let mut tools = Self { namespaces: Namespaces::new(&flat), ..Self::default() };
        let mut budget = Budget::default();
        tools.format(settings, rules, &mut budget, notes);
        let plan = tool_plan::resolve(flat, settings, support(rules), notes)?;
        tools.choice = choice(&plan);
        tools.hints.extend(plan.hint.map(str::to_owned));
        let mut seen = HashSet::new();
        for tool in plan.functions {
            let name = NAMES.fit(&tool.function.name).into_owned();
            if !seen.insert(name.clone()) {
                notes.push(Note::dropped("tools", "two tools of one name: the later one was left out"));
                continue;
            }
            tools.tools.push(match tool.origin {
                ToolOrigin::Hosted(options) => {
                    ToolParam::Server(server_tool(options, quirks, settings, notes))
                }
                ToolOrigin::Function | ToolOrigin::Custom | ToolOrigin::Namespace { .. } => {
                    ToolParam::Client(param(name, tool, rules, &mut budget, notes))
                }
            });
        }
        tools.add_answer_tool(settings, notes);
        Ok(tools)
    }

    /// Whether the provider is told of a tool that it runs itself, by its name here.
    pub(super) fn serves(&self, name: &str) -> bool {
        self.tools.iter().any(|tool| matches!(tool, ToolParam::Server(tool) if tool.name == name))
    }

    /// Whether the model must call a tool.
    pub(super) fn forces(&self) -> bool {
        self.choice.as_ref().is_some_and(|c| matches!(c.kind, ChoiceKind::Any | ChoiceKind::Tool))
    }

    fn format(&mut self, settings: &Settings, rules: Rules, budget: &mut Budget, notes: &mut NoteList) {
        let wanted = match &settings.text.format {
            TextFormat::Text => return,
            TextFormat::JsonObject => {
                self.hints.push("Answer with one JSON object only, without any text around it.".into());
                notes.push(Note::emulated("text.format", "json_object is asked for in the system prompt"));
                return;
            }
            TextFormat::JsonSchema(wanted) => wanted,
        };
        let mut tree = wanted.schema.object();
        if let Some(about) = wanted.description.clone().filter(|_| !tree.contains_key("description")) {
            tree.insert("description".into(), Value::String(about));
        }
        let fitted = schema::fit(&tree);
        match fitted {
            Some(fitted) if rules.structured => {
                note_moved("text.format.schema", &fitted, notes);
                budget.take(&fitted);
                self.format = Some(Format::JsonSchema { schema: fitted.schema.into() });
            }
            _ if !rules.structured && is_object(&tree) => {
                self.answer_tool = Some(NAMES.fit(&wanted.name).into_owned());
                notes.push(Note::emulated("text.format", "json_schema is a forced tool on this model"));
            }
            _ => {
                let schema = wanted.schema.as_str();
                self.hints.push(format!(
                    "Answer with one JSON value only, without any text around it. It must follow this JSON Schema: {schema}"
                ));
                notes.push(Note::emulated("text.format", "json_schema is asked for in the system prompt"));
            }
        }
    }

    fn add_answer_tool(&mut self, settings: &Settings, notes: &mut NoteList) {
        let (Some(name), TextFormat::JsonSchema(wanted)) = (self.answer_tool.take(), &settings.text.format)
        else {
            return;
        };
        if self.choice.as_ref().is_some_and(|choice| choice.kind == ChoiceKind::Tool) {
            // The forced tool is called now; its result leads to a turn of its own.
            notes.push(Note::dropped("text.format", "another tool is forced in this turn"));
            return;
        }
        let taken = self.tools.iter().any(|tool| tool.name() == name);
        let name = if taken { format!("{name}_answer") } else { name };
        let alone = self.tools.is_empty()
            || self.choice.as_ref().is_some_and(|choice| choice.kind == ChoiceKind::None);
        let (kind, forced) =
            if alone { (ChoiceKind::Tool, Some(name.clone())) } else { (ChoiceKind::Any, None) };
        let single = alone || !settings.parallel();
        self.choice = Some(ToolChoiceParam { kind, name: forced, disable_parallel_tool_use: single });
        let description = wanted.description.clone();
        let purpose = "Gives the final answer to the user.";
        self.tools.push(ToolParam::Client(ClientTool {
            name: name.clone(),
            description: Some(description.map_or_else(|| purpose.into(), |d| format!("{purpose} {d}"))),
            input_schema: input_schema(Some(wanted.schema.clone()), "text.format.schema", notes),
            strict: false,
        }));
        self.answer_tool = Some(name);
    }
}

/// The provider knows no list of allowed tools, and some models cannot be forced.
fn support(rules: Rules) -> Support {
    let forces = rules.forcing != Forcing::Never;
    Support { required: forces, named: forces, allowed: false, ..Support::ALL }
}

/// Nothing where it would say the default.
fn choice(plan: &ToolPlan) -> Option<ToolChoiceParam> {
    let (kind, name) = match &plan.demand {
        Demand::Auto | Demand::Allowed { .. } => (ChoiceKind::Auto, None),
        Demand::None => (ChoiceKind::None, None),
        Demand::Required => (ChoiceKind::Any, None),
        Demand::Function(name) => (ChoiceKind::Tool, Some(NAMES.fit(name).into_owned())),
    };
    let single = plan.one_call && kind != ChoiceKind::None;
    let choice = ToolChoiceParam { kind, name, disable_parallel_tool_use: single };
    let plain = kind == ChoiceKind::Auto && !single;
    (!plain && !plan.functions.is_empty()).then_some(choice)
}

/// What is left of the provider's limits on enforced schemas.
#[derive(Clone, Copy, Debug, Default)]
struct Budget {
    tools: usize,
    optional: usize,
    unions: usize,
}

impl Budget {
    fn take(&mut self, fitted: &StrictSchema) {
        self.optional += fitted.optional;
        self.unions += fitted.unions;
    }

    /// Takes a strict tool in, if it still fits.
    fn take_tool(&mut self, fitted: &StrictSchema) -> bool {
        let mut after = *self;
        after.take(fitted);
        after.tools += 1;
        let fits =
            after.tools <= MAX_STRICT_TOOLS && after.optional <= MAX_OPTIONAL && after.unions <= MAX_UNIONS;
        if fits {
            *self = after;
        }
        fits
    }
}

fn param(
    name: String,
    tool: FlatTool,
    rules: Rules,
    budget: &mut Budget,
    notes: &mut NoteList,
) -> ClientTool {
    let FlatTool { function, .. } = tool;
    let description = function.description.filter(|text| !text.is_empty());
    let field = "tools.parameters";
    if function.strict == Some(true) {
        let schema = function.parameters.as_ref().map_or_else(empty_schema, RawJson::object);
        let fitted = schema::fit(&schema).filter(|_| rules.structured && is_object(&schema));
        match fitted {
            Some(fitted) if budget.take_tool(&fitted) => {
                note_moved(field, &fitted, notes);
                return ClientTool { name, description, input_schema: fitted.schema.into(), strict: true };
            }
            _ => notes.push(Note::dropped("tools.strict", "the provider cannot enforce this schema")),
        }
    }
    let input_schema = input_schema(function.parameters, field, notes);
    ClientTool { name, description, input_schema, strict: false }
}

/// A schema as the provider takes it for a tool: an object without unions at the top.
fn input_schema(schema: Option<RawJson>, field: &str, notes: &mut NoteList) -> RawJson {
    let Some(schema) = schema else { return empty_schema().into() };
    let union = TOP_UNIONS.iter().any(|key| schema.get(key).is_some());
    if !union && schema.text("type").as_deref() == Some("object") {
        return schema;
    }
    let mut schema = schema.object();
    if schema.get("type").is_none_or(|kind| kind != "object") {
        let mut typed = Map::new();
        typed.insert("type".into(), Value::String("object".into()));
        schema.remove("type");
        typed.append(&mut schema);
        schema = typed;
    }
    let mut moved = Vec::new();
    for key in TOP_UNIONS {
        if let Some(union) = schema.shift_remove(*key) {
            moved.push(format!("{key}: {union}"));
        }
    }
    if !moved.is_empty() {
        let before = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        let text = format!("{before} {{{}}}", moved.join(", ")).trim().to_owned();
        schema.insert("description".into(), Value::String(text));
        notes.push(Note::emulated(field, "a union at the top went into the description"));
    }
    schema.into()
}

fn empty_schema() -> Map<String, Value> {
    match json!({ "type": "object", "properties": {} }) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    schema.get("type").is_some_and(|kind| kind == "object")
}

fn note_moved(field: &str, fitted: &StrictSchema, notes: &mut NoteList) {
    if !fitted.moved.is_empty() {
        let words: String =
            fitted.moved.join(", ").chars().filter(|c| matches!(c, ' '..='~')).take(200).collect();
        notes.push(Note::emulated(field, format!("not enforced, only described: {words}")));
    }
}
