//! The budget of bytes in flight.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use or_protocol::{ApiError, ErrorKind};

/// Seconds after which a client that was refused for want of room may try again.
const RETRY_AFTER_S: u64 = 2;

/// How many bytes all requests together may hold: bodies being read, decoded requests, contexts, answers in the
/// making, queues to clients. Cheap to clone; all clones are one budget.
///
/// Bytes are reserved before they are spent, and given back when the [`Reservation`] is dropped.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    limit: usize,
    used: AtomicUsize,
    refused: AtomicU64,
}

/// There is no room for so many bytes at the moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full {
    /// Whether it would not fit into the empty budget either.
    pub never: bool,
}

impl From<Full> for ApiError {
    /// 503 `server_overloaded` with `retry-after`; 413 for what can never fit.
    fn from(full: Full) -> Self {
        if full.never {
            let text = "The request needs more memory than this server may use for all requests together.";
            return Self::new(ErrorKind::TooLarge, text).with_code("request_too_large");
        }
        let text =
            "The server holds as many bytes of requests and answers as it may. Please try again later.";
        let error = Self::new(ErrorKind::Unavailable, text).with_code("server_overloaded");
        Self { retry_after_s: Some(RETRY_AFTER_S), ..error }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {})", self.used(), self.limit())
    }
}

impl Budget {
    /// An empty budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Inner { limit, used: AtomicUsize::new(0), refused: AtomicU64::new(0) }))
    }

    /// Bytes that may be reserved in all.
    pub fn limit(&self) -> usize {
        self.0.limit
    }

    /// Bytes that are reserved.
    pub fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }

    /// How often there was no room.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Reserves bytes.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn reserve(&self, bytes: usize) -> Result<Reservation, Full> {
        self.take(bytes)?;
        Ok(Reservation { budget: self.clone(), bytes })
    }

    fn take(&self, bytes: usize) -> Result<(), Full> {
        let room = |used: usize| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        let taken = self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room);
        taken.map(drop).map_err(|_| {
            self.0.refused.fetch_add(1, Ordering::Relaxed);
            Full { never: bytes > self.0.limit }
        })
    }

    fn give_back(&self, bytes: usize) {
        self.0.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// Reserved bytes, given back at the drop.
#[derive(Debug)]
pub struct Reservation {
    budget: Budget,
    bytes: usize,
}

impl Reservation {
    /// How many they are.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Reserves more.
    ///
    /// # Errors
    /// When it does not fit; what was reserved stays.
    pub fn grow(&mut self, more: usize) -> Result<(), Full> {
        let never = self.bytes.saturating_add(more) > self.budget.limit();
        self.budget.take(more).map_err(|_| Full { never })?;
        self.bytes += more;
        Ok(())
    }

    /// Grows or shrinks to `bytes` in all.
    ///
    /// # Errors
    /// When it does not fit; what was reserved stays.
    pub fn resize(&mut self, bytes: usize) -> Result<(), Full> {
        match bytes.checked_sub(self.bytes) {
            Some(more) => self.grow(more),
            None => {
                self.budget.give_back(self.bytes - bytes);
                self.bytes = bytes;
                Ok(())
            }
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn what_is_dropped_comes_back() {
        let budget = Budget::new(10);
        let mut first = budget.reserve(6).unwrap();
        assert_eq!(budget.reserve(5).unwrap_err(), Full { never: false });
        assert_eq!(first.grow(5), Err(Full { never: true }));
        assert_eq!((first.bytes(), budget.used(), budget.refused()), (6, 6, 2));
        first.resize(10).unwrap();
        assert_eq!(budget.used(), 10);
        first.resize(1).unwrap();
        let second = budget.clone().reserve(9).unwrap();
        assert_eq!(budget.used(), 10);
        drop((first, second));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn what_can_never_fit_is_told_apart() {
        let full = Budget::new(10).reserve(11).unwrap_err();
        assert_eq!(full, Full { never: true });
        assert_eq!(ApiError::from(full).kind, ErrorKind::TooLarge);
        let error = ApiError::from(Full { never: false });
        assert_eq!((error.kind, error.retry_after_s), (ErrorKind::Unavailable, Some(RETRY_AFTER_S)));
    }

    #[test]
    fn what_is_reserved_counts_towards_what_can_never_fit() {
        let budget = Budget::new(10);
        let mut first = budget.reserve(6).unwrap();
        let other = budget.reserve(2).unwrap();
        assert_eq!(first.grow(5), Err(Full { never: true }));
        assert_eq!(first.resize(10), Err(Full { never: false }));
        drop(other);
        assert_eq!(first.resize(10), Ok(()));
    }

    #[test]
    fn threads_never_pass_the_limit() {
        let budget = Budget::new(100);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        let held = budget.reserve(40);
                        assert!(budget.used() <= 100);
                        drop(held);
                    }
                });
            }
        });
        assert_eq!(budget.used(), 0);
    }
}
