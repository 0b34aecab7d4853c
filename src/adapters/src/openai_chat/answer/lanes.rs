//! Which calls an index stands for, and which of them a piece means by its place in the delta.

use std::collections::HashMap;

/// Most calls of one delta that are told apart by their places.
const MAX_CALLS: usize = 1_000;

/// The last calls of each index, and of all. A host may leave the index out, or give all calls the same one; then
/// calls that began in one delta are told apart by the place of their pieces in the deltas behind it.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    /// `None` has the calls of any index.
    lanes: HashMap<Option<u64>, Lane>,
    /// Number of the delta, from 1.
    delta: u64,
}

#[derive(Debug, Default)]
struct Lane {
    /// Places of the calls that began in one delta.
    calls: Vec<usize>,
    /// That delta.
    begun: u64,
    /// The delta that was looked at last, the calls that could grow before it, and how many pieces it had so far.
    seen: u64,
    growing: Vec<usize>,
    pieces: usize,
}

/// The call that a piece may be part of.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) at: usize,
    /// An earlier piece of the same delta was for this call.
    pub(super) taken: bool,
}

impl Lanes {
    pub(super) fn next_delta(&mut self) {
        self.delta += 1;
    }

    pub(super) fn has(&self, index: Option<u64>) -> bool {
        self.lanes.contains_key(&index)
    }

    /// A call has begun.
    pub(super) fn add(&mut self, index: Option<u64>, at: usize) {
        for index in [index, None].into_iter().take(if index.is_some() { 2 } else { 1 }) {
            let lane = self.lanes.entry(index).or_default();
            if lane.begun != self.delta {
                lane.begun = self.delta;
                lane.calls.clear();
            }
            if lane.calls.len() >= MAX_CALLS {
                lane.calls.pop();
            }
            lane.calls.push(at);
        }
    }

    /// The call that the next piece of this delta means. `can_grow` knows the calls by their place.
    pub(super) fn next(&mut self, index: Option<u64>, can_grow: impl Fn(usize) -> bool) -> Option<Found> {
        let delta = self.delta;
        let lane = self.lanes.get_mut(&index)?;
        let last = *lane.calls.last()?;
        if lane.begun == delta {
            return Some(Found { at: last, taken: true });
        }
        if lane.seen != delta {
            (lane.seen, lane.pieces) = (delta, 0);
            lane.growing.clear();
            lane.growing.extend(lane.calls.iter().copied().filter(|at| can_grow(*at)));
        }
        let calls = if lane.growing.is_empty() { &lane.calls } else { &lane.growing };
        let found = calls.get(lane.pieces).copied();
        lane.pieces += 1;
        Some(Found { at: found.unwrap_or(last), taken: found.is_none() })
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn calls_of_one_delta_are_told_apart_by_place() {
        let mut lanes = Lanes::default();
        lanes.next_delta();
        lanes.add(None, 0);
        lanes.add(None, 1);
        let mut ask = |whole: &[usize]| {
            lanes.next_delta();
            [(); 3].map(|()| lanes.next(None, |at| !whole.contains(&at)).map(|found| (found.at, found.taken)))
        };
        assert_eq!(ask(&[]), [Some((0, false)), Some((1, false)), Some((1, true))]);
        assert_eq!(ask(&[0]), [Some((1, false)), Some((1, true)), Some((1, true))]);
        assert_eq!(ask(&[0, 1]), [Some((0, false)), Some((1, false)), Some((1, true))]);
    }

    #[test]
    fn the_last_call_of_an_index_counts() {
        let mut lanes = Lanes::default();
        for at in 0..2 {
            lanes.next_delta();
            lanes.add(Some(0), at);
        }
        assert_eq!(lanes.next(Some(0), |_| true), Some(Found { at: 1, taken: true }));
        lanes.next_delta();
        assert_eq!(lanes.next(Some(0), |_| true), Some(Found { at: 1, taken: false }));
        assert_eq!(lanes.next(Some(1), |_| true), None);
        assert_eq!(lanes.next(None, |_| true), Some(Found { at: 1, taken: false }));
        assert!(lanes.has(Some(0)) && !lanes.has(Some(1)));
    }
}
