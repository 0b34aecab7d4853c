//! Places for responses in progress: how many there are, and what one owner may take of them.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use or_protocol::{ApiError, ErrorKind, ResponseId};
use tokio::sync::Notify;

use crate::limits::Limits;
use crate::owners::Owners;

/// Why there is no place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Full {
    /// The server takes no new work.
    Stopping,
    /// All places are taken.
    Server,
    /// All that background responses may take.
    Background,
    /// All that this owner may have; so many.
    Key(usize),
    /// All background responses that this owner may have; so many.
    KeyBackground(usize),
}

impl Full {
    /// The word in the metrics.
    pub(crate) fn bound(self) -> Option<&'static str> {
        match self {
            Self::Stopping => None,
            Self::Server => Some("server"),
            Self::Background => Some("background"),
            Self::Key(_) => Some("key"),
            Self::KeyBackground(_) => Some("key_background"),
        }
    }

    /// What the client is told.
    pub(crate) fn to_api(self) -> ApiError {
        let text = match self {
            Self::Stopping => {
                let text = "The server is shutting down. Please try again later.";
                let error = ApiError::new(ErrorKind::Unavailable, text).with_code("shutting_down");
                return ApiError { retry_after_s: Some(5), ..error };
            }
            Self::Server => {
                "Too many responses are in progress on this server. Please try again later.".into()
            }
            Self::Background => {
                "Too many background responses are in progress on this server. Please try again later.".into()
            }
            Self::Key(share) => format!(
                "Too many responses of your key are in progress: it may have {share} at the same time. Please try again when one is over."
            ),
            Self::KeyBackground(share) => format!(
                "Too many background responses of your key are in progress: it may have {share} at the same time. Please try again when one is over."
            ),
        };
        let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("rate_limit_exceeded");
        ApiError { retry_after_s: Some(1), ..error }
    }
}

/// How many there are, and who has them.
#[derive(Debug)]
pub(crate) struct Places {
    limit: AtomicUsize,
    background_limit: AtomicUsize,
    owners: Arc<Owners>,
    taken: Mutex<Taken>,
    /// Rings whenever a place is given back.
    pub(super) freed: Notify,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    background: usize,
    /// Only owners that have or want something.
    by_owner: HashMap<String, OfOwner>,
    /// Responses to be gone on with whose end somebody asked for; they do not wait for a place.
    hurried: Vec<(ResponseId, String)>,
}

#[derive(Debug, Default)]
struct OfOwner {
    all: usize,
    background: usize,
    /// What a process before left to be gone on with; waits for places.
    unfinished: VecDeque<ResponseId>,
}

/// A response that is to be gone on with, and its place.
#[derive(Debug)]
pub(crate) struct Unfinished {
    pub(crate) id: ResponseId,
    pub(crate) owner: String,
    pub(crate) place: Place,
}

/// What is next of that which a process before left.
#[derive(Debug)]
pub(super) enum Next {
    Go(Unfinished),
    /// There is no place for any of it.
    Wait,
    /// There is nothing left.
    Done,
}

/// A place among the responses in progress; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    owner: String,
    background: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        {
            let mut taken = self.places.taken();
            taken.all -= 1;
            taken.background -= usize::from(self.background);
            if let Some(of_owner) = taken.by_owner.get_mut(&self.owner) {
                of_owner.all -= 1;
                of_owner.background -= usize::from(self.background);
                if of_owner.all == 0 && of_owner.unfinished.is_empty() {
                    taken.by_owner.remove(&self.owner);
                }
            }
        }
        self.places.freed.notify_waiters();
    }
}

impl Places {
    /// All are free. `unfinished`: what is to be gone on with and whose it is, oldest first.
    pub(crate) fn new(limits: &Limits, unfinished: Vec<(ResponseId, String)>) -> Arc<Self> {
        let mut taken = Taken::default();
        for (id, owner) in unfinished {
            taken.by_owner.entry(owner).or_default().unfinished.push_back(id);
        }
        Arc::new(Self {
            limit: AtomicUsize::new(limits.max_concurrent_responses),
            background_limit: AtomicUsize::new(limits.max_background),
            owners: Arc::clone(&limits.owners),
            taken: Mutex::new(taken),
            freed: Notify::new(),
        })
    }

    /// Takes over new bounds; those that have a place keep it.
    pub(super) fn set_limits(&self, limits: &Limits) {
        self.limit.store(limits.max_concurrent_responses, Ordering::Relaxed);
        self.background_limit.store(limits.max_background, Ordering::Relaxed);
        self.freed.notify_waiters();
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        // No change of the numbers can panic half-way.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are taken.
    pub(crate) fn count(&self) -> usize {
        self.taken().all
    }

    /// How many that a process before left wait to be gone on with.
    pub(crate) fn unfinished(&self) -> usize {
        let taken = self.taken();
        taken.hurried.len() + taken.by_owner.values().map(|of_owner| of_owner.unfinished.len()).sum::<usize>()
    }

    /// Takes a place for a new response, or for work that is none, such as counting.
    pub(crate) fn take(self: &Arc<Self>, owner: &str, background: bool) -> Result<Place, Full> {
        let mut taken = self.taken();
        self.look(&taken, owner, background, true)?;
        Ok(self.seat(&mut taken, owner, background))
    }

    /// Whether there is a place. `new`: what the owner had before a restart counts as its own although it waits, so
    /// that nothing new overtakes it.
    fn look(&self, taken: &Taken, owner: &str, background: bool, new: bool) -> Result<(), Full> {
        let share = self.owners.of(owner);
        let limit = self.limit.load(Ordering::Relaxed);
        let background_limit = self.background_limit.load(Ordering::Relaxed);
        let (mut all, mut of_background) = (0, 0);
        if let Some(has) = taken.by_owner.get(owner) {
            let waiting = if new { has.unfinished.len() } else { 0 };
            (all, of_background) = (has.all, has.background + waiting);
        }
        // Where the share is the whole it says nothing of the key.
        if all >= share.max_concurrent && share.max_concurrent < limit {
            return Err(Full::Key(share.max_concurrent));
        }
        if background && of_background >= share.max_background && share.max_background < background_limit {
            return Err(Full::KeyBackground(share.max_background));
        }
        if taken.all >= limit {
            return Err(Full::Server);
        }
        if background && taken.background.max(of_background) >= background_limit {
            return Err(Full::Background);
        }
        Ok(())
    }

    fn seat(self: &Arc<Self>, taken: &mut Taken, owner: &str, background: bool) -> Place {
        taken.all += 1;
        taken.background += usize::from(background);
        let of_owner = match taken.by_owner.get_mut(owner) {
            Some(of_owner) => of_owner,
            None => taken.by_owner.entry(owner.to_owned()).or_default(),
        };
        of_owner.all += 1;
        of_owner.background += usize::from(background);
        Place { places: Arc::clone(self), owner: owner.to_owned(), background }
    }

    /// A response that is to be gone on with, of the owner that has the fewest in progress. Each is given out once.
    pub(super) fn next_unfinished(self: &Arc<Self>) -> Next {
        let mut taken = self.taken();
        if let Some((id, owner)) = taken.hurried.pop() {
            let place = self.seat(&mut taken, &owner, true);
            return Next::Go(Unfinished { id, owner, place });
        }
        let waiting = || taken.by_owner.iter().filter(|(_, of_owner)| !of_owner.unfinished.is_empty());
        if waiting().next().is_none() {
            return Next::Done;
        }
        let seated = waiting().filter(|(owner, _)| self.look(&taken, owner, true, false).is_ok());
        let Some(owner) =
            seated.min_by_key(|(_, of_owner)| of_owner.background).map(|(owner, _)| owner.clone())
        else {
            return Next::Wait;
        };
        let Some(id) = taken.by_owner.get_mut(&owner).and_then(|of_owner| of_owner.unfinished.pop_front())
        else {
            return Next::Wait;
        };
        let place = self.seat(&mut taken, &owner, true);
        Next::Go(Unfinished { id, owner, place })
    }

    /// Somebody wants this response to end: if it waits to be gone on with, it waits no longer.
    pub(super) fn hurry(&self, id: &ResponseId, owner: &str) {
        let mut taken = self.taken();
        let Some(of_owner) = taken.by_owner.get_mut(owner) else { return };
        let Some(at) = of_owner.unfinished.iter().position(|waiting| waiting == id) else { return };
        of_owner.unfinished.remove(at);
        taken.hurried.push((id.clone(), owner.to_owned()));
        drop(taken);
        self.freed.notify_waiters();
    }
}

#[cfg(test)]
#[path = "tests/places.rs"]
mod tests;
