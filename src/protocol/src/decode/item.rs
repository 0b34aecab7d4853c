//! Items from JSON: the nine standard input types, OpenAI's custom tools, and whatever else was emitted.

use serde_json::Value;

use crate::decode::part::{decode_parts, string_part};
use crate::decode::{MAX_NAME, MAX_TEXT, bad_value, check_length, missing, refuse, word, wrong_type};
use crate::item::{
    Compaction, CustomToolCall, FunctionCall, FunctionCallOutput, Item, ItemReference, ItemStatus, Message,
    Output, Phase, Reasoning, ReasoningPart, Role, SummaryPart,
};
use crate::{ApiError, Fields, Path};

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
];

/// Decodes one item. Errors name the place under `path`.
pub fn decode_item(value: Value, path: Path<'_>) -> Result<Item, ApiError> {
    let Value::Object(map) = &value else { return Err(wrong_type(path, "an object", &value)) };
    let kind = match map.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        None | Some(Value::Null) if map.contains_key("role") => "message".into(),
        None | Some(Value::Null) if map.contains_key("id") => "item_reference".into(),
        None | Some(Value::Null) => return Err(missing(Path::Key(&path, "type"))),
        Some(other) => return Err(wrong_type(Path::Key(&path, "type"), "a string", other)),
    };
    if KNOWN_OTHER.contains(&kind.as_str()) || kind.contains(':') {
        let Value::Object(map) = value else { return Err(wrong_type(path, "an object", &value)) };
        return Ok(Item::foreign(map));
    }
    let mut fields = Fields::new(value, path)?;
    Ok(match kind.as_str() {
        "message" => Item::Message(message(&mut fields)?),
        "function_call" => Item::FunctionCall(function_call(&mut fields)?),
        "function_call_output" => Item::FunctionCallOutput(call_output(&mut fields)?),
        "custom_tool_call" => Item::CustomToolCall(custom_call(&mut fields)?),
        "custom_tool_call_output" => Item::CustomToolCallOutput(call_output(&mut fields)?),
        "reasoning" => Item::Reasoning(reasoning(&mut fields)?),
        "compaction" => Item::Compaction(Compaction {
            id: fields.string("id", MAX_TEXT)?,
            encrypted_content: fields.required_string("encrypted_content", MAX_TEXT)?,
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

/// Reads items of our own records; they were checked when they came in.
pub fn decode_stored_items(json: &str) -> Result<Vec<Item>, ApiError> {
    let list: Vec<Value> = serde_json::from_str(json).map_err(|_| ApiError::internal())?;
    list.into_iter().enumerate().map(|(i, v)| decode_item(v, Path::Index(&Path::Root, i))).collect()
}

fn status(fields: &mut Fields<'_>) -> Result<Option<ItemStatus>, ApiError> {
    fields.word("status", STATUSES)
}

fn message(fields: &mut Fields<'_>) -> Result<Message, ApiError> {
    let Some(role) = fields.word("role", ROLES)? else { return Err(missing(fields.at("role"))) };
    let content = match fields.take("content") {
        Some(Value::String(text)) => {
            check_length(fields.at("content"), &text, 0, MAX_TEXT)?;
            vec![string_part(role, text)]
        }
        Some(Value::Array(list)) => decode_parts(list, fields.at("content"), role)?,
        Some(other) => {
            return Err(wrong_type(fields.at("content"), "a string or an array of content parts", &other));
        }
        None => return Err(missing(fields.at("content"))),
    };
    let phase = match role {
        Role::Assistant => fields.word("phase", PHASES)?,
        Role::User | Role::System | Role::Developer => None,
    };
    Ok(Message { id: fields.string("id", MAX_TEXT)?, status: status(fields)?, role, content, phase })
}

/// Checks a function's name: `^[a-zA-Z0-9_-]+$`, 1 to 64 characters.
pub(crate) fn function_name(fields: &mut Fields<'_>, key: &str) -> Result<String, ApiError> {
    let name = fields.identifier(key, MAX_NAME)?;
    if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return Ok(name);
    }
    Err(refuse(
        "invalid_value",
        fields.at(key),
        "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
    ))
}

fn function_call(fields: &mut Fields<'_>) -> Result<FunctionCall, ApiError> {
    Ok(FunctionCall {
        id: fields.string("id", MAX_TEXT)?,
        call_id: fields.identifier("call_id", MAX_NAME)?,
        // Models make names up, and what was emitted must be accepted back (rules 3.6).
        name: fields.identifier("name", MAX_TEXT)?,
        namespace: fields.string("namespace", MAX_TEXT)?,
        arguments: fields.required_string("arguments", MAX_TEXT)?,
        status: status(fields)?,
    })
}

fn custom_call(fields: &mut Fields<'_>) -> Result<CustomToolCall, ApiError> {
    Ok(CustomToolCall {
        id: fields.string("id", MAX_TEXT)?,
        call_id: fields.identifier("call_id", MAX_NAME)?,
        name: fields.identifier("name", MAX_TEXT)?,
        input: fields.required_string("input", MAX_TEXT)?,
        status: status(fields)?,
    })
}

fn call_output(fields: &mut Fields<'_>) -> Result<FunctionCallOutput, ApiError> {
    let output = match fields.take("output") {
        Some(Value::String(text)) => {
            check_length(fields.at("output"), &text, 0, MAX_TEXT)?;
            Output::Text(text)
        }
        // A tool's output is input for the model, whoever ran the tool.
        Some(Value::Array(list)) => Output::Parts(decode_parts(list, fields.at("output"), Role::User)?),
        Some(other) => {
            return Err(wrong_type(fields.at("output"), "a string or an array of content parts", &other));
        }
        None => return Err(missing(fields.at("output"))),
    };
    Ok(FunctionCallOutput {
        id: fields.string("id", MAX_TEXT)?,
        call_id: fields.identifier("call_id", MAX_NAME)?,
        output,
        status: status(fields)?,
    })
}

fn texts(fields: &mut Fields<'_>, key: &str, kinds: &[(&str, ())]) -> Result<Vec<String>, ApiError> {
    let list = fields.array(key)?.unwrap_or_default();
    let parent = fields.at(key);
    let mut out = Vec::with_capacity(list.len());
    for (index, value) in list.into_iter().enumerate() {
        let mut part = Fields::new(value, Path::Index(&parent, index))?;
        match part.take("type") {
            Some(kind) => word(part.at("type"), &kind, kinds)?,
            None => return Err(missing(part.at("type"))),
        }
        out.push(part.required_string("text", MAX_TEXT)?);
    }
    Ok(out)
}

fn reasoning(fields: &mut Fields<'_>) -> Result<Reasoning, ApiError> {
    let summary = texts(fields, "summary", &[("summary_text", ())])?;
    let content = texts(fields, "content", &[("reasoning_text", ()), ("text", ()), ("output_text", ())])?;
    Ok(Reasoning {
        id: fields.string("id", MAX_TEXT)?,
        status: status(fields)?,
        summary: summary.into_iter().map(|text| SummaryPart { text }).collect(),
        content: content.into_iter().map(|text| ReasoningPart { text }).collect(),
        encrypted_content: fields.string("encrypted_content", MAX_TEXT)?,
    })
}
