//! Decoding with a path: each refusal says where and in OpenAI's words (rules 11.4).

pub(crate) mod fields;
pub(crate) mod item;
pub(crate) mod mcp;
pub(crate) mod part;
pub(crate) mod settings;
pub(crate) mod stored_item;
pub(crate) mod stored_part;
pub(crate) mod tool;
pub(crate) mod update;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::Number;
use serde_json::value::RawValue;

use crate::bounds::MAX_MEMBERS;
use crate::json::{self, RawJson};
use crate::{ApiError, ErrorKind};

/// Where in the request we are. Lives on the stack; written out only for an error.
#[derive(Clone, Copy, Debug)]
pub enum Path<'a> {
    /// The body itself.
    Root,
    /// A member of an object.
    Key(&'a Path<'a>, &'a str),
    /// An element of an array.
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(Path::Root, key) => f.write_str(key),
            Self::Key(parent, key) => write!(f, "{parent}.{key}"),
            Self::Index(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

pub(crate) fn wrong_type(path: Path<'_>, wanted: &str, got: &RawValue) -> ApiError {
    let text = got.get();
    let got = match text.as_bytes().first() {
        Some(b'n') => "null",
        Some(b't' | b'f') => "a boolean",
        Some(b'"') => "a string",
        Some(b'[') => "an array",
        Some(b'{') => "an object",
        _ if serde_json::from_str::<Number>(text).is_ok_and(|n| !n.is_f64()) => "an integer",
        _ => "a decimal",
    };
    let path = path.to_string();
    let text = format!("Invalid type for '{path}': expected {wanted}, but got {got} instead.");
    ApiError::invalid("invalid_type", path, text)
}

pub(crate) fn bad_value(path: Path<'_>, got: &str, allowed: &[&str]) -> ApiError {
    let allowed: Vec<_> = allowed.iter().map(|v| format!("'{v}'")).collect();
    // An echo of a huge or odd value helps nobody.
    let got: String = got.chars().take(100).collect();
    let text = format!("Invalid value: '{got}'. Supported values are: {}.", allowed.join(", "));
    ApiError::invalid("invalid_value", path.to_string(), text)
}

pub(crate) fn missing(path: Path<'_>) -> ApiError {
    let path = path.to_string();
    let text = format!("Missing required parameter: '{path}'.");
    ApiError::invalid("missing_required_parameter", path, text)
}

pub(crate) fn refuse(code: &str, path: Path<'_>, what: impl fmt::Display) -> ApiError {
    let path = path.to_string();
    let text = format!("Invalid '{path}': {what}");
    ApiError::invalid(code, path, text)
}

/// Limits of a string, in characters.
pub(crate) fn check_length(path: Path<'_>, text: &str, min: usize, max: usize) -> Result<(), ApiError> {
    if text.len() < min {
        return Err(refuse(
            "empty_string",
            path,
            "empty string. Expected a string with minimum length 1, but got an empty string instead.",
        ));
    }
    // Bytes bound characters from above, so the count is needed only near the limit.
    if text.len() > max {
        let length = text.chars().count();
        if length > max {
            return Err(refuse(
                "string_above_max_length",
                path,
                format_args!(
                    "string too long. Expected a string with maximum length {max}, but got a string with length {length} instead."
                ),
            ));
        }
    }
    Ok(())
}

/// More elements than a list may have.
pub(crate) fn too_many(path: Path<'_>, most: usize, what: &str) -> ApiError {
    refuse("array_above_max_length", path, format_args!("expected at most {most} {what}."))
}

/// A body, or a part of one, that is no JSON after all: a number out of range, say, or half a character.
pub(crate) fn not_json(error: &serde_json::Error) -> ApiError {
    let text = format!("We could not parse the JSON body of your request: {error}.");
    ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_json")
}

/// A string of at most `max` characters.
pub(crate) fn text(path: Path<'_>, raw: &RawValue, max: usize) -> Result<String, ApiError> {
    if !raw.get().starts_with('"') {
        return Err(wrong_type(path, "a string", raw));
    }
    let text: String = serde_json::from_str(raw.get()).map_err(|e| not_json(&e))?;
    check_length(path, &text, 0, max)?;
    Ok(text)
}

/// Looks a word up in a closed set.
pub(crate) fn word<T: Copy>(path: Path<'_>, value: &RawValue, table: &[(&str, T)]) -> Result<T, ApiError> {
    let Some(text) = json::string(value) else { return Err(wrong_type(path, "a string", value)) };
    match table.iter().find(|(name, _)| *name == text) {
        Some((_, found)) => Ok(*found),
        None => Err(bad_value(path, &text, &table.iter().map(|(name, _)| *name).collect::<Vec<_>>())),
    }
}

/// Keeps an object as it came; of two members of one name the last counts.
pub(crate) fn keep(raw: &RawValue, path: Path<'_>) -> Result<RawJson, ApiError> {
    let kept = RawJson::keep(raw).map_err(|e| not_json(&e))?;
    let (count, twice) = json::count_members(kept.as_raw(), MAX_MEMBERS);
    if count > MAX_MEMBERS {
        let text = format_args!(
            "object has too many properties. Expected an object with at most {MAX_MEMBERS} properties, but got {count} instead."
        );
        return Err(refuse("object_above_max_properties", path, text));
    }
    if !twice {
        return Ok(kept);
    }
    // What decides here must be what others see who read the first one.
    let mut once: Vec<(&str, &RawValue)> = Vec::new();
    let members = kept.members();
    for (name, value) in &members {
        match once.iter_mut().find(|(known, _)| known == name) {
            Some((_, earlier)) => *earlier = value,
            None => once.push((name, value)),
        }
    }
    json::object_of(once).ok_or_else(ApiError::internal)
}

/// Shows the elements of an array one by one; none is held.
pub(crate) fn each<'a>(
    raw: &'a RawValue,
    see: impl FnMut(usize, &'a RawValue) -> Result<(), ApiError>,
) -> Result<(), ApiError> {
    let mut refused = None;
    let mut deserializer = serde_json::Deserializer::from_str(raw.get());
    let read = Elements { see, refused: &mut refused }.deserialize(&mut deserializer);
    match (refused, read) {
        (Some(error), _) => Err(error),
        (None, read) => read.map_err(|e| not_json(&e)),
    }
}

struct Elements<'r, F> {
    see: F,
    refused: &'r mut Option<ApiError>,
}

impl<'de, F: FnMut(usize, &'de RawValue) -> Result<(), ApiError>> DeserializeSeed<'de> for Elements<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(usize, &'de RawValue) -> Result<(), ApiError>> Visitor<'de> for Elements<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        while let Some(element) = list.next_element()? {
            if let Err(error) = (self.see)(index, element) {
                *self.refused = Some(error);
                return Err(A::Error::custom("refused"));
            }
            index += 1;
        }
        Ok(())
    }
}
