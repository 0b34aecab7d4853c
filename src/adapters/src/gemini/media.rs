//! Images, files, video and audio as parts.

use std::borrow::Cow;

use or_protocol::{ContentPart, Detail};

use super::models::Traits;
use super::wire::body::{FileData, InlineData, MediaResolution, Part};
use crate::AdapterError;
use crate::note::Notes;
use crate::shared::media::{MediaSource, by_ending, sniffed};

const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// What the translation of media needs to know.
pub(super) struct Media<'a> {
    pub(super) traits: &'a Traits,
    pub(super) base_url: &'a str,
}

impl Media<'_> {
    /// The part for an image, file, video or audio; `None` for text.
    pub(super) fn part<'a>(
        &self,
        part: &'a ContentPart,
        notes: &mut Notes,
    ) -> Result<Option<Part<'a>>, AdapterError> {
        let source = MediaSource::of(part).unwrap_or(MediaSource::Nowhere);
        match part {
            ContentPart::InputImage { detail, .. } => {
                let mut out = match source {
                    MediaSource::Stored(id) => self.uploaded(id)?,
                    source => image(source, notes)?,
                };
                out.media_resolution = self.resolution(*detail, notes);
                Ok(Some(out))
            }
            ContentPart::InputFile { filename, .. } => {
                if filename.is_some() {
                    notes.dropped("input.filename", "file names are not sent; the type is told by them");
                }
                match source {
                    MediaSource::Stored(id) => self.uploaded(id).map(Some),
                    source => file(source, filename.as_deref(), notes).map(Some),
                }
            }
            ContentPart::InputVideo { .. } => video(source).map(Some),
            ContentPart::InputAudio { input_audio, .. } => {
                Ok(Some(inline(Cow::Owned(format!("audio/{}", input_audio.format)), &input_audio.data)))
            }
            ContentPart::InputText { .. } | ContentPart::OutputText { .. } | ContentPart::Refusal { .. } => {
                Ok(None)
            }
        }
    }

    /// Per part since generation 3.
    fn resolution(&self, detail: Detail, notes: &mut Notes) -> Option<MediaResolution> {
        let level = match detail {
            Detail::Auto => return None,
            Detail::Low => "MEDIA_RESOLUTION_LOW",
            Detail::High => "MEDIA_RESOLUTION_HIGH",
            Detail::Original => "MEDIA_RESOLUTION_ULTRA_HIGH",
        };
        if !self.traits.signed_calls {
            notes.dropped("input.detail", "this model has no resolution for single images");
            return None;
        }
        Some(MediaResolution { level })
    }

    /// A file in Gemini's own storage: `files/…`, its whole address, or `gs://…`.
    fn uploaded<'a>(&self, id: &'a str) -> Result<Part<'a>, AdapterError> {
        let uri = if id.starts_with("files/") {
            Cow::Owned(format!("{}/{id}", self.base_url))
        } else if id.starts_with("gs://") || id.starts_with(self.base_url) && !self.base_url.is_empty() {
            Cow::Borrowed(id)
        } else {
            return Err(refuse(
                "This provider only knows file ids of its own (`files/…`, `gs://…`); send the data or a URL.",
            ));
        };
        Ok(linked(by_ending(id), uri))
    }
}

fn refuse(message: &str) -> AdapterError {
    AdapterError::unsupported("input", message)
}

fn inline<'a>(mime_type: Cow<'a, str>, data: &'a str) -> Part<'a> {
    let data = Cow::Borrowed(data);
    Part { inline_data: Some(InlineData { mime_type, data }), ..Part::default() }
}

fn linked<'a>(mime_type: Option<&'static str>, file_uri: Cow<'a, str>) -> Part<'a> {
    Part { file_data: Some(FileData { mime_type, file_uri }), ..Part::default() }
}

fn image<'a>(source: MediaSource<'a>, notes: &mut Notes) -> Result<Part<'a>, AdapterError> {
    match source {
        MediaSource::Url(url) => {
            let media = by_ending(url).filter(|media| IMAGES.contains(media)).unwrap_or_else(|| {
                let why = "the type of an image is not in its URL; sent as image/jpeg";
                notes.emulated("input.image_url", why);
                "image/jpeg"
            });
            Ok(linked(Some(media), Cow::Borrowed(url)))
        }
        MediaSource::Data { claimed, data } => {
            let claimed = if claimed.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { claimed };
            match IMAGES.iter().find(|known| known.eq_ignore_ascii_case(claimed)) {
                Some(media) => Ok(inline(Cow::Borrowed(*media), data)),
                None => Err(refuse("This provider takes images as PNG, JPEG, WebP, HEIC or HEIF only.")),
            }
        }
        MediaSource::Nowhere | MediaSource::Stored(_) => {
            Err(refuse("An image has neither image_url nor file_id."))
        }
        MediaSource::Unreadable => Err(refuse("An image's data URL must have a media type and base64 data.")),
    }
}

fn file<'a>(
    source: MediaSource<'a>,
    name: Option<&str>,
    notes: &mut Notes,
) -> Result<Part<'a>, AdapterError> {
    let named = name.and_then(by_ending);
    let (media, data) = match source {
        MediaSource::Url(url) => {
            let media = by_ending(url).or(named).filter(|media| takes(media)).unwrap_or_else(|| {
                let why = "the type of a file is not in its URL; sent as application/pdf";
                notes.emulated("input.file_url", why);
                "application/pdf"
            });
            return Ok(linked(Some(media), Cow::Borrowed(url)));
        }
        MediaSource::Data { claimed: "", data } => (named.or_else(|| sniffed(data)), data),
        MediaSource::Data { claimed, data } => (Some(claimed), data),
        MediaSource::Unreadable => (None, ""),
        MediaSource::Nowhere | MediaSource::Stored(_) => return Err(refuse("A file has no data.")),
    };
    match media {
        None => Err(refuse("A file's type cannot be told from its data URL or name.")),
        Some(media) if takes(media) => Ok(inline(Cow::Borrowed(media), data)),
        Some(_) => Err(refuse("This provider takes PDF, text, image, audio and video files only.")),
    }
}

/// Whether files of a media type are taken.
fn takes(media: &str) -> bool {
    let kind = media.split('/').next().unwrap_or_default();
    matches!(kind, "text" | "image" | "audio" | "video")
        || matches!(media, "application/pdf" | "application/json" | "application/xml")
}

fn video(source: MediaSource<'_>) -> Result<Part<'_>, AdapterError> {
    match source {
        MediaSource::Url(url) => {
            let media = by_ending(url).filter(|m| m.starts_with("video/")).unwrap_or("video/mp4");
            Ok(linked(Some(media), Cow::Borrowed(url)))
        }
        MediaSource::Data { claimed, data } if claimed.starts_with("video/") => {
            Ok(inline(Cow::Borrowed(claimed), data))
        }
        _ => Err(refuse("A video's data URL must have a video type and base64 data.")),
    }
}
