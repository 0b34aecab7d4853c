//! Images and files as content blocks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use or_protocol::ContentPart;

use super::wire::{Block, Source};
use crate::AdapterError;

/// First characters of base64 data and what it then is: claims about images are often wrong.
const SIGNATURES: &[(&str, &str)] = &[
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", "application/pdf"),
];
const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];
/// File name endings.
const ENDINGS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("txt", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("json", "application/json"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("pptx", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ("doc", "application/msword"),
    ("xls", "application/vnd.ms-excel"),
    ("ppt", "application/vnd.ms-powerpoint"),
    ("zip", "application/zip"),
];
/// Types beside `text/*` that are read as plain text.
const TEXTS: &[&str] = &["application/json", "application/xml", "application/yaml", "application/x-yaml"];

/// A part as a block. `None` for text that says nothing, which the provider refuses.
pub(super) fn block(part: &ContentPart) -> Result<Option<Block<'_>>, AdapterError> {
    Ok(Some(match part {
        ContentPart::InputText { text }
        | ContentPart::OutputText { text, .. }
        | ContentPart::Refusal { refusal: text } => {
            if text.trim().is_empty() {
                return Ok(None);
            }
            Block::Text { text: text.into() }
        }
        ContentPart::InputImage { image_url, file_id, .. } => match (image_url, file_id) {
            (Some(url), _) => Block::Image { source: image(url)? },
            (None, Some(file_id)) => Block::Image { source: Source::File { file_id } },
            (None, None) => return Err(refused("An image needs an image_url or a file_id.")),
        },
        ContentPart::InputFile { filename, file_data, file_url, file_id } => {
            let title = filename.as_deref().filter(|name| !name.is_empty());
            match (file_data, file_url, file_id) {
                (Some(data), _, _) => document(data, title)?,
                (None, Some(url), _) => document_url(url, title)?,
                (None, None, Some(file_id)) => Block::Document { source: Source::File { file_id }, title },
                (None, None, None) => {
                    return Err(refused("A file needs file_data, a file_url or a file_id."));
                }
            }
        }
        ContentPart::InputVideo { .. } => return Err(refused("This provider takes no video input.")),
        ContentPart::InputAudio { .. } => return Err(refused("This provider takes no audio input.")),
    }))
}

fn image(url: &str) -> Result<Source<'_>, AdapterError> {
    if url.starts_with("http://") || url.starts_with("https://") {
        return Ok(Source::Url { url });
    }
    let Some((claimed, data)) = data_url(url) else {
        return Err(refused("This provider takes images as http(s) URLs or base64 data URLs only."));
    };
    match IMAGES.iter().find(|known| **known == sniffed(data).unwrap_or(claimed)) {
        Some(media_type) => Ok(Source::Base64 { media_type, data }),
        None => Err(refused("This provider takes JPEG, PNG, GIF and WebP images only.")),
    }
}

fn document<'a>(data: &'a str, title: Option<&'a str>) -> Result<Block<'a>, AdapterError> {
    let (claimed, data) = data_url(data).unwrap_or(("", data));
    let named = title.and_then(by_ending).unwrap_or_default();
    let claimed = if claimed.is_empty() || claimed == "application/octet-stream" { named } else { claimed };
    let mime = sniffed(data).unwrap_or(claimed);
    if mime == "application/pdf" {
        return Ok(Block::Document { source: Source::Base64 { media_type: "application/pdf", data }, title });
    }
    if let Some(media_type) = IMAGES.iter().find(|known| **known == mime) {
        return Ok(Block::Image { source: Source::Base64 { media_type, data } });
    }
    if mime.starts_with("text/") || TEXTS.contains(&mime) {
        let text = STANDARD.decode(data).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let Some(data) = text else {
            return Err(refused("The text file is not base64 of UTF-8 text."));
        };
        return Ok(Block::Document { source: Source::Text { media_type: "text/plain", data }, title });
    }
    Err(refused("This provider takes PDF, text and image files only."))
}

fn document_url<'a>(url: &'a str, title: Option<&'a str>) -> Result<Block<'a>, AdapterError> {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let file = path.split_once("://").map_or(path, |(_, rest)| rest);
    let name = file.rsplit_once('/').map_or("", |(_, name)| name);
    // A URL without a known ending is left for the provider to judge: it fetches PDFs only.
    match by_ending(name).or_else(|| title.and_then(by_ending)) {
        None | Some("application/pdf") => Ok(Block::Document { source: Source::Url { url }, title }),
        Some(mime) if IMAGES.contains(&mime) => Ok(Block::Image { source: Source::Url { url } }),
        Some(_) => Err(refused("This provider fetches only PDF files by URL; send the file as file_data.")),
    }
}

/// MIME type and data of a base64 data URL.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let head = head.strip_suffix(";base64")?;
    Some((head.split(';').next().unwrap_or(head), data))
}

fn sniffed(data: &str) -> Option<&'static str> {
    SIGNATURES.iter().find(|(start, _)| data.starts_with(start)).map(|(_, mime)| *mime)
}

fn by_ending(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    ENDINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, mime)| *mime)
}

/// Whether a block names a file of the provider's Files API.
pub(super) fn is_stored_file(block: &Block<'_>) -> bool {
    matches!(
        block,
        Block::Image { source: Source::File { .. } } | Block::Document { source: Source::File { .. }, .. }
    )
}

fn refused(message: &str) -> AdapterError {
    AdapterError::unsupported("input", message)
}

#[cfg(test)]
mod tests {
    use or_protocol::Detail;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(part: &ContentPart, want: Value) {
        let got = match block(part) {
            Ok(block) => serde_json::to_value(block).unwrap(),
            Err(error) => json!(error.to_string()),
        };
        assert_eq!(got, want);
    }

    fn image(url: &str) -> ContentPart {
        ContentPart::InputImage { image_url: Some(url.into()), file_id: None, detail: Detail::Auto }
    }

    fn file(name: &str, data: Option<&str>, url: Option<&str>) -> ContentPart {
        ContentPart::InputFile {
            filename: (!name.is_empty()).then(|| name.into()),
            file_data: data.map(Into::into),
            file_url: url.map(Into::into),
            file_id: None,
        }
    }

    #[test]
    fn images_are_split_fetched_or_named() {
        check(
            &image("data:image/png;base64,AAAA"),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}),
        );
        check(
            &image("https://a.b/c.png"),
            json!({"type": "image", "source": {"type": "url", "url": "https://a.b/c.png"}}),
        );
        let stored =
            ContentPart::InputImage { image_url: None, file_id: Some("file_1".into()), detail: Detail::Low };
        check(&stored, json!({"type": "image", "source": {"type": "file", "file_id": "file_1"}}));
    }

    #[test]
    fn a_wrong_image_type_is_put_right_by_the_bytes() {
        check(
            &image("data:image/png;base64,/9j/4AAQ"),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "/9j/4AAQ"}}),
        );
    }

    #[test]
    fn images_of_other_kinds_are_refused() {
        check(
            &image("data:image/svg+xml;base64,AAAA"),
            json!("This provider takes JPEG, PNG, GIF and WebP images only."),
        );
        check(
            &image("gs://bucket/a.png"),
            json!("This provider takes images as http(s) URLs or base64 data URLs only."),
        );
    }

    #[test]
    fn files_go_by_claim_name_or_bytes() {
        let pdf = json!({"type": "document", "title": "a.pdf",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}});
        check(&file("a.pdf", Some("data:application/pdf;base64,AAAA"), None), pdf.clone());
        check(&file("a.pdf", Some("AAAA"), None), pdf);
        check(
            &file("a.csv", Some("YSxi"), None),
            json!({"type": "document", "title": "a.csv", "source": {"type": "text", "media_type": "text/plain", "data": "a,b"}}),
        );
        check(
            &file("", Some("data:application/octet-stream;base64,iVBORw0KGgoA"), None),
            json!({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoA"}}),
        );
        check(
            &file("a.docx", Some("AAAA"), None),
            json!("This provider takes PDF, text and image files only."),
        );
    }

    #[test]
    fn urls_of_files_are_for_pdfs() {
        check(
            &file("", None, Some("https://arxiv.org/pdf/2401.00001v2?x=1")),
            json!({"type": "document", "source": {"type": "url", "url": "https://arxiv.org/pdf/2401.00001v2?x=1"}}),
        );
        check(
            &file("", None, Some("https://a.b/c.TXT")),
            json!("This provider fetches only PDF files by URL; send the file as file_data."),
        );
    }

    #[test]
    fn text_without_words_makes_no_block() {
        check(&ContentPart::InputText { text: " \n".into() }, Value::Null);
    }
}
