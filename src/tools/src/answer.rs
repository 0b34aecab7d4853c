//! From what a tool gave to what the model gets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use or_protocol::{ContentPart, Item, Output, Path, decode_item};
use serde_json::{Value, json};

use crate::{ToolError, ToolOutput};

/// Longest text of an error, in bytes.
pub(crate) const MAX_ERROR: usize = 4096;
/// What may come over a limit without being whole: the rest of a character.
pub(crate) const SLACK: usize = 4;

/// Reads what a program or an endpoint wrote: text, or content parts in the form `{"content_parts": […]}`.
///
/// `cut`: there was more, so the last character may be broken.
pub(crate) fn read(mut bytes: Vec<u8>, cut: bool) -> Result<ToolOutput, ToolError> {
    if let Err(error) = std::str::from_utf8(&bytes)
        && cut
        && error.error_len().is_none()
    {
        bytes.truncate(error.valid_up_to());
    }
    let text = String::from_utf8(bytes).map_err(|_| ToolError::new("the result is not UTF-8 text"))?;
    if cut || !text.trim_start().starts_with('{') || !text.contains("\"content_parts\"") {
        return Ok(ToolOutput::Text(text));
    }
    match serde_json::from_str(&text) {
        Ok(Value::Object(mut object)) if object.len() == 1 => match object.remove("content_parts") {
            Some(parts) => decode_parts(parts),
            None => Ok(ToolOutput::Text(text)),
        },
        Ok(_) | Err(_) => Ok(ToolOutput::Text(text)),
    }
}

/// By the rules for a `function_call_output` of a request.
fn decode_parts(parts: Value) -> Result<ToolOutput, ToolError> {
    let wrong = |why: &str| ToolError::new(format!("the result's content parts are wrong: {why}"));
    if !parts.is_array() {
        return Err(wrong("they must be a list"));
    }
    let item = json!({"type": "function_call_output", "call_id": "-", "output": parts});
    match decode_item(item, Path::Root) {
        Ok(Item::FunctionCallOutput(item)) => match item.output {
            Output::Parts(parts) => Ok(ToolOutput::Parts(parts)),
            Output::Text(text) => Ok(ToolOutput::Text(text)),
        },
        Ok(_) => Err(wrong("they are of no known type")),
        Err(error) => Err(wrong(&error.message)),
    }
}

/// A result in its wire form, and whether some of it was cut off.
pub(crate) fn limited(output: ToolOutput, limit: usize) -> Result<(Output, bool), ToolError> {
    let text = match output {
        ToolOutput::Text(text) => text,
        ToolOutput::Json(value) => value.to_string(),
        ToolOutput::Parts(parts) => {
            if parts.iter().any(|part| !is_readable(part)) {
                return Err(ToolError::new("the data of an image or a file is empty or no base64"));
            }
            let size = serde_json::to_vec(&parts).map_or(usize::MAX, |json| json.len());
            if size > limit {
                // Half an image is of no use.
                return Err(ToolError::new(format!("the result has {size} bytes, more than {limit}")));
            }
            return Ok((Output::Parts(parts), false));
        }
    };
    if text.len() <= limit {
        return Ok((Output::Text(text), false));
    }
    let note = format!("\n[Cut off here: the result is longer than {limit} bytes.]");
    Ok((Output::Text(format!("{}{note}", head(&text, limit))), true))
}

/// Whether a provider can read the data of a part: it refuses the whole conversation over data that it cannot.
fn is_readable(part: &ContentPart) -> bool {
    let data = match part {
        ContentPart::InputImage { image_url: Some(url), .. } => match url.strip_prefix("data:") {
            Some(rest) => rest.split_once(";base64,").map_or("", |(_, data)| data),
            None => return true,
        },
        ContentPart::InputFile { file_data: Some(data), .. } => {
            data.split_once(";base64,").map_or(data.as_str(), |(_, data)| data)
        }
        ContentPart::InputAudio { input_audio, .. } => &input_audio.data,
        ContentPart::InputText { .. }
        | ContentPart::InputImage { .. }
        | ContentPart::InputFile { .. }
        | ContentPart::InputVideo { .. }
        | ContentPart::OutputText { .. }
        | ContentPart::Refusal { .. } => return true,
    };
    BASE64_STANDARD.decode(data).is_ok_and(|bytes| !bytes.is_empty())
}

/// The beginning of a text, in whole characters.
pub(crate) fn head(text: &str, limit: usize) -> &str {
    let mut end = limit.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(written: &str, want: Result<ToolOutput, &str>) {
        assert_eq!(read(written.into(), false), want.map_err(ToolError::from));
    }

    #[test]
    fn text_and_json_stay_as_they_are() {
        check("hello\n", Ok("hello\n".into()));
        check(r#"{"a": 1}"#, Ok(r#"{"a": 1}"#.into()));
        check(r#"{"content_parts": [], "a": 1}"#, Ok(r#"{"content_parts": [], "a": 1}"#.into()));
    }

    #[test]
    fn content_parts_are_read() {
        let text = ContentPart::text("x");
        check(
            r#"{"content_parts": [{"type": "input_text", "text": "x"}]}"#,
            Ok(ToolOutput::Parts(vec![text])),
        );
        check(r#"{"content_parts": 1}"#, Err("the result's content parts are wrong: they must be a list"));
    }

    #[test]
    fn content_parts_that_are_wrong_are_an_error() {
        let got = read(br#"{"content_parts": [{"type": "input_img"}]}"#.to_vec(), false).unwrap_err();
        assert!(got.to_string().starts_with("the result's content parts are wrong: "), "{got}");
    }

    #[test]
    fn bytes_that_are_no_text_are_an_error() {
        let want = ToolError::new("the result is not UTF-8 text");
        assert_eq!(read(vec![b'a', 0xff], false), Err(want.clone()));
        assert_eq!(read(vec![b'a', 0xc3], false), Err(want));
    }

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        assert_eq!(read(vec![b'a', 0xc3], true), Ok("a".into()));
        let want = Output::Text("a\n[Cut off here: the result is longer than 2 bytes.]".into());
        assert_eq!(limited("aäb".into(), 2), Ok((want, true)));
        assert_eq!(limited("ab".into(), 2), Ok((Output::Text("ab".into()), false)));
    }

    #[test]
    fn media_that_nobody_can_read_are_an_error() {
        let file = |data: &str| {
            let file_data = Some(data.to_owned());
            ToolOutput::Parts(vec![ContentPart::InputFile {
                filename: None,
                file_data,
                file_url: None,
                file_id: None,
                extra: or_protocol::Extra::NONE,
            }])
        };
        for good in
            [file("JVBERg=="), file("data:application/pdf;base64,JVBERg=="), ToolOutput::Parts(vec![])]
        {
            assert!(limited(good.clone(), 1000).is_ok(), "{good:?}");
        }
        let image = ToolOutput::image("image/png", b"");
        for bad in [file("@@@"), file("data:application/pdf;base64,"), file("data:text/plain,plain"), image] {
            assert!(limited(bad.clone(), 1000).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn parts_are_whole_or_not_at_all() {
        let image = ToolOutput::image("image/png", &[0; 100]);
        assert!(limited(image.clone(), 1000).is_ok());
        assert!(limited(image, 100).is_err());
    }
}
