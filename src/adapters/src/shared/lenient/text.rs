//! Texts and words.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::skip::{skip_list, skip_object};

/// What a model says, or arguments. Hosts leave it out in many ways: absent, null and `""` are one. Numbers become
/// their digits, objects and lists their JSON, for that is what arguments are which were not put into a string.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

/// A name, an id, a type or a reason: a text, or a number as its digits. Anything else is as if it were absent, which
/// is the same as `""`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Word<'a>(pub(crate) Cow<'a, str>);

macro_rules! string {
    ($name:ident, $json:literal) => {
        impl<'a> $name<'a> {
            /// Whether there was nothing.
            pub(crate) fn is_empty(&self) -> bool {
                self.0.is_empty()
            }

            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }

            /// The text, if there was one.
            pub(crate) fn some(self) -> Option<String> {
                (!self.0.is_empty()).then(|| self.0.into_owned())
            }
        }

        impl<'de: 'a, 'a> Deserialize<'de> for $name<'a> {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(StringVisitor::<$json>).map(Self)
            }
        }
    };
}

string!(Text, true);
string!(Word, false);

/// `JSON`: objects and lists become their JSON.
struct StringVisitor<const JSON: bool>;

impl<'de, const JSON: bool> Visitor<'de> for StringVisitor<JSON> {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("text")
    }

    fn visit_borrowed_str<E>(self, v: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(v))
    }

    fn visit_str<E>(self, v: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(""))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_string()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_string()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Self::Value, E> {
        Ok(Cow::Owned(v.to_string()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        if !JSON {
            return skip_object(map).map(|()| Cow::Borrowed(""));
        }
        Value::deserialize(MapAccessDeserializer::new(map)).map(|v| Cow::Owned(v.to_string()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        if !JSON {
            return skip_list(seq).map(|()| Cow::Borrowed(""));
        }
        Value::deserialize(SeqAccessDeserializer::new(seq)).map(|v| Cow::Owned(v.to_string()))
    }
}
