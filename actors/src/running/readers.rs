//! The places of those who read event logs.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use or_protocol::{ApiError, ErrorKind, ResponseId};

/// Seconds after which a reader that was refused may try again.
const RETRY_AFTER_S: u64 = 5;

/// How many read the log of each response, and for each owner.
#[derive(Clone, Debug, Default)]
pub struct Readers(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    responses: HashMap<ResponseId, usize>,
    owners: HashMap<String, usize>,
}

/// A place among the readers; given back when it is dropped.
#[derive(Debug)]
pub struct ReaderPlace {
    readers: Readers,
    id: ResponseId,
    owner: String,
}

/// Which bound was reached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TooManyReaders {
    /// Of this response.
    OfResponse(usize),
    /// Of this owner.
    OfOwner(usize),
}

impl TooManyReaders {
    /// For metrics.
    pub fn bound(self) -> &'static str {
        match self {
            Self::OfResponse(_) => "readers_per_response",
            Self::OfOwner(_) => "readers",
        }
    }

    /// 429 `too_many_readers` with `retry-after`.
    pub fn to_api(self) -> ApiError {
        let (limit, whose) = match self {
            Self::OfResponse(limit) => (limit, "of this response"),
            Self::OfOwner(limit) => (limit, "with this key"),
        };
        let text = format!(
            "As many clients as may, {limit}, are reading event streams {whose}. Please try again later, or get the response without 'stream'."
        );
        let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("too_many_readers");
        ApiError { retry_after_s: Some(RETRY_AFTER_S), ..error }
    }
}

impl Readers {
    /// Takes a place, if there are fewer than `of_response` and `of_owner`.
    ///
    /// # Errors
    /// When there is none.
    pub fn enter(
        &self,
        id: &ResponseId,
        owner: &str,
        of_response: usize,
        of_owner: usize,
    ) -> Result<ReaderPlace, TooManyReaders> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.responses.get(id).is_some_and(|n| *n >= of_response) {
            return Err(TooManyReaders::OfResponse(of_response));
        }
        if counts.owners.get(owner).is_some_and(|n| *n >= of_owner) {
            return Err(TooManyReaders::OfOwner(of_owner));
        }
        Ok(self.count(&mut counts, id, owner))
    }

    /// Takes a place in any case: for the client that made the response, whose number is bounded with that of the
    /// responses.
    pub(crate) fn enter_first(&self, id: &ResponseId, owner: &str) -> ReaderPlace {
        self.count(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), id, owner)
    }

    fn count(&self, counts: &mut Counts, id: &ResponseId, owner: &str) -> ReaderPlace {
        *counts.responses.entry(id.clone()).or_default() += 1;
        *counts.owners.entry(owner.to_owned()).or_default() += 1;
        ReaderPlace { readers: self.clone(), id: id.clone(), owner: owner.to_owned() }
    }
}

impl Drop for ReaderPlace {
    fn drop(&mut self) {
        let mut counts = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        leave(&mut counts.responses, &self.id);
        leave(&mut counts.owners, &self.owner);
    }
}

fn leave<K: Eq + Hash>(counts: &mut HashMap<K, usize>, key: &K) {
    if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn places_are_counted_for_responses_and_owners() {
        let (readers, one, two) = (Readers::default(), ResponseId::new(), ResponseId::new());
        let enter = |id: &ResponseId, owner| readers.enter(id, owner, 2, 3);
        let first = enter(&one, "alice").unwrap();
        let _second = enter(&one, "bob").unwrap();
        assert_eq!(enter(&one, "alice").unwrap_err(), TooManyReaders::OfResponse(2));
        let _third = (enter(&two, "alice").unwrap(), enter(&two, "alice").unwrap());
        let three = ResponseId::new();
        assert_eq!(enter(&three, "alice").unwrap_err(), TooManyReaders::OfOwner(3));
        drop(first);
        let _again = enter(&one, "alice").unwrap();
    }

    #[test]
    fn nothing_is_kept_of_those_who_left() {
        let (readers, id) = (Readers::default(), ResponseId::new());
        drop(readers.enter(&id, "alice", 1, 1).unwrap());
        let counts = readers.0.lock().unwrap();
        assert!(counts.responses.is_empty() && counts.owners.is_empty());
    }
}
