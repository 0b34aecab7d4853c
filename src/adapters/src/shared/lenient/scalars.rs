//! Numbers, flags, and whether anything was there.

use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::skip::{skip_list, skip_object};

/// Numbers above this are no counts: JSON's numbers are not whole there (2^53).
const MAX_COUNT: u64 = 1 << 53;

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

/// Whether a key was there with a value, whatever it is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Seen(pub(crate) bool);

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Option::<IgnoredAny>::deserialize(deserializer).map(|value| Self(value.is_some()))
    }
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
