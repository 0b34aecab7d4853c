//! The server's keys for one provider: used in turn, and left alone for a while when the provider refuses one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// Longest rest of a key. What a provider names beyond that is a clock that is wrong.
const MAX_REST: Duration = Duration::from_secs(3600);

/// The keys of one provider. Shared by all workers.
///
/// A provider that needs none has one place without a key, so that its rests are kept in the same way.
#[derive(Debug)]
pub struct Keys {
    places: Vec<Place>,
    /// Whose turn it is.
    next: AtomicUsize,
    /// How long one rests whose provider names no time.
    rest: Duration,
}

struct Place {
    key: Option<Arc<str>>,
    /// In milliseconds of [`now`](super::clock::now).
    rests_until: AtomicU64,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// One of the keys, by its number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeyNumber(usize);

impl Keys {
    /// `rest`: how long a key is left alone whose provider names no time; zero: not at all.
    pub fn new(keys: Vec<Arc<str>>, rest: Duration) -> Self {
        let place = |key| Place { key, rests_until: AtomicU64::new(0) };
        let mut places: Vec<_> = keys.into_iter().map(|key| place(Some(key))).collect();
        if places.is_empty() {
            places.push(place(None));
        }
        Self { places, next: AtomicUsize::new(0), rest }
    }

    /// The key whose turn it is. Those that rest are passed over, unless all do: then it is the one that has rested
    /// nearly enough.
    pub(crate) fn turn(&self, now: u64) -> KeyNumber {
        let count = self.places.len();
        if count == 1 {
            return KeyNumber(0);
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let turns = (0..count).map(|n| first.wrapping_add(n) % count);
        // The first of equals, so of those that do not rest the one whose turn it is.
        KeyNumber(turns.min_by_key(|place| self.rests(*place, now)).unwrap_or_default())
    }

    /// The key itself, if the provider needs one.
    pub(crate) fn key(&self, number: KeyNumber) -> Option<&str> {
        self.places.get(number.0).and_then(|place| place.key.as_deref())
    }

    /// All of them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &str> {
        self.places.iter().filter_map(|place| place.key.as_deref())
    }

    /// The provider refused this one; `named`: for how long, if it said so.
    pub(crate) fn refused(&self, number: KeyNumber, named: Option<Duration>, now: u64) {
        let rest = named.unwrap_or(self.rest).min(MAX_REST);
        if let Some(place) = self.places.get(number.0) {
            place.rests_until.fetch_max(now.saturating_add(millis(rest)), Ordering::Relaxed);
        }
    }

    /// Milliseconds until one of them can be used; 0: now.
    pub(crate) fn free_in(&self, now: u64) -> u64 {
        (0..self.places.len()).map(|place| self.rests(place, now)).min().unwrap_or_default()
    }

    /// Whether another key may do what this call could not. It is so as long as one does not rest.
    pub(crate) fn has_other(&self, now: u64) -> bool {
        self.places.len() > 1 && self.free_in(now) == 0
    }

    fn rests(&self, place: usize, now: u64) -> u64 {
        let until = self.places.get(place).map_or(0, |place| place.rests_until.load(Ordering::Relaxed));
        until.saturating_sub(now)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    fn keys(names: &[&str]) -> Keys {
        Keys::new(names.iter().map(|name| Arc::from(*name)).collect(), Duration::from_secs(30))
    }

    fn turns(keys: &Keys, now: u64, count: usize) -> String {
        (0..count).filter_map(|_| keys.key(keys.turn(now))).collect()
    }

    #[test]
    fn keys_are_used_in_turn() {
        assert_eq!(turns(&keys(&["a", "b", "c"]), 0, 7), "abcabca");
    }

    #[test]
    fn a_key_that_was_refused_rests_as_long_as_the_provider_says() {
        let keys = keys(&["a", "b"]);
        let a = keys.turn(1000);
        keys.refused(a, Some(Duration::from_secs(7)), 1000);
        assert_eq!(turns(&keys, 7999, 4), "bbbb");
        assert!(turns(&keys, 8000, 4).contains('a'));
    }

    #[test]
    fn if_all_rest_the_one_that_is_free_first_is_used() {
        let keys = keys(&["a", "b"]);
        keys.refused(KeyNumber(0), None, 0);
        keys.refused(KeyNumber(1), Some(Duration::from_secs(100_000)), 0);
        assert_eq!((turns(&keys, 1000, 2), keys.free_in(1000)), ("aa".to_owned(), 29_000));
        assert_eq!(keys.free_in(40_000), 0);
        // A day is no rest for a key.
        assert_eq!(turns(&keys, 3_600_000, 2).len(), 2);
    }

    #[test]
    fn a_provider_without_keys_has_a_rest_as_well() {
        let none = keys(&[]);
        none.refused(none.turn(0), Some(Duration::from_secs(1)), 0);
        assert_eq!((none.key(none.turn(0)), none.free_in(0), none.has_other(0)), (None, 1000, false));
    }
}
