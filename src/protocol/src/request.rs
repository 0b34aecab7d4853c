//! The body of `POST /v1/responses`.

use serde_json::Value;

use crate::decode::item::decode_item;
use crate::decode::part::string_part;
use crate::decode::settings::decode_settings;
use crate::decode::{MAX_TEXT, refuse, wrong_type};
use crate::item::{Item, Message, Role};
use crate::{ApiError, ErrorKind, Fields, Path, Settings};

/// A decoded create request (rules 2). Unknown top-level fields were ignored (rules 2.1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CreateResponseBody {
    /// Model name as the client wrote it.
    pub model: Option<String>,
    /// New input; a string became one user message.
    pub input: Vec<Item>,
    /// Response to continue, not yet checked for form.
    pub previous_response_id: Option<String>,
    /// Answer as SSE.
    pub stream: bool,
    /// Keep the response, true by default.
    pub store: bool,
    /// Answer at once and work on.
    pub background: bool,
    /// Everything that shapes the answer.
    pub settings: Settings,
    /// The client's own provider key (ours, not in the spec): used for this call only, never echoed.
    pub api_key: Option<String>,
}

impl CreateResponseBody {
    /// Decodes a body. Every error is a 400 with OpenAI's code, path and words.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ApiError> {
        let value: Value = serde_json::from_slice(bytes).map_err(|e| not_json(&e))?;
        Self::from_value(value)
    }

    /// Decodes a body that is JSON already.
    pub fn from_value(value: Value) -> Result<Self, ApiError> {
        if !value.is_object() {
            return Err(ApiError::new(
                ErrorKind::InvalidRequest,
                "Invalid body: expected a JSON object with the request's fields.",
            )
            .with_code("invalid_type"));
        }
        let mut body = Fields::new(value, Path::Root)?;
        refuse_unsupported(&body)?;
        if let Some(value) = body.take("stream_options") {
            let mut options = Fields::new(value, body.at("stream_options"))?;
            // Padding evens out packet sizes; the field is optional and we send none (rules 12.11).
            options.boolean("include_obfuscation")?;
        }
        Ok(Self {
            model: match body.string("model", 1024)? {
                Some(model) if model.is_empty() => None,
                other => other,
            },
            input: input(&mut body)?,
            previous_response_id: body.string("previous_response_id", 1024)?,
            stream: body.boolean("stream")?.unwrap_or(false),
            store: body.boolean("store")?.unwrap_or(true),
            background: body.boolean("background")?.unwrap_or(false),
            settings: decode_settings(&mut body)?,
            api_key: body.string("api_key", 4096)?,
        })
    }
}

/// Fields that change what the model sees must not be ignored while nothing carries them out.
fn refuse_unsupported(body: &Fields<'_>) -> Result<(), ApiError> {
    for key in ["conversation", "prompt"] {
        if body.peek(key).is_some() {
            let text = format!("Unsupported parameter: '{key}' is not supported by this server.");
            return Err(ApiError::invalid("unsupported_parameter", key, text));
        }
    }
    Ok(())
}

fn not_json(error: &serde_json::Error) -> ApiError {
    let text = format!("We could not parse the JSON body of your request: {error}.");
    ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_json")
}

fn input(body: &mut Fields<'_>) -> Result<Vec<Item>, ApiError> {
    let value = body.take("input");
    let path = body.at("input");
    match value {
        None => Ok(Vec::new()),
        Some(Value::String(text)) => {
            crate::decode::check_length(path, &text, 0, MAX_TEXT)?;
            let content = vec![string_part(Role::User, text)];
            Ok(vec![Item::Message(Message {
                id: None,
                status: None,
                role: Role::User,
                content,
                phase: None,
            })])
        }
        Some(Value::Array(list)) => {
            if list.len() > 100_000 {
                return Err(refuse("array_above_max_length", path, "expected at most 100000 items."));
            }
            list.into_iter().enumerate().map(|(i, v)| decode_item(v, Path::Index(&path, i))).collect()
        }
        Some(other) => Err(wrong_type(path, "a string or an array of items", &other)),
    }
}
