//! Images, files, video and audio as parts.

use std::borrow::Cow;

use or_protocol::{ContentPart, Detail};

use super::models::Traits;
use super::wire::body::{FileData, InlineData, MediaResolution, Part};
use crate::AdapterError;
use crate::note::Notes;

const IMAGES: &[&str] = &["image/png", "image/jpeg", "image/webp", "image/heic", "image/heif"];

/// Media types by file extension.
const EXTENSIONS: &[(&str, &str)] = &[
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("pdf", "application/pdf"),
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("xml", "text/xml"),
    ("json", "application/json"),
    ("js", "text/javascript"),
    ("py", "text/x-python"),
    ("rtf", "text/rtf"),
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("mov", "video/quicktime"),
    ("avi", "video/x-msvideo"),
    ("wmv", "video/x-ms-wmv"),
    ("webm", "video/webm"),
    ("flv", "video/x-flv"),
    ("3gp", "video/3gpp"),
    ("wav", "audio/wav"),
    ("mp3", "audio/mp3"),
    ("aac", "audio/aac"),
    ("ogg", "audio/ogg"),
    ("flac", "audio/flac"),
    ("aiff", "audio/aiff"),
];

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
        match part {
            ContentPart::InputImage { image_url, file_id, detail } => {
                let mut out = match (image_url, file_id) {
                    (Some(url), _) => image(url, notes)?,
                    (None, Some(id)) => self.uploaded(id)?,
                    (None, None) => return Err(refuse("An image has neither image_url nor file_id.")),
                };
                out.media_resolution = self.resolution(*detail, notes);
                Ok(Some(out))
            }
            ContentPart::InputFile { filename, file_data, file_url, file_id } => {
                if filename.is_some() {
                    notes.dropped("input.filename", "file names are not sent; the type is told by them");
                }
                let name = filename.as_deref();
                match (file_data, file_url, file_id) {
                    (Some(data), _, _) => file(data, name).map(Some),
                    (_, Some(url), _) => Ok(Some(file_url_part(url, name, notes))),
                    (_, _, Some(id)) => self.uploaded(id).map(Some),
                    (None, None, None) => Err(refuse("A file has no data.")),
                }
            }
            ContentPart::InputVideo { video_url } => video(video_url).map(Some),
            ContentPart::InputAudio { input_audio } => {
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
        Ok(linked(by_extension(id), uri))
    }
}

fn refuse(message: &str) -> AdapterError {
    AdapterError::unsupported("input", message)
}

fn inline<'a>(mime_type: Cow<'a, str>, data: &'a str) -> Part<'a> {
    Part { inline_data: Some(InlineData { mime_type, data }), ..Part::default() }
}

fn linked<'a>(mime_type: Option<&'static str>, file_uri: Cow<'a, str>) -> Part<'a> {
    Part { file_data: Some(FileData { mime_type, file_uri }), ..Part::default() }
}

/// Media type and base64 text of a data URL.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.strip_prefix("data:")?.split_once(',')?;
    let mime = head.strip_suffix(";base64")?;
    Some((mime.split(';').next().unwrap_or_default(), data))
}

fn image<'a>(url: &'a str, notes: &mut Notes) -> Result<Part<'a>, AdapterError> {
    if !url.starts_with("data:") {
        let mime = by_extension(url).filter(|m| m.starts_with("image/")).unwrap_or_else(|| {
            notes.emulated("input.image_url", "the type of an image is not in its URL; sent as image/jpeg");
            "image/jpeg"
        });
        return Ok(linked(Some(mime), Cow::Borrowed(url)));
    }
    let Some((mime, data)) = data_url(url) else {
        return Err(refuse("An image's data URL must have a media type and base64 data."));
    };
    let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
    if !IMAGES.contains(&mime) {
        return Err(refuse("This provider takes images as PNG, JPEG, WebP, HEIC or HEIF only."));
    }
    Ok(inline(Cow::Borrowed(mime), data))
}

fn file<'a>(data: &'a str, name: Option<&str>) -> Result<Part<'a>, AdapterError> {
    let known = name.and_then(by_extension);
    let (mime, data) = match data_url(data) {
        Some((mime, data)) if !mime.is_empty() && mime != "application/octet-stream" => (Some(mime), data),
        Some((_, data)) => (known, data),
        None if data.starts_with("data:") => (None, data),
        None => (known, data),
    };
    let mime = mime.ok_or_else(|| refuse("A file's type cannot be told from its data URL or name."))?;
    let kind = mime.split('/').next().unwrap_or_default();
    let taken = matches!(kind, "text" | "image" | "audio" | "video")
        || matches!(mime, "application/pdf" | "application/json" | "application/xml");
    match taken {
        true => Ok(inline(Cow::Borrowed(mime), data)),
        false => Err(refuse("This provider takes PDF, text, image, audio and video files only.")),
    }
}

fn file_url_part<'a>(url: &'a str, name: Option<&str>, notes: &mut Notes) -> Part<'a> {
    let mime = by_extension(url).or_else(|| name.and_then(by_extension)).unwrap_or_else(|| {
        notes.emulated("input.file_url", "the type of a file is not in its URL; sent as application/pdf");
        "application/pdf"
    });
    linked(Some(mime), Cow::Borrowed(url))
}

fn video(url: &str) -> Result<Part<'_>, AdapterError> {
    if !url.starts_with("data:") {
        let mime = by_extension(url).filter(|m| m.starts_with("video/")).unwrap_or("video/mp4");
        return Ok(linked(Some(mime), Cow::Borrowed(url)));
    }
    match data_url(url) {
        Some((mime, data)) if mime.starts_with("video/") => Ok(inline(Cow::Borrowed(mime), data)),
        _ => Err(refuse("A video's data URL must have a video type and base64 data.")),
    }
}

/// Media type by the extension of a name or of a URL's path.
fn by_extension(name: &str) -> Option<&'static str> {
    let path = name.split(['?', '#']).next()?;
    let file = path.rsplit('/').next()?;
    let (_, extension) = file.rsplit_once('.')?;
    EXTENSIONS.iter().find(|(e, _)| e.eq_ignore_ascii_case(extension)).map(|(_, mime)| *mime)
}
