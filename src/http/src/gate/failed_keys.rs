//! Slows down who tries keys.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::unsync::Cache;

/// Addresses that are remembered; those that were not heard of for longest make room.
const ADDRESSES: usize = 10_000;
/// Wrong keys from one address before it has to wait.
const BURST: u32 = 20;
/// After that it may try one for each of these.
const PAUSE: Duration = Duration::from_secs(3);

/// Wrong keys by address. Only they are looked at: a good key is let in whatever came from its address before.
pub(super) struct FailedKeys(Mutex<Cache<IpAddr, Tries>>);

/// What an address may still try without a pause.
#[derive(Clone, Copy)]
struct Tries {
    left: u32,
    since: Instant,
}

impl Default for FailedKeys {
    fn default() -> Self {
        Self(Mutex::new(Cache::new(ADDRESSES)))
    }
}

impl FailedKeys {
    /// Counts a wrong key. `Some`: there were too many; how long the address has to wait.
    pub(super) fn count(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let address = network(address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
        // A panic cannot leave a half-made change.
        let mut cache = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut tries = cache.get(&address).copied().unwrap_or(Tries { left: BURST, since: now });
        let passed = now.saturating_duration_since(tries.since);
        let gained = u32::try_from(passed.as_secs() / PAUSE.as_secs()).unwrap_or(u32::MAX);
        tries.left = tries.left.saturating_add(gained).min(BURST);
        tries.since = if tries.left == BURST { now } else { tries.since + PAUSE * gained };
        let wait = match tries.left.checked_sub(1) {
            Some(left) => {
                tries.left = left;
                None
            }
            None => Some(PAUSE.saturating_sub(now.saturating_duration_since(tries.since))),
        };
        cache.insert(address, tries);
        wait
    }
}

/// What one party has as a rule: an IPv4 address, or the network of an IPv6 one.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts `tries` wrong keys of each address, one pair after the other; `want`: whether the last has to wait.
    #[track_caller]
    fn check(tries: &[(&str, u32)], after: Duration, want: bool) {
        let failed = FailedKeys::default();
        let begin = Instant::now();
        let (last, before) = tries.split_last().unwrap();
        for (address, count) in before {
            for _ in 0..*count {
                failed.count(Some(address.parse().unwrap()), begin);
            }
        }
        let mut waits = None;
        for _ in 0..last.1 {
            waits = failed.count(Some(last.0.parse().unwrap()), begin + after);
        }
        assert_eq!(waits.is_some(), want);
        assert!(waits.is_none_or(|wait| !wait.is_zero() && wait <= PAUSE));
    }

    #[test]
    fn an_address_has_some_tries_and_then_one_for_each_pause() {
        check(&[("10.0.0.1", 20)], Duration::ZERO, false);
        check(&[("10.0.0.1", 21)], Duration::ZERO, true);
        check(&[("10.0.0.1", 30), ("10.0.0.1", 1)], PAUSE, false);
        check(&[("10.0.0.1", 30), ("10.0.0.1", 2)], PAUSE, true);
        check(&[("10.0.0.1", 30), ("10.0.0.1", 20)], PAUSE * 1000, false);
        check(&[("10.0.0.1", 30), ("10.0.0.1", 21)], PAUSE * 1000, true);
    }

    #[test]
    fn addresses_do_not_pay_for_each_other_but_for_their_network() {
        check(&[("10.0.0.1", 30), ("10.0.0.2", 1)], Duration::ZERO, false);
        check(&[("10.0.0.1", 30), ("::ffff:10.0.0.1", 1)], Duration::ZERO, true);
        check(&[("2001:db8::1", 30), ("2001:db8::ffff:1", 1)], Duration::ZERO, true);
        check(&[("2001:db8::1", 30), ("2001:db8:0:1::1", 1)], Duration::ZERO, false);
    }

    #[test]
    fn the_table_has_an_end() {
        let failed = FailedKeys::default();
        let now = Instant::now();
        for number in 0..200_000_u32 {
            failed.count(Some(IpAddr::V4(Ipv4Addr::from_bits(number))), now);
        }
        assert!(failed.0.lock().unwrap().len() <= ADDRESSES);
    }
}
