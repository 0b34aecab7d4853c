//! Images and files as content blocks.

use or_protocol::ContentPart;

use super::wire::body::{Block, Source};
use crate::AdapterError;
use crate::shared::fields::cache::CacheControl;
use crate::shared::media::{MediaSource, by_ending, decoded, is_text, sniffed};

const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/gif", "image/webp"];

/// A part as a block, with its mark for the cache. `None` for text that says nothing, which the provider refuses.
pub(super) fn block(part: &ContentPart) -> Result<Option<Block<'_>>, AdapterError> {
    let source = MediaSource::of(part).unwrap_or(MediaSource::Nowhere);
    let mut block = match part {
        ContentPart::InputText { text, .. }
        | ContentPart::OutputText { text, .. }
        | ContentPart::Refusal { refusal: text, .. } => {
            if text.trim().is_empty() {
                return Ok(None);
            }
            Block::text(text)
        }
        ContentPart::InputImage { .. } => picture(image(source)?),
        ContentPart::InputFile { filename, .. } => {
            document(source, filename.as_deref().filter(|name| !name.is_empty()))?
        }
        ContentPart::InputVideo { .. } => return Err(refused("This provider takes no video input.")),
        ContentPart::InputAudio { .. } => return Err(refused("This provider takes no audio input.")),
    };
    block.set_mark(CacheControl::of(part));
    Ok(Some(block))
}

fn image(source: MediaSource<'_>) -> Result<Source<'_>, AdapterError> {
    match source {
        MediaSource::Data { claimed, data } => match known_image(sniffed(data).unwrap_or(claimed)) {
            Some(media_type) => Ok(Source::Base64 { media_type, data }),
            None => Err(refused("This provider takes JPEG, PNG, GIF and WebP images only.")),
        },
        MediaSource::Url(url) if url.starts_with("http://") || url.starts_with("https://") => {
            Ok(Source::Url { url })
        }
        MediaSource::Url(_) | MediaSource::Unreadable => {
            Err(refused("This provider takes images as http(s) URLs or base64 data URLs only."))
        }
        MediaSource::Stored(file_id) => Ok(Source::File { file_id }),
        MediaSource::Nowhere => Err(refused("An image needs an image_url or a file_id.")),
    }
}

fn picture(source: Source<'_>) -> Block<'_> {
    Block::Image { source, cache_control: None }
}

fn file<'a>(source: Source<'a>, title: Option<&'a str>) -> Block<'a> {
    Block::Document { source, title, cache_control: None }
}

fn document<'a>(source: MediaSource<'a>, title: Option<&'a str>) -> Result<Block<'a>, AdapterError> {
    let named = title.and_then(by_ending);
    match source {
        MediaSource::Data { claimed, data } => {
            let claimed = if claimed.is_empty() { named.unwrap_or_default() } else { claimed };
            document_data(sniffed(data).unwrap_or(claimed), data, title)
        }
        // A URL without a known ending is left for the provider to judge: it fetches PDFs only.
        MediaSource::Url(url) => match by_ending(url).or(named) {
            None | Some("application/pdf") => Ok(file(Source::Url { url }, title)),
            Some(media) if IMAGES.contains(&media) => Ok(picture(Source::Url { url })),
            Some(_) => {
                Err(refused("This provider fetches only PDF files by URL; send the file as file_data."))
            }
        },
        MediaSource::Unreadable => Err(refused("A file's data URL must hold base64 data.")),
        MediaSource::Stored(file_id) => Ok(file(Source::File { file_id }, title)),
        MediaSource::Nowhere => Err(refused("A file needs file_data, a file_url or a file_id.")),
    }
}

fn document_data<'a>(media: &str, data: &'a str, title: Option<&'a str>) -> Result<Block<'a>, AdapterError> {
    if media == "application/pdf" {
        return Ok(file(Source::Base64 { media_type: "application/pdf", data }, title));
    }
    if let Some(media_type) = known_image(media) {
        return Ok(picture(Source::Base64 { media_type, data }));
    }
    if !is_text(media) {
        return Err(refused("This provider takes PDF, text and image files only."));
    }
    match decoded(data).and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(data) => Ok(file(Source::Text { media_type: "text/plain", data }, title)),
        None => Err(refused("The text file is not base64 of UTF-8 text.")),
    }
}

fn known_image(media: &str) -> Option<&'static str> {
    IMAGES.iter().find(|known| known.eq_ignore_ascii_case(media)).copied()
}

/// Whether a block names a file of the provider's Files API.
pub(super) fn is_stored_file(block: &Block<'_>) -> bool {
    matches!(
        block,
        Block::Image { source: Source::File { .. }, .. }
            | Block::Document { source: Source::File { .. }, .. }
    )
}

fn refused(message: &str) -> AdapterError {
    AdapterError::unsupported("input", message)
}

#[cfg(test)]
mod tests {
    use or_protocol::{Detail, Extra};
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
        ContentPart::InputImage {
            image_url: Some(url.into()),
            file_id: None,
            detail: Detail::Auto,
            extra: Extra::NONE,
        }
    }

    fn file(name: &str, data: Option<&str>, url: Option<&str>) -> ContentPart {
        ContentPart::InputFile {
            filename: (!name.is_empty()).then(|| name.into()),
            file_data: data.map(Into::into),
            file_url: url.map(Into::into),
            file_id: None,
            extra: Extra::NONE,
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
        let stored = ContentPart::InputImage {
            image_url: None,
            file_id: Some("file_1".into()),
            detail: Detail::Low,
            extra: Extra::NONE,
        };
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
        check(&ContentPart::text(" \n"), Value::Null);
    }
}
