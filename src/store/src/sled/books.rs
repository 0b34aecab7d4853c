//! What each owner has in the store, written in the same batch as what changes it.
//!
//! A record counts by its pieces, which its first one tells; an event log by a key that holds its length. So what is given
//! back when a response goes is what was taken for it, and nothing has to be read but its first piece.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::keys;
use super::pieces::{PIECE, failed};
use crate::{StoreError, StoredResponse, Usage};

/// Bytes that are counted for each response beside its own: keys, and room in pages.
const EACH: u64 = 512;
/// Responses counted in one batch, where all are counted anew.
const BATCH: usize = 4096;

/// Of all owners. Shared by who writes and who asks.
#[derive(Debug, Default)]
pub(super) struct Books(Mutex<HashMap<String, Usage>>);

/// What a response takes.
#[derive(Clone, Debug)]
struct Account {
    owner: String,
    record: u64,
    log: u64,
}

impl Account {
    fn bytes(&self) -> u64 {
        EACH + self.record + self.log
    }
}

/// The changes of one batch.
pub(super) struct Ledger<'a> {
    tree: &'a sled::Tree,
    /// By key: as they were, and as they will be.
    accounts: HashMap<Vec<u8>, (Option<Account>, Option<Account>)>,
}

impl Books {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn usage(&self, owner: &str) -> Usage {
        self.lock().get(owner).copied().unwrap_or_default()
    }

    /// Of all owners: as many as there are client keys.
    pub(super) fn total(&self) -> Usage {
        let add = |sum: Usage, of: &Usage| Usage {
            bytes: sum.bytes.saturating_add(of.bytes),
            responses: sum.responses.saturating_add(of.responses),
        };
        self.lock().values().fold(Usage::default(), add)
    }

    /// Reads what a store says, and counts everything if it says nothing, as one of an earlier version does.
    pub(super) fn read(&self, tree: &sled::Tree) -> Result<(), StoreError> {
        let mut all = HashMap::new();
        for pair in tree.scan_prefix(keys::all_usage()) {
            let (key, value) = pair.map_err(failed)?;
            if let (Some(owner), Some(usage)) = (keys::owner_of(&key), usage_of(&value)) {
                all.insert(owner.to_owned(), usage);
            }
        }
        if all.is_empty() && tree.scan_prefix(keys::all_responses()).next().is_some() {
            all = count(tree)?;
        }
        *self.lock() = all;
        Ok(())
    }

    /// Counts everything anew: after records were given to other owners.
    pub(super) fn recount(&self, tree: &sled::Tree) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for key in tree.scan_prefix(keys::all_usage()).keys() {
            batch.remove(key.map_err(failed)?);
        }
        tree.apply_batch(batch).map_err(failed)?;
        *self.lock() = count(tree)?;
        Ok(())
    }

    /// Takes over what was written.
    pub(super) fn enter(&self, totals: Vec<(String, Usage)>) {
        self.lock().extend(totals);
    }
}

impl<'a> Ledger<'a> {
    pub(super) fn new(tree: &'a sled::Tree) -> Self {
        Self { tree, accounts: HashMap::new() }
    }

    fn account(&mut self, response: &[u8]) -> Result<&mut Option<Account>, StoreError> {
        if !self.accounts.contains_key(response) {
            let found = account(self.tree, response)?;
            self.accounts.insert(response.to_vec(), (found.clone(), found));
        }
        let (_, now) = self.accounts.entry(response.to_vec()).or_default();
        Ok(now)
    }

    /// A record of this length takes the place of an earlier one. `first`: its first piece.
    pub(super) fn record(&mut self, response: &[u8], length: usize, first: &[u8]) -> Result<(), StoreError> {
        let record = pieces_of(length);
        let account = self.account(response)?;
        match account {
            Some(account) => account.record = record,
            // One that does not say whose it is belongs to nobody.
            None => {
                let owner = StoredResponse::owner_of(first).map(|owner| owner.into_owned());
                *account = owner.map(|owner| Account { owner, record, log: 0 });
            }
        }
        Ok(())
    }

    /// A row is added to an event log.
    pub(super) fn row(&mut self, response: &[u8], bytes: usize) -> Result<(), StoreError> {
        if let Some(account) = self.account(response)? {
            account.log += bytes as u64;
        }
        Ok(())
    }

    /// A response goes with all it has.
    pub(super) fn removed(&mut self, response: &[u8]) -> Result<(), StoreError> {
        self.account(response)?.take();
        Ok(())
    }

    /// Adds all of it to the batch. To be entered when that is written.
    pub(super) fn close(self, batch: &mut sled::Batch, books: &Books) -> Vec<(String, Usage)> {
        let mut totals: HashMap<String, Usage> = HashMap::new();
        let mut total = |owner: &str, change: &dyn Fn(&mut Usage)| {
            change(totals.entry(owner.to_owned()).or_insert_with(|| books.usage(owner)));
        };
        for (key, (before, now)) in &self.accounts {
            if let Some(account) = before {
                total(&account.owner, &|usage| {
                    usage.bytes = usage.bytes.saturating_sub(account.bytes());
                    usage.responses = usage.responses.saturating_sub(1);
                });
            }
            if let Some(account) = now {
                total(&account.owner, &|usage| {
                    usage.bytes += account.bytes();
                    usage.responses += 1;
                });
                if before.as_ref().map_or(0, |before| before.log) != account.log {
                    batch.insert(keys::log_len(key), &account.log.to_be_bytes());
                }
            }
        }
        let totals: Vec<_> =
            totals.into_iter().filter(|(owner, usage)| books.usage(owner) != *usage).collect();
        for (owner, usage) in &totals {
            match usage.responses {
                0 => batch.remove(keys::usage(owner)),
                _ => batch.insert(keys::usage(owner), &value_of(*usage)),
            }
        }
        totals
    }
}

fn account(tree: &sled::Tree, response: &[u8]) -> Result<Option<Account>, StoreError> {
    let Some(head) = tree.get(response).map_err(failed)? else { return Ok(None) };
    let Some((owner, record)) = of_head(&head) else { return Ok(None) };
    let log = tree.get(keys::log_len(response)).map_err(failed)?;
    let log = log.and_then(|len| len.as_ref().try_into().ok()).map_or(0, u64::from_be_bytes);
    Ok(Some(Account { owner, record, log }))
}

/// What the first piece of a record says: whose it is, and how long.
fn of_head(head: &[u8]) -> Option<(String, u64)> {
    let (further, first) = head.split_first_chunk()?;
    let pieces = 1 + u64::from(u16::from_be_bytes(*further));
    Some((StoredResponse::owner_of(first)?.into_owned(), pieces * PIECE as u64))
}

/// Bytes of a record, counted in whole pieces.
fn pieces_of(len: usize) -> u64 {
    (len.div_ceil(PIECE).max(1) * PIECE) as u64
}

/// What all owners have, by the keys of all responses; and writes it down.
fn count(tree: &sled::Tree) -> Result<HashMap<String, Usage>, StoreError> {
    tracing::info!("what each client key has stored is counted, once");
    let mut all: HashMap<String, Usage> = HashMap::new();
    let (mut batch, mut logs) = (sled::Batch::default(), 0);
    let mut current: Option<(Vec<u8>, Account)> = None;
    let mut end = |current: Option<(Vec<u8>, Account)>, batch: &mut sled::Batch| {
        let Some((key, account)) = current else { return 0 };
        let usage = all.entry(account.owner.clone()).or_default();
        usage.bytes += account.bytes();
        usage.responses += 1;
        if account.log > 0 {
            batch.insert(keys::log_len(&key), &account.log.to_be_bytes());
        }
        usize::from(account.log > 0)
    };
    for pair in tree.scan_prefix(keys::all_responses()) {
        let (key, value) = pair.map_err(failed)?;
        if keys::response_of(&key).is_some() {
            logs += end(current.take(), &mut batch);
            current = of_head(&value).map(|(owner, record)| {
                let account = Account { owner, record, log: 0 };
                (key.to_vec(), account)
            });
            if logs >= BATCH {
                tree.apply_batch(std::mem::take(&mut batch)).map_err(failed)?;
                logs = 0;
            }
        } else if let Some((response, account)) = &mut current
            && key.starts_with(&keys::rows(response))
        {
            account.log += value.len() as u64;
        }
    }
    end(current, &mut batch);
    for (owner, usage) in &all {
        batch.insert(keys::usage(owner), &value_of(*usage));
    }
    tree.apply_batch(batch).map_err(failed)?;
    Ok(all)
}

fn value_of(usage: Usage) -> [u8; 16] {
    let mut value = [0; 16];
    value[..8].copy_from_slice(&usage.bytes.to_be_bytes());
    value[8..].copy_from_slice(&usage.responses.to_be_bytes());
    value
}

fn usage_of(value: &[u8]) -> Option<Usage> {
    let (bytes, responses) = value.split_first_chunk()?;
    let responses = u64::from_be_bytes(responses.try_into().ok()?);
    Some(Usage { bytes: u64::from_be_bytes(*bytes), responses })
}
