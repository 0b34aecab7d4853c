//! Finds the key that a request shows, on all threads at once.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use arc_swap::ArcSwap;
use subtle::ConstantTimeEq as _;

use crate::client::Client;
use crate::record::KeyRecord;
use crate::ring::Ring;
use crate::secret::{Hash, KeyId};

/// The stored keys that can be shown. Readers never wait: a change puts a whole table in the place of the one before.
#[derive(Default)]
pub struct Clients {
    table: ArcSwap<Table>,
    /// Whether there ever was a stored key in this process, whatever became of it.
    any: AtomicBool,
}

#[derive(Default)]
struct Table {
    by_id: HashMap<KeyId, Arc<Entry>>,
    by_name: HashMap<Arc<str>, Arc<Entry>>,
}

struct Entry {
    hash: Hash,
    /// The secret before, and from when on it does not work.
    previous: Option<(Hash, i64)>,
    expires_at: Option<i64>,
    client: Arc<Client>,
    /// When it was last let in, Unix seconds; 0: never. Shared by all tables.
    used: Arc<AtomicI64>,
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clients").finish_non_exhaustive()
    }
}

impl Clients {
    /// Whether there is a stored key, or was one in this process: a server that wanted a key does not become open when
    /// the last one is deleted.
    pub fn has_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// The client that shows `shown`, if that is the secret of a key which is let in at `now`. `hash` is that of `shown`.
    ///
    /// The key is found by its id, which is in its secret and no secret itself; so this takes the same time for any number
    /// of keys, and tells by its time whether an id exists but nothing of a secret.
    pub fn find(&self, shown: &str, hash: &Hash, now: impl FnOnce() -> i64) -> Option<Arc<Client>> {
        let table = self.table.load();
        if table.by_id.is_empty() {
            return None;
        }
        let entry = table.by_id.get(&KeyId::of_shown(shown)?)?;
        let now = now();
        let is = |known: &Hash| bool::from(known.ct_eq(hash));
        let good =
            is(&entry.hash) | entry.previous.as_ref().is_some_and(|(old, until)| is(old) && now < *until);
        if !good || entry.expires_at.is_some_and(|at| at <= now) {
            return None;
        }
        entry.used.store(now, Ordering::Relaxed);
        Some(Arc::clone(&entry.client))
    }

    /// The client with this name, as its key is now; one that may use everything if there is no such key. For work that
    /// was let in before.
    pub fn client(&self, name: &str) -> Arc<Client> {
        match self.table.load().by_name.get(name) {
            Some(entry) => Arc::clone(&entry.client),
            None => Arc::new(Client::named(name)),
        }
    }

    /// When a key was last let in by this process, if it was.
    pub fn last_used(&self, id: KeyId) -> Option<i64> {
        let used = self.table.load().by_id.get(&id)?.used.load(Ordering::Relaxed);
        (used > 0).then_some(used)
    }

    /// Lets in what this ring lets in, from the next request on.
    pub fn publish(&self, ring: &Ring) {
        let old = self.table.load();
        let mut table = Table::default();
        let mut any = false;
        for record in ring.records() {
            any = true;
            if record.revoked_at.is_none() && !ring.is_shadowed(&record.name) {
                let used = old.by_id.get(&record.id).map(|entry| Arc::clone(&entry.used)).unwrap_or_default();
                let entry = Arc::new(Entry::new(record, used));
                table.by_name.insert(Arc::clone(&entry.client.name), Arc::clone(&entry));
                table.by_id.insert(record.id, entry);
            }
        }
        if any {
            self.any.store(true, Ordering::Relaxed);
        }
        self.table.store(Arc::new(table));
    }
}

impl Entry {
    fn new(record: &KeyRecord, used: Arc<AtomicI64>) -> Self {
        Self {
            hash: record.hash,
            previous: record.previous.as_ref().map(|previous| (previous.hash, previous.until)),
            expires_at: record.settings.expires_at,
            client: Arc::new(Client::of(record)),
            used,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ring::NewKey;
    use crate::secret::hash;

    fn name(clients: &Clients, shown: &str, now: i64) -> Option<String> {
        clients.find(shown, &hash(shown), || now).map(|client| client.name.to_string())
    }

    #[test]
    fn a_key_is_let_in_while_it_is_good() {
        let (clients, mut ring) = (Clients::default(), Ring::default());
        clients.publish(&ring);
        assert!(!clients.has_any());
        let new = NewKey::parse(json!({"name": "ada", "expires_at": 1000, "group": "g"}), 0).unwrap();
        let (record, first) = ring.create(new, |_| false, 0).unwrap();
        let id = record.id;
        ring.put(record);
        clients.publish(&ring);
        let first = first.expose().to_owned();
        assert_eq!(clients.last_used(id), None);
        assert_eq!(name(&clients, &first, 5).as_deref(), Some("ada"));
        assert_eq!(clients.client("ada").group.as_deref(), Some("g"));
        for wrong in [
            &first[..first.len() - 1],
            &format!("{first}0"),
            "or_0123456789abcdef_x",
            "",
            &first.to_uppercase(),
        ] {
            assert_eq!(name(&clients, wrong, 5), None, "{wrong}");
        }

        let (record, second) = ring.rotate("ada", 60, 100).unwrap();
        ring.put(record);
        clients.publish(&ring);
        assert_eq!(clients.last_used(id), Some(5));
        let second = second.expose().to_owned();
        assert!(name(&clients, &first, 159).is_some() && name(&clients, &second, 159).is_some());
        assert!(name(&clients, &first, 160).is_none() && name(&clients, &second, 160).is_some());
        assert_eq!(name(&clients, &second, 1000), None);

        let (record, third) = ring.rotate("ada", 0, 170).unwrap();
        ring.put(record);
        clients.publish(&ring);
        assert!(name(&clients, &second, 170).is_none() && name(&clients, third.expose(), 170).is_some());
        let revoked = ring.revoke("ada", 180).unwrap();
        ring.put(revoked);
        clients.publish(&ring);
        assert_eq!(name(&clients, third.expose(), 180), None);
        ring.remove(id);
        clients.publish(&ring);
        assert!(clients.has_any(), "it does not become open");
    }

    #[test]
    fn a_key_of_the_configuration_wins_by_name() {
        let mut ring = Ring::default();
        let new = NewKey::parse(json!({"name": "ada"}), 0).unwrap();
        let (record, secret) = ring.create(new, |_| false, 0).unwrap();
        ring.put(record.clone());
        let clients = Clients::default();
        clients.publish(&Ring::new(vec![record], ["ada".to_owned()]));
        assert_eq!(name(&clients, secret.expose(), 1), None);
        assert!(clients.has_any());
    }
}
