//! What is in a store, response by response, and away with what is stuck.

use std::path::Path;

use or_protocol::{ResponseId, ResponseStatus};
use serde::Deserialize;

use super::transfer::{TransferError, open};
use crate::sled::db::Db;
use crate::sled::keys;
use crate::sled::open::FOLDER;
use crate::sled::pieces::failed;
use crate::{StoreError, StoredResponse};

/// A store that is looked through.
pub struct Shelf(Db);

/// One response of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Entry {
    /// Its id.
    pub id: ResponseId,
    /// Whose it is; `None` if its record does not say.
    pub owner: Option<String>,
    /// What its record says, and when it was made, in Unix seconds.
    pub status: Option<(ResponseStatus, i64)>,
    /// Of its record and its event log.
    pub bytes: u64,
    /// How often it was taken up again after a death of the process, with nothing new in its record.
    pub tries: u8,
    /// Why it does not read, if it does not.
    pub problem: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    status: ResponseStatus,
    created_at: i64,
}

impl Shelf {
    /// Opens the store in this folder, which must be there.
    pub fn open(path: &Path) -> Result<Self, TransferError> {
        if !path.join(FOLDER).is_dir() {
            return Err(TransferError::Missing(path.to_owned()));
        }
        Ok(Self(open(path)?))
    }

    /// Tells all responses, or those that are not over, oldest first.
    pub fn list(&self, unfinished: bool, told: &mut dyn FnMut(Entry)) -> Result<(), TransferError> {
        if unfinished {
            for id in self.0.open_responses()? {
                told(self.entry(id)?);
            }
            return Ok(());
        }
        for id in self.0.responses()? {
            told(self.entry(id?)?);
        }
        Ok(())
    }

    fn entry(&self, id: ResponseId) -> Result<Entry, StoreError> {
        let tree = &self.0.opened()?.sled;
        let get = |key: Vec<u8>| tree.get(key).map_err(failed);
        let log = get(keys::log_len(&keys::response(&id)))?;
        let log = log.and_then(|len| len.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
        let tries = get(keys::open(&id))?.and_then(|mark| mark.first().copied()).unwrap_or_default();
        let (mut owner, mut status, mut problem, mut len) = (None, None, None, 0);
        match self.0.read(&id) {
            Ok(Some(bytes)) => {
                len = bytes.len() as u64;
                owner = StoredResponse::owner_of(&bytes).map(|name| name.into_owned());
                match serde_json::from_slice::<Head>(bytes.get(1..).unwrap_or_default()) {
                    Ok(head) => status = Some((head.status, head.created_at)),
                    Err(error) => problem = Some(error.to_string()),
                }
            }
            Ok(None) => problem = Some("it has no record".into()),
            Err(error) if !error.is_permanent() => return Err(error),
            Err(error) => problem = Some(error.to_string()),
        }
        Ok(Entry { id, owner, status, bytes: len + log, tries, problem })
    }

    /// Removes a response with all it has, whatever its record says. `false`: there is none.
    pub fn remove(&self, id: &ResponseId) -> Result<bool, TransferError> {
        Ok(self.0.remove(std::slice::from_ref(id))?.contains(&true))
    }
}
