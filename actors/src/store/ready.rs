//! Links of chains kept decoded, so that a long chain is read from disk and parsed once.

use std::sync::Arc;

use or_protocol::ResponseId;
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::record::Link;

/// Most bytes of records whose links are kept.
const CAPACITY: u64 = 32 << 20;
/// A guess for the size of the table.
const TYPICAL: usize = 4096;

/// The recently used links. Only finished responses may go in: their records never change.
pub(super) struct Ready(Cache<ResponseId, Kept, ByBytes>);

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
        Self(Cache::with_weighter(TYPICAL, CAPACITY, ByBytes))
    }

    pub(super) fn get(&self, id: &ResponseId) -> Option<Arc<Link>> {
        self.0.get(id).map(|kept| kept.link)
    }

    /// Keeps a finished link; `bytes` is the length of its record.
    pub(super) fn insert(&self, id: ResponseId, link: Arc<Link>, bytes: usize) {
        self.0.insert(id, Kept { link, bytes: bytes as u64 });
    }

    pub(super) fn clear(&self) {
        self.0.clear();
    }
}
