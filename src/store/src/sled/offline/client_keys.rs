//! The client keys of a store, in the hands of an operator.

use std::path::Path;

use or_keys::KeyRecord;

use super::transfer::{TransferError, open};
use crate::KeyChange;
use crate::sled::db::Db;
use crate::sled::open::FOLDER;

/// The client keys of a store that no server has open.
pub struct KeyShelf(Db);

impl KeyShelf {
    /// Opens the store in this folder. `make`: makes it if it is missing, so that a server can find keys at its first start.
    pub fn open(path: &Path, make: bool) -> Result<Self, TransferError> {
        if !make && !path.join(FOLDER).is_dir() {
            return Err(TransferError::Missing(path.to_owned()));
        }
        Ok(Self(open(path)?))
    }

    /// All keys.
    pub fn records(&self) -> Result<Vec<KeyRecord>, TransferError> {
        Ok(self.0.client_keys()?)
    }

    /// Makes one change, which is durable on return.
    pub fn change(&self, change: KeyChange) -> Result<(), TransferError> {
        Ok(self.0.change_client_keys(&[change])?)
    }

    /// Whether responses are stored under a name.
    pub fn has_responses(&self, name: &str) -> bool {
        self.0.usage(name).responses > 0
    }
}
