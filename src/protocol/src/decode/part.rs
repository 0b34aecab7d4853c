//! Content parts from JSON, by role (rules 3.1, 3.2, 5).

use serde_json::value::RawValue;

use crate::bounds::{MAX_FILE_DATA, MAX_IMAGE_URL, MAX_NAME, MAX_PARTS, MAX_TEXT};
use crate::decode::fields::{Fields, list};
use crate::decode::{bad_value, check_length, keep, missing, refuse, wrong_type};
use crate::item::{Annotation, ContentPart, Detail, InputAudio, LogProb, Role};
use crate::json::{member, string};
use crate::{ApiError, Path};

/// Members of all parts.
pub(crate) const PART: &[&str] = &[
    "type",
    "text",
    "refusal",
    "annotations",
    "logprobs",
    "image_url",
    "file_id",
    "detail",
    "file_data",
    "file_url",
    "filename",
    "video_url",
    "input_audio",
];

const DETAILS: &[(&str, Detail)] =
    &[("low", Detail::Low), ("high", Detail::High), ("auto", Detail::Auto), ("original", Detail::Original)];

/// The part that a string content stands for.
pub(crate) fn string_part(role: Role, text: String) -> ContentPart {
    match role {
        Role::Assistant => ContentPart::OutputText { text, annotations: Vec::new(), logprobs: None },
        Role::User | Role::System | Role::Developer => ContentPart::InputText { text },
    }
}

/// Which part types a role may hold.
fn allowed(role: Role) -> &'static [&'static str] {
    match role {
        Role::User => &["input_text", "input_image", "input_file", "input_video", "input_audio"],
        Role::System | Role::Developer => &["input_text"],
        Role::Assistant => &["output_text", "refusal"],
    }
}

pub(crate) fn decode_parts(raw: &RawValue, path: Path<'_>, role: Role) -> Result<Vec<ContentPart>, ApiError> {
    list(raw, path, MAX_PARTS, "content parts", |raw, path| decode_part(raw, path, role))
}

fn decode_part(raw: &RawValue, path: Path<'_>, role: Role) -> Result<ContentPart, ApiError> {
    let mut fields = Fields::new(raw, path, PART)?;
    let kind = match fields.take("type") {
        Some(kind) => match string(kind) {
            Some(kind) => kind,
            None => return Err(wrong_type(fields.at("type"), "a string", kind)),
        },
        None => return Err(missing(fields.at("type"))),
    };
    match (&*kind, role) {
        // Clients that keep history in one form send either text type for either side; the text is the same.
        ("input_text" | "text" | "output_text", Role::User | Role::System | Role::Developer) => {
            Ok(ContentPart::InputText { text: fields.required_string("text", MAX_TEXT)? })
        }
        ("output_text" | "input_text" | "text", Role::Assistant) => output_text(&mut fields),
        ("refusal", Role::Assistant) => {
            Ok(ContentPart::Refusal { refusal: fields.required_string("refusal", MAX_TEXT)? })
        }
        ("input_image", Role::User) => image(&mut fields),
        ("input_file", Role::User) => file(&mut fields),
        ("input_video", Role::User) => {
            let video_url = fields.required_string("video_url", MAX_FILE_DATA)?;
            let is_data = video_url.starts_with("data:");
            Ok(ContentPart::InputVideo { video_url: if is_data { unbroken(video_url) } else { video_url } })
        }
        ("input_audio", Role::User) => audio(&mut fields),
        (other, role) => Err(bad_value(fields.at("type"), other, allowed(role))),
    }
}

fn image(fields: &mut Fields<'_, '_>) -> Result<ContentPart, ApiError> {
    let image_url = match fields.take("image_url") {
        // Chat Completions' form, which many clients still send.
        Some(raw) if raw.get().starts_with('{') => match member(raw, "url").and_then(string) {
            Some(url) => Some(url.into_owned()),
            None => return Err(missing(Path::Key(&fields.at("image_url"), "url"))),
        },
        Some(raw) => match string(raw) {
            Some(url) => Some(url.into_owned()),
            None => return Err(wrong_type(fields.at("image_url"), "a string", raw)),
        },
        None => None,
    };
    let image_url = image_url.map(|url| if url.starts_with("data:") { unbroken(url) } else { url });
    if let Some(url) = &image_url {
        check_length(fields.at("image_url"), url, 1, MAX_IMAGE_URL)?;
        check_url(fields.at("image_url"), url, true)?;
    }
    let file_id = fields.string("file_id", MAX_TEXT)?;
    match (&image_url, &file_id) {
        (None, None) => return Err(missing(fields.at("image_url"))),
        (Some(_), Some(_)) => return Err(too_many(fields.at("file_id"), "'image_url' and 'file_id'")),
        _ => {}
    }
    let detail = fields.word("detail", DETAILS)?.unwrap_or(Detail::Auto);
    Ok(ContentPart::InputImage { image_url, file_id, detail })
}

/// Base64 without the line ends that some encoders put in after every 76 characters, and some providers refuse.
fn unbroken(mut data: String) -> String {
    if data.bytes().any(|byte| byte.is_ascii_whitespace()) {
        data.retain(|c| !c.is_ascii_whitespace());
    }
    data
}

/// No provider reads two, and to leave one out in silence would be a guess.
fn too_many(path: Path<'_>, names: &str) -> ApiError {
    refuse("invalid_value", path, format_args!("expected only one of {names}."))
}

/// http(s) and, where `data` is set, base64 data URLs.
fn check_url(path: Path<'_>, url: &str, data: bool) -> Result<(), ApiError> {
    let web = url.starts_with("https://") || url.starts_with("http://");
    // Other schemes (gs://, s3://) mean something to some providers; only a bare word is a mistake.
    if web || url.contains("://") {
        return Ok(());
    }
    if data && url.starts_with("data:") {
        let well_formed =
            url.split_once(',').is_some_and(|(head, body)| head.ends_with(";base64") && !body.is_empty());
        if well_formed {
            return Ok(());
        }
        return Err(refuse(
            "invalid_value",
            path,
            "expected a base64-encoded data URL such as 'data:image/png;base64,aW1hZ2U='.",
        ));
    }
    Err(refuse("invalid_value", path, "expected a valid URL, but got a value with an invalid format."))
}

fn file(fields: &mut Fields<'_, '_>) -> Result<ContentPart, ApiError> {
    let file_data = fields.string("file_data", MAX_FILE_DATA)?.map(unbroken);
    let file_url = fields.string("file_url", MAX_IMAGE_URL)?;
    let file_id = fields.string("file_id", MAX_TEXT)?;
    let sources = [(&file_id, "file_id"), (&file_url, "file_url"), (&file_data, "file_data")];
    let mut given = sources.iter().filter(|(value, _)| value.is_some());
    match (given.next(), given.next()) {
        (None, _) => return Err(missing(fields.at("file_data"))),
        (Some((_, name)), Some(_)) => {
            return Err(too_many(fields.at(name), "'file_data', 'file_url' and 'file_id'"));
        }
        _ => {}
    }
    if let Some(url) = &file_url {
        check_url(fields.at("file_url"), url, false)?;
    }
    let filename = fields.string("filename", MAX_TEXT)?;
    Ok(ContentPart::InputFile { filename, file_data, file_url, file_id })
}

fn audio(fields: &mut Fields<'_, '_>) -> Result<ContentPart, ApiError> {
    let Some(inner) = fields.take("input_audio") else { return Err(missing(fields.at("input_audio"))) };
    let parent = fields.at("input_audio");
    let mut inner = Fields::new(inner, parent, &["data", "format"])?;
    Ok(ContentPart::InputAudio {
        input_audio: InputAudio {
            data: unbroken(inner.required_string("data", MAX_FILE_DATA)?),
            format: inner.required_string("format", MAX_NAME)?,
        },
    })
}

fn output_text(fields: &mut Fields<'_, '_>) -> Result<ContentPart, ApiError> {
    let text = fields.required_string("text", MAX_TEXT)?;
    let annotations = fields.list("annotations", MAX_PARTS, "annotations", annotation)?.unwrap_or_default();
    let logprobs = fields.list("logprobs", MAX_TEXT, "log probabilities", |raw, path| {
        serde_json::from_str::<LogProb>(raw.get()).map_err(|error| {
            let error = error.to_string();
            // Its line and column are of the element.
            let why = error.split_once(" at line ").map_or(error.as_str(), |(why, _)| why);
            refuse("invalid_value", path, format_args!("{why}."))
        })
    })?;
    Ok(ContentPart::OutputText { text, annotations, logprobs })
}

fn annotation(raw: &RawValue, path: Path<'_>) -> Result<Annotation, ApiError> {
    const URL_CITATION: &[&str] = &["type", "url", "title", "start_index", "end_index"];
    if member(raw, "type").and_then(string).as_deref() != Some("url_citation") {
        return match raw.get().starts_with('{') {
            true => keep(raw, path).map(Annotation::Other),
            false => Err(wrong_type(path, "an object", raw)),
        };
    }
    let mut fields = Fields::new(raw, path, URL_CITATION)?;
    Ok(Annotation::UrlCitation {
        url: fields.required_string("url", MAX_TEXT)?,
        title: fields.string("title", MAX_TEXT)?.unwrap_or_default(),
        start_index: fields.integer("start_index", 0, u64::MAX)?.unwrap_or_default(),
        end_index: fields.integer("end_index", 0, u64::MAX)?.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::unbroken;

    #[test]
    fn base64_loses_its_line_ends() {
        for (data, want) in [
            ("data:image/png;base64,iVBO\r\nRw0K\n", "data:image/png;base64,iVBORw0K"),
            ("iVBO Rw0K", "iVBORw0K"),
            ("iVBORw0K", "iVBORw0K"),
        ] {
            assert_eq!(unbroken(data.to_owned()), want);
        }
    }
}
