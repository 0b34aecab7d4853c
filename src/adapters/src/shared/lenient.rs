//! How answers of providers are read: an odd value in a field that nobody needs must not cost the answer.
//!
//! A field of a shape that it cannot have is as if it were absent; a count or a place may be a text or a float.
//! The types of a provider's answer are made of these, never of bare numbers, flags or strings (a test walks the
//! sources). Text that is no JSON at all, but nearly, is mended by [`mend`] and read once more; text that is JSON is
//! read once and costs nothing extra.

mod halves;
mod mend;
mod text;

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

pub(crate) use self::halves::{Halves, Owned, suspicious};
pub(crate) use self::mend::mend;
pub(crate) use self::text::{Text, Word};
use crate::AdapterError;

/// Numbers above this are no counts: JSON's numbers are not whole there (2^53).
const MAX_COUNT: u64 = 1 << 53;

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
    let text = String::from_utf8_lossy(body);
    let mut mended = String::new();
    read::<T>(provider, &text, &mut mended)
}

/// Reads something that does not borrow, where it does not matter why it cannot be read.
pub(crate) fn owned<T: DeserializeOwned>(text: &str) -> Option<T> {
    match serde_json::from_str(text) {
        Ok(value) => Some(value),
        Err(_) => serde_json::from_str(&mend(text)?).ok(),
    }
}

/// Whether the text is one whole JSON value, after mending.
pub(crate) fn is_whole(text: &str) -> bool {
    owned::<IgnoredAny>(text).is_some()
}

/// A count of tokens or a place in a list: a whole number that is not negative. Doubt is no number.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Count(pub(crate) Option<u64>);

impl Count {
    /// The number; 0 if there was none.
    pub(crate) fn or_zero(self) -> u64 {
        self.0.unwrap_or(0)
    }

    /// As an index of at most 32 bits.
    pub(crate) fn narrow(self) -> Option<u32> {
        self.0.and_then(|number| u32::try_from(number).ok())
    }

    /// The larger one: what is counted while it grows never falls.
    pub(crate) fn max(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }

    fn of_float(number: f64) -> Self {
        // Above the limit, and where it is no number at all, it says nothing.
        let sound = number >= 0.0 && number <= MAX_COUNT as f64;
        Self(sound.then_some(number as u64))
    }
}

/// On or off, also as a number or a word. Anything else is neither.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Flag(pub(crate) Option<bool>);

impl Flag {
    /// Whether it is on.
    pub(crate) fn is_on(self) -> bool {
        self.0 == Some(true)
    }
}

/// A number with a fraction, also as a text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Real(pub(crate) Option<f64>);

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

/// Whether a key was there with a value, whatever it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen(pub(crate) bool);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(deserializer).map(|value| Self(value.is_some()))
    }
}

/// Reads past the rest of a list.
fn skip_list<'de, A: SeqAccess<'de>>(list: A) -> Result<(), A::Error> {
    IgnoredAny::deserialize(SeqAccessDeserializer::new(list)).map(|_| ())
}

/// Reads past the rest of an object.
fn skip_object<'de, A: MapAccess<'de>>(object: A) -> Result<(), A::Error> {
    IgnoredAny::deserialize(MapAccessDeserializer::new(object)).map(|_| ())
}

/// What a scalar says; each is nothing unless said otherwise.
trait Scalar: Default {
    fn of_bool(_: bool) -> Self {
        Self::default()
    }
    fn of_number(_: f64) -> Self {
        Self::default()
    }
    fn of_whole(number: u64) -> Self {
        Self::of_number(number as f64)
    }
    fn of_text(_: &str) -> Self {
        Self::default()
    }
}

impl Scalar for Count {
    fn of_number(number: f64) -> Self {
        Self::of_float(number)
    }

    fn of_whole(number: u64) -> Self {
        Self(Some(number).filter(|number| *number <= MAX_COUNT))
    }

    fn of_text(text: &str) -> Self {
        match text.trim().parse::<u64>() {
            Ok(number) => Self::of_whole(number),
            Err(_) => text.trim().parse().map_or_else(|_| Self::default(), Self::of_float),
        }
    }
}

impl Scalar for Flag {
    fn of_bool(is_on: bool) -> Self {
        Self(Some(is_on))
    }

    fn of_number(number: f64) -> Self {
        Self(Some(number != 0.0))
    }

    fn of_text(text: &str) -> Self {
        let word = text.trim().to_ascii_lowercase();
        Self(match word.as_str() {
            "true" | "1" | "yes" | "on" => Some(true),
            "false" | "0" | "no" | "off" => Some(false),
            _ => None,
        })
    }
}

impl Scalar for Real {
    fn of_number(number: f64) -> Self {
        Self(Some(number).filter(|number| number.is_finite()))
    }

    fn of_text(text: &str) -> Self {
        text.trim().parse().map_or_else(|_| Self::default(), Self::of_number)
    }
}

struct ScalarVisitor<T>(PhantomData<T>);

impl<'de, T: Scalar> Visitor<'de> for ScalarVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<T, E> {
        Ok(T::of_bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<T, E> {
        Ok(T::of_number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<T, E> {
        Ok(T::of_whole(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<T, E> {
        Ok(T::of_number(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<T, E> {
        Ok(T::of_text(value))
    }

    fn visit_unit<E>(self) -> Result<T, E> {
        Ok(T::default())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<T, A::Error> {
        skip_list(list).map(|()| T::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, object: A) -> Result<T, A::Error> {
        skip_object(object).map(|()| T::default())
    }
}

macro_rules! scalar {
    ($($name:ident)+) => {$(
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(ScalarVisitor(PhantomData))
            }
        }
    )+};
}

scalar!(Count Flag Real);

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
