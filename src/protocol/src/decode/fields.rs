//! The members of one object that somebody asks for; all others are passed over while the text is read.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Number};

use super::{Path, check_length, each, missing, not_json, refuse, text, too_many, word, wrong_type};
use crate::ApiError;
use crate::bounds::{MAX_EXTRA, MAX_NAME};
use crate::json::extra::Extra;
use crate::json::{Skimmed, Word};

/// Values by their names, none of them read yet. `null` counts as absent.
#[derive(Debug)]
pub(crate) struct Fields<'a, 'p> {
    keys: &'static [&'static str],
    values: Vec<Option<&'a RawValue>>,
    /// The first member with another name.
    other: Option<Cow<'a, str>>,
    /// Members with other names, if they are wanted, and at most one more than there may be.
    others: Option<Vec<(Cow<'a, str>, &'a RawValue)>>,
    path: Path<'p>,
}

impl<'a, 'p> Fields<'a, 'p> {
    /// Reads an object, and keeps the members of these names; anything but an object is `invalid_type`.
    pub(crate) fn new(
        raw: &'a RawValue,
        path: Path<'p>,
        keys: &'static [&'static str],
    ) -> Result<Self, ApiError> {
        if !raw.get().starts_with('{') {
            return Err(wrong_type(path, "an object", raw));
        }
        Self::read_with(raw.get().as_bytes(), path, keys, None).map_err(|e| not_json(&e))
    }

    /// The same, and [`rest`](Self::rest) has the members of other names.
    pub(crate) fn whole(
        raw: &'a RawValue,
        path: Path<'p>,
        keys: &'static [&'static str],
    ) -> Result<Self, ApiError> {
        if !raw.get().starts_with('{') {
            return Err(wrong_type(path, "an object", raw));
        }
        Self::read(raw.get().as_bytes(), path, keys).map_err(|e| not_json(&e))
    }

    /// The same of a text that is known to begin as an object.
    pub(crate) fn read(
        bytes: &'a [u8],
        path: Path<'p>,
        keys: &'static [&'static str],
    ) -> Result<Self, Error> {
        Self::read_with(bytes, path, keys, Some(Vec::new()))
    }

    fn read_with(
        bytes: &'a [u8],
        path: Path<'p>,
        keys: &'static [&'static str],
        others: Option<Vec<(Cow<'a, str>, &'a RawValue)>>,
    ) -> Result<Self, Error> {
        let mut fields = Self { keys, values: vec![None; keys.len()], other: None, others, path };
        let mut deserializer = serde_json::Deserializer::from_slice(bytes);
        Members(&mut fields).deserialize(&mut deserializer)?;
        deserializer.end()?;
        Ok(fields)
    }

    /// Path of a member.
    pub(crate) fn at<'s>(&'s self, key: &'s str) -> Path<'s> {
        Path::Key(&self.path, key)
    }

    /// The first member of a name that was not asked for.
    pub(crate) fn other(&self) -> Option<&str> {
        self.other.as_deref()
    }

    /// What nobody took so far, as it came.
    ///
    /// # Errors
    /// If these are more members than an object may have of them, or no JSON after all.
    pub(crate) fn rest(&mut self) -> Result<Extra, ApiError> {
        let others = self.others.take().unwrap_or_default();
        if others.len() > MAX_EXTRA {
            let text =
                format_args!("object has too many unknown properties. Expected at most {MAX_EXTRA} of them.");
            return Err(refuse("object_above_max_properties", self.path, text));
        }
        let known = self.keys.iter().zip(&mut self.values);
        let left = known.filter_map(|(key, value)| Some((Cow::Borrowed(*key), value.take()?)));
        let others = others.into_iter().filter(|(_, value)| value.get() != "null");
        let all: Vec<_> = left.chain(others).collect();
        Extra::of(&all).map_err(|e| not_json(&e))
    }

    fn place(&self, key: &str) -> Option<usize> {
        let place = self.keys.iter().position(|known| *known == key);
        debug_assert!(place.is_some(), "{key} was not asked for");
        place
    }

    /// Looks without taking.
    pub(crate) fn peek(&self, key: &str) -> Option<&'a RawValue> {
        self.values.get(self.place(key)?).copied().flatten()
    }

    /// Takes a member; `None` if absent or null.
    pub(crate) fn take(&mut self, key: &str) -> Option<&'a RawValue> {
        let place = self.place(key)?;
        self.values.get_mut(place)?.take()
    }

    /// A string of at most `max` characters.
    pub(crate) fn string(&mut self, key: &str, max: usize) -> Result<Option<String>, ApiError> {
        self.take(key).map(|value| text(self.at(key), value, max)).transpose()
    }

    /// A string that must be there.
    pub(crate) fn required_string(&mut self, key: &str, max: usize) -> Result<String, ApiError> {
        self.string(key, max)?.ok_or_else(|| missing(self.at(key)))
    }

    /// A string of 1 to `max` characters that must be there.
    pub(crate) fn identifier(&mut self, key: &str, max: usize) -> Result<String, ApiError> {
        let text = self.required_string(key, max)?;
        check_length(self.at(key), &text, 1, max)?;
        Ok(text)
    }

    /// A function's name: `^[a-zA-Z0-9_-]+$`, 1 to 64 characters.
    pub(crate) fn function_name(&mut self, key: &str) -> Result<String, ApiError> {
        let name = self.identifier(key, MAX_NAME)?;
        if name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
            return Ok(name);
        }
        Err(refuse(
            "invalid_value",
            self.at(key),
            "string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.",
        ))
    }

    /// A boolean.
    pub(crate) fn boolean(&mut self, key: &str) -> Result<Option<bool>, ApiError> {
        match self.take(key) {
            None => Ok(None),
            Some(value) => match value.get() {
                "true" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(wrong_type(self.at(key), "a boolean", value)),
            },
        }
    }

    fn number(&mut self, key: &str, wanted: &str) -> Result<Option<Number>, ApiError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        if !value.get().starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
            return Err(wrong_type(self.at(key), wanted, value));
        }
        serde_json::from_str(value.get()).map(Some).map_err(|e| not_json(&e))
    }

    /// An integer within a range. A decimal without fraction (`16.0`) counts as one.
    pub(crate) fn integer(&mut self, key: &str, min: u64, max: u64) -> Result<Option<u64>, ApiError> {
        let raw = self.peek(key);
        let Some(number) = self.number(key, "an integer")? else { return Ok(None) };
        if let Some(raw) = raw
            && !number.as_f64().is_some_and(|f| f.fract() == 0.0)
        {
            return Err(wrong_type(self.at(key), "an integer", raw));
        }
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
    pub(crate) fn decimal(&mut self, key: &str, min: f64, max: f64) -> Result<Option<f64>, ApiError> {
        let Some(number) = self.number(key, "a number")?.and_then(|n| n.as_f64()) else { return Ok(None) };
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
    pub(crate) fn word<T: Copy>(&mut self, key: &str, table: &[(&str, T)]) -> Result<Option<T>, ApiError> {
        let Some(value) = self.take(key) else { return Ok(None) };
        word(self.at(key), value, table).map(Some)
    }

    /// An array.
    pub(crate) fn array(&mut self, key: &str) -> Result<Option<&'a RawValue>, ApiError> {
        self.of_type(key, '[', "an array")
    }

    /// An object.
    pub(crate) fn object(&mut self, key: &str) -> Result<Option<&'a RawValue>, ApiError> {
        self.of_type(key, '{', "an object")
    }

    fn of_type(&mut self, key: &str, first: char, wanted: &str) -> Result<Option<&'a RawValue>, ApiError> {
        match self.take(key) {
            Some(value) if !value.get().starts_with(first) => Err(wrong_type(self.at(key), wanted, value)),
            value => Ok(value),
        }
    }

    /// The decoded elements of an array; `None` if it is absent.
    pub(crate) fn list<T>(
        &mut self,
        key: &str,
        most: usize,
        what: &str,
        mut decode: impl FnMut(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
    ) -> Result<Option<Vec<T>>, ApiError> {
        let Some(raw) = self.array(key)? else { return Ok(None) };
        list(raw, self.at(key), most, what, &mut decode).map(Some)
    }
}

/// The decoded elements of an array.
pub(crate) fn list<'a, T>(
    raw: &'a RawValue,
    path: Path<'_>,
    most: usize,
    what: &str,
    mut decode: impl FnMut(&'a RawValue, Path<'_>) -> Result<T, ApiError>,
) -> Result<Vec<T>, ApiError> {
    let mut all = Vec::new();
    each(raw, |index, value| {
        if index >= most {
            return Err(too_many(path, most, what));
        }
        all.push(decode(value, Path::Index(&path, index))?);
        Ok(())
    })?;
    Ok(all)
}

struct Members<'f, 'a, 'p>(&'f mut Fields<'a, 'p>);

impl<'de> DeserializeSeed<'de> for Members<'_, 'de, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_, 'de, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(fields) = self;
        while let Some(Word(name)) = map.next_key()? {
            let place = fields.keys.iter().position(|known| *known == name);
            match place.and_then(|at| fields.values.get_mut(at)) {
                Some(value) => {
                    let raw: &'de RawValue = map.next_value()?;
                    // The last one of a name counts.
                    *value = Some(raw).filter(|raw| raw.get() != "null");
                }
                None => match &mut fields.others {
                    Some(others) => keep_last(others, name, map.next_value()?),
                    None => {
                        let Skimmed = map.next_value()?;
                        fields.other.get_or_insert(name);
                    }
                },
            }
        }
        Ok(())
    }
}

/// The last one of a name counts. There are few, so looking for it costs little.
fn keep_last<'a>(others: &mut Vec<(Cow<'a, str>, &'a RawValue)>, name: Cow<'a, str>, value: &'a RawValue) {
    if let Some((_, earlier)) = others.iter_mut().find(|(known, _)| *known == name) {
        *earlier = value;
    } else if others.len() <= MAX_EXTRA {
        others.push((name, value));
    }
}
