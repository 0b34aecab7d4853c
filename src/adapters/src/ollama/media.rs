//! Images and files of the input.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use crate::AdapterError;

/// Media types beside `text/*` that are text.
const TEXT_TYPES: &[&str] = &[
    "application/json",
    "application/ld+json",
    "application/x-ndjson",
    "application/jsonl",
    "application/xml",
    "application/yaml",
    "application/x-yaml",
    "application/toml",
    "application/csv",
    "application/javascript",
    "application/x-javascript",
    "application/typescript",
    "application/sql",
    "application/x-sh",
    "application/x-python",
    "application/rtf",
    "image/svg+xml",
];

/// Types that say nothing: the content decides.
const UNTOLD: &[&str] = &["", "application/octet-stream"];

fn refuse(message: impl Into<String>) -> AdapterError {
    AdapterError::unsupported("input", message)
}

/// An image as the server takes it: base64 without prefix.
pub(super) fn image<'a>(url: Option<&'a str>, file_id: Option<&str>) -> Result<Cow<'a, str>, AdapterError> {
    let Some(url) = url else {
        return Err(refuse(match file_id {
            Some(_) => "Images by file_id are not available on an Ollama server; send a data URL.",
            None => "An input_image needs an image_url; on an Ollama server it must be a data URL.",
        }));
    };
    let Some((media, data)) = data_url(url) else {
        return Err(refuse(
            "An Ollama server does not fetch images from URLs; send the image as a data URL \
             (data:image/png;base64,...).",
        ));
    };
    if !media.is_empty() && !media.to_ascii_lowercase().starts_with("image/") {
        return Err(refuse(format!("The data URL of an input_image has the media type {media}.")));
    }
    if data.is_empty() {
        return Err(refuse("The data URL of an input_image holds no data."));
    }
    Ok(plain_base64(data))
}

/// A text file's content with its name, for the message's text.
pub(super) fn file(
    filename: Option<&str>,
    file_data: Option<&str>,
    file_url: Option<&str>,
) -> Result<String, AdapterError> {
    let Some(data) = file_data else {
        return Err(refuse(match file_url {
            Some(_) => "An Ollama server does not fetch files from URLs; send the text in file_data.",
            None => "Files by file_id are not available on an Ollama server; send the text in file_data.",
        }));
    };
    let (media, data) = data_url(data).unwrap_or(("", data));
    let media = media.to_ascii_lowercase();
    let is_text = media.starts_with("text/") || TEXT_TYPES.contains(&media.as_str());
    let name = filename.unwrap_or("file");
    let binary = || refuse(format!("An Ollama server takes text files only; \"{name}\" is not one."));
    if !is_text && !UNTOLD.contains(&media.as_str()) {
        return Err(binary());
    }
    let packed = plain_base64(data);
    let bytes = STANDARD_NO_PAD
        .decode(packed.trim_end_matches('='))
        .map_err(|_| refuse(format!("The file_data of \"{name}\" is not base64.")))?;
    let text = String::from_utf8(bytes).map_err(|_| binary())?;
    if text.contains('\0') || text.starts_with("%PDF-") {
        return Err(binary());
    }
    Ok(format!("[file: {name}]\n{text}\n[end of file: {name}]"))
}

/// Media type and data of a base64 data URL.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let head = url.get(..5)?;
    if !head.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (head, data) = url.get(5..)?.split_once(',')?;
    let (media, coding) = head.rsplit_once(';')?;
    coding
        .trim()
        .eq_ignore_ascii_case("base64")
        .then(|| (media.split(';').next().unwrap_or_default().trim(), data))
}

/// The server's decoder wants the standard alphabet with padding and no spaces.
fn plain_base64(data: &str) -> Cow<'_, str> {
    let odd = |b: u8| matches!(b, b'-' | b'_' | b'%') || b.is_ascii_whitespace();
    if data.len().is_multiple_of(4) && !data.bytes().any(odd) {
        return Cow::Borrowed(data);
    }
    let data = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let clean: String = data.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    let bytes = if clean.contains(['-', '_']) {
        URL_SAFE_NO_PAD.decode(&clean)
    } else {
        STANDARD_NO_PAD.decode(&clean)
    };
    // What is not base64 at all is the server's to refuse.
    bytes
        .map_or(Cow::Owned(data), |bytes| Cow::Owned(base64::engine::general_purpose::STANDARD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check_image(url: &str, want: Result<&str, &str>) {
        match (image(Some(url), None), want) {
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
    fn base64_is_brought_into_the_servers_form() {
        check_image("data:image/png;base64,-_8", Ok("+/8="));
        check_image("data:image/png;base64,iVBO\nRw0K", Ok("iVBORw0K"));
        check_image("data:image/png;base64,%2B%2F8%3D", Ok("+/8="));
    }

    #[test]
    fn what_the_server_cannot_take_is_refused() {
        check_image("https://example.com/a.png", Err("does not fetch images"));
        check_image("data:image/svg,<svg/>", Err("data URL"));
        check_image("data:text/plain;base64,aGk=", Err("text/plain"));
        check_image("data:image/png;base64,", Err("no data"));
        check_image("ü", Err("data URL"));
        assert!(image(None, Some("file_1")).is_err());
    }

    #[track_caller]
    fn check_file(name: &str, data: &str, want: Result<&str, &str>) {
        match (file(Some(name), Some(data), None), want) {
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
        assert!(file(None, None, Some("https://example.com")).is_err());
        assert!(file(None, None, None).is_err());
    }
}
