//! Content parts as they are sent.

use std::borrow::Cow;

use or_protocol::{Annotation, ContentPart, Extra};

use super::quirks::Quirks;
use super::wire::body::Part;
use crate::shared::media::as_data_url;
use crate::{AdapterError, Note, NoteList};

/// Annotations that OpenAI takes back beside `url_citation`.
const ANNOTATIONS: &[&str] = &["file_citation", "container_file_citation", "file_path"];

/// Translates parts.
pub(super) fn parts<'a>(
    quirks: &Quirks,
    notes: &mut NoteList,
    parts: &'a [ContentPart],
) -> Result<Vec<Part<'a>>, AdapterError> {
    parts.iter().map(|part| one(quirks, notes, part)).collect()
}

fn one<'a>(quirks: &Quirks, notes: &mut NoteList, part: &'a ContentPart) -> Result<Part<'a>, AdapterError> {
    let extra = extra(quirks, "content", part.extra(), notes);
    Ok(match part {
        ContentPart::InputText { text, .. } => Part::InputText { text, extra },
        ContentPart::InputImage { image_url, file_id, detail, .. } => {
            let (image_url, file_id) = (image_url.as_deref(), file_id.as_deref());
            Part::InputImage { image_url, file_id, detail: *detail, extra }
        }
        ContentPart::InputFile { filename, file_data, file_url, file_id, .. } => Part::InputFile {
            // A file by its data needs a name.
            filename: filename.as_deref().or(file_data.as_ref().map(|_| "file.pdf")),
            file_data: file_data.as_deref().map(|data| as_data_url(filename.as_deref(), data)),
            file_url: file_url.as_deref(),
            file_id: file_id.as_deref(),
            extra,
        },
        ContentPart::InputVideo { video_url, .. } if quirks.input_video => {
            Part::InputVideo { video_url, extra }
        }
        ContentPart::InputVideo { .. } => {
            let message = "Video input is not supported by this model's provider.";
            return Err(AdapterError::unsupported("input", message));
        }
        ContentPart::InputAudio { input_audio, .. } => Part::InputAudio { input_audio, extra },
        ContentPart::OutputText { text, annotations, .. } => {
            Part::OutputText { text, annotations: known(notes, annotations), extra }
        }
        ContentPart::Refusal { refusal, .. } => Part::Refusal { refusal, extra },
    })
}

/// Members without a form of their own go on as they came, unless the host is known to refuse them.
pub(super) fn extra<'a>(quirks: &Quirks, of: &str, extra: &'a Extra, notes: &mut NoteList) -> &'a Extra {
    if quirks.other_members {
        return extra;
    }
    for (name, _) in extra.members() {
        notes.push(Note::unknown(&format!("input.{of}."), &name));
    }
    &Extra::NONE
}

/// What the provider refuses is left out: citations without url, and those of other vendors.
fn known<'a>(notes: &mut NoteList, all: &'a [Annotation]) -> Vec<&'a Annotation> {
    let is_known = |annotation: &&Annotation| match annotation {
        Annotation::UrlCitation { url, .. } => !url.is_empty(),
        Annotation::Other(raw) => raw.text("type").is_some_and(|kind| ANNOTATIONS.contains(&&*kind)),
    };
    let kept: Vec<_> = all.iter().filter(is_known).collect();
    if kept.len() < all.len() {
        notes.push(Note::dropped("input.annotations", "annotations of a form this provider refuses"));
    }
    kept
}

/// The text of a message that holds nothing else; `None` if a part says more.
pub(super) fn joined(parts: &[ContentPart]) -> Option<Cow<'_, str>> {
    let text = |part: &'_ ContentPart| match part {
        ContentPart::OutputText { text, annotations, extra, .. }
            if annotations.is_empty() && extra.is_empty() =>
        {
            Some(text.clone())
        }
        ContentPart::Refusal { refusal, .. } => Some(refusal.clone()),
        _ => None,
    };
    match parts {
        [ContentPart::OutputText { text, annotations, extra, .. }]
            if annotations.is_empty() && extra.is_empty() =>
        {
            Some(Cow::Borrowed(text))
        }
        _ => Some(Cow::Owned(parts.iter().map(text).collect::<Option<Vec<_>>>()?.join("\n"))),
    }
}
