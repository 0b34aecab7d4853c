//! Connections that wait for another request.
//!
//! HTTP/1.1 has no numbers: whatever comes behind a request counts as its answer. So a connection is used again only
//! when nothing can be on its way on it, as far as that can be known:
//!
//! - exactly one answer was read on it, to one request that was sent whole (see `Exchange`);
//! - it has been silent for [`SETTLE`] since then, and is at the moment it is taken;
//! - its host has not sent anything out of turn for [`DISTRUST`].
//!
//! What is left is a host of whom nothing is known yet, that sends a second whole answer to one request, later than
//! [`SETTLE`] after the first and after the next request was begun. Nobody who reads HTTP/1.1 can tell that one.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::{Rc, Weak};
use std::time::Duration;

use awc::http::uri::Authority;
use tokio::time::{Instant, sleep};

use super::socket::{Quiet, Socket};

/// How long a connection must have been silent behind an answer.
pub(crate) const SETTLE: Duration = Duration::from_millis(50);
/// How long a connection waits for another request.
const PATIENCE: Duration = Duration::from_secs(15);
/// How old a connection may become.
const LIFE: Duration = Duration::from_secs(75);
/// How long a host that sent something out of turn gets a new connection for each request.
const DISTRUST: Duration = Duration::from_secs(600);

/// The connections of one arbiter that wait for another request.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    hosts: RefCell<HashMap<Authority, Host>>,
    /// Whether somebody takes away what waited too long.
    is_swept: Cell<bool>,
}

#[derive(Debug, Default)]
struct Host {
    /// The longest waiting ones first.
    idle: VecDeque<Idle>,
    distrusted_until: Option<Instant>,
}

#[derive(Debug)]
struct Idle {
    socket: Socket,
    born: Instant,
    since: Instant,
}

impl Pool {
    /// A connection that can be used again, and when it was made.
    pub(crate) fn take(self: &Rc<Self>, host: &Authority) -> Option<(Socket, Instant)> {
        if !self.is_swept.replace(true) {
            actix_rt::spawn(sweep(Rc::downgrade(self)));
        }
        let mut hosts = self.hosts.borrow_mut();
        let waiting = hosts.get_mut(host)?;
        while let Some(first) = waiting.idle.front() {
            // The others are younger.
            if first.since.elapsed() < SETTLE {
                return None;
            }
            let Idle { mut socket, born, since } = waiting.idle.pop_front()?;
            if since.elapsed() > PATIENCE || born.elapsed() > LIFE {
                continue;
            }
            match socket.is_quiet() {
                Quiet::Yes => return Some((socket, born)),
                Quiet::Closed => {}
                Quiet::Spoke => waiting.distrust(host),
            }
        }
        None
    }

    /// Keeps a connection for another request.
    pub(crate) fn put(&self, host: &Authority, socket: Socket, born: Instant) {
        let mut hosts = self.hosts.borrow_mut();
        let waiting = hosts.entry(host.clone()).or_default();
        if waiting.distrusted_until.is_some_and(|until| until > Instant::now()) || born.elapsed() > LIFE {
            return;
        }
        waiting.idle.push_back(Idle { socket, born, since: Instant::now() });
    }

    /// The host sent something that no request had asked for.
    pub(crate) fn distrust(&self, host: &Authority) {
        self.hosts.borrow_mut().entry(host.clone()).or_default().distrust(host);
    }
}

impl Host {
    fn distrust(&mut self, host: &Authority) {
        self.idle.clear();
        let before = self.distrusted_until.replace(Instant::now() + DISTRUST);
        if before.is_none_or(|until| until <= Instant::now()) {
            tracing::warn!(
                host = host.as_str(),
                for_s = DISTRUST.as_secs(),
                "bytes came that no request had asked for; each request to this host gets a connection of its own"
            );
        }
    }
}

/// Closes what waited too long, for as long as there is a pool.
async fn sweep(pool: Weak<Pool>) {
    loop {
        sleep(PATIENCE).await;
        let Some(pool) = pool.upgrade() else { return };
        for host in pool.hosts.borrow_mut().values_mut() {
            while host.idle.front().is_some_and(|first| first.since.elapsed() > PATIENCE) {
                host.idle.pop_front();
            }
        }
    }
}
