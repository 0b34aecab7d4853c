//! What a connection and the requests that came over it know of each other.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

/// From the end of one answer to the whole head of the next request. Longer than the framework's own patience for an
/// idle connection and for a first head together.
const NEXT_HEAD: Duration = Duration::from_secs(25);
/// How long the rest of a body that nobody wants is taken in, so that its sender comes to see the answer.
const UNWANTED: Duration = Duration::from_secs(2);

/// Whether somebody is at work for a connection. In the extensions of each connection, so that requests find it.
#[derive(Debug)]
pub(crate) struct Presence {
    listener: SocketAddr,
    /// Requests being answered, and streams that are not over.
    busy: Cell<u32>,
    /// Since when it is the client's turn, if nobody is at work.
    idle_since: Cell<Instant>,
    patience: Cell<Duration>,
    /// Whether the body of the request at hand was read to its end.
    body_read: Cell<bool>,
    /// Whether it is being read.
    uploading: Cell<bool>,
    /// Wakes who is not let read.
    held_back: RefCell<Option<Waker>>,
}

impl Presence {
    pub(crate) fn new(listener: SocketAddr) -> Rc<Self> {
        let (idle_since, patience) = (Cell::new(Instant::now()), Cell::new(NEXT_HEAD));
        Rc::new(Self {
            listener,
            busy: Cell::new(0),
            idle_since,
            patience,
            body_read: Cell::new(false),
            uploading: Cell::new(false),
            held_back: RefCell::default(),
        })
    }

    /// Where the client came to.
    pub(crate) fn listener(&self) -> SocketAddr {
        self.listener
    }

    /// While this is held the client need not send anything.
    pub(crate) fn work(self: &Rc<Self>) -> Busy {
        self.busy.set(self.busy.get() + 1);
        Busy(Rc::clone(self))
    }

    /// A request has come.
    pub(crate) fn begin(&self) {
        self.body_read.set(false);
    }

    /// Its body is being read; or no longer, because it is there to the end or cannot be used.
    pub(crate) fn uploads(&self, uploading: bool) {
        self.uploading.set(uploading);
    }

    /// Its body is there to the end.
    pub(crate) fn has_body(&self) {
        self.body_read.set(true);
    }

    /// Whether it is.
    pub(crate) fn is_body_read(&self) -> bool {
        self.body_read.get()
    }

    /// An answer was given before the request had been read: the connection cannot go on.
    pub(crate) fn refuse_rest(&self) {
        self.patience.set(UNWANTED);
    }

    /// Whether somebody wants the bytes of a body.
    pub(super) fn is_uploading(&self) -> bool {
        self.uploading.get()
    }

    /// Whether a request is being answered.
    pub(super) fn is_busy(&self) -> bool {
        self.busy.get() > 0
    }

    /// Who wants to read is woken when it may.
    pub(super) fn hold_back(&self, waker: &Waker) {
        self.held_back.replace(Some(waker.clone()));
    }

    /// The client took something, or an answer is over.
    pub(super) fn went_on(&self) {
        if !self.is_busy() {
            self.idle_since.set(Instant::now());
        }
        if let Some(waker) = self.held_back.take() {
            waker.wake();
        }
    }

    /// By when the client must have sent a request, if it is its turn.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.busy.get() == 0).then(|| self.idle_since.get() + self.patience.get())
    }
}

/// Work for a connection that is under way.
#[derive(Debug)]
pub(crate) struct Busy(Rc<Presence>);

impl Drop for Busy {
    fn drop(&mut self) {
        let busy = &self.0.busy;
        busy.set(busy.get().saturating_sub(1));
        self.0.went_on();
    }
}
