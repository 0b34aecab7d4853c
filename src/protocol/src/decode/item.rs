//! Items from JSON: the nine standard input types, OpenAI's custom tools, and whatever else was emitted.

use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};

use crate::bounds::{MAX_NAME, MAX_PARTS, MAX_TEXT};
use crate::decode::fields::Fields;
use crate::decode::part::{PART, decode_parts, string_part};
use crate::decode::settings::decode_update;
use crate::decode::tool::decode_tools;
use crate::decode::{bad_value, keep, missing, not_json, text, word, wrong_type};
use crate::item::{
    Compaction, CustomToolCall, FunctionCall, FunctionCallOutput, Item, ItemReference, ItemStatus, Message,
    Output, Phase, Reasoning, ReasoningPart, Role, SummaryPart,
};
use crate::json::{member, string};
use crate::{ApiError, Path};

/// Members of all items that have a form of their own.
const ITEM: &[&str] = &[
    "type",
    "id",
    "status",
    "role",
    "content",
    "phase",
    "call_id",
    "name",
    "namespace",
    "arguments",
    "input",
    "output",
    "summary",
    "encrypted_content",
];

pub(crate) const ROLES: &[(&str, Role)] = &[
    ("user", Role::User),
    ("system", Role::System),
    ("developer", Role::Developer),
    ("assistant", Role::Assistant),
];
const STATUSES: &[(&str, ItemStatus)] = &[
    ("in_progress", ItemStatus::InProgress),
    ("completed", ItemStatus::Completed),
    ("incomplete", ItemStatus::Incomplete),
];
const PHASES: &[(&str, Phase)] = &[("commentary", Phase::Commentary), ("final_answer", Phase::FinalAnswer)];

/// Items of other vendors' hosted tools that we know by name; a type with a slug is an extension.
const KNOWN_OTHER: &[&str] = &[
    "file_search_call",
    "web_search_call",
    "computer_call",
    "computer_call_output",
    "code_interpreter_call",
    "image_generation_call",
    "local_shell_call",
    "local_shell_call_output",
    "shell_call",
    "shell_call_output",
    "apply_patch_call",
    "apply_patch_call_output",
    "mcp_list_tools",
    "mcp_call",
    "mcp_approval_request",
    "mcp_approval_response",
    "tool_search_call",
    "tool_search_output",
    "additional_tools",
    "program",
    "program_output",
    "configuration_update",
    "compaction_trigger",
];

/// Whether an item of this type is kept as it came: one that we know, one with a slug, or what the hosted tool of
/// another vendor made.
fn is_kept(kind: &str) -> bool {
    let typed = matches!(kind, "function_call" | "custom_tool_call")
        || matches!(kind, "function_call_output" | "custom_tool_call_output");
    KNOWN_OTHER.contains(&kind)
        || kind.contains(':')
        || (!typed && (kind.ends_with("_call") || kind.ends_with("_call_output")))
}

/// Decodes one item. Errors name the place under `path`.
pub fn decode_item(value: Value, path: Path<'_>) -> Result<Item, ApiError> {
    let raw = to_raw_value(&value).map_err(|e| not_json(&e))?;
    drop(value);
    decode_raw_item(&raw, path)
}

/// The same of its text.
pub(crate) fn decode_raw_item(raw: &RawValue, path: Path<'_>) -> Result<Item, ApiError> {
    let mut fields = Fields::whole(raw, path, ITEM)?;
    let kind = match fields.take("type") {
        Some(kind) => match string(kind) {
            Some(kind) => kind,
            None => return Err(wrong_type(fields.at("type"), "a string", kind)),
        },
        None if fields.peek("role").is_some() => "message".into(),
        None if fields.peek("id").is_some() => "item_reference".into(),
        None => return Err(missing(fields.at("type"))),
    };
    if is_kept(&kind) {
        return kept(&kind, raw, path);
    }
    Ok(match &*kind {
        "message" => Item::Message(message(&mut fields)?),
        "function_call" => Item::FunctionCall(function_call(&mut fields)?),
        // One may answer no call of the model (OpenAI's types of November 2026).
        "function_call_output" => Item::FunctionCallOutput(call_output(&mut fields, false)?),
        "custom_tool_call" => Item::CustomToolCall(custom_call(&mut fields)?),
        "custom_tool_call_output" => Item::CustomToolCallOutput(call_output(&mut fields, true)?),
        "reasoning" => Item::Reasoning(reasoning(&mut fields)?),
        "compaction" => Item::Compaction(Compaction {
            id: fields.string("id", MAX_TEXT)?,
            encrypted_content: fields.required_string("encrypted_content", MAX_TEXT)?,
            extra: fields.rest()?,
        }),
        "item_reference" => Item::ItemReference(ItemReference { id: fields.identifier("id", MAX_TEXT)? }),
        other => {
            let known = [
                "message",
                "function_call",
                "function_call_output",
                "reasoning",
                "compaction",
                "item_reference",
                "custom_tool_call",
                "custom_tool_call_output",
            ];
            let all: Vec<_> = known.iter().chain(KNOWN_OTHER).copied().collect();
            return Err(bad_value(fields.at("type"), other, &all));
        }
    })
}

/// An item of a type that has no form of its own, after a look at what this server itself carries out of it.
fn kept(kind: &str, raw: &RawValue, path: Path<'_>) -> Result<Item, ApiError> {
    match kind {
        "additional_tools" => {
            let Some(tools) = member(raw, "tools").filter(|tools| tools.get() != "null") else {
                return Err(missing(Path::Key(&path, "tools")));
            };
            let place = Path::Key(&path, "tools");
            if !tools.get().starts_with('[') {
                return Err(wrong_type(place, "an array", tools));
            }
            decode_tools(tools, place)?;
        }
        "configuration_update" => {
            decode_update(raw, path)?;
        }
        _ => {}
    }
    Ok(Item::foreign(keep(raw, path)?))
}

/// Reads items of our own records; they were checked when they came in.
pub fn decode_stored_items(json: &str) -> Result<Vec<Item>, ApiError> {
    let list: Vec<&RawValue> = serde_json::from_str(json).map_err(|_| ApiError::internal())?;
    list.into_iter().enumerate().map(|(i, v)| decode_raw_item(v, Path::Index(&Path::Root, i))).collect()
}

fn status(fields: &mut Fields<'_, '_>) -> Result<Option<ItemStatus>, ApiError> {
    fields.word("status", STATUSES)
}

fn message(fields: &mut Fields<'_, '_>) -> Result<Message, ApiError> {
    let Some(role) = fields.word("role", ROLES)? else { return Err(missing(fields.at("role"))) };
    let content = match fields.take("content") {
        Some(raw) if raw.get().starts_with('"') => {
            vec![string_part(role, text(fields.at("content"), raw, MAX_TEXT)?)]
        }
        Some(raw) if raw.get().starts_with('[') => decode_parts(raw, fields.at("content"), role)?,
        Some(other) => {
            return Err(wrong_type(fields.at("content"), "a string or an array of content parts", other));
        }
        None => return Err(missing(fields.at("content"))),
    };
    let phase = match role {
        Role::Assistant => fields.word("phase", PHASES)?,
        Role::User | Role::System | Role::Developer => None,
    };
    Ok(Message {
        id: fields.string("id", MAX_TEXT)?,
        status: status(fields)?,
        role,
        content,
        phase,
        extra: fields.rest()?,
    })
}

fn function_call(fields: &mut Fields<'_, '_>) -> Result<FunctionCall, ApiError> {
    Ok(FunctionCall {
        id: fields.string("id", MAX_TEXT)?,
        call_id: fields.identifier("call_id", MAX_NAME)?,
        // Models make names up, and what was emitted must be accepted back (rules 3.6).
        name: fields.identifier("name", MAX_TEXT)?,
        namespace: fields.string("namespace", MAX_TEXT)?,
        arguments: fields.required_string("arguments", MAX_TEXT)?,
        status: status(fields)?,
        extra: fields.rest()?,
    })
}

fn custom_call(fields: &mut Fields<'_, '_>) -> Result<CustomToolCall, ApiError> {
    Ok(CustomToolCall {
        id: fields.string("id", MAX_TEXT)?,
        call_id: fields.identifier("call_id", MAX_NAME)?,
        name: fields.identifier("name", MAX_TEXT)?,
        namespace: fields.string("namespace", MAX_TEXT)?,
        input: fields.required_string("input", MAX_TEXT)?,
        status: status(fields)?,
        extra: fields.rest()?,
    })
}

fn call_output(fields: &mut Fields<'_, '_>, needs_call: bool) -> Result<FunctionCallOutput, ApiError> {
    let output = match fields.take("output") {
        Some(raw) if raw.get().starts_with('"') => Output::Text(text(fields.at("output"), raw, MAX_TEXT)?),
        // A tool's output is input for the model, whoever ran the tool.
        Some(raw) if raw.get().starts_with('[') => {
            Output::Parts(decode_parts(raw, fields.at("output"), Role::User)?)
        }
        Some(other) => {
            return Err(wrong_type(fields.at("output"), "a string or an array of content parts", other));
        }
        None => return Err(missing(fields.at("output"))),
    };
    Ok(FunctionCallOutput {
        id: fields.string("id", MAX_TEXT)?,
        call_id: match fields.peek("call_id") {
            None if !needs_call => String::new(),
            _ => fields.identifier("call_id", MAX_NAME)?,
        },
        output,
        status: status(fields)?,
        extra: fields.rest()?,
    })
}

fn texts(
    fields: &mut Fields<'_, '_>,
    key: &str,
    kinds: &'static [(&'static str, ())],
) -> Result<Vec<String>, ApiError> {
    let texts = fields.list(key, MAX_PARTS, "parts", |raw, path| {
        let mut part = Fields::new(raw, path, PART)?;
        match part.take("type") {
            Some(kind) => word(part.at("type"), kind, kinds)?,
            None => return Err(missing(part.at("type"))),
        }
        part.required_string("text", MAX_TEXT)
    })?;
    Ok(texts.unwrap_or_default())
}

fn reasoning(fields: &mut Fields<'_, '_>) -> Result<Reasoning, ApiError> {
    let summary = texts(fields, "summary", &[("summary_text", ())])?;
    let content = texts(fields, "content", &[("reasoning_text", ()), ("text", ()), ("output_text", ())])?;
    Ok(Reasoning {
        id: fields.string("id", MAX_TEXT)?,
        status: status(fields)?,
        summary: summary.into_iter().map(|text| SummaryPart { text }).collect(),
        content: content.into_iter().map(|text| ReasoningPart { text }).collect(),
        encrypted_content: fields.string("encrypted_content", MAX_TEXT)?,
        extra: fields.rest()?,
    })
}
