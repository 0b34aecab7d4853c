//! Client keys: a format byte, then the record's JSON, short enough for one value.
//!
//! They stand in the one tree, so that the same batches, flushes and counters keep them as keep responses.

use or_keys::KeyRecord;

use super::Db;
use crate::sled::keys;
use crate::sled::pieces::{PIECE, failed};
use crate::{KeyChange, StoreError};

/// Format of records written by this version. A version that does not know a number must not let a key in by half of what
/// it says, so it refuses to start.
const FORMAT: u8 = 1;

impl Db {
    /// All client keys.
    pub(crate) fn client_keys(&self) -> Result<Vec<KeyRecord>, StoreError> {
        let rows = self.opened()?.sled.scan_prefix(keys::all_client_keys());
        rows.map(|row| row.map_err(failed).and_then(|(key, bytes)| decode(&key, &bytes))).collect()
    }

    /// Makes all of these changes or none, and returns when that is durable. Also on a disk that is nearly full: some room
    /// is kept for what takes rights away.
    pub(crate) fn change_client_keys(&self, changes: &[KeyChange]) -> Result<(), StoreError> {
        let open = self.opened()?;
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                KeyChange::Put(record) => batch.insert(keys::client_key(record.id), encode(record)?),
                KeyChange::Remove(id) => batch.remove(keys::client_key(*id)),
            }
        }
        self.apply(&open, batch)
    }
}

fn encode(record: &KeyRecord) -> Result<Vec<u8>, StoreError> {
    let mut bytes = vec![FORMAT];
    serde_json::to_writer(&mut bytes, record).map_err(|e| StoreError::Encode(e.to_string()))?;
    if bytes.len() > PIECE { Err(StoreError::TooLong(bytes.len())) } else { Ok(bytes) }
}

fn decode(key: &[u8], bytes: &[u8]) -> Result<KeyRecord, StoreError> {
    let damaged = || StoreError::Damaged(format!("the client key {}", String::from_utf8_lossy(key)));
    match bytes.split_first() {
        Some((&FORMAT, json)) => serde_json::from_slice(json).map_err(|_| damaged()),
        Some((&format, _)) => Err(StoreError::Format(format)),
        None => Err(damaged()),
    }
}

#[cfg(test)]
mod tests {
    use or_keys::{NewKey, Ring};
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    /// As the first version with client keys writes it: what is on disk must read for ever.
    const FIRST: &str = r#"{"id":"key_0123456789abcdef","name":"ada","settings":{"group":"team","models":["gpt-*"],"providers":["*"],"limits":{"max_concurrent":3},"rates":{"requests_per_minute":60},"budgets":{"usd_per_day":2.5},"expires_at":1900000000,"tags":{"cost":"research"}},"hash":"0101010101010101010101010101010101010101010101010101010101010101","previous":{"hash":"0202020202020202020202020202020202020202020202020202020202020202","until":9},"created_at":1,"last_used_at":2,"rotated_at":3,"revoked_at":null}"#;

    #[test]
    fn the_format_is_what_it_was() {
        let bytes = [&[1], FIRST.as_bytes()].concat();
        let record = decode(b"k/0123456789abcdef", &bytes).unwrap();
        assert_eq!(record.hash, [1; 32]);
        assert_eq!(String::from_utf8(encode(&record).unwrap()[1..].to_vec()).unwrap(), FIRST);
        let error = decode(b"k/x", &[2, b'{']).unwrap_err().to_string();
        assert_eq!(error, "the record has format 2, which this version does not know");
        for damaged in [&b"\x01{"[..], b""] {
            let error = decode(b"k/x", damaged).unwrap_err().to_string();
            assert_eq!(error, "the record of the client key k/x is damaged");
        }
    }

    #[test]
    fn the_longest_settings_fit_into_a_value() {
        let name = "n".repeat(64);
        let make = |value: usize| {
            let tags: std::collections::BTreeMap<_, _> =
                (0..8).map(|n| (n.to_string(), "v".repeat(value))).collect();
            NewKey::parse(json!({"name": name, "tags": tags}), 0)
        };
        let longest = (1..512).rev().find_map(|value| make(value).ok()).unwrap();
        let (mut record, _) = Ring::default().create(longest, |_| false, i64::MAX - 1).unwrap();
        record.previous = Some(or_keys::Previous { hash: [0; 32], until: i64::MAX });
        (record.last_used_at, record.rotated_at, record.revoked_at) =
            (Some(i64::MAX), Some(i64::MAX), Some(i64::MAX));
        assert!(encode(&record).unwrap().len() > 3000);
    }
}
