//! One turn as a request body: tools, format and reasoning by the host's quirks.

use std::borrow::Cow;

use or_protocol::{AllowedMode, Effort, Item, JsonSchemaFormat, TextFormat, ToolChoice};
use serde_json::{Value, json};

use super::fields::Fields;
use super::history;
use super::models;
use super::quirks::{
    JsonSchemaForm, MaxTokensField, ModelRules, Quirks, ReasoningParam, RequiredWord, ToolChoiceForm,
};
use super::wire::body::Body;
use crate::call::body_json;
use crate::shared::openai_models::nearest;
use crate::{AdapterError, FlatTool, ModelRequest, Note, ToolOrigin, UpstreamCall, flatten_tools};

/// Builds the call.
pub(super) fn build(quirks: &Quirks, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
    let mut notes = Vec::new();
    let mut fields = Fields::new(quirks, &mut notes);
    let settings = request.settings;
    let rule = models::rule(quirks, request.model);

    if request.stream {
        fields.list.push(("stream", Value::Bool(true)));
        if quirks.stream_usage {
            fields.list.push(("stream_options", json!({ "include_usage": true })));
        }
    }
    let mut writer = Writer { quirks, request, fields: &mut fields, hints: Vec::new() };
    let tools = writer.tools();
    writer.format(tools);
    let effort = writer.effort(rule.map(models::efforts));
    let hints = std::mem::take(&mut writer.hints);

    let limit = match quirks.max_tokens_field {
        MaxTokensField::MaxTokens => "max_tokens",
        MaxTokensField::MaxCompletionTokens => "max_completion_tokens",
    };
    fields.put(limit, "max_output_tokens", settings.max_output_tokens.map(Value::from));
    let samples = rule.is_none_or(|rule| rule.samples(effort));
    let refused = (!samples).then_some("this model refuses it");
    fields.put_unless(refused, "temperature", "temperature", settings.temperature.map(number));
    fields.put_unless(refused, "top_p", "top_p", settings.top_p.map(number));
    // Zero is the default, and some hosts refuse even that.
    let penalty = |p: Option<f64>| p.filter(|p| *p != 0.0).map(number);
    fields.put("presence_penalty", "presence_penalty", penalty(settings.presence_penalty));
    fields.put("frequency_penalty", "frequency_penalty", penalty(settings.frequency_penalty));
    if settings.wants_logprobs() {
        fields.put_unless(refused, "logprobs", "include", Some(Value::Bool(true)));
        let top = settings.top_logprobs.filter(|n| *n > 0).map(Value::from);
        fields.put_unless(refused, "top_logprobs", "top_logprobs", top);
    }
    let older = rule.filter(|r| !r.verbosity).map(|_| "this model refuses it");
    let verbosity = settings.text.verbosity.and_then(|v| serde_json::to_value(v).ok());
    fields.put_unless(older, "verbosity", "text.verbosity", verbosity);
    if settings.wants_summary() {
        fields.note(Note::dropped("reasoning.summary", "chat completions makes no summaries"));
    }
    if !quirks.drops("store") {
        fields
            .list
            .extend((quirks.model_rules == ModelRules::Openai).then_some(("store", Value::Bool(false))));
    }
    let tier = settings.service_tier.clone().filter(|t| t != "auto");
    fields.put("service_tier", "service_tier", tier.map(Value::from));
    fields.put("safety_identifier", "safety_identifier", settings.safety_identifier.clone().map(Value::from));
    fields.put("prompt_cache_key", "prompt_cache_key", settings.prompt_cache_key.clone().map(Value::from));
    fields.put("user", "user", settings.user.clone().map(Value::from));

    let fields = fields.list;
    let head = head(settings.instructions.as_deref(), hints);
    let messages = history::translate(quirks, head, request.context, &mut notes)?;
    let body = Body { model: request.model, messages, fields };
    let body = body_json(&body)?;
    Ok(UpstreamCall {
        path: "/chat/completions".to_owned(),
        headers: Vec::new(),
        body,
        stream: request.stream,
        notes,
    })
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

/// What is demanded of the next answer.
enum Demand {
    Auto,
    None,
    Required,
    Function(String),
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
    fn tools(&mut self) -> bool {
        let settings = self.request.settings;
        let mut tools = flatten_tools(&settings.tools, self.fields.notes);
        if tools.is_empty() {
            if !matches!(settings.tool_choice, ToolChoice::Auto | ToolChoice::None) {
                self.note(Note::dropped("tool_choice", "no tool is left to choose from"));
            }
            return false;
        }
        if self.quirks.drops("tools") {
            self.note(Note::dropped("tools", "not known to this provider"));
            return false;
        }
        let auto_only = match self.quirks.tool_choice {
            ToolChoiceForm::AutoOnly => true,
            ToolChoiceForm::AutoWhenThinking => settings.effort() != Some(Effort::None),
            ToolChoiceForm::Full | ToolChoiceForm::Strings => false,
        };
        let required = match self.quirks.required_word {
            RequiredWord::Required => "required",
            RequiredWord::Any => "any",
        };
        let choice = match self.demand(&mut tools) {
            _ if tools.is_empty() => None,
            Demand::Auto => None,
            Demand::None if auto_only => {
                self.note(Note::emulated("tool_choice", "none: the tools are not sent"));
                return false;
            }
            Demand::None => Some(json!("none")),
            Demand::Required if auto_only => {
                self.note(Note::emulated("tool_choice", "asked for in a system message"));
                self.hints.push("Answer with a call of at least one of the tools.".to_owned());
                None
            }
            Demand::Required => Some(json!(required)),
            Demand::Function(name) if auto_only || self.quirks.tool_choice == ToolChoiceForm::Strings => {
                tools.retain(|tool| tool.function.name == name);
                self.note(Note::emulated("tool_choice", "only this tool is sent"));
                if auto_only {
                    self.hints.push(format!("Answer with a call of the tool `{name}`."));
                    None
                } else {
                    Some(json!(required))
                }
            }
            Demand::Function(name) => Some(json!({ "type": "function", "function": { "name": name } })),
        };
        if tools.is_empty() {
            return false;
        }
        let choice = self.allowed().or(choice);
        let list: Vec<Value> = tools.into_iter().map(|tool| self.tool(tool)).collect();
        self.fields.put("tools", "tools", Some(Value::Array(list)));
        self.fields.put("tool_choice", "tool_choice", choice);
        if !settings.parallel() {
            if self.quirks.parallel_tool_calls {
                self.fields.put("parallel_tool_calls", "parallel_tool_calls", Some(Value::Bool(false)));
            } else {
                self.note(Note::emulated("parallel_tool_calls", "calls after the first are cut off"));
            }
        }
        true
    }

    fn demand(&mut self, tools: &mut Vec<FlatTool>) -> Demand {
        match &self.request.settings.tool_choice {
            ToolChoice::Auto => Demand::Auto,
            ToolChoice::None => Demand::None,
            ToolChoice::Required => Demand::Required,
            ToolChoice::Function(name) => Demand::Function(name.clone()),
            ToolChoice::Allowed { mode, .. } => {
                if !self.quirks.allowed_tools && *mode != AllowedMode::None {
                    let choice = &self.request.settings.tool_choice;
                    tools.retain(|tool| choice.permits(&tool.function.name));
                    self.note(Note::emulated("tool_choice", "only the allowed tools are sent"));
                }
                match mode {
                    AllowedMode::Auto => Demand::Auto,
                    AllowedMode::Required => Demand::Required,
                    AllowedMode::None => Demand::None,
                }
            }
            ToolChoice::Other(raw) => {
                let name = raw.get("name").and_then(Value::as_str).unwrap_or_default();
                let known = |t: &FlatTool| t.origin == ToolOrigin::Custom && t.function.name == name;
                if tools.iter().any(known) {
                    return Demand::Function(name.to_owned());
                }
                self.note(Note::dropped("tool_choice", "hosted tools are not available on this provider"));
                Demand::Auto
            }
        }
    }

    /// The native form of a list of allowed tools.
    fn allowed(&self) -> Option<Value> {
        let ToolChoice::Allowed { mode, names, .. } = &self.request.settings.tool_choice else { return None };
        if !self.quirks.allowed_tools || *mode == AllowedMode::None {
            return None;
        }
        let tool = |name: &String| json!({ "type": "function", "function": { "name": name } });
        let tools: Vec<Value> = names.iter().map(tool).collect();
        Some(json!({ "type": "allowed_tools", "allowed_tools": { "mode": mode, "tools": tools } }))
    }

    fn tool(&mut self, tool: FlatTool) -> Value {
        let mut function = serde_json::Map::new();
        function.insert("name".into(), tool.function.name.into());
        if let Some(description) = tool.function.description {
            function.insert("description".into(), description.into());
        }
        let empty = || json!({ "type": "object", "properties": {} });
        function.insert("parameters".into(), tool.function.parameters.map_or_else(empty, Value::Object));
        if tool.function.strict == Some(true) {
            if self.quirks.strict_tools {
                function.insert("strict".into(), Value::Bool(true));
            } else {
                self.note(Note::dropped("tools.strict", "strict functions are not known to this provider"));
            }
        }
        json!({ "type": "function", "function": function })
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
                    return self.fields.put("response_format", "text.format", Some(format));
                }
                self.fields.put("response_format", "text.format", Some(json!({ "type": "json_object" })));
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
                    JsonSchemaForm::BareSchema => {
                        Some(json!({ "type": "json_schema", "json_schema": { "schema": format.schema } }))
                    }
                    JsonSchemaForm::AsJsonObject => Some(json!({ "type": "json_object" })),
                    JsonSchemaForm::None => None,
                };
                self.fields.put("response_format", "text.format", value);
                if matches!(form, JsonSchemaForm::AsJsonObject | JsonSchemaForm::None) {
                    let schema = Value::Object(format.schema.clone());
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
    fn effort(&mut self, model: Option<Vec<Effort>>) -> Option<Effort> {
        let asked = self.request.settings.effort()?;
        let field = "reasoning.effort";
        let listed = model.unwrap_or_else(|| self.quirks.reasoning_efforts.clone());
        let thinks = asked != Effort::None;
        let form = self.quirks.reasoning_param;
        let switch = matches!(
            form,
            ReasoningParam::ThinkingType | ReasoningParam::EnableThinking | ReasoningParam::TemplateKwargs
        );
        if switch {
            let (name, value) = match form {
                ReasoningParam::EnableThinking => ("enable_thinking", json!(thinks)),
                ReasoningParam::TemplateKwargs => {
                    ("chat_template_kwargs", json!({ "enable_thinking": thinks }))
                }
                _ => ("thinking", json!({ "type": if thinks { "enabled" } else { "disabled" } })),
            };
            self.fields.put(name, field, Some(value));
            if thinks && listed.is_empty() {
                self.note(Note::emulated(field, "this provider only knows on and off"));
            }
            if !thinks || listed.is_empty() {
                return Some(asked);
            }
        }
        let sent = if form == ReasoningParam::None { None } else { nearest(asked, &listed) };
        let Some(sent) = sent else {
            self.note(Note::dropped(field, "this model or provider takes no effort"));
            return None;
        };
        if sent != asked {
            self.note(Note::emulated(field, format!("sent as {}", sent.as_str())));
        }
        if form == ReasoningParam::Openrouter {
            self.fields.put("reasoning", field, Some(json!({ "effort": sent })));
        } else {
            self.fields.put("reasoning_effort", field, Some(json!(sent)));
        }
        Some(sent)
    }
}

fn openai_schema(format: &JsonSchemaFormat) -> Value {
    let mut schema = serde_json::Map::new();
    schema.insert("name".into(), format.name.clone().into());
    if let Some(description) = &format.description {
        schema.insert("description".into(), description.clone().into());
    }
    schema.insert("schema".into(), Value::Object(format.schema.clone()));
    if format.strict {
        schema.insert("strict".into(), Value::Bool(true));
    }
    json!({ "type": "json_schema", "json_schema": schema })
}

/// Whether the word JSON stands anywhere in what the model reads.
fn mentions_json(request: &ModelRequest<'_>) -> bool {
    use or_protocol::ContentPart::{InputText, OutputText};
    let says = |text: &str| text.as_bytes().windows(4).any(|w| w.eq_ignore_ascii_case(b"json"));
    request.settings.instructions.as_deref().is_some_and(says)
        || request.context.iter().any(|item| match item {
            Item::Message(message) => message.content.iter().any(|part| match part {
                InputText { text } | OutputText { text, .. } => says(text),
                _ => false,
            }),
            _ => false,
        })
}
