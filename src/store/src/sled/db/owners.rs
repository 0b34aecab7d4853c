//! Records whose owner is the place of a key in a list (`key-1`), as earlier versions wrote them, and who has them now.
//!
//! Who stands at a place changes when a key is taken away, so each of these owners is replaced once by a name that goes
//! with its key, in all records, before anybody reads them. Which name that is, is written down first: a process that
//! dies meanwhile has the next one go on with the same names, whatever its list is by then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::keys;
use super::super::pieces::failed;
use super::Db;
use crate::StoreError;

/// Records changed in one batch.
const BATCH: usize = 256;
/// What stands before a record's format in its first piece: the number of further ones.
const HEAD: usize = 2;
/// How the JSON of a record begins.
const OWNER: &[u8] = b"{\"owner\":\"";

/// The value of [`keys::OWNERS`].
#[derive(Debug, Default, Deserialize, Serialize)]
pub(crate) struct Adopted {
    /// By the names that were places.
    names: BTreeMap<String, String>,
    /// Whether all records have the new ones.
    done: bool,
}

impl Adopted {
    /// A record with its new owner, if it has one. `start`: where its format stands.
    pub(crate) fn renamed(&self, record: &[u8], start: usize) -> Option<Vec<u8>> {
        let old = place_in(record.get(start + 1..)?)?;
        let new = self.names.get(old).filter(|new| *new != old)?;
        let from = start + 1 + OWNER.len();
        Some([&record[..from], new.as_bytes(), &record[from + old.len()..]].concat())
    }
}

/// The owner of a record's JSON, if it is a place.
fn place_in(json: &[u8]) -> Option<&str> {
    let rest = json.strip_prefix(OWNER)?;
    let name = std::str::from_utf8(&rest[..rest.iter().position(|byte| *byte == b'"')?]).ok()?;
    let place = name.strip_prefix("key-")?;
    (!place.is_empty() && place.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

impl Db {
    /// What became of the owners that were places.
    pub(crate) fn adopted(&self) -> Result<Adopted, StoreError> {
        let found = self.opened()?.sled.get(keys::OWNERS).map_err(failed)?;
        let damaged = |_| StoreError::Damaged("the names of owners".into());
        found.map_or_else(|| Ok(Adopted::default()), |bytes| serde_json::from_slice(&bytes).map_err(damaged))
    }

    /// Gives all records whose owner is a place to the owner that `names` has for it. Only the first call on a store has
    /// a say in the names; without any the call does not count. Says how many records were changed.
    pub(crate) fn adopt(&self, names: &[(String, String)]) -> Result<u64, StoreError> {
        let mut adopted = self.adopted()?;
        if adopted.done || names.is_empty() && adopted.names.is_empty() {
            return Ok(0);
        }
        self.has_room()?;
        if adopted.names.is_empty() {
            adopted.names = names.iter().cloned().collect();
            self.note(&adopted)?;
        }
        let found = self.rename_all(&adopted)?;
        // What they have has other names, too.
        self.recount()?;
        adopted.done = true;
        self.note(&adopted)?;
        for (place, count) in &found {
            report(place, adopted.names.get(place), *count);
        }
        Ok(found.iter().filter(|(place, _)| adopted.names.contains_key(*place)).map(|(_, count)| count).sum())
    }

    fn note(&self, adopted: &Adopted) -> Result<(), StoreError> {
        let json = serde_json::to_vec(adopted).map_err(|e| StoreError::Io(e.to_string()))?;
        let mut batch = sled::Batch::default();
        batch.insert(keys::OWNERS, json);
        let open = self.opened()?;
        self.apply(&open, batch)
    }

    /// How many records were found of each place.
    fn rename_all(&self, adopted: &Adopted) -> Result<BTreeMap<String, u64>, StoreError> {
        let open = self.opened()?;
        let mut found = BTreeMap::new();
        let (mut batch, mut waiting) = (sled::Batch::default(), 0);
        for pair in open.sled.scan_prefix(keys::all_responses()) {
            let (key, value) = pair.map_err(failed)?;
            let json = value.get(HEAD + 1..).filter(|_| keys::response_of(&key).is_some());
            let Some(place) = json.and_then(place_in) else { continue };
            *found.entry(place.to_owned()).or_default() += 1;
            let Some(renamed) = adopted.renamed(&value, HEAD) else { continue };
            batch.insert(key, renamed);
            waiting += 1;
            if waiting == BATCH {
                self.apply(&open, std::mem::take(&mut batch))?;
                waiting = 0;
            }
        }
        if waiting > 0 {
            self.apply(&open, batch)?;
        }
        Ok(found)
    }
}

fn report(place: &str, now: Option<&String>, responses: u64) {
    match now {
        Some(owner) => tracing::warn!(
            place,
            owner,
            responses,
            "responses belonged to the place of a client key in its list; from now on they belong to the key that stands there at \
             this start. If the list was changed since they were made, that may be another one",
        ),
        None => tracing::warn!(
            place,
            responses,
            "responses belong to the place of a client key at which no key stands; only a key in [[auth.keys]] with that name \
             could read them",
        ),
    }
}

#[cfg(test)]
#[path = "../tests/owners.rs"]
mod tests;
