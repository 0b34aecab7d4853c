//! Media in content parts: where they come from, and what type they are of.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use or_protocol::ContentPart;

/// Endings of names, and the media type of each.
const ENDINGS: &[(&str, &str)] = &[
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("txt", "text/plain"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("csv", "text/csv"),
    ("html", "text/html"),
    ("htm", "text/html"),
    ("css", "text/css"),
    ("js", "text/javascript"),
    ("py", "text/x-python"),
    ("rtf", "text/rtf"),
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

/// Types beside `text/*` that are text.
const TEXTS: &[&str] = &[
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

/// First characters of base64 data and what it then is: claims about images are often wrong.
const SIGNATURES: &[(&str, &str)] = &[
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
    ("JVBERi", "application/pdf"),
];

/// Where an image, file or video comes from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum MediaSource<'a> {
    /// Base64; `claimed` is the media type the client gave, empty where that says nothing.
    Data { claimed: &'a str, data: &'a str },
    /// An address, or what was meant to be one.
    Url(&'a str),
    /// A data URL without base64 data.
    Unreadable,
    /// A file of the provider's storage.
    Stored(&'a str),
    /// Nothing was given.
    Nowhere,
}

impl<'a> MediaSource<'a> {
    /// Of an image, a file or a video. `None`: the part is text, or audio, which always is data.
    pub(crate) fn of(part: &'a ContentPart) -> Option<Self> {
        let url = |url: &'a str| match data_url(url) {
            Some((claimed, data)) => Self::Data { claimed, data },
            None if is_data_url(url) => Self::Unreadable,
            None => Self::Url(url),
        };
        Some(match part {
            ContentPart::InputImage { image_url: Some(image), .. } => url(image),
            ContentPart::InputImage { file_id: Some(id), .. } => Self::Stored(id),
            ContentPart::InputVideo { video_url, .. } => url(video_url),
            ContentPart::InputFile { file_data: Some(data), .. } => match url(data) {
                Self::Url(data) => Self::Data { claimed: "", data },
                source => source,
            },
            ContentPart::InputFile { file_url: Some(url), .. } => Self::Url(url),
            ContentPart::InputFile { file_id: Some(id), .. } => Self::Stored(id),
            ContentPart::InputImage { .. } | ContentPart::InputFile { .. } => Self::Nowhere,
            ContentPart::InputAudio { .. }
            | ContentPart::InputText { .. }
            | ContentPart::OutputText { .. }
            | ContentPart::Refusal { .. } => return None,
        })
    }
}

/// Media type and data of a base64 data URL; the type is empty where it says nothing.
fn data_url(url: &str) -> Option<(&str, &str)> {
    let (head, data) = url.get(5..).filter(|_| is_data_url(url))?.split_once(',')?;
    let (media, coding) = head.rsplit_once(';')?;
    let media = media.split(';').next().unwrap_or_default().trim();
    let media = if media.eq_ignore_ascii_case("application/octet-stream") { "" } else { media };
    coding.trim().eq_ignore_ascii_case("base64").then_some((media, data))
}

fn is_data_url(url: &str) -> bool {
    url.get(..5).is_some_and(|head| head.eq_ignore_ascii_case("data:"))
}

/// Data of a file as a data URL; plain base64 gets the type that its name stands for, else PDF, the one type
/// that all hosts take.
pub(crate) fn as_data_url<'a>(name: Option<&str>, data: &'a str) -> Cow<'a, str> {
    if is_data_url(data) {
        return Cow::Borrowed(data);
    }
    let media = name.and_then(by_ending).unwrap_or("application/pdf");
    Cow::Owned(format!("data:{media};base64,{data}"))
}

/// Media type by the ending of a name or of a URL's path.
pub(crate) fn by_ending(name: &str) -> Option<&'static str> {
    let name = name.split(['?', '#']).next()?;
    let path = name.split_once("://").map_or(name, |(_, rest)| rest.split_once('/').map_or("", |(_, p)| p));
    let (_, ending) = path.rsplit('/').next()?.rsplit_once('.')?;
    ENDINGS.iter().find(|(known, _)| known.eq_ignore_ascii_case(ending)).map(|(_, media)| *media)
}

/// Media type by the first bytes.
pub(crate) fn sniffed(data: &str) -> Option<&'static str> {
    SIGNATURES.iter().find(|(start, _)| data.starts_with(start)).map(|(_, media)| *media)
}

/// Whether files of a media type are text.
pub(crate) fn is_text(media: &str) -> bool {
    let media = media.to_ascii_lowercase();
    media.starts_with("text/") || TEXTS.contains(&media.as_str())
}

/// Base64 in the standard alphabet with padding and no spaces. What is not base64 at all stays as it is.
pub(crate) fn standard_base64(data: &str) -> Cow<'_, str> {
    let odd = |b: u8| matches!(b, b'-' | b'_' | b'%') || b.is_ascii_whitespace();
    if data.len().is_multiple_of(4) && !data.bytes().any(odd) {
        return Cow::Borrowed(data);
    }
    let data = data.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=");
    let clean: String = data.chars().filter(|c| !c.is_ascii_whitespace() && *c != '=').collect();
    let alphabet = if clean.contains(['-', '_']) { URL_SAFE_NO_PAD } else { STANDARD_NO_PAD };
    Cow::Owned(alphabet.decode(&clean).map_or(data, |bytes| STANDARD.encode(bytes)))
}

/// The bytes of base64 in any form.
pub(crate) fn decoded(data: &str) -> Option<Vec<u8>> {
    STANDARD_NO_PAD.decode(standard_base64(data).trim_end_matches('=')).ok()
}

#[cfg(test)]
mod tests {
    use or_protocol::{Detail, Extra};
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check_image(url: &str, want: MediaSource<'_>) {
        let part = ContentPart::InputImage {
            image_url: Some(url.into()),
            file_id: None,
            detail: Detail::Auto,
            extra: Extra::NONE,
        };
        assert_eq!(MediaSource::of(&part), Some(want));
    }

    #[test]
    fn a_data_url_is_taken_apart_however_it_is_written() {
        check_image("data:image/png;base64,AA", MediaSource::Data { claimed: "image/png", data: "AA" });
        let loud = MediaSource::Data { claimed: "image/PNG", data: "AA" };
        check_image("DATA:image/PNG;charset=x;BASE64,AA", loud);
        let untold = MediaSource::Data { claimed: "", data: "AA" };
        check_image("data:application/octet-stream;base64,AA", untold);
        check_image("data:;base64,AA", untold);
        for other in ["https://a.b/c.png", "ü", ""] {
            check_image(other, MediaSource::Url(other));
        }
        check_image("data:image/svg,<svg/>", MediaSource::Unreadable);
        check_image("data:base64,AA", MediaSource::Unreadable);
    }

    #[test]
    fn data_comes_before_an_address_and_that_before_an_id() {
        let file = |data: Option<&str>, url: Option<&str>, id: Option<&str>| ContentPart::InputFile {
            filename: None,
            file_data: data.map(Into::into),
            file_url: url.map(Into::into),
            file_id: id.map(Into::into),
            extra: Extra::NONE,
        };
        let all = file(Some("AA"), Some("u"), Some("i"));
        assert_eq!(MediaSource::of(&all), Some(MediaSource::Data { claimed: "", data: "AA" }));
        assert_eq!(MediaSource::of(&file(None, Some("u"), Some("i"))), Some(MediaSource::Url("u")));
        assert_eq!(MediaSource::of(&file(None, None, Some("i"))), Some(MediaSource::Stored("i")));
        assert_eq!(MediaSource::of(&file(None, None, None)), Some(MediaSource::Nowhere));
    }

    #[test]
    fn a_type_is_told_by_the_ending_of_a_path() {
        for (name, want) in [
            ("a.PDF", Some("application/pdf")),
            ("https://a.b/c.md?x=.png#.gif", Some("text/markdown")),
            ("https://a.zip", None),
            ("https://arxiv.org/pdf/2401.00001v2", None),
            ("files/x", None),
        ] {
            assert_eq!(by_ending(name), want, "{name}");
        }
    }

    #[test]
    fn plain_data_gets_the_type_of_its_name() {
        assert_eq!(as_data_url(Some("a.csv"), "AA"), "data:text/csv;base64,AA");
        assert_eq!(as_data_url(None, "AA"), "data:application/pdf;base64,AA");
        assert_eq!(as_data_url(Some("a.csv"), "data:x/y;base64,AA"), "data:x/y;base64,AA");
    }

    #[test]
    fn base64_is_brought_into_the_standard_form() {
        for (data, want) in [("-_8", "+/8="), ("iVBO\nRw0K", "iVBORw0K"), ("%2B%2F8%3D", "+/8="), ("?", "?")]
        {
            assert_eq!(standard_base64(data), want);
        }
        assert_eq!(decoded("aGk"), Some(b"hi".to_vec()));
        assert_eq!(decoded("not base64!"), None);
    }
}
