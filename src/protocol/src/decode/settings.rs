//! Settings from JSON: ranges, lengths and words of rules 2.

use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::bounds::{
    MAX_EXTRA_BYTES, MAX_IDENTIFIER, MAX_INCLUDES, MAX_NAME, MAX_SAFETY_IDENTIFIER, MAX_TEXT, MAX_USER,
};
use crate::decode::fields::Fields;
use crate::decode::mcp::check_labels;
use crate::decode::tool::{check_choice, decode_choice, decode_tools, schema};
use crate::decode::{bad_value, check_length, missing, not_json, refuse, text as text_of, word, wrong_type};
use crate::json::extra::Extra;
use crate::json::{each_member, string};
use crate::settings::{
    Effort, Include, JsonSchemaFormat, ReasoningConfig, Settings, SummaryStyle, TextConfig, TextFormat,
    Truncation, Verbosity,
};
use crate::{ApiError, CacheMode, ErrorKind, Members, Path, Tool};

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

/// `brought`: names of tools that items of the input bring; `None` if there may be further ones in what the request
/// goes on from.
pub(crate) fn decode_settings(
    body: &mut Fields<'_, '_>,
    brought: Option<&[Tool]>,
    stream_options: Extra,
) -> Result<Settings, ApiError> {
    let tools = match body.array("tools")? {
        Some(raw) => decode_tools(raw, body.at("tools"))?,
        None => Vec::new(),
    };
    check_labels(&tools, body.at("tools"))?;
    let tool_choice = match body.take("tool_choice") {
        Some(value) => decode_choice(value, body.at("tool_choice"))?,
        None => Default::default(),
    };
    if let Some(brought) = brought {
        check_choice(&tool_choice, &tools, brought, body.at("tool_choice"))?;
    }
    let mut members = Members { stream_options, ..Members::default() };
    Ok(Settings {
        instructions: body.string("instructions", MAX_TEXT)?,
        tools,
        tool_choice,
        parallel_tool_calls: body.boolean("parallel_tool_calls")?,
        max_tool_calls: body.integer("max_tool_calls", 1, u64::MAX)?,
        text: text(body, &mut members)?,
        reasoning: reasoning(body, &mut members)?,
        temperature: body.decimal("temperature", 0.0, 2.0)?,
        top_p: body.decimal("top_p", 0.0, 1.0)?,
        presence_penalty: body.decimal("presence_penalty", -2.0, 2.0)?,
        frequency_penalty: body.decimal("frequency_penalty", -2.0, 2.0)?,
        max_output_tokens: body.integer("max_output_tokens", 16, i64::MAX as u64)?,
        top_logprobs: body.integer("top_logprobs", 0, 20)?,
        include: include(body)?,
        truncation: body.word("truncation", TRUNCATIONS)?.unwrap_or_default(),
        service_tier: body.word("service_tier", TIERS)?.map(str::to_owned),
        safety_identifier: body.string("safety_identifier", MAX_SAFETY_IDENTIFIER)?,
        prompt_cache_key: body.string("prompt_cache_key", MAX_IDENTIFIER)?,
        metadata: metadata(body)?,
        user: body.string("user", MAX_USER)?,
        brought: Vec::new(),
        members: {
            members.body = body.rest()?;
            check_members(&members)?;
            members
        },
    })
}

fn include(body: &mut Fields<'_, '_>) -> Result<Vec<Include>, ApiError> {
    let decode = |raw: &RawValue, path: Path<'_>| word(path, raw, Include::TABLE);
    Ok(body.list("include", MAX_INCLUDES, "words", decode)?.unwrap_or_default())
}

fn reasoning(body: &mut Fields<'_, '_>, members: &mut Members) -> Result<Option<ReasoningConfig>, ApiError> {
    let Some(value) = body.take("reasoning") else { return Ok(None) };
    let keys = &["effort", "summary", "generate_summary"];
    let mut fields = Fields::whole(value, body.at("reasoning"), keys)?;
    let effort = fields.word("effort", EFFORTS)?;
    // OpenAI's older name of the same field.
    let older = fields.word("generate_summary", SUMMARIES)?;
    let summary = fields.word("summary", SUMMARIES)?.or(older);
    members.reasoning = fields.rest()?;
    Ok(Some(ReasoningConfig { effort, summary }))
}

fn text(body: &mut Fields<'_, '_>, members: &mut Members) -> Result<TextConfig, ApiError> {
    let Some(value) = body.take("text") else { return Ok(TextConfig::default()) };
    let mut fields = Fields::whole(value, body.at("text"), &["format", "verbosity"])?;
    let verbosity = fields.word("verbosity", VERBOSITIES)?;
    let format = match fields.take("format") {
        None => TextFormat::Text,
        Some(value) => {
            let mut inner = Fields::whole(value, fields.at("format"), FORMAT)?;
            let format = format(&mut inner)?;
            members.format = inner.rest()?;
            format
        }
    };
    members.text = fields.rest()?;
    Ok(TextConfig { format, verbosity })
}

/// Members of a format.
const FORMAT: &[&str] = &["type", "name", "description", "schema", "strict"];

/// What a `configuration_update` item changes from its place on: the effort, and the form of the text.
pub(crate) fn decode_update(
    raw: &RawValue,
    path: Path<'_>,
) -> Result<(Option<Effort>, Option<TextFormat>), ApiError> {
    let mut fields = Fields::new(raw, path, &["reasoning", "text"])?;
    let effort = match fields.take("reasoning") {
        Some(value) => Fields::new(value, fields.at("reasoning"), &["effort"])?.word("effort", EFFORTS)?,
        None => None,
    };
    let Some(value) = fields.take("text") else { return Ok((effort, None)) };
    let mut text = Fields::new(value, fields.at("text"), &["format"])?;
    let Some(value) = text.take("format") else { return Ok((effort, None)) };
    let form = format(&mut Fields::new(value, text.at("format"), FORMAT)?)?;
    Ok((effort, Some(form)))
}

/// Checks of the members without form those on which it depends whether something is generated, moderated or paid.
fn check_members(members: &Members) -> Result<(), ApiError> {
    let size = members.size();
    if size > MAX_EXTRA_BYTES {
        let text = format!(
            "Invalid body: its unknown properties have {size} bytes together, more than {MAX_EXTRA_BYTES}."
        );
        return Err(ApiError::new(ErrorKind::InvalidRequest, text).with_code("string_above_max_length"));
    }
    let objects = ["prompt_cache_options", "moderation", "background_options", "image", "access_programs"];
    for name in objects {
        of_form(members, name, '{', "an object")?;
    }
    of_form(members, "context_management", '[', "an array")?;
    of_form(members, "prompt_cache_retention", '"', "a string")?;
    if let Some(value) = members.body.member("generate") {
        let path = Path::Key(&Path::Root, "generate");
        if !matches!(value.as_str(), "true" | "false") {
            return Err(wrong_type(path, "a boolean", value.as_raw()));
        }
    }
    if let Some(options) = members.body.member("prompt_cache_options") {
        let path = Path::Key(&Path::Root, "prompt_cache_options");
        let keys = &["mode", "ttl", "prewarm", "comparison_response_id"];
        let mut fields = Fields::new(options.as_raw(), path, keys)?;
        fields.word("mode", CacheMode::TABLE)?;
        fields.string("ttl", MAX_NAME)?;
        fields.boolean("prewarm")?;
        fields.string("comparison_response_id", 1024)?;
    }
    if let Some(options) = members.body.member("background_options") {
        let path = Path::Key(&Path::Root, "background_options");
        let mut fields = Fields::new(options.as_raw(), path, &["completion_window", "continuation_id"])?;
        fields.string("completion_window", MAX_NAME)?;
        fields.string("continuation_id", MAX_TEXT)?;
    }
    for name in ["context", "mode"] {
        if let Some(value) = members.reasoning.member(name) {
            let path = Path::Key(&Path::Root, "reasoning");
            text_of(Path::Key(&path, name), value.as_raw(), MAX_NAME)?;
        }
    }
    Ok(())
}

fn of_form(members: &Members, name: &str, first: char, wanted: &str) -> Result<(), ApiError> {
    match members.body.member(name) {
        Some(value) if !value.as_str().starts_with(first) => {
            Err(wrong_type(Path::Key(&Path::Root, name), wanted, value.as_raw()))
        }
        _ => Ok(()),
    }
}

fn format(fields: &mut Fields<'_, '_>) -> Result<TextFormat, ApiError> {
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
            name: fields.function_name("name")?,
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
