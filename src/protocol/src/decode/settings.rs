//! Settings from JSON: ranges, lengths and words of rules 2.

use serde_json::Value;

use crate::decode::mcp::check_labels;
use crate::decode::tool::{check_choice, decode_choice, decode_tool};
use crate::decode::{MAX_TEXT, bad_value, missing, refuse, word, wrong_type};
use crate::settings::{
    Effort, Include, JsonSchemaFormat, ReasoningConfig, Settings, SummaryStyle, TextConfig, TextFormat,
    Truncation, Verbosity,
};
use crate::{ApiError, Fields, Path};

const EFFORTS: &[(&str, Effort)] = &[
    ("none", Effort::None),
    ("minimal", Effort::Minimal),
    ("low", Effort::Low),
    ("medium", Effort::Medium),
    ("high", Effort::High),
    ("xhigh", Effort::Xhigh),
    ("max", Effort::Max),
];
const SUMMARIES: &[(&str, SummaryStyle)] =
    &[("concise", SummaryStyle::Concise), ("detailed", SummaryStyle::Detailed), ("auto", SummaryStyle::Auto)];
const VERBOSITIES: &[(&str, Verbosity)] =
    &[("low", Verbosity::Low), ("medium", Verbosity::Medium), ("high", Verbosity::High)];
const TRUNCATIONS: &[(&str, Truncation)] = &[("auto", Truncation::Auto), ("disabled", Truncation::Disabled)];
/// The spec's four and OpenAI's newer ones.
const TIERS: &[(&str, &str)] = &[
    ("auto", "auto"),
    ("default", "default"),
    ("flex", "flex"),
    ("priority", "priority"),
    ("scale", "scale"),
    ("fast", "fast"),
    ("ultrafast", "ultrafast"),
];

pub(crate) fn decode_settings(body: &mut Fields<'_>) -> Result<Settings, ApiError> {
    let tools = body.array("tools")?.unwrap_or_default();
    let parent = body.at("tools");
    let tools = tools
        .into_iter()
        .enumerate()
        .map(|(i, value)| decode_tool(value, Path::Index(&parent, i)))
        .collect::<Result<Vec<_>, _>>()?;
    check_labels(&tools, parent)?;
    let tool_choice = match body.take("tool_choice") {
        Some(value) => decode_choice(value, body.at("tool_choice"))?,
        None => Default::default(),
    };
    check_choice(&tool_choice, &tools, body.at("tool_choice"))?;
    Ok(Settings {
        instructions: body.string("instructions", MAX_TEXT)?,
        tools,
        tool_choice,
        parallel_tool_calls: body.boolean("parallel_tool_calls")?,
        max_tool_calls: body.integer("max_tool_calls", 1, u64::MAX)?,
        text: text(body)?,
        reasoning: reasoning(body)?,
        temperature: body.decimal("temperature", 0.0, 2.0)?,
        top_p: body.decimal("top_p", 0.0, 1.0)?,
        presence_penalty: body.decimal("presence_penalty", -2.0, 2.0)?,
        frequency_penalty: body.decimal("frequency_penalty", -2.0, 2.0)?,
        max_output_tokens: body.integer("max_output_tokens", 16, i64::MAX as u64)?,
        top_logprobs: body.integer("top_logprobs", 0, 20)?,
        include: include(body)?,
        truncation: body.word("truncation", TRUNCATIONS)?.unwrap_or_default(),
        service_tier: body.word("service_tier", TIERS)?.map(str::to_owned),
        safety_identifier: body.string("safety_identifier", 64)?,
        prompt_cache_key: body.string("prompt_cache_key", 64)?,
        metadata: metadata(body)?,
        user: body.string("user", MAX_TEXT)?,
    })
}

fn include(body: &mut Fields<'_>) -> Result<Vec<Include>, ApiError> {
    let list = body.array("include")?.unwrap_or_default();
    let parent = body.at("include");
    list.iter().enumerate().map(|(i, v)| word(Path::Index(&parent, i), v, Include::TABLE)).collect()
}

fn reasoning(body: &mut Fields<'_>) -> Result<Option<ReasoningConfig>, ApiError> {
    let Some(value) = body.take("reasoning") else { return Ok(None) };
    let mut fields = Fields::new(value, body.at("reasoning"))?;
    let effort = fields.word("effort", EFFORTS)?;
    let summary = match fields.word("summary", SUMMARIES)? {
        // OpenAI's older name of the same field.
        None => fields.word("generate_summary", SUMMARIES)?,
        some => some,
    };
    Ok(Some(ReasoningConfig { effort, summary }))
}

fn text(body: &mut Fields<'_>) -> Result<TextConfig, ApiError> {
    let Some(value) = body.take("text") else { return Ok(TextConfig::default()) };
    let mut fields = Fields::new(value, body.at("text"))?;
    let verbosity = fields.word("verbosity", VERBOSITIES)?;
    let format = match fields.take("format") {
        None => TextFormat::Text,
        Some(value) => format(Fields::new(value, fields.at("format"))?)?,
    };
    Ok(TextConfig { format, verbosity })
}

fn format(mut fields: Fields<'_>) -> Result<TextFormat, ApiError> {
    let kind = match fields.take("type") {
        Some(Value::String(kind)) => kind,
        Some(other) => return Err(wrong_type(fields.at("type"), "a string", &other)),
        None => return Err(missing(fields.at("type"))),
    };
    match kind.as_str() {
        "text" => Ok(TextFormat::Text),
        "json_object" => Ok(TextFormat::JsonObject),
        "json_schema" => Ok(TextFormat::JsonSchema(Box::new(JsonSchemaFormat {
            name: crate::decode::item::function_name(&mut fields, "name")?,
            description: fields.string("description", MAX_TEXT)?,
            schema: match fields.object("schema")? {
                Some(schema) => schema,
                None => return Err(missing(fields.at("schema"))),
            },
            strict: fields.boolean("strict")?.unwrap_or(false),
        }))),
        other => Err(bad_value(fields.at("type"), other, &["text", "json_object", "json_schema"])),
    }
}

fn metadata(body: &mut Fields<'_>) -> Result<serde_json::Map<String, Value>, ApiError> {
    let Some(map) = body.object("metadata")? else { return Ok(Default::default()) };
    let path = body.at("metadata");
    if map.len() > 16 {
        let text = format_args!(
            "object has too many properties. Expected an object with at most 16 properties, but got {} instead.",
            map.len()
        );
        return Err(refuse("object_above_max_properties", path, text));
    }
    for (key, value) in &map {
        let here = Path::Key(&path, key);
        if key.chars().count() > 64 {
            return Err(refuse(
                "string_above_max_length",
                path,
                "key too long. Expected keys with maximum length 64.",
            ));
        }
        let Value::String(text) = value else { return Err(wrong_type(here, "a string", value)) };
        crate::decode::check_length(here, text, 0, 512)?;
    }
    Ok(map)
}
