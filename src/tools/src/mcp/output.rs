//! From what an MCP server gave to what the model gets.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use or_protocol::{ContentPart, Detail, InputAudio, Output};
use rmcp::model::{ContentBlock, ResourceContents};
use serde_json::Value;

use super::called::{Called, minified};
use crate::answer::limited;
use crate::{Failure, ToolError, ToolOutput, ToolRun, finished};

/// Longest structured content that is made into values to compare it, in bytes.
const MAX_COMPARED: usize = 256 * 1024;
/// Of a call that may have been carried out.
pub(super) const UNKNOWN: &str = " It is not known whether the call took effect.";

/// What a call amounts to.
pub fn run(tool: &str, called: Result<Called, Failure>, max_output_bytes: usize, took: Duration) -> ToolRun {
    let done = called.and_then(|result| {
        let is_error = result.is_error;
        let output = output(result).and_then(|output| limited(output, max_output_bytes));
        output.map(|output| (output, is_error)).map_err(Failure::Failed)
    });
    match done {
        // The server's own words for what went wrong.
        Ok(((output, _), true)) => ToolRun { output, failed: true, took, result: "error", fault: None },
        Ok((done, false)) => finished(tool, Ok(done), took),
        Err(failure) => {
            let late = matches!(failure, Failure::TimedOut(_));
            let mut run = finished(tool, Err(failure), took);
            if let (true, Output::Text(text)) = (late, &mut run.output) {
                text.push_str(UNKNOWN);
            }
            run
        }
    }
}

fn output(result: Called) -> Result<ToolOutput, ToolError> {
    let Called { content, structured, is_error: _ } = result;
    if content.is_empty() {
        // The same again, as a rule, but here it is all there is.
        return Ok(structured.map_or_else(|| "".into(), ToolOutput::Text));
    }
    let mut texts: Vec<&str> =
        content.iter().filter_map(ContentBlock::as_text).map(|t| t.text.as_str()).collect();
    let more = structured.filter(|json| json != "null" && !says(&texts, json));
    if texts.len() == content.len() {
        texts.extend(more.as_deref());
        return Ok(ToolOutput::Text(texts.join("\n")));
    }
    let more = more.map(|text| Ok(ContentPart::InputText { text }));
    content.into_iter().map(part).chain(more).collect::<Result<_, _>>().map(ToolOutput::Parts)
}

/// Whether the texts say what the structured content does. Servers are to repeat it as a text; some libraries put
/// what is no object into a member of its own.
fn says(texts: &[&str], structured: &str) -> bool {
    if structured.len() > MAX_COMPARED {
        return texts.iter().any(|text| minified(text) == structured);
    }
    let Ok(value) = serde_json::from_str::<Value>(structured) else { return false };
    let inner = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.values().next());
    let same = |text: &str, value: &Value| {
        value.as_str() == Some(text) || serde_json::from_str::<Value>(text).is_ok_and(|said| said == *value)
    };
    let all = texts.join("\n");
    [Some(&value), inner].into_iter().flatten().any(|value| {
        let each = value.as_array().is_some_and(|list| {
            list.len() == texts.len() && list.iter().zip(texts).all(|(value, text)| same(text, value))
        });
        each || same(&all, value) || texts.iter().any(|text| same(text, value))
    })
}

fn part(block: ContentBlock) -> Result<ContentPart, ToolError> {
    Ok(match block {
        ContentBlock::Text(text) => ContentPart::InputText { text: text.text },
        ContentBlock::Image(image) => {
            checked(&image.data, "an image")?;
            image_part(&image.mime_type, &image.data)
        }
        ContentBlock::Audio(audio) => {
            checked(&audio.data, "an audio")?;
            match audio_format(&audio.mime_type) {
                Some(format) => ContentPart::InputAudio {
                    input_audio: InputAudio { data: audio.data, format: format.into() },
                },
                None => file_part("audio", &audio.mime_type, &audio.data),
            }
        }
        ContentBlock::Resource(embedded) => match embedded.resource {
            ResourceContents::TextResourceContents { uri, text, .. } => {
                ContentPart::InputText { text: format!("Resource {uri}:\n{text}") }
            }
            ResourceContents::BlobResourceContents { uri, mime_type, blob, .. } => {
                checked(&blob, "a resource")?;
                match mime_type.as_deref().unwrap_or("application/octet-stream") {
                    image if image.starts_with("image/") => image_part(image, &blob),
                    other => file_part(file_name(&uri), other, &blob),
                }
            }
            _ => return Err(unknown("a resource")),
        },
        ContentBlock::ResourceLink(link) => {
            let title = link.title.as_ref().unwrap_or(&link.name);
            let about = link.description.map(|text| format!(": {text}")).unwrap_or_default();
            ContentPart::InputText { text: format!("Resource {} ({title}){about}", link.uri) }
        }
        _ => return Err(unknown("a content block")),
    })
}

fn unknown(what: &str) -> ToolError {
    ToolError::new(format!("the result holds {what} of a type that is not known"))
}

fn image_part(media_type: &str, data: &str) -> ContentPart {
    let image_url = Some(format!("data:{media_type};base64,{data}"));
    ContentPart::InputImage { image_url, file_id: None, detail: Detail::Auto }
}

fn file_part(name: &str, media_type: &str, data: &str) -> ContentPart {
    ContentPart::InputFile {
        filename: Some(name.to_owned()),
        file_data: Some(format!("data:{media_type};base64,{data}")),
        file_url: None,
        file_id: None,
    }
}

/// A provider refuses a whole request for one part that is no base64.
fn checked(data: &str, what: &str) -> Result<(), ToolError> {
    match BASE64_STANDARD.decode(data) {
        Ok(_) => Ok(()),
        Err(_) => Err(ToolError::new(format!("the result holds {what} that is not base64"))),
    }
}

fn audio_format(media_type: &str) -> Option<&'static str> {
    match media_type {
        "audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave" => Some("wav"),
        "audio/mpeg" | "audio/mp3" => Some("mp3"),
        _ => None,
    }
}

/// The last segment of a URI.
fn file_name(uri: &str) -> &str {
    let path = uri.split(['?', '#']).next().unwrap_or_default();
    path.rsplit('/').find(|segment| !segment.is_empty()).unwrap_or("resource")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn called(result: Value) -> Called {
        serde_json::from_value::<rmcp::model::CallToolResult>(result).unwrap().into()
    }

    #[track_caller]
    fn check(result: Value, want: Value, failed: bool, word: &str) {
        let got = run("tool", Ok(called(result)), 100, Duration::ZERO);
        let output = match got.output {
            Output::Text(text) => json!(text),
            Output::Parts(parts) => json!(parts),
        };
        assert_eq!((output, got.failed, got.result), (want, failed, word));
    }

    #[test]
    fn texts_are_joined() {
        let content = json!([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]);
        check(json!({"content": content}), json!("a\nb"), false, "ok");
    }

    #[test]
    fn structured_content_is_told_where_the_text_does_not_say_it() {
        let text = |text: &str| json!({"type": "text", "text": text});
        let check_text = |texts: &[&str], structured: Value, want: &str| {
            let content: Vec<Value> = texts.iter().map(|t| text(t)).collect();
            check(json!({"content": content, "structuredContent": structured}), json!(want), false, "ok");
        };
        check_text(
            &["1 page; see structured content"],
            json!({"chunks": ["data"]}),
            "1 page; see structured content\n{\"chunks\":[\"data\"]}",
        );
        check_text(&["{ \"x\": 1 }"], json!({"x": 1}), "{ \"x\": 1 }");
        check_text(&["5"], json!({"result": 5}), "5");
        check_text(&["five"], json!({"result": "five"}), "five");
        check_text(&["a", "b"], json!({"result": ["a", "b"]}), "a\nb");
        check_text(&["Found:", "{\"x\":1}"], json!({"x": 1}), "Found:\n{\"x\":1}");
        let image = json!({"type": "image", "data": "aGk=", "mimeType": "image/png"});
        let got = output(called(json!({"content": [image], "structuredContent": {"x": 1}}))).unwrap();
        let ToolOutput::Parts(parts) = got else { panic!("{got:?}") };
        assert_eq!(json!(parts)[1], json!({"type": "input_text", "text": "{\"x\":1}"}));
    }

    #[test]
    fn structured_content_stands_alone() {
        check(json!({"content": [], "structuredContent": {"x": 1}}), json!(r#"{"x":1}"#), false, "ok");
        check(json!({"content": []}), json!(""), false, "ok");
    }

    #[test]
    fn an_error_keeps_the_servers_words() {
        let content = json!([{"type": "text", "text": "no such file"}]);
        check(json!({"content": content, "isError": true}), json!("no such file"), true, "error");
    }

    #[test]
    fn other_blocks_become_parts() {
        let content = json!([{"type": "text", "text": "a"}, {"type": "image", "data": "aGk=", "mimeType": "image/png"}]);
        let want = json!([
            {"type": "input_text", "text": "a"},
            {"type": "input_image", "image_url": "data:image/png;base64,aGk=", "detail": "auto"},
        ]);
        let got = output(called(json!({"content": content}))).unwrap();
        let ToolOutput::Parts(parts) = got else { panic!("{got:?}") };
        assert_eq!(json!(parts), want);
    }

    #[track_caller]
    fn check_part(block: Value, want: Value) {
        assert_eq!(json!(part(serde_json::from_value(block).unwrap()).unwrap()), want);
    }

    #[test]
    fn audio_is_audio_where_the_format_has_a_name() {
        check_part(
            json!({"type": "audio", "data": "aGk=", "mimeType": "audio/mpeg"}),
            json!({"type": "input_audio", "input_audio": {"data": "aGk=", "format": "mp3"}}),
        );
        check_part(
            json!({"type": "audio", "data": "aGk=", "mimeType": "audio/ogg"}),
            json!({"type": "input_file", "filename": "audio", "file_data": "data:audio/ogg;base64,aGk="}),
        );
    }

    #[test]
    fn resources_name_their_uri() {
        check_part(
            json!({"type": "resource", "resource": {"uri": "file:///a.txt", "text": "hi"}}),
            json!({"type": "input_text", "text": "Resource file:///a.txt:\nhi"}),
        );
        check_part(
            json!({"type": "resource", "resource": {"uri": "file:///b/a.pdf", "blob": "aGk=", "mimeType": "application/pdf"}}),
            json!({"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}),
        );
        check_part(
            json!({"type": "resource_link", "uri": "file:///a.txt", "name": "a", "description": "notes"}),
            json!({"type": "input_text", "text": "Resource file:///a.txt (a): notes"}),
        );
    }

    #[test]
    fn what_is_too_large_is_cut_or_refused() {
        let long = "x".repeat(200);
        let cut = format!("{}\n[Cut off here: the result is longer than 100 bytes.]", "x".repeat(100));
        check(json!({"content": [{"type": "text", "text": long}]}), json!(cut), false, "cut");
        let data = "aGlp".repeat(50);
        let image = json!({"content": [{"type": "image", "data": data, "mimeType": "image/png"}]});
        let want = "Error: 'tool' failed: the result has 277 bytes, more than 100";
        check(image, json!(want), true, "error");
    }

    #[test]
    fn data_that_is_no_base64_is_refused() {
        let image = json!({"content": [{"type": "image", "data": "?", "mimeType": "image/png"}]});
        let want = "Error: 'tool' failed: the result holds an image that is not base64";
        check(image, json!(want), true, "error");
    }
}
