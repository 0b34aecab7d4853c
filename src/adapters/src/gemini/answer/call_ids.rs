//! Call ids: Gemini's own where it gives one, made here otherwise. The engine makes none for this provider, for the sealed
//! state before a call names it by its id.

use std::collections::HashSet;
use std::hash::Hasher;

use or_protocol::Item;

use crate::ModelRequest;
use crate::gemini::seal::PREFIX;
use crate::shared::names::{Fnv, fingerprint};

/// Gives every call of a turn an id that no other call of the context has.
#[derive(Debug)]
pub(super) struct CallIds {
    /// Fingerprints of the ids in use.
    taken: HashSet<u64>,
    /// Depends on the model and on everything called before, so it differs from turn to turn.
    seed: Fnv,
    made: u64,
}

impl CallIds {
    pub(super) fn new(request: &ModelRequest<'_>) -> Self {
        let mut seed = Fnv::default();
        seed.write(request.model.as_bytes());
        seed.write_usize(request.context.len());
        let mut taken = HashSet::new();
        for item in request.context {
            let id = match item {
                Item::FunctionCall(call) => &call.call_id,
                Item::CustomToolCall(call) => &call.call_id,
                _ => continue,
            };
            let print = fingerprint(id.as_bytes());
            seed.write_u64(print);
            taken.insert(print);
        }
        Self { taken, seed, made: 0 }
    }

    /// The id of a new call; `given` is Gemini's. True if that one could be used.
    pub(super) fn next(&mut self, given: Option<&str>, name: &str) -> (String, bool) {
        if let Some(id) = given.filter(|id| id.len() <= MAX_LEN)
            && self.taken.insert(fingerprint(id.as_bytes()))
        {
            return (id.to_owned(), true);
        }
        loop {
            self.made += 1;
            let mut hash = self.seed;
            hash.write_u64(self.made);
            hash.write(name.as_bytes());
            let id = format!("{PREFIX}{:016x}", hash.finish());
            if self.taken.insert(fingerprint(id.as_bytes())) {
                return (id, false);
            }
        }
    }
}

/// Longest `call_id` of the API.
const MAX_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use or_protocol::{FunctionCall, Settings};

    use super::*;
    use crate::gemini::seal::is_made;

    fn ids(context: &[Item]) -> CallIds {
        let settings = Settings::default();
        CallIds::new(&ModelRequest { model: "m", context, settings: &settings, stream: true })
    }

    fn call(id: &str) -> Item {
        Item::FunctionCall(FunctionCall {
            id: None,
            call_id: id.into(),
            name: "f".into(),
            namespace: None,
            arguments: "{}".into(),
            status: None,
            extra: or_protocol::Extra::NONE,
        })
    }

    #[test]
    fn made_ids_differ_within_a_turn_and_between_turns() {
        let mut context = Vec::new();
        let mut seen = HashSet::new();
        for _ in 0..50 {
            let mut ids = ids(&context);
            for _ in 0..4 {
                let (id, given) = ids.next(None, "f");
                assert!(is_made(&id) && !given);
                assert!(seen.insert(id.clone()), "{id} twice");
                context.push(call(&id));
            }
        }
    }

    #[test]
    fn the_same_turn_gives_the_same_ids() {
        assert_eq!(ids(&[call("a")]).next(None, "f"), ids(&[call("a")]).next(None, "f"));
    }

    #[test]
    fn an_id_that_gemini_gave_before_is_replaced() {
        let mut ids = ids(&[call("abc")]);
        assert!(!ids.next(Some("abc"), "f").1);
        assert_eq!(ids.next(Some("xyz"), "f"), ("xyz".to_owned(), true));
        assert!(!ids.next(Some("xyz"), "f").1);
    }
}
