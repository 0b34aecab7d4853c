//! What one owner of responses may take of the server.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// Shares of one owner. An owner is who shows a client key; without client keys there is one, `local`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OwnerLimits {
    /// Responses in progress, and requests that only count, at the same time.
    pub max_concurrent: usize,
    /// Background responses in progress at the same time; they count among the others too.
    pub max_background: usize,
    /// Clients that read stored event logs at the same time.
    pub max_readers: usize,
    /// Programs of tools and of MCP servers at the same time.
    pub max_tool_processes: usize,
    /// Open sessions with MCP servers.
    pub max_mcp_sessions: usize,
    /// Bytes of stored responses; `None`: the store's own share.
    pub max_stored_bytes: Option<u64>,
    /// Stored responses; `None`: the store's own share.
    pub max_stored_responses: Option<u64>,
}

impl OwnerLimits {
    /// No bound at all: for tests, and for programs that embed the server.
    pub const NONE: Self = Self {
        max_concurrent: usize::MAX,
        max_background: usize::MAX,
        max_readers: usize::MAX,
        max_tool_processes: usize::MAX,
        max_mcp_sessions: usize::MAX,
        max_stored_bytes: None,
        max_stored_responses: None,
    };
}

/// The shares of all owners.
#[derive(Debug)]
pub struct Owners {
    configured: ArcSwap<Configured>,
    /// Of stored keys, by name; they can change at any time.
    stored: ArcSwap<HashMap<String, OwnerLimits>>,
}

/// What the configuration says of them.
#[derive(Debug)]
struct Configured {
    /// Of every owner that has none of its own.
    usual: OwnerLimits,
    /// By name.
    own: HashMap<String, OwnerLimits>,
}

impl Owners {
    /// `own`: of the owners that have other shares than the usual ones, by name.
    pub fn new(usual: OwnerLimits, own: HashMap<String, OwnerLimits>) -> Self {
        Self { configured: ArcSwap::from_pointee(Configured { usual, own }), stored: ArcSwap::default() }
    }

    /// The shares of an owner.
    pub fn of(&self, owner: &str) -> OwnerLimits {
        let stored = || self.stored.load().get(owner).copied();
        let configured = self.configured.load();
        configured.own.get(owner).copied().or_else(stored).unwrap_or(configured.usual)
    }

    /// Takes over what `other` says of the owners of the configuration. What they have already is theirs.
    pub fn reconfigure(&self, other: &Self) {
        self.configured.store(other.configured.load_full());
    }

    /// Takes over the shares of the stored keys that have others than the usual ones, in place of those before.
    pub fn set_stored(&self, stored: HashMap<String, OwnerLimits>) {
        self.stored.store(Arc::new(stored));
    }
}
