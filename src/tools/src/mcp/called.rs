//! What a tool of a server answered, read without making values of what nobody reads.

use rmcp::model::{CallToolResult, ContentBlock};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// Most blocks of one result.
const MAX_BLOCKS: usize = 4096;

/// The answer to a call.
pub struct Called {
    /// Texts, images and whatever else there is.
    pub(super) content: Vec<ContentBlock>,
    /// JSON; as a rule one of the texts says the same.
    pub(super) structured: Option<String>,
    /// Whether it says what went wrong.
    pub(super) is_error: bool,
}

impl From<CallToolResult> for Called {
    fn from(result: CallToolResult) -> Self {
        let structured = result.structured_content.map(|value| value.to_string());
        Self { content: result.content, structured, is_error: result.is_error == Some(true) }
    }
}

impl Called {
    /// Of the text of a result; `None`: it has no known form.
    pub(super) fn read(result: &str) -> Option<Self> {
        let Whole { result_type, content, structured, is_error } = serde_json::from_str(result).ok()?;
        if result_type.is_some_and(|word| word != "complete") || (content.is_none() && structured.is_none()) {
            return None;
        }
        let content: Vec<ContentBlock> = content
            .map_or(Some(Vec::new()), |Blocks(blocks)| blocks.into_iter().map(Block::typed).collect())?;
        let structured = structured.map(|raw| minified(raw.get()));
        Some(Self { content, structured, is_error: is_error == Some(true) })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Whole<'a> {
    result_type: Option<String>,
    content: Option<Blocks>,
    /// Null is a value too.
    #[serde(borrow, rename = "structuredContent", default, deserialize_with = "present")]
    structured: Option<&'a RawValue>,
    is_error: Option<bool>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

struct Blocks(Vec<Block>);

impl<'de> Deserialize<'de> for Blocks {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Few;

        impl<'de> Visitor<'de> for Few {
            type Value = Blocks;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a list")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut blocks = Vec::new();
                while let Some(block) = list.next_element()? {
                    if blocks.len() == MAX_BLOCKS {
                        return Err(A::Error::custom("too many blocks"));
                    }
                    blocks.push(block);
                }
                Ok(Blocks(blocks))
            }
        }

        deserializer.deserialize_seq(Few)
    }
}

/// The members that are read of a block.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    r#type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource: Option<Resource>,
    // Of a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
}

impl Block {
    fn typed(self) -> Option<ContentBlock> {
        serde_json::from_value(serde_json::to_value(self).ok()?).ok()
    }
}

/// JSON without the white space between its parts.
pub(super) fn minified(json: &str) -> String {
    let (mut in_text, mut escaped) = (false, false);
    let kept = |c: &char| {
        let keep = in_text || !matches!(c, ' ' | '\t' | '\n' | '\r');
        match (in_text, *c) {
            (true, _) if escaped => escaped = false,
            (true, '\\') => escaped = true,
            (_, '"') => in_text = !in_text,
            _ => {}
        }
        keep
    };
    json.chars().filter(kept).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The two ways to read a result give the same.
    #[track_caller]
    fn check(result: Value) {
        let Called { content, structured, is_error } = Called::read(&result.to_string()).unwrap();
        let typed = Called::from(serde_json::from_value::<CallToolResult>(result.clone()).unwrap());
        assert_eq!(
            json!([content, structured, is_error]),
            json!([typed.content, typed.structured, typed.is_error]),
            "{result}"
        );
    }

    #[test]
    fn a_large_result_reads_like_a_small_one() {
        let text = json!({"type": "text", "text": "a \"b\" \u{1f600}\n"});
        check(json!({"content": [text]}));
        check(json!({"content": [text, text], "isError": true, "structuredContent": {"a": 1}}));
        check(json!({"content": [], "structuredContent": {"a": ["b c", "\\\" d"], "e": null}}));
        check(json!({"structuredContent": null}));
        check(json!({"content": [], "resultType": "complete"}));
        check(json!({"content": [{"type": "image", "data": "aGk=", "mimeType": "image/png"},
                                 {"type": "audio", "data": "aGk=", "mimeType": "audio/wav"},
                                 {"type": "resource", "resource": {"uri": "file:///a", "text": "hi"}},
                                 {"type": "resource", "resource": {"uri": "file:///a", "blob": "aGk=", "mimeType": "a/b"}},
                                 {"type": "resource_link", "uri": "file:///a", "name": "a", "title": "b", "description": "c"}]}));
    }

    #[test]
    fn what_nobody_reads_is_not_there() {
        let more = json!({"a": [1, 2]});
        let block = json!({"type": "text", "text": "x", "_meta": more, "annotations": more, "more": more});
        let got =
            Called::read(&json!({"content": [block], "_meta": more, "more": more}).to_string()).unwrap();
        assert_eq!(json!(got.content), json!([{"type": "text", "text": "x"}]));
    }

    #[test]
    fn what_has_no_known_form_is_none() {
        let many = json!({"content": vec![json!({"type": "text", "text": ""}); MAX_BLOCKS + 1]});
        for result in [
            json!({}),
            json!({"content": [{"a": 1}]}),
            json!({"content": [{"type": "film"}]}),
            json!({"content": [{"type": "text", "text": 1}]}),
            json!({"content": 1}),
            json!({"resultType": "input_required", "content": []}),
            many,
        ] {
            assert!(Called::read(&result.to_string()).is_none());
        }
    }

    #[test]
    fn white_space_goes_where_it_means_nothing() {
        let json = "{ \"a b\" :\t[ 1 ,\r\n \"c \\\" d\\\\\" , \" e\" ] }";
        assert_eq!(minified(json), "{\"a b\":[1,\"c \\\" d\\\\\",\" e\"]}");
    }
}
