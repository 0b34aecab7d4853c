//! Counting the tokens of a request: what the providers' counters have in common, and an estimate for those
//! that have none.

use std::borrow::Cow;
use std::collections::BTreeMap;

use or_protocol::{RawJson, elements, member, members as members_of, string};
use serde::{Deserialize as _, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::shared::lenient::{self, Count};
use crate::{AdapterError, UpstreamCall};

/// The estimate for one image, audio, video or document, whatever its size: about what the providers charge for
/// a picture of a million pixels. Nobody can tell more without decoding it and knowing the model.
pub const MEDIA_TOKENS: u64 = 1_000;
/// What a message costs beside its text: its role and its borders.
const MESSAGE_TOKENS: u64 = 4;
/// What the beginning of the answer costs.
const ANSWER_TOKENS: u64 = 3;

/// Members of the providers' request bodies that are read as they are.
const TEXTS: &[&str] = &["instructions", "system", "systemInstruction"];
/// Members that hold one message for each element.
const MESSAGES: &[&str] = &["input", "messages", "contents"];
/// Members that the provider writes into the prompt as JSON or something like it.
const SCHEMAS: &[&str] = &["tools", "text", "format", "response_format", "output_config", "generationConfig"];
/// Members inside messages that are no part of the prompt, or sealed so that nobody but the provider can count
/// them.
const SILENT: &[&str] = &[
    "type",
    "role",
    "id",
    "status",
    "phase",
    "call_id",
    "tool_call_id",
    "tool_use_id",
    "cache_control",
    "signature",
    "thoughtSignature",
    "encrypted_content",
];
/// Members that hold arguments as an object.
const ARGUMENTS: &[&str] = &["arguments", "args", "input"];
/// Types and members of parts whose content is not text.
const MEDIA_TYPES: &[&str] = &[
    "image",
    "image_url",
    "input_image",
    "input_audio",
    "input_video",
    "video_url",
    "input_file",
    "file",
    "document",
];
const MEDIA_MEMBERS: &[&str] = &["inlineData", "fileData"];

/// The members of a JSON object that are named, as they are. `None`: it is no object.
pub(crate) fn members<'a>(body: &'a [u8], names: &[&str]) -> Option<BTreeMap<&'a str, &'a RawValue>> {
    let mut all: BTreeMap<&str, &RawValue> = serde_json::from_slice(body).ok()?;
    all.retain(|name, _| names.contains(name));
    Some(all)
}

/// A call of the counter at `path` for a translated turn.
pub(crate) fn counting(call: &UpstreamCall, path: String, body: &impl Serialize) -> Option<UpstreamCall> {
    let body = serde_json::to_vec(body).ok()?;
    Some(UpstreamCall { path, headers: call.headers.clone(), body, stream: false, notes: Vec::new() })
}

/// The number that a counter's answer has under `name`.
pub(crate) fn read_number(provider: &'static str, body: &[u8], name: &str) -> Result<u64, AdapterError> {
    let bad = |what: String| AdapterError::BadFrame { provider, what };
    let answer: Value = lenient::whole(provider, body)?;
    let number = answer.get(name).and_then(|value| Count::deserialize(value).ok()?.0);
    number.ok_or_else(|| bad(format!("a token count without a number `{name}`")))
}

/// Roughly how many tokens the body of a translated turn has. `count` counts a text.
///
/// It goes by the members that the built-in kinds use; a body that has none of them is counted whole.
pub fn estimate_tokens(body: &[u8], count: &dyn Fn(&str) -> u64) -> u64 {
    let Ok(body) = serde_json::from_slice::<RawJson>(body) else {
        return count(&String::from_utf8_lossy(body));
    };
    let members = body.members();
    let known = |name: &str| [TEXTS, MESSAGES, SCHEMAS].iter().any(|list| list.contains(&name));
    if !body.is_object() || !members.iter().any(|(name, _)| known(name)) {
        return count(body.as_str());
    }
    let estimate = Estimate { count };
    let mut tokens = ANSWER_TOKENS;
    for (name, value) in &members {
        if TEXTS.contains(&&**name) {
            tokens += MESSAGE_TOKENS + estimate.value(value);
        } else if MESSAGES.contains(&&**name) {
            let messages = if is_array(value) { elements(value).len() as u64 } else { 1 };
            tokens += MESSAGE_TOKENS * messages + estimate.value(value);
        } else if SCHEMAS.contains(&&**name) {
            tokens += estimate.schemas(value);
        }
    }
    tokens
}

/// Goes over a body as text; only the texts inside it are ever copied.
struct Estimate<'a> {
    count: &'a dyn Fn(&str) -> u64,
}

impl Estimate<'_> {
    /// Texts inside messages.
    fn value(&self, value: &RawValue) -> u64 {
        match value.get().as_bytes().first() {
            Some(b'"') => string(value).map_or(0, |text| (self.count)(&text)),
            Some(b'[') => elements(value).into_iter().map(|value| self.value(value)).sum(),
            Some(b'{') => {
                let members = members_of(value);
                match is_media(&members) {
                    true => MEDIA_TOKENS,
                    false => members.iter().map(|(name, value)| self.member(name, value)).sum(),
                }
            }
            _ => 0,
        }
    }

    fn member(&self, name: &str, value: &RawValue) -> u64 {
        if SILENT.contains(&name) {
            0
        } else if is_array(value) && name == "images" {
            MEDIA_TOKENS * elements(value).len() as u64
        } else if is_object(value) && ARGUMENTS.contains(&name) {
            (self.count)(value.get())
        } else {
            self.value(value)
        }
    }

    /// Tools and formats: all of their JSON that has something to say.
    fn schemas(&self, value: &RawValue) -> u64 {
        if is_array(value) {
            return elements(value).into_iter().map(|value| (self.count)(value.get())).sum();
        }
        // Numbers and words beside a schema are settings.
        let members = members_of(value);
        match members.iter().any(|(name, _)| name == "properties") {
            true => (self.count)(value.get()),
            false => {
                let schemas = members.iter().filter(|(_, value)| is_object(value));
                schemas.map(|(_, schema)| (self.count)(schema.get())).sum()
            }
        }
    }
}

fn is_array(value: &RawValue) -> bool {
    value.get().starts_with('[')
}

fn is_object(value: &RawValue) -> bool {
    value.get().starts_with('{')
}

/// Whether a part holds something else than text.
fn is_media(part: &[(Cow<'_, str>, &RawValue)]) -> bool {
    let get = |key: &str| part.iter().find(|(name, _)| name == key).map(|(_, value)| *value);
    // A document may be plain text.
    let source = get("source").and_then(|source| member(source, "type")).and_then(string);
    let text = matches!(source.as_deref(), Some("text" | "content"));
    let kind = get("type").and_then(string);
    !text && kind.is_some_and(|kind| MEDIA_TYPES.contains(&&*kind))
        || part.iter().any(|(name, _)| MEDIA_MEMBERS.contains(&&**name))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    /// `want`: beside the beginning of the answer. A token is a word here.
    #[track_caller]
    fn check(body: &Value, want: u64) {
        let words = |text: &str| text.split_whitespace().count() as u64;
        assert_eq!(estimate_tokens(body.to_string().as_bytes(), &words), ANSWER_TOKENS + want, "{body}");
    }

    #[test]
    fn texts_of_every_wire_are_counted_and_settings_are_not() {
        let n = MESSAGE_TOKENS;
        check(
            &json!({"model": "a b", "instructions": "be good", "input": [
                {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "one two three"}]},
                {"type": "reasoning", "encrypted_content": "a b c", "summary": []},
                {"type": "function_call_output", "call_id": "c c", "output": "it rains"}]}),
            4 * n + 7,
        );
        check(
            &json!({"messages": [{"role": "user", "content": "one two"},
                {"role": "assistant", "tool_calls": [{"id": "x y", "type": "function",
                    "function": {"name": "look", "arguments": "{} {}"}}]}], "user": "a b c", "temperature": 1}),
            2 * n + 5,
        );
        check(
            &json!({"system": [{"type": "text", "text": "be good"}], "messages": [{"role": "assistant",
                "content": [{"type": "thinking", "thinking": "a b", "signature": "s s"},
                            {"type": "tool_use", "id": "i", "name": "look", "input": {"q": "x y"}}]}]}),
            2 * n + 7,
        );
        check(
            &json!({"contents": [{"role": "user", "parts": [{"text": "one two"}]}],
                    "systemInstruction": {"parts": [{"text": "be"}]}}),
            2 * n + 3,
        );
    }

    #[test]
    fn tools_and_schemas_are_counted_as_their_json() {
        check(&json!({"tools": [{"name": "a b", "parameters": {"type": "object"}}, {"name": "c"}]}), 3);
        let schema = json!({"type": "object", "properties": {"a b": {}}});
        check(&json!({"input": [], "format": schema}), 2);
        check(&json!({"input": [], "text": {"verbosity": "a b", "format": schema}}), 2);
        check(
            &json!({"contents": [], "generationConfig": {"temperature": 1, "responseJsonSchema": schema}}),
            2,
        );
        check(&json!({"messages": [], "format": "json now"}), 0);
    }

    #[test]
    fn what_is_not_text_has_a_fixed_price() {
        let n = MESSAGE_TOKENS;
        for part in [
            json!({"type": "input_image", "image_url": "data:image/png;base64,a b"}),
            json!({"type": "image_url", "image_url": {"url": "a b"}}),
            json!({"type": "image", "source": {"type": "base64", "data": "a b"}}),
            json!({"type": "document", "source": {"type": "base64", "data": "a b"}}),
            json!({"inlineData": {"mimeType": "image/png", "data": "a b"}}),
        ] {
            check(&json!({"messages": [{"role": "user", "content": [part]}]}), n + MEDIA_TOKENS);
        }
        check(&json!({"messages": [{"content": "a b", "images": ["x", "y"]}]}), n + 2 + 2 * MEDIA_TOKENS);
        let text = json!({"type": "document", "source": {"type": "text", "data": "a b"}});
        check(&json!({"messages": [{"content": [text]}]}), n + 2);
    }

    #[test]
    fn an_unknown_body_is_counted_whole() {
        let words = |text: &str| text.split_whitespace().count() as u64;
        assert_eq!(estimate_tokens(br#"{"prompt":"a b c"}"#, &words), 3);
        assert_eq!(estimate_tokens(b"a b", &words), 2);
    }

    #[test]
    fn a_count_is_read_or_refused() {
        assert_eq!(read_number("p", br#"{"object":"x","input_tokens":7}"#, "input_tokens"), Ok(7));
        assert_eq!(read_number("p", br#"{"input_tokens":"7"}"#, "input_tokens"), Ok(7));
        for body in ["", "[]", "{}", r#"{"input_tokens":"many"}"#, r#"{"input_tokens":-1}"#] {
            let error = read_number("p", body.as_bytes(), "input_tokens").unwrap_err();
            assert!(matches!(error, AdapterError::BadFrame { provider: "p", .. }), "{body}");
        }
    }
}
