//! A large message of a server, made small before it becomes values.
//!
//! Values cost many times what their text does, and all sessions share a thread. So a message over [`SMALL`] is looked
//! through off that thread, and only its frame goes on: of a tool's result or a list of tools the text, as one string; of
//! everything else the members that are short.

use std::borrow::Cow;

use rmcp::model::ServerJsonRpcMessage;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use tokio::task::spawn_blocking;

use crate::answer::head;

/// A message up to this size is read as it is, in bytes.
const SMALL: usize = 4 * 1024;
/// Longest member of a large message that goes on as it is, in bytes.
const MAX_MEMBER: usize = 4 * 1024;
/// Most members that do.
const MAX_MEMBERS: usize = 16;
/// Longest text of an error that goes on, in bytes.
const MAX_TEXT: usize = 4 * 1024;
/// What a result has whose text is read elsewhere.
const READ_ELSEWHERE: [&str; 3] = ["content", "structuredContent", "tools"];

/// What a body says; `None`: it is no message.
pub(crate) async fn read(body: Vec<u8>) -> Option<ServerJsonRpcMessage> {
    if body.len() <= SMALL {
        return serde_json::from_slice(&body).ok();
    }
    let work = move || serde_json::from_str(&slim(std::str::from_utf8(&body).ok()?)?).ok();
    spawn_blocking(work).await.ok().flatten()
}

/// The same message as text; `None`: it is large, and no message.
pub(super) async fn text(message: String) -> Option<String> {
    if message.len() <= SMALL {
        return Some(message);
    }
    spawn_blocking(move || slim(&message)).await.ok().flatten()
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    params: Option<Members<'a>>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<Refusal<'a>>,
}

#[derive(Deserialize, Serialize)]
struct Refusal<'a> {
    code: i64,
    #[serde(borrow)]
    message: Cow<'a, str>,
}

#[derive(Serialize)]
struct Slim<'a> {
    jsonrpc: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    params: Option<&'a Members<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Answer<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Refusal<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Answer<'a> {
    Text(&'a str),
    Members(Members<'a>),
}

/// The short members of an object.
struct Members<'a> {
    kept: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// Whether one of them is read elsewhere.
    is_content: bool,
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Short;

        impl<'de> Visitor<'de> for Short {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members { kept: Vec::new(), is_content: false };
                while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &RawValue>()? {
                    members.is_content |= READ_ELSEWHERE.contains(&&*name);
                    let short = name.len() + value.get().len() <= MAX_MEMBER;
                    if short && members.kept.len() < MAX_MEMBERS {
                        members.kept.push((name, value));
                    }
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Short)
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Serialize for Members<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.kept.iter().map(|(name, value)| (name, value)))
    }
}

fn slim(message: &str) -> Option<String> {
    let Message { id, method, params, result, error } = serde_json::from_str(message).ok()?;
    let result = match result {
        None => None,
        Some(raw) => Some(match serde_json::from_str::<Members<'_>>(raw.get()) {
            Ok(members) if !members.is_content => Answer::Members(members),
            Ok(_) => Answer::Text(raw.get()),
            Err(_) => return None,
        }),
    };
    let error = error.map(|Refusal { code, message }| Refusal {
        code,
        message: head(&message, MAX_TEXT).to_owned().into(),
    });
    // An id is a number or a short text.
    let id = id.filter(|id| id.get().len() <= MAX_MEMBER);
    let slim = Slim { jsonrpc: "2.0", id, method: method.as_deref(), params: params.as_ref(), result, error };
    serde_json::to_string(&slim).ok()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    /// Long enough for a message to be large.
    fn long() -> String {
        "x\"y ".repeat(SMALL)
    }

    #[track_caller]
    fn check(message: &Value, want: Value) {
        let got = slim(&message.to_string()).unwrap();
        assert_eq!(serde_json::from_str::<Value>(&got).unwrap(), want);
    }

    #[test]
    fn a_result_with_content_goes_on_as_one_string() {
        for result in [
            json!({"content": [{"type": "text", "text": long()}], "_meta": 1}),
            json!({"tools": [], "x": long()}),
        ] {
            let text = result.to_string();
            check(
                &json!({"jsonrpc": "2.0", "id": 7, "result": result, "more": long()}),
                json!({"jsonrpc": "2.0", "id": 7, "result": text}),
            );
        }
    }

    #[test]
    fn of_other_results_the_short_members_go_on() {
        let result = json!({"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "instructions": long(),
                            "serverInfo": {"name": "s", "version": "1"}});
        let mut want = result.clone();
        want.as_object_mut().unwrap().remove("instructions");
        check(
            &json!({"jsonrpc": "2.0", "id": "a", "result": result}),
            json!({"jsonrpc": "2.0", "id": "a", "result": want}),
        );
    }

    #[test]
    fn a_notification_and_a_request_keep_what_is_short() {
        let params = json!({"progressToken": 3, "progress": 0.5, "message": long()});
        check(
            &json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}),
            json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 3, "progress": 0.5}}),
        );
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {"messages": [long()]}});
        check(&request, json!({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": {}}));
    }

    #[test]
    fn an_error_is_cut_and_its_data_left_out() {
        let got = slim(&json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "é".repeat(MAX_TEXT), "data": long()}}).to_string());
        let got: Value = serde_json::from_str(&got.unwrap()).unwrap();
        assert_eq!(got["error"], json!({"code": -1, "message": "é".repeat(MAX_TEXT / 2)}));
    }

    #[test]
    fn what_is_no_message_is_none() {
        for text in ["", "[1]", "1", "{\"result\":1", "{\"result\":[1]}", "{\"error\":1}"] {
            assert_eq!(slim(text), None, "{text}");
        }
    }

    #[test]
    fn what_goes_on_reads_as_a_message() {
        for message in [
            json!({"jsonrpc": "2.0", "id": 7, "result": {"content": [{"type": "text", "text": long()}]}}),
            json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": long()}}),
            json!({"jsonrpc": "2.0", "id": 7, "method": "sampling/createMessage", "params": {"messages": [long()]}}),
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": long()}}),
        ] {
            let slim = slim(&message.to_string()).unwrap();
            assert!(serde_json::from_str::<ServerJsonRpcMessage>(&slim).is_ok(), "{slim}");
        }
    }
}
