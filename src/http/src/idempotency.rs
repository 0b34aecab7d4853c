//! `idempotency-key`: who asks twice with one key gets one response.
//!
//! While the first request is being answered, others with its key wait for the same answer. Later the store knows the key,
//! as long as it has the response; what is not stored is remembered here, within bounds, until the process ends.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::header::{HeaderMap, HeaderName};
use bytes::Bytes;
use or_actors::{Recording, Reply, Trail};
use or_bounds::{Budget, Reservation};
use or_protocol::{ApiError, ErrorKind, ResponseId};
use or_store::IdempotencyKey;
use tokio::sync::watch;

use crate::headers::only_one;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer was made for an earlier request.
const REPLAYED: &str = "idempotent-replayed";
/// Longest key, in characters.
const LONGEST: usize = 255;
/// How long a key is remembered.
pub(crate) const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);
/// Bytes of answers that are kept here for each client; the oldest make room.
const KEPT_BYTES: usize = 4 << 20;
/// What each costs beside its bytes.
const EACH: usize = 1024;

/// The key that a request shows, if it does.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(value) = only_one(headers, &HEADER)? else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()));
    key.map(Some).ok_or_else(|| {
        let text = format!("The header 'idempotency-key' must have 1 to {LONGEST} printable characters.");
        ApiError::new(ErrorKind::InvalidRequest, text).with_code("invalid_idempotency_key")
    })
}

/// For a key that was used for something else.
pub(crate) fn reused() -> ApiError {
    let text = "This idempotency key was used for a request with another body; use a new one.";
    ApiError::new(ErrorKind::InvalidRequest, text).with_code("idempotency_key_reused")
}

/// Whether a response is so young that its key still counts.
pub(crate) fn is_remembered(id: &ResponseId) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.saturating_sub(id.created_at()) < REMEMBERED
}

/// The headers of an answer that was made for an earlier request.
pub(crate) fn replayed(mut trail: Trail) -> Trail {
    trail.set(REPLAYED, "true");
    trail
}

/// Requests with keys whose answer is not in the store: because it is being made, or because it does not go there.
#[derive(Debug, Default)]
pub(crate) struct Keys(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    entries: HashMap<[u8; 32], Arc<Entry>>,
    /// Of those that are over, by client: names from the oldest on, and their bytes.
    kept: HashMap<String, (VecDeque<[u8; 32]>, usize)>,
}

/// One request with a key.
#[derive(Debug)]
struct Entry {
    body: [u8; 32],
    since: Instant,
    answer: watch::Sender<Option<Answer>>,
}

/// What a request was answered, for all who have its key.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Json {
        body: Bytes,
        trail: Arc<Trail>,
        _held: Option<Arc<Reservation>>,
    },
    Stream {
        recording: Arc<Recording>,
        trail: Arc<Trail>,
    },
    Error {
        error: ApiError,
        kept: Option<ResponseId>,
        trail: Arc<Trail>,
    },
    /// No loop was begun.
    Refused(ApiError),
}

/// Who comes with a key.
pub(crate) enum Comer {
    /// The first: it has to answer.
    First(Ticket),
    /// Another has that: what it answers. `None`: it gave up.
    Next(Waiter),
}

/// The right to answer for a key. Who drops it gives up, and the next one is the first.
pub(crate) struct Ticket {
    keys: Arc<Keys>,
    name: [u8; 32],
    entry: Arc<Entry>,
    published: bool,
}

pub(crate) struct Waiter(watch::Receiver<Option<Answer>>);

impl Keys {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// When the key is in use for another body.
    pub(crate) fn enter(self: &Arc<Self>, key: &IdempotencyKey) -> Result<Comer, ApiError> {
        let mut known = self.lock();
        if let Some(entry) = known.entries.get(&key.name).filter(|entry| entry.since.elapsed() < REMEMBERED) {
            if entry.body != key.body {
                return Err(reused());
            }
            return Ok(Comer::Next(Waiter(entry.answer.subscribe())));
        }
        let entry =
            Arc::new(Entry { body: key.body, since: Instant::now(), answer: watch::Sender::new(None) });
        known.entries.insert(key.name, Arc::clone(&entry));
        Ok(Comer::First(Ticket { keys: Arc::clone(self), name: key.name, entry, published: false }))
    }

    fn forget(&self, name: &[u8; 32], entry: &Arc<Entry>) {
        let mut known = self.lock();
        if known.entries.get(name).is_some_and(|there| Arc::ptr_eq(there, entry)) {
            known.entries.remove(name);
        }
    }

    /// Remembers an answer that is over, within the client's share.
    fn keep(&self, name: [u8; 32], entry: &Arc<Entry>, owner: &str, bytes: usize) {
        if bytes + EACH > KEPT_BYTES {
            return self.forget(&name, entry);
        }
        let Known { entries, kept } = &mut *self.lock();
        let (names, total) = kept.entry(owner.to_owned()).or_default();
        names.push_back(name);
        *total += bytes + EACH;
        while *total > KEPT_BYTES
            && let Some(oldest) = names.pop_front()
        {
            let bytes = entries.remove(&oldest).map_or(0, |entry| entry.bytes());
            *total = total.saturating_sub(bytes + EACH);
        }
    }
}

impl Entry {
    fn bytes(&self) -> usize {
        match &*self.answer.borrow() {
            Some(Answer::Json { body, .. }) => body.len(),
            Some(Answer::Stream { recording, .. }) => recording.bytes(),
            Some(Answer::Error { .. } | Answer::Refused(_)) | None => 0,
        }
    }
}

impl Waiter {
    /// What the first was answered. `None`: it gave up.
    pub(crate) async fn answer(mut self) -> Option<Answer> {
        self.0.wait_for(Option::is_some).await.ok().and_then(|answer| answer.clone())
    }
}

impl Ticket {
    /// What comes to be published, for the one who has the ticket.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter(self.entry.answer.subscribe())
    }

    /// Answers for the key, and sees to it that it is remembered as long as it has to be here. `stored`: the store knows the
    /// key as soon as the answer is over.
    pub(crate) async fn publish(
        mut self,
        begun: Result<Reply, ApiError>,
        stored: bool,
        owner: &str,
        budget: &Budget,
    ) {
        self.published = true;
        let (answer, recording) = match begun {
            Err(error) => (Answer::Refused(error), None),
            Ok(Reply::Json { body, trail }) => {
                let held = budget.reserve(body.len()).ok().map(Arc::new);
                (Answer::Json { body: body.into(), trail: Arc::new(trail), _held: held }, None)
            }
            Ok(Reply::Stream { frames, trail }) => {
                let recording = Recording::of(frames, budget);
                let trail = Arc::new(trail);
                (Answer::Stream { recording: Arc::clone(&recording), trail }, Some(recording))
            }
            Ok(Reply::Error { error, kept, trail }) => {
                (Answer::Error { error, kept, trail: Arc::new(trail) }, None)
            }
        };
        let good = !matches!(answer, Answer::Error { .. } | Answer::Refused(_));
        self.entry.answer.send_replace(Some(answer));
        let good = match recording {
            Some(recording) => recording.over().await && !recording.has_failed(),
            None => good,
        };
        if good && !stored {
            self.keys.keep(self.name, &self.entry, owner, self.entry.bytes());
        } else {
            self.keys.forget(&self.name, &self.entry);
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.published {
            // Its waiters hear of it when the last sender goes, which is this entry's.
            self.keys.forget(&self.name, &self.entry);
        }
    }
}

impl Answer {
    /// The answer for one who asks. `again`: for a request that came later.
    pub(crate) fn reply(self, again: bool, budget: &Budget) -> Result<Reply, ApiError> {
        let of = |trail: &Trail| if again { replayed(trail.clone()) } else { trail.clone() };
        Ok(match self {
            Self::Json { body, trail, .. } => Reply::Json { body: body.to_vec(), trail: of(&trail) },
            Self::Stream { recording, trail } => {
                Reply::Stream { frames: recording.listen(budget), trail: of(&trail) }
            }
            Self::Error { error, kept, trail } => Reply::Error { error, kept, trail: of(&trail) },
            Self::Refused(error) => return Err(error),
        })
    }
}
