//! Content parts of user messages and tool results.

use or_protocol::{ContentPart, Detail};

use super::quirks::{FileParts, PromptCaching, Quirks};
use super::wire::body::{Breakpoint, Content, File, Image, Part, Url};
use crate::AdapterError;
use crate::shared::fields::cache::CacheControl;
use crate::shared::media::as_data_url;

/// Translates parts; empty texts are left out.
pub(super) fn translate<'a>(
    quirks: &Quirks,
    content: &'a [ContentPart],
) -> Result<Vec<Part<'a>>, AdapterError> {
    let mut out = Vec::with_capacity(content.len());
    for part in content {
        let (cache_control, prompt_cache_breakpoint) = marks(quirks, part);
        out.push(match part {
            ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } if text.is_empty() => {
                continue;
            }
            ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => {
                Part::Text { text: text.into(), cache_control, prompt_cache_breakpoint }
            }
            ContentPart::Refusal { refusal, .. } => Part::text(refusal),
            ContentPart::InputImage { image_url: Some(url), detail, .. } => {
                let detail = Some(*detail).filter(|d| *d != Detail::Auto);
                Part::ImageUrl { image_url: Image { url, detail }, prompt_cache_breakpoint }
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
                prompt_cache_breakpoint,
            )?,
            ContentPart::InputAudio { input_audio, .. } => {
                Part::InputAudio { input_audio, prompt_cache_breakpoint }
            }
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

/// The marks of a part for the cache, in the host's words.
fn marks(quirks: &Quirks, part: &ContentPart) -> (Option<CacheControl>, Option<Breakpoint>) {
    match (CacheControl::of(part), quirks.prompt_caching) {
        (None, _) | (_, PromptCaching::None | PromptCaching::ByPrefix) => (None, None),
        (mark, PromptCaching::CacheControl | PromptCaching::CacheControlTtl) => (mark, None),
        (Some(_), PromptCaching::Openai) => (None, Some(Breakpoint::EXPLICIT)),
    }
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
    prompt_cache_breakpoint: Option<Breakpoint>,
) -> Result<Part<'a>, AdapterError> {
    match (form, data, url, id) {
        (FileParts::None, ..) => Err(unsupported("Files cannot be sent to this provider.")),
        (FileParts::File, Some(data), _, _) => {
            let file_data = Some(as_data_url(filename, data));
            // OpenAI refuses data without a name.
            let filename = Some(filename.unwrap_or("file"));
            Ok(Part::File { file: File { filename, file_data, file_id: None }, prompt_cache_breakpoint })
        }
        (FileParts::File, None, _, Some(id)) => {
            let file = File { filename: None, file_data: None, file_id: Some(id) };
            Ok(Part::File { file, prompt_cache_breakpoint })
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

/// The content of a message. `strings`: content that is only text without marks becomes one string.
pub(super) fn content(mut parts: Vec<Part<'_>>, strings: bool) -> Content<'_> {
    let plain = parts.iter().all(Part::is_plain);
    if plain
        && parts.len() == 1
        && let Some(Part::Text { text, .. }) = parts.first_mut()
    {
        return Content::Text(std::mem::take(text));
    }
    if parts.is_empty() || (strings && plain) {
        return Content::Text(text(&parts).into());
    }
    Content::Parts(parts)
}

/// All text of some parts, a blank line between.
pub(super) fn text(parts: &[Part<'_>]) -> String {
    let texts = parts.iter().filter_map(|p| match p {
        Part::Text { text, .. } => Some(text.as_ref()),
        _ => None,
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

/// Texts as one with the latest of their marks, and `tail` behind them.
pub(super) fn joined<'a>(texts: Vec<Part<'a>>, tail: &str) -> Part<'a> {
    let all = text(&texts);
    let gap = if all.is_empty() { "" } else { "\n\n" };
    let mut whole = Part::text(format!("{all}{gap}{tail}"));
    let marked = texts.into_iter().rfind(|part| !part.is_plain());
    if let (Some(Part::Text { cache_control, prompt_cache_breakpoint, .. }), Part::Text { text, .. }) =
        (marked, &mut whole)
    {
        whole = Part::Text { text: std::mem::take(text), cache_control, prompt_cache_breakpoint };
    }
    whole
}
