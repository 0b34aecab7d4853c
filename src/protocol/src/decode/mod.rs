//! Decoding with a path: each refusal says where and in OpenAI's words (rules 11.4).

pub(crate) mod item;
pub(crate) mod mcp;
pub(crate) mod part;
pub(crate) mod settings;
pub(crate) mod stored_item;
pub(crate) mod tool;

use std::fmt;

use serde_json::{Map, Value};

use crate::ApiError;

/// Longest string content and longest opaque blob, in characters (rules 2, 3).
pub(crate) const MAX_TEXT: usize = 10_485_760;
/// Longest call id and function name, in characters.
pub(crate) const MAX_NAME: usize = 64;

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

pub(crate) fn wrong_type(path: Path<'_>, wanted: &str, got: &Value) -> ApiError {
    let got = match got {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(n) if n.is_f64() => "a decimal",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
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

/// So many short names are compared sooner than one is hashed.
const FEW: usize = 16;

/// The members of one object, taken out one by one. `null` counts as absent.
#[derive(Debug)]
pub struct Fields<'p> {
    map: Map<String, Value>,
    path: Path<'p>,
}

impl<'p> Fields<'p> {
    /// Wraps an object; anything else is `invalid_type`.
    pub fn new(value: Value, path: Path<'p>) -> Result<Self, ApiError> {
        match value {
            Value::Object(map) => Ok(Self { map, path }),
            other => Err(wrong_type(path, "an object", &other)),
        }
    }

    /// Path of a member.
    pub fn at<'s>(&'s self, key: &'s str) -> Path<'s> {
        Path::Key(&self.path, key)
    }

    /// Path of the object itself.
    pub fn path(&self) -> &Path<'p> {
        &self.path
    }

    /// Looks without taking.
    pub fn peek(&self, key: &str) -> Option<&Value> {
        let value = match self.map.len() {
            0..=FEW => self.map.iter().find(|(name, _)| *name == key).map(|(_, value)| value),
            _ => self.map.get(key),
        };
        value.filter(|v| !v.is_null())
    }

    /// Takes a member; `None` if absent or null.
    pub fn take(&mut self, key: &str) -> Option<Value> {
        // `get_mut` and not `remove`: with ordered maps a removal shifts every later member.
        let value = match self.map.len() {
            0..=FEW => self.map.iter_mut().find(|(name, _)| *name == key).map(|(_, value)| value),
            _ => self.map.get_mut(key),
        };
        value.map(Value::take).filter(|v| !v.is_null())
    }

    /// What is left of the object, taken members as null.
    pub fn into_map(self) -> Map<String, Value> {
        self.map
    }

    /// A string of at most `max` characters.
    pub fn string(&mut self, key: &str, max: usize) -> Result<Option<String>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => {
                check_length(self.at(key), &text, 0, max)?;
                Ok(Some(text))
            }
            Some(other) => Err(wrong_type(self.at(key), "a string", &other)),
        }
    }

    /// A string that must be there.
    pub fn required_string(&mut self, key: &str, max: usize) -> Result<String, ApiError> {
        self.string(key, max)?.ok_or_else(|| missing(self.at(key)))
    }

    /// A string of 1 to `max` characters that must be there.
    pub fn identifier(&mut self, key: &str, max: usize) -> Result<String, ApiError> {
        let text = self.required_string(key, max)?;
        check_length(self.at(key), &text, 1, max)?;
        Ok(text)
    }

    /// A boolean.
    pub fn boolean(&mut self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Bool(b)) => Ok(Some(b)),
            Some(other) => Err(wrong_type(self.at(key), "a boolean", &other)),
        }
    }

    /// An integer within a range. A decimal without fraction (`16.0`) counts as one.
    pub fn integer(&mut self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let number = match &value {
            Value::Number(n) if n.as_f64().is_some_and(|f| f.fract() == 0.0) => n,
            other => return Err(wrong_type(self.at(key), "an integer", other)),
        };
        let below = number.as_f64().is_some_and(|f| f < min as f64);
        if below {
            return Err(refuse(
                "integer_below_min_value",
                self.at(key),
                format_args!(
                    "integer below minimum value. Expected a value >= {min}, but got {number} instead."
                ),
            ));
        }
        match number.as_u64().or_else(|| number.as_f64().map(|f| f as u64)) {
            Some(n) if n <= max => Ok(Some(n)),
            _ => Err(refuse(
                "integer_above_max_value",
                self.at(key),
                format_args!(
                    "integer above maximum value. Expected a value <= {max}, but got {number} instead."
                ),
            )),
        }
    }

    /// A number within a range.
    pub fn decimal(&mut self, key: &str, min: f64, max: f64) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let Some(number) = value.as_f64() else {
            return Err(wrong_type(self.at(key), "a number", &value));
        };
        if number < min {
            return Err(refuse(
                "decimal_below_min_value",
                self.at(key),
                format_args!(
                    "decimal below minimum value. Expected a value >= {min}, but got {number} instead."
                ),
            ));
        }
        if number > max {
            return Err(refuse(
                "decimal_above_max_value",
                self.at(key),
                format_args!(
                    "decimal above maximum value. Expected a value <= {max}, but got {number} instead."
                ),
            ));
        }
        Ok(Some(number))
    }

    /// One of a closed set of words.
    pub fn word<T: Copy>(&mut self, key: &str, table: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        word(self.at(key), &value, table).map(Some)
    }

    /// An array.
    pub fn array(&mut self, key: &str) -> Result<Option<Vec<Value>>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Array(list)) => Ok(Some(list)),
            Some(other) => Err(wrong_type(self.at(key), "an array", &other)),
        }
    }

    /// An object as it is.
    pub fn object(&mut self, key: &str) -> Result<Option<Map<String, Value>>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(wrong_type(self.at(key), "an object", &other)),
        }
    }
}

/// Looks a word up in a closed set.
pub(crate) fn word<T: Copy>(path: Path<'_>, value: &Value, table: &[(&str, T)]) -> Result<T, ApiError> {
    let Value::String(text) = value else { return Err(wrong_type(path, "a string", value)) };
    match table.iter().find(|(name, _)| name == text) {
        Some((_, found)) => Ok(*found),
        None => Err(bad_value(path, text, &table.iter().map(|(name, _)| *name).collect::<Vec<_>>())),
    }
}
