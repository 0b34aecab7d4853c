//! Settings from JSON: ranges, lengths and words of rules 2.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::bounds::{MAX_IDENTIFIER, MAX_INCLUDES, MAX_TEXT, MAX_USER};
use crate::decode::fields::Fields;
use crate::decode::mcp::check_labels;
use crate::decode::tool::{check_choice, decode_choice, decode_tools, schema};
use crate::decode::{bad_value, check_length, missing, not_json, refuse, word, wrong_type};
use crate::json::{each_member, string};
use crate::settings::{
    Effort, Include, JsonSchemaFormat, ReasoningConfig, Settings, SummaryStyle, TextConfig, TextFormat,
    Truncation, Verbosity,
};
use crate::{ApiError, Path};

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

pub(crate) fn decode_settings(body: &mut Fields<'_, '_>) -> Result<Settings, ApiError> {
    let tools = match body.array("tools")? {
        Some(raw) => decode_tools(raw, body.at("tools"))?,
        None => Vec::new(),
    };
    check_labels(&tools, body.at("tools"))?;
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
        safety_identifier: body.string("safety_identifier", MAX_IDENTIFIER)?,
        prompt_cache_key: body.string("prompt_cache_key", MAX_IDENTIFIER)?,
        metadata: metadata(body)?,
        user: body.string("user", MAX_USER)?,
    })
}

fn include(body: &mut Fields<'_, '_>) -> Result<Vec<Include>, ApiError> {
    let decode = |raw: &RawValue, path: Path<'_>| word(path, raw, Include::TABLE);
    Ok(body.list("include", MAX_INCLUDES, "words", decode)?.unwrap_or_default())
}

fn reasoning(body: &mut Fields<'_, '_>) -> Result<Option<ReasoningConfig>, ApiError> {
    let Some(value) = body.take("reasoning") else { return Ok(None) };
    let keys = &["effort", "summary", "generate_summary"];
    let mut fields = Fields::new(value, body.at("reasoning"), keys)?;
    let effort = fields.word("effort", EFFORTS)?;
    let summary = match fields.word("summary", SUMMARIES)? {
        // OpenAI's older name of the same field.
        None => fields.word("generate_summary", SUMMARIES)?,
        some => some,
    };
    Ok(Some(ReasoningConfig { effort, summary }))
}

fn text(body: &mut Fields<'_, '_>) -> Result<TextConfig, ApiError> {
    let Some(value) = body.take("text") else { return Ok(TextConfig::default()) };
    let mut fields = Fields::new(value, body.at("text"), &["format", "verbosity"])?;
    let verbosity = fields.word("verbosity", VERBOSITIES)?;
    let format = match fields.take("format") {
        None => TextFormat::Text,
        Some(value) => {
            let keys = &["type", "name", "description", "schema", "strict"];
            format(Fields::new(value, fields.at("format"), keys)?)?
        }
    };
    Ok(TextConfig { format, verbosity })
}

fn format(mut fields: Fields<'_, '_>) -> Result<TextFormat, ApiError> {
    let kind = match fields.take("type") {
        Some(kind) => match string(kind) {
            Some(kind) => kind,
            None => return Err(wrong_type(fields.at("type"), "a string", kind)),
        },
        None => return Err(missing(fields.at("type"))),
    };
    match &*kind {
        "text" => Ok(TextFormat::Text),
        "json_object" => Ok(TextFormat::JsonObject),
        "json_schema" => Ok(TextFormat::JsonSchema(Box::new(JsonSchemaFormat {
            name: crate::decode::item::function_name(&mut fields, "name")?,
            description: fields.string("description", MAX_TEXT)?,
            schema: match fields.object("schema")? {
                Some(raw) => schema(raw, fields.at("schema"))?,
                None => return Err(missing(fields.at("schema"))),
            },
            strict: fields.boolean("strict")?.unwrap_or(false),
        }))),
        other => Err(bad_value(fields.at("type"), other, &["text", "json_object", "json_schema"])),
    }
}

fn metadata(body: &mut Fields<'_, '_>) -> Result<Map<String, Value>, ApiError> {
    const MOST: usize = 16;
    let Some(raw) = body.object("metadata")? else { return Ok(Default::default()) };
    let path = body.at("metadata");
    let mut members = Vec::new();
    let mut count = 0;
    each_member(raw, |key, value| {
        count += 1;
        if count <= MOST {
            members.push((key, value));
        }
    });
    if count > MOST {
        let text = format_args!(
            "object has too many properties. Expected an object with at most {MOST} properties, but got {count} instead."
        );
        return Err(refuse("object_above_max_properties", path, text));
    }
    let mut map = Map::new();
    for (key, value) in members {
        let here = Path::Key(&path, &key);
        if key.chars().count() > 64 {
            return Err(refuse(
                "string_above_max_length",
                path,
                "key too long. Expected keys with maximum length 64.",
            ));
        }
        let text: String = match value.get().starts_with('"') {
            true => serde_json::from_str(value.get()).map_err(|e| not_json(&e))?,
            false => return Err(wrong_type(here, "a string", value)),
        };
        check_length(here, &text, 0, 512)?;
        map.insert(key.into_owned(), Value::String(text));
    }
    Ok(map)
}
