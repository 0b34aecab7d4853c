//! Members that have no form of their own here.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::RawJson;
use crate::json::object_of;

/// Members of an object that have no form of their own here, as they came; most objects have none.
///
/// They go on to a provider that speaks the same wire, and to the client where it gets the object back. All of them
/// are one text, so that they cost about what they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Extra(Option<RawJson>);

impl Extra {
    /// Of members whose names differ.
    ///
    /// # Errors
    /// As [`RawJson::keep`].
    pub fn of<'a>(members: &[(Cow<'a, str>, &'a RawValue)]) -> Result<Self, serde_json::Error> {
        if members.is_empty() {
            return Ok(Self(None));
        }
        let object = object_of(members.iter().map(|(name, value)| (&**name, *value)));
        object.map(|object| RawJson::keep(object.as_raw())).transpose().map(Self)
    }

    /// None.
    pub const NONE: Self = Self(None);

    /// Those whose names are wanted.
    #[must_use]
    pub fn retain(&self, wanted: impl Fn(&str) -> bool) -> Self {
        let members = self.members();
        if members.iter().all(|(name, _)| wanted(name)) {
            return self.clone();
        }
        let kept: Vec<_> = members.into_iter().filter(|(name, _)| wanted(name)).collect();
        // They were read before.
        Self::of(&kept).unwrap_or_default()
    }

    /// The same with another value for one of them, or without it.
    #[must_use]
    pub fn with(&self, name: &str, value: Option<&RawJson>) -> Self {
        let new = value.map(RawJson::as_raw);
        let changed: Vec<_> = self
            .members()
            .into_iter()
            .filter_map(|(member, old)| {
                let value = if member == name { new } else { Some(old) };
                Some((member, value?))
            })
            .collect();
        // They were read before.
        Self::of(&changed).unwrap_or_default()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// All of them, in their order.
    pub fn members(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        self.0.as_ref().map(RawJson::members).unwrap_or_default()
    }

    /// One of them, as it is kept.
    pub fn member(&self, name: &str) -> Option<RawJson> {
        self.0.as_ref()?.member(name)
    }

    /// One that is a string.
    pub fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.0.as_ref()?.text(name)
    }

    /// Whether one is `true`.
    pub fn is_true(&self, name: &str) -> bool {
        self.0.as_ref().and_then(|object| object.get(name)).is_some_and(|value| value.get() == "true")
    }

    /// Bytes that they have about.
    pub fn size(&self) -> usize {
        self.0.as_ref().map_or(0, |object| object.as_str().len())
    }
}

/// As an object; made to be flattened into the one that it is of.
impl Serialize for Extra {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.members();
        let mut map = serializer.serialize_map(Some(members.len()))?;
        for (name, value) in &members {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
