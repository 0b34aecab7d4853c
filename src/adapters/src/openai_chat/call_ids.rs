//! Call ids in the form a host demands. The map is one to one within a request, and the same id becomes
//! the same short one in every request as long as no other id stands in its way.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::hash::Hasher;

use super::quirks::CallIdForm;
use crate::shared::names::Fnv;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// The ids of one request.
pub(super) struct CallIds {
    form: CallIdForm,
    short: HashMap<String, String>,
}

impl CallIds {
    /// Decides for all ids at once, so that an id which fits already keeps its form.
    pub(super) fn new<'a>(form: CallIdForm, ids: impl Iterator<Item = &'a str>) -> Self {
        let mut short = HashMap::new();
        let mut taken: HashSet<String> = HashSet::new();
        let mut long = Vec::new();
        if form != CallIdForm::Any {
            for id in ids {
                if fits(form, id) {
                    taken.insert(id.to_owned());
                } else {
                    long.push(id);
                }
            }
        }
        for id in long {
            if short.contains_key(id) {
                continue;
            }
            let mut salt = 0;
            let made = loop {
                let candidate = shorten(form, id, salt);
                if taken.insert(candidate.clone()) {
                    break candidate;
                }
                salt += 1;
            };
            short.insert(id.to_owned(), made);
        }
        Self { form, short }
    }

    /// The host's form of an id.
    pub(super) fn get<'a>(&self, id: &'a str) -> Cow<'a, str> {
        if self.form == CallIdForm::Any {
            return Cow::Borrowed(id);
        }
        self.short.get(id).map_or(Cow::Borrowed(id), |short| Cow::Owned(short.clone()))
    }
}

fn fits(form: CallIdForm, id: &str) -> bool {
    match form {
        CallIdForm::Any => true,
        CallIdForm::Alnum9 => id.len() == 9 && id.bytes().all(|b| b.is_ascii_alphanumeric()),
        CallIdForm::Max40 => id.len() <= 40,
    }
}

fn shorten(form: CallIdForm, id: &str, salt: u64) -> String {
    let mut hash = Fnv::salted(salt);
    hash.write(id.as_bytes());
    let mut hash = hash.finish();
    match form {
        CallIdForm::Any | CallIdForm::Max40 => format!("call_{hash:016x}"),
        CallIdForm::Alnum9 => {
            let mut out = String::with_capacity(9);
            for _ in 0..9 {
                let digit = usize::try_from(hash % 62).unwrap_or(0);
                out.push(ALPHABET.get(digit).copied().unwrap_or(b'0').into());
                hash /= 62;
            }
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_fit_stay_and_others_become_short_and_distinct() {
        let long = ["call_abcdefghijklmnop".to_owned(), "toolu_1".to_owned(), "abc123XYZ".to_owned()];
        let ids = CallIds::new(CallIdForm::Alnum9, long.iter().map(String::as_str));
        let made: Vec<_> = long.iter().map(|id| ids.get(id).into_owned()).collect();
        assert!(made.iter().all(|id| fits(CallIdForm::Alnum9, id)), "{made:?}");
        assert_eq!(made[2], "abc123XYZ");
        assert_eq!(made.iter().collect::<HashSet<_>>().len(), 3);
        let again = CallIds::new(CallIdForm::Alnum9, long.iter().rev().map(String::as_str));
        assert_eq!(again.get(&long[0]), made[0]);
    }

    #[test]
    fn only_long_ids_are_cut_to_forty() {
        let id = "x".repeat(41);
        let ids = CallIds::new(CallIdForm::Max40, [id.as_str(), "short"].into_iter());
        assert_eq!(ids.get("short"), "short");
        assert!(ids.get(&id).len() <= 40);
    }
}
