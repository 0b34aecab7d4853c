//! Identifiers. All of them are made here; a provider's own ids never leave the server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

/// What the id of a response begins with.
const PREFIX: &str = "resp_";

/// Id of a response: `resp_` and 32 lower-case hex digits of a UUIDv7, so ids sort by creation. Cheap to clone.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub struct ResponseId(Arc<str>);

impl ResponseId {
    /// A new id.
    #[expect(clippy::new_without_default, reason = "every call gives another value")]
    pub fn new() -> Self {
        let mut text = [0; PREFIX.len() + 32];
        let (prefix, hex) = text.split_at_mut(PREFIX.len());
        prefix.copy_from_slice(PREFIX.as_bytes());
        Uuid::now_v7().simple().encode_lower(hex);
        Self(String::from_utf8_lossy(&text).into())
    }

    /// Takes an id from outside; `None` unless it has exactly our form, so it is safe as a store key.
    pub fn parse(text: &str) -> Option<Self> {
        let hex = text.strip_prefix(PREFIX)?;
        is_hex32(hex).then(|| Self(text.into()))
    }

    /// The text form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// When it was made, since the Unix epoch: the first 48 bits are the milliseconds (UUIDv7, RFC 9562).
    pub fn created_at(&self) -> Duration {
        let ms = self.hex().get(..12).and_then(|hex| u64::from_str_radix(hex, 16).ok());
        Duration::from_millis(ms.unwrap_or_default())
    }

    fn hex(&self) -> &str {
        self.0.get(PREFIX.len()..).unwrap_or_default()
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn is_hex32(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Id of an item: a prefix for its type, the hex digits of its response, and its place.
///
/// The id names its record, so an `item_reference` needs no index on disk. Outputs count from 0;
/// inputs carry an `i` before the number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ItemId;

impl ItemId {
    /// Id of output item number `index` of a response.
    pub fn output(prefix: &str, response: &ResponseId, index: usize) -> String {
        format!("{prefix}_{}{index:04x}", response.hex())
    }

    /// Id of input item number `index` of a response.
    pub fn input(prefix: &str, response: &ResponseId, index: usize) -> String {
        format!("{prefix}_{}i{index:04x}", response.hex())
    }

    /// Whether it is the id of an output item of one of our responses.
    pub fn is_output(id: &str) -> bool {
        let is_input = |rest: &str| rest.get(32..).is_some_and(|tail| tail.starts_with('i'));
        Self::response_of(id).is_some() && !id.rsplit('_').next().is_some_and(is_input)
    }

    /// The response whose output has the item, and its place there.
    pub fn place_in_output(id: &str) -> Option<(ResponseId, usize)> {
        let response = Self::response_of(id)?;
        let (_, rest) = id.rsplit_once('_')?;
        let index = usize::from_str_radix(rest.get(32..)?, 16).ok()?;
        Some((response, index))
    }

    /// The response whose record holds the item, if the id has our form.
    pub fn response_of(id: &str) -> Option<ResponseId> {
        let (_, rest) = id.rsplit_once('_')?;
        let hex = rest.get(..32)?;
        let tail = rest.get(32..)?;
        (is_hex32(hex) && tail.len() >= 4).then(|| ResponseId(format!("{PREFIX}{hex}").into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_id_leads_back_to_its_response() {
        let response = ResponseId::new();
        assert_eq!(ItemId::response_of(&ItemId::output("msg", &response, 3)), Some(response.clone()));
        assert_eq!(ItemId::response_of(&ItemId::input("rs", &response, 70_000)), Some(response.clone()));
        assert!(ItemId::is_output(&ItemId::output("msg", &response, 3)));
        let place = |id: String| ItemId::place_in_output(&id);
        assert_eq!(place(ItemId::output("rs", &response, 70_000)), Some((response.clone(), 70_000)));
        assert_eq!(place(ItemId::input("rs", &response, 3)), None);
        assert!(!ItemId::is_output(&ItemId::input("msg", &response, 3)) && !ItemId::is_output("msg_1"));
    }

    #[test]
    fn foreign_ids_are_not_ours() {
        for id in
            ["", "msg_1", "resp_", "resp_zz", "msg_€€€€€€€€€€€€€", "resp_0123456789ABCDEF0123456789abcdef"]
        {
            assert_eq!(ItemId::response_of(id), None, "{id}");
            assert_eq!(ResponseId::parse(id), None, "{id}");
        }
    }

    #[test]
    fn ids_sort_by_creation() {
        let ids: Vec<_> = (0..100).map(|_| ResponseId::new()).collect();
        assert!(ids.is_sorted());
    }
}
