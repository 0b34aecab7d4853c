//! Content parts of user messages and tool results.

use or_protocol::{ContentPart, Detail};

use super::quirks::{FileParts, Quirks};
use super::wire::body::{Content, File, Image, Part, Url};
use crate::AdapterError;
use crate::shared::media::as_data_url;

/// Translates parts; empty texts are left out.
pub(super) fn translate<'a>(
    quirks: &Quirks,
    content: &'a [ContentPart],
) -> Result<Vec<Part<'a>>, AdapterError> {
    let mut out = Vec::with_capacity(content.len());
    for part in content {
        out.push(match part {
            ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } if text.is_empty() => {
                continue;
            }
            ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => {
                Part::Text { text: text.into() }
            }
            ContentPart::Refusal { refusal, .. } => Part::Text { text: refusal.into() },
            ContentPart::InputImage { image_url: Some(url), detail, .. } => {
                let detail = Some(*detail).filter(|d| *d != Detail::Auto);
                Part::ImageUrl { image_url: Image { url, detail } }
            }
            ContentPart::InputImage { .. } => {
                return Err(unsupported(
                    "Images by file_id cannot be sent to this provider; send an image_url.",
                ));
            }
            ContentPart::InputFile { filename, file_data, file_url, file_id, .. } => file(
                quirks.file_parts,
                filename.as_deref(),
                file_data.as_deref(),
                file_url.as_deref(),
                file_id.as_deref(),
            )?,
            ContentPart::InputAudio { input_audio, .. } => Part::InputAudio { input_audio },
            ContentPart::InputVideo { video_url, .. } if quirks.video_parts => {
                Part::VideoUrl { video_url: Url { url: video_url } }
            }
            ContentPart::InputVideo { .. } => {
                return Err(unsupported("Videos cannot be sent to this provider."));
            }
        });
    }
    Ok(out)
}

fn unsupported(message: &str) -> AdapterError {
    AdapterError::unsupported("input", message)
}

fn file<'a>(
    form: FileParts,
    filename: Option<&'a str>,
    data: Option<&'a str>,
    url: Option<&'a str>,
    id: Option<&'a str>,
) -> Result<Part<'a>, AdapterError> {
    match (form, data, url, id) {
        (FileParts::None, ..) => Err(unsupported("Files cannot be sent to this provider.")),
        (FileParts::File, Some(data), _, _) => {
            let file_data = Some(as_data_url(filename, data));
            // OpenAI refuses data without a name.
            let filename = Some(filename.unwrap_or("file"));
            Ok(Part::File { file: File { filename, file_data, file_id: None } })
        }
        (FileParts::File, None, _, Some(id)) => {
            Ok(Part::File { file: File { filename: None, file_data: None, file_id: Some(id) } })
        }
        (FileParts::File, ..) => {
            Err(unsupported("Files by file_url cannot be sent to this provider; send file_data."))
        }
        (FileParts::DocumentUrl, Some(data), _, _) => {
            Ok(Part::DocumentUrl { document_url: as_data_url(filename, data), document_name: filename })
        }
        (FileParts::DocumentUrl, None, Some(url), _) => {
            Ok(Part::DocumentUrl { document_url: url.into(), document_name: filename })
        }
        (FileParts::DocumentUrl, ..) => {
            Err(unsupported("Files by file_id cannot be sent to this provider; send file_data."))
        }
    }
}

/// The content of a message. `strings`: content that is only text becomes one string.
pub(super) fn content(mut parts: Vec<Part<'_>>, strings: bool) -> Content<'_> {
    if parts.len() == 1
        && let Some(Part::Text { text }) = parts.first_mut()
    {
        return Content::Text(std::mem::take(text));
    }
    if parts.is_empty() || (strings && parts.iter().all(|p| matches!(p, Part::Text { .. }))) {
        return Content::Text(text(&parts).into());
    }
    Content::Parts(parts)
}

/// All text of some parts, a blank line between.
pub(super) fn text(parts: &[Part<'_>]) -> String {
    let texts = parts.iter().filter_map(|p| match p {
        Part::Text { text } => Some(text.as_ref()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}
