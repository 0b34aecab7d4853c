//! How answers of providers are read: an odd value in a field that nobody needs must not cost the answer.
//!
//! A field of a shape that it cannot have is as if it were absent; a count or a place may be a text or a float.
//! The types of a provider's answer are made of these, never of bare numbers, flags or strings (a test walks the
//! sources). Text that is no JSON at all, but nearly, is mended by [`mend`] and read once more; text that is JSON is
//! read once and costs nothing extra.

mod halves;
mod mend;
mod scalars;
mod skip;
mod text;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

pub(crate) use self::halves::{Halves, Owned, suspicious};
pub(crate) use self::mend::mend;
pub(crate) use self::scalars::{Count, Flag, Real, Seen};
use self::skip::{skip_list, skip_object};
pub(crate) use self::text::{Text, Word};
use crate::AdapterError;

/// Reads JSON of a provider. What has to be mended is kept in `mended`, an empty text of the caller's.
pub(crate) fn read<'a, T: Deserialize<'a>>(
    provider: &'static str,
    text: &'a str,
    mended: &'a mut String,
) -> Result<T, AdapterError> {
    let error = match serde_json::from_str(text) {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let bad = |error: serde_json::Error| AdapterError::BadFrame { provider, what: error.to_string() };
    let Some(whole) = mend(text) else { return Err(bad(error)) };
    *mended = whole;
    serde_json::from_str(mended).map_err(bad)
}

/// The values of a text that holds one behind the other, and why it does not go on.
pub(crate) fn values<'a>(
    provider: &'static str,
    text: &'a str,
    mended: &'a mut String,
) -> (Vec<&'a RawValue>, Result<(), AdapterError>) {
    let all = |text: &'a str| {
        let mut values = Vec::new();
        for value in serde_json::Deserializer::from_str(text).into_iter() {
            match value {
                Ok(value) => values.push(value),
                Err(error) => return (values, Err(error)),
            }
        }
        (values, Ok(()))
    };
    let (mut values, mut end) = all(text);
    if end.is_err()
        && let Some(whole) = mend(text)
    {
        *mended = whole;
        (values, end) = all(mended);
    }
    (values, end.map_err(|error| AdapterError::BadFrame { provider, what: error.to_string() }))
}

/// Reads a body as something that does not borrow from it.
pub(crate) fn whole<T: DeserializeOwned>(provider: &'static str, body: &[u8]) -> Result<T, AdapterError> {
    read_owned(provider, &String::from_utf8_lossy(body))
}

/// Reads a text as something that does not borrow from it.
pub(crate) fn read_owned<T: DeserializeOwned>(provider: &'static str, text: &str) -> Result<T, AdapterError> {
    let mut mended = String::new();
    read::<T>(provider, text, &mut mended)
}

/// Reads something that does not borrow, where it does not matter why it cannot be read.
pub(crate) fn owned<T: DeserializeOwned>(text: &str) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => serde_json::from_str(&mend(text)?).ok(),
    }
}

/// The JSON of an object that some hosts put into a text.
pub(crate) fn object_text(json: &str) -> Cow<'_, str> {
    match json.starts_with('"') {
        true => owned(json).map_or(Cow::Borrowed(json), Cow::Owned),
        false => Cow::Borrowed(json),
    }
}

/// Whether the text is one whole JSON value, after mending.
pub(crate) fn is_whole(text: &str) -> bool {
    owned::<IgnoredAny>(text).is_some()
}

/// An object. Any other shape is as if the field were absent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lenient<T>(pub(crate) Option<T>);

/// A list whose elements can be anything. A lone element stands for a list of one where it is an object.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct List<T>(pub(crate) Vec<T>);

/// A list of objects; elements of other shapes are left out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objects<T>(pub(crate) Vec<T>);

impl<T> Default for Lenient<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Default for Objects<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// What a value that may be a list or an object becomes; scalars are nothing.
struct Shaped<T>(PhantomData<T>);

trait Shape<'de>: Default {
    fn of_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error>;
    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error>;
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Lenient<T> {
    fn of_list<A: SeqAccess<'de>>(list: A) -> Result<Self, A::Error> {
        skip_list(list).map(|()| Self(None))
    }

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Self(Some(value)))
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for List<T> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = list.next_element()? {
            all.push(element);
        }
        Ok(Self(all))
    }

    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        skip_object(object).map(|()| Self::default())
    }
}

impl<'de, T: Deserialize<'de>> Shape<'de> for Objects<T> {
    fn of_list<A: SeqAccess<'de>>(mut list: A) -> Result<Self, A::Error> {
        let mut all = Vec::new();
        while let Some(element) = list.next_element::<Lenient<T>>()? {
            all.extend(element.0);
        }
        Ok(Self(all))
    }

    /// A lone object in place of a list is a list of one.
    fn of_object<A: MapAccess<'de>>(object: A) -> Result<Self, A::Error> {
        T::deserialize(MapAccessDeserializer::new(object)).map(|value| Self(vec![value]))
    }
}

impl<'de, T: Shape<'de>> Visitor<'de> for Shaped<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_i64<E>(self, _: i64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_u64<E>(self, _: u64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_f64<E>(self, _: f64) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        T::of_list(list)
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        T::of_object(object)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Lenient<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shaped(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shaped(PhantomData))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Objects<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Shaped(PhantomData))
    }
}

#[cfg(test)]
mod tests;
