//! Links of chains kept decoded, so that a long chain is read from disk and parsed once.

pub(super) mod chain;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use or_protocol::ResponseId;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use crate::record::Link;

/// Most bytes of records whose links are kept.
const CAPACITY: u64 = 32 << 20;
/// A guess for the size of the table.
const TYPICAL: usize = 4096;

/// The recently used links. Only finished responses may go in: their records never change until they are removed.
pub(super) struct Ready {
    links: Cache<ResponseId, Kept, ByBytes>,
    /// How often something was taken out because its record is gone.
    removals: AtomicU64,
}

/// The moment before a record was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(u64);

#[derive(Clone)]
struct Kept {
    link: Arc<Link>,
    bytes: u64,
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<ResponseId, Kept> for ByBytes {
    fn weight(&self, _: &ResponseId, kept: &Kept) -> u64 {
        kept.bytes
    }
}

impl Ready {
    pub(super) fn new() -> Self {
        Self { links: Cache::with_weighter(TYPICAL, CAPACITY, ByBytes), removals: AtomicU64::new(0) }
    }

    pub(super) fn get(&self, id: &ResponseId) -> Option<Arc<Link>> {
        self.links.get(id).map(|kept| kept.link)
    }

    /// To be taken before a record is read from disk and handed to [`Self::insert`].
    pub(super) fn now(&self) -> Moment {
        Moment(self.removals.load(Ordering::SeqCst))
    }

    /// Keeps a finished link that was read after `read_at`; `bytes` is the length of its record.
    ///
    /// If anything was removed meanwhile it may have been this, after it was read: then it is not kept.
    pub(super) fn insert(&self, id: ResponseId, link: Arc<Link>, bytes: usize, read_at: Moment) {
        self.links.insert(id.clone(), Kept { link, bytes: bytes as u64 });
        if self.now().0 != read_at.0 {
            self.links.remove(&id);
        }
    }

    /// Forgets a link. To be called when its record is gone from disk.
    pub(super) fn remove(&self, id: &ResponseId) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        self.links.remove(id);
    }

    /// Forgets all links. To be called when records are gone from disk.
    pub(super) fn clear(&self) {
        self.removals.fetch_add(1, Ordering::SeqCst);
        self.links.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> Arc<Link> {
        let json = r#"{"owner":"a","status":"completed","previous_response_id":null,"input":[],"response":{"output":[]}}"#;
        Arc::new(Link::decode("x", &[b"\x01", json.as_bytes()].concat()).unwrap())
    }

    #[test]
    fn a_link_that_was_read_before_a_removal_is_not_kept() {
        let ready = Ready::new();
        let [id, other] = [ResponseId::new(), ResponseId::new()];
        ready.insert(id.clone(), link(), 1, ready.now());
        assert!(ready.get(&id).is_some());

        let before = ready.now();
        ready.remove(&id);
        ready.insert(id.clone(), link(), 1, before);
        assert!(ready.get(&id).is_none());

        let before = ready.now();
        ready.insert(other.clone(), link(), 1, before);
        ready.clear();
        ready.insert(id.clone(), link(), 1, before);
        assert!(ready.get(&id).is_none() && ready.get(&other).is_none());
    }
}
