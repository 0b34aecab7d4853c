//! What one request holds of the bytes in flight.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use or_bounds::{Budget, Full, Reservation};
use or_protocol::ApiError;
use tokio::time::sleep;

/// What a byte of a request, or of what it refers to, costs while it is served: as it came, decoded, in the
/// provider's body, in its record and on the record's way to the disk. Text costs 5 bytes, and 11 where it is stored.
pub const COST: usize = 8;

/// Between two looks whether there is room.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The bytes that one request holds. Clones are one: the last that is dropped gives them back, also one that work
/// holds which nobody waits for any more.
#[derive(Clone, Debug)]
pub struct Held(Arc<Mutex<Reservation>>);

impl Held {
    /// For a request whose body is read and not decoded yet. `reservation` is what the reading took.
    ///
    /// # Errors
    /// When there is no room.
    pub fn of_body(mut reservation: Reservation, bytes: usize) -> Result<Self, ApiError> {
        reservation.resize(bytes.saturating_mul(COST))?;
        Ok(Self(Arc::new(Mutex::new(reservation))))
    }

    /// For a record of so many bytes that is gone on with: waits until there is room, at worst until everything else is
    /// gone. `None`: `stop` says that it is not to be waited for.
    pub(crate) async fn when_there_is_room(
        budget: &Budget,
        bytes: usize,
        stop: impl Fn() -> bool,
    ) -> Option<Self> {
        let bytes = bytes.saturating_mul(COST).min(budget.limit());
        while !stop() {
            if let Ok(reservation) = budget.reserve(bytes) {
                return Some(Self(Arc::new(Mutex::new(reservation))));
            }
            sleep(LOOK_AGAIN).await;
        }
        None
    }

    /// Makes room for what so many more bytes of a request cost.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn more(&self, bytes: usize) -> Result<(), Full> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).grow(bytes.saturating_mul(COST))
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_last_who_has_them_gives_them_back() {
        let budget = Budget::new(200);
        let held = Held::of_body(budget.reserve(10).unwrap(), 10).unwrap();
        let other = held.clone();
        held.more(5).unwrap();
        assert_eq!(budget.used(), 120);
        assert_eq!(held.more(11), Err(Full { never: true }));
        drop(held);
        assert_eq!(budget.used(), 120);
        drop(other);
        assert_eq!(budget.used(), 0);
        let error = Held::of_body(budget.reserve(26).unwrap(), 26).unwrap_err();
        assert_eq!(error.code.as_deref(), Some("request_too_large"));
    }

    #[actix_rt::test]
    async fn what_was_admitted_before_waits_for_room() {
        let budget = Budget::new(100);
        let first = Cell::new(Some(budget.reserve(1).unwrap()));
        let looks = Cell::new(0);
        let stop = || {
            looks.set(looks.get() + 1);
            if looks.get() == 3 {
                first.take();
            }
            false
        };
        // More than there can ever be takes all that there is.
        let held = Held::when_there_is_room(&budget, 1000, stop).await.unwrap();
        assert_eq!((looks.get(), budget.used()), (3, 100));
        assert!(Held::when_there_is_room(&budget, 1, || true).await.is_none());
        drop(held);
    }
}
