//! Items of types that we do not model: other hosted tools' and extensions.

use std::borrow::Cow;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::RawJson;

/// An item of a type we do not model, with all its members (`type` included).
#[derive(Clone, Debug, PartialEq)]
pub struct OtherItem {
    kind: String,
    pub(crate) id: Option<String>,
    /// Takes the place of the member where that is a text.
    status: Option<&'static str>,
    raw: RawJson,
}

impl OtherItem {
    pub(crate) fn new(raw: RawJson) -> Self {
        let text = |key: &str| raw.text(key).map(|text| text.into_owned());
        Self { kind: text("type").unwrap_or_default(), id: text("id"), status: None, raw }
    }

    /// The item's `type`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What pairs a call with its output, if it is one of them.
    pub fn call_id(&self) -> Option<Cow<'_, str>> {
        self.raw.text("call_id")
    }

    /// Its state, in its provider's words.
    pub fn status(&self) -> Option<Cow<'_, str>> {
        let own = self.raw.text("status")?;
        Some(self.status.map_or(own, Cow::Borrowed))
    }

    /// Shows another status, where the item has one.
    pub fn show_status(&mut self, status: &'static str) {
        self.status = Some(status);
    }

    /// State that its provider wants back (`encrypted_content`).
    pub fn state(&self) -> Option<Cow<'_, str>> {
        self.raw.text("encrypted_content")
    }

    /// Puts another text in place of that state.
    pub fn set_state(&mut self, state: String) {
        self.raw = self.raw.with_texts(&[("encrypted_content", Some(state))], &[]);
    }

    /// One member, as it came.
    pub fn member(&self, name: &str) -> Option<&RawValue> {
        self.raw.get(name)
    }

    /// Every member, in its place.
    pub fn members(&self) -> RawJson {
        to_raw_value(self).map(RawJson::from).unwrap_or_default()
    }
}

impl Serialize for OtherItem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let members = self.raw.members();
        let mut map = serializer.serialize_map(Some(members.len()))?;
        let mut has_id = false;
        for (key, value) in &members {
            let text = value.get().starts_with('"');
            match (&**key, &self.id, self.status) {
                ("id", Some(id), _) => {
                    has_id = true;
                    map.serialize_entry(key, id)?;
                }
                ("status", _, Some(status)) if text => map.serialize_entry(key, status)?,
                _ => map.serialize_entry(key, value)?,
            }
        }
        if let Some(id) = self.id.as_ref().filter(|_| !has_id) {
            map.serialize_entry("id", id)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_is_ours_takes_the_place_of_what_came() {
        let raw = serde_json::from_str(r#"{"id":1,"type":"x:y","status":"going","n":1e15}"#).unwrap();
        let mut item = OtherItem::new(raw);
        assert_eq!(item.members().as_str(), r#"{"id":1,"type":"x:y","status":"going","n":1e15}"#);
        item.id = Some("x_1".into());
        item.show_status("done");
        assert_eq!((item.kind(), item.status().as_deref()), ("x:y", Some("done")));
        assert_eq!(item.members().as_str(), r#"{"id":"x_1","type":"x:y","status":"done","n":1e15}"#);
        let mut item = OtherItem::new(serde_json::from_str(r#"{"type":"x:y","status":[]}"#).unwrap());
        item.id = Some("x_1".into());
        item.show_status("done");
        assert_eq!(item.members().as_str(), r#"{"type":"x:y","status":[],"id":"x_1"}"#);
        assert_eq!(item.status(), None);
    }
}
