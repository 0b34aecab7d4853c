//! All stored keys, and the rules by which they are made and changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::client::LOCAL;
use crate::error::KeyError;
use crate::record::{KeyRecord, KeySettings, KeyView, Previous};
use crate::secret::{KeyId, NewSecret};

/// Most stored keys. Each change makes the table of all of them anew.
const MOST: usize = 10_000;
/// Longest time for which a secret works beside its successor, in seconds.
const MAX_OVERLAP_S: u64 = 30 * 86_400;

/// All stored keys. A change is asked for here, kept by a store, and then put in here.
#[derive(Clone, Debug, Default)]
pub struct Ring {
    by_name: BTreeMap<String, Arc<KeyRecord>>,
    /// Names of the configuration's keys, which win.
    configured: BTreeSet<String>,
}

/// A key to make.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// Its name.
    pub name: String,
    /// Whether it is to have the responses that are stored under the name, if there are any.
    pub inherit_responses: bool,
    /// All else.
    pub settings: KeySettings,
}

impl NewKey {
    /// Reads the body of a request: `name`, `inherit_responses`, and the members of [`KeySettings`].
    pub fn parse(body: Value, now: i64) -> Result<Self, KeyError> {
        let invalid = |param: &str, text: &str| KeyError::Invalid { param: param.into(), text: text.into() };
        let Value::Object(mut members) = body else {
            return Err(invalid("body", "The body must be a JSON object."));
        };
        let Some(Value::String(name)) = members.shift_remove("name") else {
            return Err(invalid("name", "'name' must be a text."));
        };
        let inherit_responses = match members.shift_remove("inherit_responses") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(inherit)) => inherit,
            Some(_) => {
                return Err(invalid("inherit_responses", "'inherit_responses' must be true or false."));
            }
        };
        if let Some(problem) = name_problem(&name) {
            return Err(KeyError::Invalid { param: "name".into(), text: format!("A client key {problem}.") });
        }
        let settings = KeySettings::parse(Value::Object(members), now)?;
        Ok(Self { name, inherit_responses, settings })
    }
}

/// What is wrong with the name of a client key.
pub fn name_problem(name: &str) -> Option<&'static str> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !(1..=64).contains(&name.len()) || !name.chars().all(good) {
        return Some("must have a name of 1 to 64 letters, digits, `-`, `_` or `.`");
    }
    // Owners that are there without a stored key, and ids.
    (name == LOCAL || name.starts_with("key-") || name.starts_with(KeyId::PREFIX))
        .then_some("cannot be called `local`, `key-…` or `key_…`, which are names of the server's own")
}

impl Ring {
    /// Has these as the names of the configuration's keys, in place of those before.
    pub fn set_configured(&mut self, configured: impl IntoIterator<Item = String>) {
        self.configured = configured.into_iter().collect();
    }

    /// The keys of a store. `configured`: names of the configuration's keys.
    pub fn new(records: Vec<KeyRecord>, configured: impl IntoIterator<Item = String>) -> Self {
        let by_name = records.into_iter().map(|record| (record.name.clone(), Arc::new(record)));
        Self { by_name: by_name.collect(), configured: configured.into_iter().collect() }
    }

    /// All keys in the order of their names.
    pub fn records(&self) -> impl Iterator<Item = &Arc<KeyRecord>> {
        self.by_name.values()
    }

    /// Whether a key of the configuration has this name and wins.
    pub fn is_shadowed(&self, name: &str) -> bool {
        self.configured.contains(name)
    }

    /// The key with this name or id.
    pub fn find(&self, key: &str) -> Result<&Arc<KeyRecord>, KeyError> {
        let found = match KeyId::parse(key) {
            Some(id) => self.by_name.values().find(|record| record.id == id),
            None => self.by_name.get(key),
        };
        found.ok_or_else(|| KeyError::NotFound(key.chars().take(100).collect()))
    }

    /// A key as it is shown.
    pub fn view(&self, record: &KeyRecord, now: i64) -> KeyView {
        record.view(now, self.is_shadowed(&record.name))
    }

    /// Up to `limit` keys behind the one of this name or id, and whether there are more.
    pub fn page(&self, after: Option<&str>, limit: usize) -> Result<(Vec<&Arc<KeyRecord>>, bool), KeyError> {
        let after = after.map(|after| self.find(after).map(|record| record.name.as_str())).transpose()?;
        let mut rest =
            self.by_name.values().skip_while(|record| after.is_some_and(|after| *record.name <= *after));
        let page = rest.by_ref().take(limit).collect();
        Ok((page, rest.next().is_some()))
    }

    /// A new key. `has_responses`: whether some are stored under a name.
    pub fn create(
        &self,
        new: NewKey,
        has_responses: impl FnOnce(&str) -> bool,
        now: i64,
    ) -> Result<(KeyRecord, NewSecret), KeyError> {
        let NewKey { name, inherit_responses, settings } = new;
        if self.configured.contains(&name) {
            return Err(KeyError::OfConfig(name));
        }
        if self.by_name.contains_key(&name) {
            return Err(KeyError::Taken(name));
        }
        if self.by_name.len() >= MOST {
            return Err(KeyError::TooMany(MOST));
        }
        if !inherit_responses && has_responses(&name) {
            return Err(KeyError::HasResponses(name));
        }
        let id = KeyId::random()?;
        let secret = NewSecret::random(id)?;
        let record = KeyRecord {
            id,
            name,
            settings,
            hash: secret.hash(),
            previous: None,
            created_at: now,
            last_used_at: None,
            rotated_at: None,
            revoked_at: None,
        };
        Ok((record, secret))
    }

    /// The key with another secret. The one it has goes on working for `overlap_s`; one before that does not.
    pub fn rotate(&self, key: &str, overlap_s: u64, now: i64) -> Result<(KeyRecord, NewSecret), KeyError> {
        let old = self.changeable(key)?;
        if overlap_s > MAX_OVERLAP_S {
            let text = format!("'overlap_s' must be from 0 to {MAX_OVERLAP_S}, found {overlap_s}.");
            return Err(KeyError::Invalid { param: "overlap_s".into(), text });
        }
        let secret = NewSecret::random(old.id)?;
        let until = now.saturating_add_unsigned(overlap_s);
        let previous = (overlap_s > 0).then_some(Previous { hash: old.hash, until });
        let record =
            KeyRecord { hash: secret.hash(), previous, rotated_at: Some(now), ..KeyRecord::clone(old) };
        Ok((record, secret))
    }

    /// The key with other settings. `patch`: a merge patch (RFC 7396) of them.
    pub fn update(&self, key: &str, patch: &Value, now: i64) -> Result<KeyRecord, KeyError> {
        let old = self.changeable(key)?;
        if !patch.is_object() {
            let text = "The body must be a JSON object.".into();
            return Err(KeyError::Invalid { param: "body".into(), text });
        }
        let settings = old.settings.patched(patch, now)?;
        Ok(KeyRecord { settings, ..KeyRecord::clone(old) })
    }

    /// The key revoked. One that is revoked already stays as it is.
    pub fn revoke(&self, key: &str, now: i64) -> Result<KeyRecord, KeyError> {
        let old = KeyRecord::clone(self.find(key)?);
        Ok(KeyRecord { revoked_at: old.revoked_at.or(Some(now)), previous: None, ..old })
    }

    /// Takes in what a store has.
    pub fn put(&mut self, record: impl Into<Arc<KeyRecord>>) {
        let record = record.into();
        self.by_name.insert(record.name.clone(), record);
    }

    /// Forgets what a store has no more.
    pub fn remove(&mut self, id: KeyId) {
        self.by_name.retain(|_, record| record.id != id);
    }

    fn changeable(&self, key: &str) -> Result<&Arc<KeyRecord>, KeyError> {
        let found = self.find(key)?;
        match found.revoked_at {
            Some(_) => Err(KeyError::Revoked(found.name.clone())),
            None => Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;
    use crate::record::KeyState;

    fn ring(names: &[&str]) -> Ring {
        let mut ring = Ring::new(Vec::new(), ["static".to_owned()]);
        for name in names {
            let new = NewKey::parse(json!({"name": name}), 100).unwrap();
            let (record, _) = ring.create(new, |_| false, 100).unwrap();
            ring.put(record);
        }
        ring
    }

    /// `want`: what is wrong with this body of a new key.
    #[track_caller]
    fn check_refused(body: Value, want: &str) {
        let made = NewKey::parse(body, 100)
            .and_then(|new| ring(&["ada"]).create(new, |name| name == "old", 100).map(|(record, _)| record));
        let error = made.unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn a_bad_key_is_refused() {
        check_refused(json!([]), "must be a JSON object");
        check_refused(json!({"group": "g"}), "'name' must be a text");
        for name in ["", "a b", "local", "key-1", "key_0123456789abcdef", &"x".repeat(65)] {
            check_refused(json!({ "name": name }), "A client key ");
        }
        check_refused(json!({"name": "x", "moddels": []}), "unknown field `moddels`");
        check_refused(json!({"name": "x", "models": []}), "'models' has 1 to 64 patterns");
        check_refused(json!({"name": "x", "models": ["a b"]}), "no white space");
        check_refused(json!({"name": "x", "limits": {"max_concurrent": 1_000_001}}), "limits.max_concurrent");
        check_refused(json!({"name": "x", "rates": {"tokens_per_minute": 0}}), "rates.tokens_per_minute");
        check_refused(json!({"name": "x", "budgets": {"usd_per_day": -1}}), "dollars");
        check_refused(json!({"name": "x", "expires_at": 100}), "in the future");
        check_refused(json!({"name": "x", "tags": {"": "y"}}), "tags");
        check_refused(json!({"name": "ada"}), "already");
        check_refused(json!({"name": "static"}), "The configuration has");
    }

    #[test]
    fn a_new_key_gets_what_is_stored_under_its_name_only_if_it_is_said() {
        check_refused(json!({"name": "old"}), "Responses are stored");
        let new = NewKey::parse(json!({"name": "old", "inherit_responses": true}), 100).unwrap();
        assert!(ring(&[]).create(new, |_| true, 100).is_ok());
    }

    #[test]
    fn a_patch_changes_what_it_names() {
        let mut ring = ring(&["ada"]);
        let all = json!({"group": "g", "models": ["gpt-*"], "limits": {"max_concurrent": 3, "max_background": 2},
                         "expires_at": 200});
        let record = ring.update("ada", &all, 100).unwrap();
        ring.put(record);
        let patch = json!({"limits": {"max_concurrent": null}, "models": null, "tags": {"team": "x"}});
        // What has expired meanwhile stays so, and can be changed all the same.
        let changed = ring.update("ada", &patch, 300).unwrap();
        let want = json!({"group": "g", "models": ["*"], "providers": ["*"], "limits": {"max_background": 2},
                          "rates": {}, "budgets": {}, "expires_at": 200, "tags": {"team": "x"}});
        assert_eq!(serde_json::to_value(&changed.settings).unwrap(), want);
        assert!(ring.update("ada", &json!({"expires_at": 300}), 300).is_err());
        assert!(ring.update("ada", &json!({"name": "bob"}), 300).is_err());
        assert!(ring.update("ada", &json!("x"), 300).is_err());
    }

    #[test]
    fn revoking_is_for_good() {
        let mut ring = ring(&["ada"]);
        let (rotated, _) = ring.rotate("ada", 60, 100).unwrap();
        ring.put(rotated);
        let revoked = ring.revoke("ada", 110).unwrap();
        assert_eq!((revoked.revoked_at, &revoked.previous), (Some(110), &None));
        ring.put(revoked.clone());
        assert_eq!(ring.view(&revoked, 120).state, KeyState::Revoked);
        assert_eq!(ring.revoke("ada", 200).unwrap(), revoked);
        assert_eq!(ring.rotate("ada", 0, 200).unwrap_err(), KeyError::Revoked("ada".into()));
        assert_eq!(ring.update("ada", &json!({}), 200).unwrap_err(), KeyError::Revoked("ada".into()));
    }

    #[test]
    fn keys_are_found_by_name_and_id_and_told_in_pages() {
        let ring = ring(&["b", "a", "d", "c"]);
        let names = |page: Vec<&Arc<KeyRecord>>| page.iter().map(|r| r.name.clone()).collect::<Vec<_>>();
        let (page, more) = ring.page(None, 2).unwrap();
        assert_eq!((names(page), more), (vec!["a".to_owned(), "b".to_owned()], true));
        let after = ring.find("b").unwrap().id.to_string();
        let (page, more) = ring.page(Some(&after), 2).unwrap();
        assert_eq!((names(page), more), (vec!["c".to_owned(), "d".to_owned()], false));
        assert_eq!(ring.page(Some("x"), 2).unwrap_err(), KeyError::NotFound("x".into()));
    }
}
