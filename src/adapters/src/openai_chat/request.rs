//! One turn as a request body: tools, format and reasoning by the host's quirks.

use std::borrow::Cow;

use or_protocol::{Effort, FunctionTool, Item, JsonSchemaFormat, Settings, TextFormat};
use serde_json::{Value, json};

use super::cache::{cache_members, settle_marks};
use super::fields::Fields;
use super::history;
use super::models;
use super::quirks::{
    JsonSchemaForm, MaxTokensField, ModelRules, PromptCaching, Quirks, ReasoningParam, RequiredWord,
    ToolChoiceForm,
};
use super::wire::body::{Body, ChatFunction, ChatTool, FieldValue, NamedSchema, SchemaFormat};
use crate::call::body_json;
use crate::shared::fields::{BY_BEGINNING, Fate, Fates, NO_HOSTED_TOOLS, REFUSES_LONG_INPUT};
use crate::shared::flat_tools::Namespaces;
use crate::shared::openai_models::nearest;
use crate::shared::told::tell;
use crate::shared::tool_plan::{self, Demand, Support};
use crate::{AdapterError, FlatTool, ModelRequest, Note, NoteList, UpstreamCall, flatten_tools};

const REFUSED: &str = "this model refuses it";

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let mut notes = NoteList::default();
    let settings = request.settings;
    let told = tell(request, true, &mut notes)?;
    let request = &ModelRequest { context: &told, ..*request };
    let mut fields = Fields::new(quirks, &mut notes);
    let rule = models::rule(quirks, request.model);

    if request.stream {
        fields.add("stream", Value::Bool(true));
        if quirks.stream_usage {
            fields.add("stream_options", json!({ "include_usage": true }));
        }
    }
    let mut flat = flatten_tools(settings.all_tools(), fields.notes);
    let namespaces = Namespaces::new(&flat);
    if quirks.drops("tools") && !flat.is_empty() {
        fields.note(Note::dropped("tools", "not known to this provider"));
        flat.clear();
    }
    let mut writer = Writer { quirks, request, fields: &mut fields, hints: Vec::new() };
    let tools = writer.tools(flat)?;
    writer.format(tools);
    let (effort, effort_fate) = writer.effort(rule.map(models::efforts));
    let hints = std::mem::take(&mut writer.hints);

    if quirks.model_rules == ModelRules::Openai && !quirks.drops("store") {
        fields.add("store", Value::Bool(false));
    }
    let samples = rule.is_none_or(|rule| rule.samples(effort));
    let verbosity = rule.is_none_or(|rule| rule.verbosity);
    put_settings(&mut fields, settings, samples, verbosity, effort_fate).note(settings, fields.notes)?;

    let fields = fields.list;
    let head = head(settings.instructions.as_deref(), hints);
    let mut messages = history::translate(quirks, head, &namespaces, request.context, &mut notes)?;
    settle_marks(quirks, request, &mut messages, &mut notes)?;
    let body = Body { model: request.model, messages, fields };
    let body = body_json(&body)?;
    Ok(UpstreamCall {
        path: "/chat/completions".to_owned(),
        headers: Vec::new(),
        body,
        stream: request.stream,
        notes: notes.into_vec(),
    })
}

/// Puts the fields that stand for themselves, and says what becomes of every field. `samples`, `verbosity`: the model takes
/// them.
fn put_settings(
    fields: &mut Fields<'_, '_>,
    settings: &Settings,
    samples: bool,
    verbosity: bool,
    effort: Fate,
) -> Fates {
    let limit = match fields.quirks.max_tokens_field {
        MaxTokensField::MaxTokens => "max_tokens",
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
    };
    let refused = (!samples).then_some(REFUSED);
    let older = (!verbosity).then_some(REFUSED);
    let logprobs = settings.wants_logprobs();
    // Zero is the default, and some hosts refuse even that.
    let penalty = |p: Option<f64>| p.filter(|p| *p != 0.0).map(number);
    let text = |text: &Option<String>| text.clone().map(Value::from);
    Fates {
        instructions: Fate::Sent,
        tools: Fate::Sent,
        tool_choice: Fate::Sent,
        parallel_tool_calls: Fate::Sent,
        max_tool_calls: Fate::Ours,
        text_format: Fate::Sent,
        effort,
        max_output_tokens: fields.put(limit, settings.max_output_tokens.map(Value::from)),
        temperature: fields.put_unless(refused, "temperature", settings.temperature.map(number)),
        top_p: fields.put_unless(refused, "top_p", settings.top_p.map(number)),
        presence_penalty: fields.put("presence_penalty", penalty(settings.presence_penalty)),
        frequency_penalty: fields.put("frequency_penalty", penalty(settings.frequency_penalty)),
        logprobs: fields.put_unless(refused, "logprobs", logprobs.then_some(Value::Bool(true))),
        top_logprobs: fields.put_unless(
            refused,
            "top_logprobs",
            settings.top_logprobs.filter(|n| *n > 0).map(Value::from),
        ),
        verbosity: fields.put_unless(
            older,
            "verbosity",
            settings.text.verbosity.and_then(|v| serde_json::to_value(v).ok()),
        ),
        summary: Fate::emulated("the whole trace is given in place of a summary"),
        sealed_reasoning: Fate::Sent,
        search_sources: Fate::dropped(NO_HOSTED_TOOLS),
        search_results: Fate::dropped(NO_HOSTED_TOOLS),
        code_outputs: Fate::dropped(NO_HOSTED_TOOLS),
        hosted_results: Fate::dropped(NO_HOSTED_TOOLS),
        truncation: Fate::dropped(REFUSES_LONG_INPUT),
        members: cache_members(fields, settings),
        metadata: Fate::Ours,
        service_tier: fields
            .put("service_tier", settings.service_tier.clone().filter(|t| t != "auto").map(Value::from)),
        safety_identifier: fields.put("safety_identifier", text(&settings.safety_identifier)),
        prompt_cache_key: match fields.put("prompt_cache_key", text(&settings.prompt_cache_key)) {
            Fate::Dropped(_) if fields.quirks.prompt_caching == PromptCaching::ByPrefix => {
                Fate::emulated(BY_BEGINNING)
            }
            fate => fate,
        },
        user: fields.put("user", text(&settings.user)),
    }
}

/// The leading system message: the instructions, then what stands in for fields the host does not know.
fn head(instructions: Option<&str>, hints: Vec<String>) -> Option<Cow<'_, str>> {
    let instructions = instructions.filter(|text| !text.is_empty());
    if hints.is_empty() {
        return instructions.map(Cow::Borrowed);
    }
    let all: Vec<&str> = instructions.into_iter().chain(hints.iter().map(String::as_str)).collect();
    Some(Cow::Owned(all.join("\n\n")))
}

/// A whole number without fraction, as clients write it.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 { json!(value as i64) } else { json!(value) }
}

/// What the host can be told about calls in this turn.
fn support(quirks: &Quirks, settings: &Settings) -> Support {
    let auto_only = match quirks.tool_choice {
        _ if quirks.drops("tool_choice") => true,
        ToolChoiceForm::AutoOnly | ToolChoiceForm::AutoOrNamed => true,
        ToolChoiceForm::AutoWhenThinking => settings.effort() != Some(Effort::None),
        ToolChoiceForm::Full | ToolChoiceForm::Strings => false,
    };
    Support {
        none: !auto_only,
        required: !auto_only,
        named: match quirks.tool_choice {
            ToolChoiceForm::AutoOrNamed => !quirks.drops("tool_choice"),
            ToolChoiceForm::Strings => false,
            ToolChoiceForm::Full | ToolChoiceForm::AutoOnly | ToolChoiceForm::AutoWhenThinking => !auto_only,
        },
        allowed: quirks.allowed_tools && !quirks.drops("tool_choice"),
        one_call: quirks.parallel_tool_calls && !quirks.drops("parallel_tool_calls"),
    }
}

/// The choice in the host's words; nothing where it would say the default.
fn tool_choice(demand: &Demand, word: RequiredWord) -> Option<Value> {
    let function = |name: &String| json!({ "type": "function", "function": { "name": name } });
    match demand {
        Demand::Auto => None,
        Demand::None => Some(json!("none")),
        Demand::Required => Some(json!(match word {
            RequiredWord::Required => "required",
            RequiredWord::Any => "any",
        })),
        Demand::Function(name) => Some(function(name)),
        Demand::Allowed { required, names } => {
            let mode = if *required { "required" } else { "auto" };
            let tools: Vec<Value> = names.iter().map(function).collect();
            Some(json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } }))
        }
    }
}

struct Writer<'a, 'b, 'n> {
    quirks: &'a Quirks,
    request: &'a ModelRequest<'a>,
    fields: &'b mut Fields<'a, 'n>,
    hints: Vec<String>,
}

impl Writer<'_, '_, '_> {
    fn note(&mut self, note: Note) {
        self.fields.note(note);
    }

    /// Tools and the choice among them. True if tools were sent.
    fn tools(&mut self, flat: Vec<FlatTool>) -> Result<bool, AdapterError> {
        let settings = self.request.settings;
        let support = support(self.quirks, settings);
        let plan = tool_plan::resolve(flat, settings, support, self.fields.notes)?;
        if plan.functions.is_empty() {
            return Ok(false);
        }
        self.hints.extend(plan.hint.map(str::to_owned));
        let list = plan.functions.into_iter().map(|tool| self.tool(tool)).collect();
        self.fields.add("tools", FieldValue::Tools(list));
        if let Some(choice) = tool_choice(&plan.demand, self.quirks.required_word) {
            self.fields.add("tool_choice", choice);
        }
        if plan.one_call {
            self.fields.add("parallel_tool_calls", Value::Bool(false));
        }
        Ok(true)
    }

    fn tool(&mut self, tool: FlatTool) -> ChatTool {
        let FunctionTool { name, description, parameters, strict, extra: _ } = tool.function;
        let strict = strict.filter(|strict| *strict);
        if strict.is_some() && !self.quirks.strict_tools {
            self.note(Note::dropped("tools.strict", "strict functions are not known to this provider"));
        }
        let empty = || json!({ "type": "object", "properties": {} }).into();
        let parameters = parameters.unwrap_or_else(empty);
        let strict = strict.filter(|_| self.quirks.strict_tools);
        ChatTool { function: ChatFunction { name, description, parameters, strict } }
    }

    fn format(&mut self, tools: bool) {
        let alone = tools && !self.quirks.tools_with_format;
        match &self.request.settings.text.format {
            TextFormat::Text => {}
            TextFormat::JsonObject if alone || self.quirks.drops("response_format") => {
                self.hint("Answer with one JSON object and nothing else.".to_owned());
            }
            TextFormat::JsonObject => {
                if !self.quirks.json_object {
                    self.note(Note::emulated("text.format", "sent as a schema of any object"));
                    let schema = json!({ "name": "object", "schema": { "type": "object" } });
                    let format = json!({ "type": "json_schema", "json_schema": schema });
                    return self.fields.add("response_format", format);
                }
                self.fields.add("response_format", json!({ "type": "json_object" }));
                // OpenAI refuses the mode unless the word occurs, others then write blanks without end.
                if !mentions_json(self.request) {
                    self.hint("Answer with one JSON object and nothing else.".to_owned());
                }
            }
            TextFormat::JsonSchema(format) => {
                let form = self.quirks.json_schema;
                let form =
                    if alone || self.quirks.drops("response_format") { JsonSchemaForm::None } else { form };
                let value = match form {
                    JsonSchemaForm::Openai => Some(openai_schema(format)),
                    JsonSchemaForm::BareSchema => Some(schema_format(None, None, format, None)),
                    JsonSchemaForm::AsJsonObject => Some(json!({ "type": "json_object" }).into()),
                    JsonSchemaForm::None => None,
                };
                if let Some(value) = value {
                    self.fields.add("response_format", value);
                }
                if matches!(form, JsonSchemaForm::AsJsonObject | JsonSchemaForm::None) {
                    let schema = format.schema.as_str();
                    let about = format.description.as_deref().map(|d| format!(" ({d})")).unwrap_or_default();
                    self.hint(format!(
                        "Answer with one JSON value{about} and nothing else. It must satisfy this JSON Schema:\n{schema}"
                    ));
                }
            }
        }
    }

    fn hint(&mut self, text: String) {
        self.note(Note::emulated("text.format", "asked for in a system message"));
        self.hints.push(text);
    }

    /// Puts the wish for an effort. Gives what was sent.
    fn effort(&mut self, model: Option<Vec<Effort>>) -> (Option<Effort>, Fate) {
        let Some(asked) = self.request.settings.effort() else { return (None, Fate::Sent) };
        let by_model = model.is_some();
        let listed = model.unwrap_or_else(|| models::host_efforts(self.quirks, self.request.model));
        let thinks = asked != Effort::None;
        let form = self.quirks.reasoning_param;
        let switch = match form {
            ReasoningParam::EnableThinking => Some(("enable_thinking", json!(thinks))),
            ReasoningParam::TemplateKwargs => {
                Some(("chat_template_kwargs", json!({ "enable_thinking": thinks })))
            }
            ReasoningParam::ThinkingType => {
                Some(("thinking", json!({ "type": if thinks { "enabled" } else { "disabled" } })))
            }
            ReasoningParam::Effort | ReasoningParam::Openrouter | ReasoningParam::None => None,
        };
        if let Some((name, value)) = switch {
            let fate = self.fields.put(name, Some(value));
            if fate != Fate::Sent || !thinks {
                return (Some(asked), fate);
            }
            if listed.is_empty() {
                return (Some(asked), Fate::emulated("this provider only knows on and off"));
            }
        }
        // Of a host's models nobody knows which of them think: any effort would ask for more than the default.
        if !thinks && !by_model && !listed.contains(&Effort::None) {
            return (None, Fate::dropped("this provider cannot be asked not to think"));
        }
        let sent = if form == ReasoningParam::None { None } else { nearest(asked, &listed) };
        let Some(sent) = sent else {
            return (None, Fate::dropped("this model or provider takes no effort"));
        };
        let (name, value) = match form {
            ReasoningParam::Openrouter => ("reasoning", json!({ "effort": sent })),
            _ => ("reasoning_effort", json!(sent)),
        };
        match self.fields.put(name, Some(value)) {
            Fate::Sent if sent != asked => (Some(sent), Fate::emulated(format!("sent as {}", sent.as_str()))),
            fate => (Some(sent), fate),
        }
    }
}

fn openai_schema(format: &JsonSchemaFormat) -> FieldValue {
    let strict = Some(format.strict).filter(|strict| *strict);
    schema_format(Some(format.name.clone()), format.description.clone(), format, strict)
}

fn schema_format(
    name: Option<String>,
    description: Option<String>,
    format: &JsonSchemaFormat,
    strict: Option<bool>,
) -> FieldValue {
    let json_schema = NamedSchema { name, description, schema: format.schema.clone(), strict };
    FieldValue::Format(SchemaFormat { json_schema })
}

/// Whether the word JSON stands anywhere in what the model reads.
fn mentions_json(request: &ModelRequest<'_>) -> bool {
    use or_protocol::ContentPart::{InputText, OutputText};
    let says = |text: &str| text.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"json"));
    request.settings.instructions.as_deref().is_some_and(says)
        || request.context.iter().any(|item| match item {
            Item::Message(message) => message.content.iter().any(|part| match part {
                InputText { text, .. } | OutputText { text, .. } => says(text),
                _ => false,
            }),
            _ => false,
        })
}
