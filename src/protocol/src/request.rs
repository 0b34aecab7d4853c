//! The body of `POST /v1/responses`.

use serde_json::Value;
use serde_json::value::RawValue;

use crate::bounds::{MAX_ITEMS, MAX_TEXT};
use crate::decode::fields::{Fields, list};
use crate::decode::item::decode_raw_item;
use crate::decode::part::string_part;
use crate::decode::settings::decode_settings;
use crate::decode::{each, not_json, text, wrong_type};
use crate::item::{Item, Message, Role};
use crate::json::{Skimmed, each_member, member, object_of, string};
use crate::{ApiError, ErrorKind, Extra, Path, RawJson, Settings, brought_tools, shown_mcp_url};

/// Members of a body that have a form of their own; all others are [`crate::Members`].
const BODY: &[&str] = &[
    "model",
    "input",
    "previous_response_id",
    "stream",
    "store",
    "background",
    "api_key",
    "stream_options",
    "conversation",
    "prompt",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "max_tool_calls",
    "text",
    "reasoning",
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "max_output_tokens",
    "top_logprobs",
    "include",
    "truncation",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "metadata",
    "user",
];
/// The input is stored beside a body, with ids; keys are not stored.
const NOT_KEPT: &[&str] = &["input", "api_key"];

/// A decoded create request (rules 2).
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
        let begins = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
        if begins.is_some_and(|byte| *byte != b'{') {
            check(bytes).map_err(|e| not_json(&e))?;
            return Err(ApiError::new(
                ErrorKind::InvalidRequest,
                "Invalid body: expected a JSON object with the request's fields.",
            )
            .with_code("invalid_type"));
        }
        let body = Fields::read(bytes, Path::Root, BODY).map_err(|e| not_json(&e));
        // What is no JSON is told first, wherever it is.
        body.and_then(Self::decode).map_err(|error| check(bytes).map_or_else(|e| not_json(&e), |()| error))
    }

    /// Decodes a body that is JSON already.
    pub fn from_value(value: Value) -> Result<Self, ApiError> {
        let text = value.to_string();
        drop(value);
        Self::from_json(text.as_bytes())
    }

    /// A body without what is not kept for a later start: its input and its keys.
    ///
    /// # Errors
    /// If it is no body.
    pub fn without_secrets(bytes: &[u8]) -> Result<RawJson, ApiError> {
        let mut fields = Fields::read(bytes, Path::Root, BODY).map_err(|e| not_json(&e))?;
        let mut kept: Vec<(&str, &RawValue)> = Vec::new();
        let mut tools = None;
        for key in BODY.iter().filter(|key| !NOT_KEPT.contains(key)) {
            let Some(raw) = fields.take(key) else { continue };
            if *key == "tools" {
                tools = Some(tools_without_secrets(raw)?);
            } else {
                kept.push((*key, raw));
            }
        }
        kept.extend(tools.iter().map(|tools| ("tools", tools.as_raw())));
        for key in NOT_KEPT {
            let _ = fields.take(key);
        }
        let others = fields.rest()?;
        let others = others.members();
        kept.extend(others.iter().map(|(key, value)| (&**key, *value)));
        let kept = object_of(kept).ok_or_else(ApiError::internal)?;
        RawJson::keep(kept.as_raw()).map_err(|e| not_json(&e))
    }

    fn decode(mut body: Fields<'_, '_>) -> Result<Self, ApiError> {
        refuse_unsupported(&body)?;
        let mut stream_options = Extra::default();
        if let Some(value) = body.take("stream_options") {
            let mut options = Fields::whole(value, body.at("stream_options"), &["include_obfuscation"])?;
            // Padding evens out packet sizes; the field is optional and we send none (rules 12.11).
            options.boolean("include_obfuscation")?;
            stream_options = options.rest()?;
        }
        let model = body.string("model", 1024)?.filter(|model| !model.is_empty());
        let input = input(&mut body)?;
        let previous_response_id = body.string("previous_response_id", 1024)?;
        // What the request goes on from may bring tools too.
        let brought = match previous_response_id {
            None => Some(brought_tools(&input)?),
            Some(_) => None,
        };
        Ok(Self {
            model,
            input,
            previous_response_id,
            stream: body.boolean("stream")?.unwrap_or(false),
            store: body.boolean("store")?.unwrap_or(true),
            background: body.boolean("background")?.unwrap_or(false),
            api_key: body.string("api_key", 4096)?,
            // Last: what nobody took is of the settings.
            settings: decode_settings(&mut body, brought.as_deref(), stream_options)?,
        })
    }
}

/// Fields that change what the model sees must not be ignored while nothing carries them out.
fn refuse_unsupported(body: &Fields<'_, '_>) -> Result<(), ApiError> {
    for key in ["conversation", "prompt"] {
        if body.peek(key).is_some() {
            let text = format!("Unsupported parameter: '{key}' is not supported by this server.");
            return Err(ApiError::invalid("unsupported_parameter", key, text));
        }
    }
    Ok(())
}

/// Whether a tree could be built of a body; the error says where it cannot.
fn check(bytes: &[u8]) -> Result<(), serde_json::Error> {
    serde_json::from_slice::<Skimmed>(bytes).map(|Skimmed| ())
}

/// Takes the keys for MCP servers out of their tools. What the response hides of an address may be one, so such an
/// address goes as a whole.
fn tools_without_secrets(raw: &RawValue) -> Result<RawJson, ApiError> {
    let mut text = String::from("[");
    each(raw, |index, tool| {
        if index > 0 {
            text.push(',');
        }
        if member(tool, "type").and_then(string).as_deref() != Some("mcp") {
            text.push_str(tool.get());
            return Ok(());
        }
        let url = member(tool, "server_url").and_then(string);
        let hides = url.is_some_and(|url| shown_mcp_url(&url).as_deref() != Some(&*url));
        let mut members = Vec::new();
        each_member(tool, |key, value| members.push((key, value)));
        members.retain(|(key, _)| {
            *key != "authorization" && *key != "headers" && !(*key == "server_url" && hides)
        });
        let shown = object_of(members.iter().map(|(key, value)| (&**key, *value)));
        text.push_str(shown.ok_or_else(ApiError::internal)?.as_str());
        Ok(())
    })?;
    text.push(']');
    RawValue::from_string(text).map(RawJson::from).map_err(|e| not_json(&e))
}

fn input(body: &mut Fields<'_, '_>) -> Result<Vec<Item>, ApiError> {
    let Some(raw) = body.take("input") else { return Ok(Vec::new()) };
    let path = body.at("input");
    match raw.get().as_bytes().first() {
        Some(b'"') => {
            let content = vec![string_part(Role::User, text(path, raw, MAX_TEXT)?)];
            Ok(vec![Item::Message(Message {
                extra: Extra::default(),
                id: None,
                status: None,
                role: Role::User,
                content,
                phase: None,
            })])
        }
        Some(b'[') => list(raw, path, MAX_ITEMS, "items", decode_raw_item),
        _ => Err(wrong_type(path, "a string or an array of items", raw)),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn refused(body: &str) -> (String, String) {
        let error = CreateResponseBody::from_json(body.as_bytes()).unwrap_err();
        (error.code.unwrap_or_default(), error.message)
    }

    /// What a tree of values refuses is refused in its words, wherever it stands.
    #[test]
    fn broken_json_is_told_as_of_the_whole_body() {
        for body in [
            "",
            "{",
            r#"{"input":[{"role":"user","content":"\ud800"}]}"#,
            r#"{"temperature":1e999}"#,
            r#"{"tools":[{"type":"function","name":"f","parameters":{"x":[1e999]}}]}"#,
            r#"{"x":{"y":[1e999]}}"#,
            r#"{"input":"a"} x"#,
            &format!(r#"{{"x":{}"#, "[".repeat(1000)),
        ] {
            let want = serde_json::from_str::<Value>(body).unwrap_err();
            let want = format!("We could not parse the JSON body of your request: {want}.");
            assert_eq!(refused(body), ("invalid_json".into(), want), "{body:.100}");
        }
        assert_eq!(refused("[1]").0, "invalid_type");
    }

    #[test]
    fn the_last_of_two_members_counts() {
        let body = r#"{"model":"a","model":"b","input":[{"type":"message","type":"x:y","n":1,"n":2}],
            "tools":[{"type":"web_search","a":1,"type":"x:y"}]}"#;
        let body = CreateResponseBody::from_json(body.as_bytes()).unwrap();
        assert_eq!(body.model.as_deref(), Some("b"));
        assert_eq!(serde_json::to_string(&body.input).unwrap(), r#"[{"type":"x:y","n":2}]"#);
        assert_eq!(serde_json::to_string(&body.settings.tools).unwrap(), r#"[{"type":"x:y","a":1}]"#);
    }

    #[test]
    fn schemas_and_tools_keep_their_numbers_and_lose_their_blanks() {
        let body = r#"{"tools":[{"type":"function","name":"f","parameters":{ "x" : [1e15,
            1.50, "a  b"] }}]}"#;
        let body = CreateResponseBody::from_json(body.as_bytes()).unwrap();
        let tools = serde_json::to_string(&body.settings.tools).unwrap();
        assert!(tools.contains(r#""parameters":{"x":[1e15,1.50,"a  b"]}"#), "{tools}");
    }

    #[test]
    fn what_is_kept_of_a_body_has_no_input_and_no_keys() {
        let body = json!({"model": "m", "input": "hush", "api_key": "hush", "unknown": "x", "temperature": 1,
            "tools": [{"type": "mcp", "server_label": "a", "authorization": "hush", "headers": {"x": "hush"},
                       "server_url": "https://a.example/hush"},
                      {"type": "mcp", "server_label": "b", "server_url": "https://a.example/mcp"},
                      {"type": "web_search"}]});
        let kept = CreateResponseBody::without_secrets(body.to_string().as_bytes()).unwrap();
        let want = json!({"model": "m", "temperature": 1, "tools": [{"type": "mcp", "server_label": "a"},
            {"type": "mcp", "server_label": "b", "server_url": "https://a.example/mcp"}, {"type": "web_search"}],
            "unknown": "x"});
        assert_eq!(kept.value(), want);
    }
}
