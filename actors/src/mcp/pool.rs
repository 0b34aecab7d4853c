//! The MCP servers in use, over all arbiters.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use actix::{Actor, Addr, Arbiter};
use or_telemetry::Metrics;
use or_tools::mcp::{AddressGuard, Link, McpBounds, McpError, McpLimits, McpPlace, McpServer, Shared};

use super::actor::McpActor;

/// The actors of all MCP servers in use. They live on a thread of their own, which is started at the first use, so
/// that large answers hold nobody else up.
pub struct McpPool {
    shared: Arc<Shared>,
    /// How many an owner may have.
    of_owner: Box<dyn Fn(&str) -> usize + Send + Sync>,
    servers: Mutex<Servers>,
}

#[derive(Default)]
struct Servers {
    arbiter: Option<Arbiter>,
    entries: HashMap<Key, Entry>,
    /// How often an actor was asked for.
    asked: u64,
}

/// All that makes a difference; not the label, which is a name that a request gave.
#[derive(Eq, Hash, PartialEq)]
struct Key {
    /// Whose session it is: servers keep what they were told in it. `None`: everybody's.
    owner: Option<String>,
    place: McpPlace,
    headers: Vec<(String, String)>,
    trusted: bool,
    limits: McpLimits,
}

struct Entry {
    address: Addr<McpActor>,
    link: Arc<Link>,
    /// Which asking was the last.
    used: u64,
}

impl McpPool {
    /// An empty pool.
    pub fn new(guard: AddressGuard, metrics: Metrics, bounds: McpBounds) -> Self {
        let shared = Arc::new(Shared::new(guard, metrics, bounds));
        Self { shared, of_owner: Box::new(|_| usize::MAX), servers: Mutex::default() }
    }

    /// Bounds the sessions of each owner. Those that all share are nobody's.
    #[must_use]
    pub fn with_owners(mut self, of_owner: impl Fn(&str) -> usize + Send + Sync + 'static) -> Self {
        self.of_owner = Box::new(of_owner);
        self
    }

    /// The actor for an owner's session with a server; made if there is none, or if it died. Needs an actix system.
    ///
    /// Whoever holds the address can use it for as long as they like, but may then not share it with those that ask
    /// later: better ask each time.
    ///
    /// # Errors
    /// [`McpError::TooMany`] if the owner has as many sessions as it may, and uses them all.
    pub fn actor(&self, server: &Arc<McpServer>, owner: &str) -> Result<Addr<McpActor>, McpError> {
        let key = Key {
            owner: (!server.shared).then(|| owner.to_owned()),
            place: server.place.clone(),
            headers: server.headers.clone(),
            trusted: server.trusted,
            limits: server.limits,
        };
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        servers.asked += 1;
        let used = servers.asked;
        if let Some(entry) = servers.entries.get_mut(&key)
            && entry.address.connected()
        {
            entry.used = used;
            return Ok(entry.address.clone());
        }
        if let Some(owner) = &key.owner
            && !servers.make_room_of(owner, (self.of_owner)(owner))
        {
            self.shared.metrics().over_limit("key_mcp_sessions");
            return Err(McpError::TooMany);
        }
        servers.make_room(self.shared.bounds().servers);
        let link = Arc::new(Link::new(Arc::clone(server), Arc::clone(&self.shared)));
        let actor = McpActor::new(Arc::clone(&link), self.shared.metrics().clone());
        let address = McpActor::start_in_arbiter(&servers.arbiter().handle(), |_| actor);
        servers.entries.insert(key, Entry { address: address.clone(), link, used });
        Ok(address)
    }

    /// Kills all programs at once. For the end of the process, which would not wait for the thread.
    pub fn close(&self) {
        self.shared.close();
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner).entries.len()
    }
}

impl Drop for McpPool {
    fn drop(&mut self) {
        self.close();
        let servers = self.servers.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(arbiter) = &servers.arbiter {
            arbiter.stop();
        }
    }
}

impl Servers {
    /// The thread, or a new one if it is gone.
    fn arbiter(&mut self) -> &Arbiter {
        if self.arbiter.as_ref().is_some_and(|arbiter| !arbiter.spawn(async {})) {
            self.arbiter = None;
        }
        self.arbiter.get_or_insert_with(Arbiter::new)
    }

    /// Forgets what of an owner was not used for longest, so that one more fits; false if all of it is in use.
    fn make_room_of(&mut self, owner: &str, bound: usize) -> bool {
        let is_own = |key: &Key| key.owner.as_deref() == Some(owner);
        while self.entries.iter().filter(|(key, entry)| is_own(key) && entry.address.connected()).count()
            >= bound
        {
            let own = self.entries.iter().filter(|(key, entry)| is_own(key) && entry.link.idle().is_some());
            let Some(oldest) = own.map(|(_, entry)| entry.used).min() else { return false };
            self.entries.retain(|_, entry| entry.used != oldest);
        }
        true
    }

    /// An actor that is forgotten ends when its last message is done, and its session with it.
    fn make_room(&mut self, bound: usize) {
        self.entries.retain(|_, entry| entry.address.connected());
        while self.entries.len() >= bound {
            let idle = self.entries.iter().filter(|(_, entry)| entry.link.idle().is_some());
            let Some(oldest) = idle.map(|(_, entry)| entry.used).min() else { return };
            self.entries.retain(|_, entry| entry.used != oldest);
        }
    }
}
