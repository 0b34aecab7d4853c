//! Images and files of the input.

use std::borrow::Cow;

use or_protocol::ContentPart;

use crate::AdapterError;
use crate::shared::media::{MediaSource, decoded, is_text, standard_base64};

fn refuse(message: impl Into<String>) -> AdapterError {
    AdapterError::unsupported("input", message)
}

/// An image as the server takes it: base64 without prefix.
pub(super) fn image(part: &ContentPart) -> Result<Cow<'_, str>, AdapterError> {
    let (media, data) = match MediaSource::of(part) {
        Some(MediaSource::Data { claimed, data }) => (claimed, data),
        Some(MediaSource::Url(_) | MediaSource::Unreadable) => {
            return Err(refuse(
                "An Ollama server does not fetch images from URLs; send the image as a data URL \
                 (data:image/png;base64,...).",
            ));
        }
        Some(MediaSource::Stored(_)) => {
            return Err(refuse("Images by file_id are not available on an Ollama server; send a data URL."));
        }
        Some(MediaSource::Nowhere) | None => {
            return Err(refuse(
                "An input_image needs an image_url; on an Ollama server it must be a data URL.",
            ));
        }
    };
    if !media.is_empty() && !media.to_ascii_lowercase().starts_with("image/") {
        return Err(refuse(format!("The data URL of an input_image has the media type {media}.")));
    }
    if data.is_empty() {
        return Err(refuse("The data URL of an input_image holds no data."));
    }
    Ok(standard_base64(data))
}

/// A text file's content with its name, for the message's text.
pub(super) fn file(part: &ContentPart, name: Option<&str>) -> Result<String, AdapterError> {
    let name = name.unwrap_or("file");
    let binary = || refuse(format!("An Ollama server takes text files only; \"{name}\" is not one."));
    let garbled = || refuse(format!("The file_data of \"{name}\" is not base64."));
    let (media, data) = match MediaSource::of(part) {
        Some(MediaSource::Data { claimed, data }) => (claimed, data),
        Some(MediaSource::Unreadable) => return Err(garbled()),
        Some(MediaSource::Url(_)) => {
            let message = "An Ollama server does not fetch files from URLs; send the text in file_data.";
            return Err(refuse(message));
        }
        Some(MediaSource::Stored(_) | MediaSource::Nowhere) | None => {
            return Err(refuse(
                "Files by file_id are not available on an Ollama server; send the text in file_data.",
            ));
        }
    };
    // Without a type the content decides.
    if !media.is_empty() && !is_text(media) {
        return Err(binary());
    }
    let text = String::from_utf8(decoded(data).ok_or_else(garbled)?).map_err(|_| binary())?;
    if text.contains('\0') || text.starts_with("%PDF-") {
        return Err(binary());
    }
    Ok(format!("[file: {name}]\n{text}\n[end of file: {name}]"))
}

#[cfg(test)]
mod tests {
    use or_protocol::{Detail, Extra};
    use pretty_assertions::assert_eq;

    use super::*;

    fn an_image(url: Option<&str>, id: Option<&str>) -> ContentPart {
        let (image_url, file_id) = (url.map(Into::into), id.map(Into::into));
        ContentPart::InputImage { image_url, file_id, detail: Detail::Auto, extra: Extra::NONE }
    }

    fn a_file(data: Option<&str>, url: Option<&str>) -> ContentPart {
        let (file_data, file_url) = (data.map(Into::into), url.map(Into::into));
        ContentPart::InputFile { filename: None, file_data, file_url, file_id: None, extra: Extra::NONE }
    }

    #[track_caller]
    fn check_image(url: &str, want: Result<&str, &str>) {
        match (image(&an_image(Some(url), None)), want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(e), Err(want)) => assert!(e.to_string().contains(want), "{e}"),
            (got, want) => panic!("{got:?} in place of {want:?}"),
        }
    }

    #[test]
    fn a_data_url_loses_its_head() {
        check_image("data:image/png;base64,iVBORw0K", Ok("iVBORw0K"));
        check_image("DATA:image/PNG;charset=x;BASE64,iVBORw0K", Ok("iVBORw0K"));
    }

    #[test]
    fn what_the_server_cannot_take_is_refused() {
        check_image("https://example.com/a.png", Err("does not fetch images"));
        check_image("data:image/svg,<svg/>", Err("data URL"));
        check_image("data:text/plain;base64,aGk=", Err("text/plain"));
        check_image("data:image/png;base64,", Err("no data"));
        check_image("ü", Err("data URL"));
        assert!(image(&an_image(None, Some("file_1"))).is_err());
    }

    #[track_caller]
    fn check_file(name: &str, data: &str, want: Result<&str, &str>) {
        match (file(&a_file(Some(data), None), Some(name)), want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(e), Err(want)) => assert!(e.to_string().contains(want), "{e}"),
            (got, want) => panic!("{got:?} in place of {want:?}"),
        }
    }

    #[test]
    fn text_files_become_text() {
        let want = "[file: a.md]\nhi\n[end of file: a.md]";
        check_file("a.md", "data:text/markdown;base64,aGk=", Ok(want));
        check_file("a.md", "aGk=", Ok(want));
        check_file("a.md", "data:application/json;base64,aGk", Ok(want));
    }

    #[test]
    fn other_files_are_refused() {
        check_file("a.pdf", "data:application/pdf;base64,aGk=", Err("\"a.pdf\" is not one"));
        check_file("a.pdf", "JVBERi0xLjQ=", Err("\"a.pdf\" is not one"));
        check_file("a.bin", "/////w==", Err("\"a.bin\" is not one"));
        check_file("a.txt", "not base64!", Err("is not base64"));
        assert!(file(&a_file(None, Some("https://example.com")), None).is_err());
        assert!(file(&a_file(None, None), None).is_err());
    }
}
