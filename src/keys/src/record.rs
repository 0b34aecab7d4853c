//! A key as it is kept, and as it is shown.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::KeyError;
use crate::limits::{Budgets, OwnLimits, Rates};
use crate::pattern::Pattern;
use crate::secret::{Hash, KeyId, as_hex};

/// Most patterns of one list.
const PATTERNS: usize = 64;
/// Most tags, and their longest names and values in bytes.
const TAGS: (usize, usize, usize) = (16, 64, 512);
/// Longest settings, as JSON in bytes: a store keeps a key in one value.
const SETTINGS: usize = 3000;
/// Longest name of a group, in bytes.
const GROUP: usize = 64;
/// The last moment that can be written: the end of the year 9999.
const LATEST: i64 = 253_402_300_799;

/// What an operator says of a key; all of it can be changed.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeySettings {
    /// Keys of one group can have a budget in common.
    pub group: Option<String>,
    /// Models that it may use, by the names that their providers know.
    pub models: Vec<Pattern>,
    /// Providers that it may use, by their names in the configuration.
    pub providers: Vec<Pattern>,
    /// Its shares of the server.
    pub limits: OwnLimits,
    /// What it may ask for in a minute.
    pub rates: Rates,
    /// What it may use in a day and a month.
    pub budgets: Budgets,
    /// From when on it is not let in, Unix seconds.
    pub expires_at: Option<i64>,
    /// The operator's own words about it, for logs and bills.
    pub tags: BTreeMap<String, String>,
}

impl Default for KeySettings {
    /// All models and providers, for ever.
    fn default() -> Self {
        Self {
            group: None,
            models: vec![Pattern::any()],
            providers: vec![Pattern::any()],
            limits: OwnLimits::default(),
            rates: Rates::default(),
            budgets: Budgets::default(),
            expires_at: None,
            tags: BTreeMap::new(),
        }
    }
}

impl KeySettings {
    /// Reads what an operator says; what is not said, or null, has its default. `now`: a moment that has passed is no
    /// expiry.
    pub fn parse(mut said: Value, now: i64) -> Result<Self, KeyError> {
        if let Value::Object(members) = &mut said {
            members.retain(|_, value| !value.is_null());
        }
        let settings: Self = serde_json::from_value(said).map_err(|error| KeyError::Invalid {
            param: "body".into(),
            text: format!("The key's settings do not read: {error}."),
        })?;
        settings.check(now)?;
        Ok(settings)
    }

    /// With the changes of a merge patch (RFC 7396): members replace those of the same name, null brings the default back.
    pub(crate) fn patched(&self, patch: &Value, now: i64) -> Result<Self, KeyError> {
        let mut said = serde_json::to_value(self)
            .map_err(|error| KeyError::Invalid { param: "body".into(), text: error.to_string() })?;
        merge(&mut said, patch);
        // One that has expired may be changed as long as that is left as it is.
        let since =
            if said.get("expires_at") == Some(&Value::from(self.expires_at)) { i64::MIN } else { now };
        Self::parse(said, since)
    }

    fn check(&self, now: i64) -> Result<(), KeyError> {
        let invalid = |param: &str, text: String| Err(KeyError::Invalid { param: param.into(), text });
        if self.group.as_ref().is_some_and(|group| !is_word(group, GROUP)) {
            return invalid("group", format!("A group has 1 to {GROUP} bytes and no control characters."));
        }
        for (param, patterns) in [("models", &self.models), ("providers", &self.providers)] {
            if !(1..=PATTERNS).contains(&patterns.len()) {
                let text =
                    format!("'{param}' has 1 to {PATTERNS} patterns; leave it out, or say `*`, for all.");
                return invalid(param, text);
            }
        }
        if self.expires_at.is_some_and(|at| !(now.saturating_add(1)..=LATEST).contains(&at)) {
            return invalid("expires_at", "'expires_at' must be in the future, in Unix seconds.".into());
        }
        let (most, name, value) = TAGS;
        let fits = |(tag, said): (&String, &String)| {
            is_word(tag, name) && said.len() <= value && !said.contains(char::is_control)
        };
        if self.tags.len() > most || !self.tags.iter().all(fits) {
            let text = format!(
                "There are at most {most} tags, with names of 1 to {name} and values of up to {value} bytes."
            );
            return invalid("tags", text);
        }
        let bytes = serde_json::to_vec(self).map_or(usize::MAX, |json| json.len());
        if bytes > SETTINGS {
            return invalid(
                "body",
                format!("The settings of a key have at most {SETTINGS} bytes as JSON, found {bytes}."),
            );
        }
        self.limits.check()?;
        self.rates.check()?;
        self.budgets.check()
    }
}

fn is_word(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.len()) && !text.contains(char::is_control)
}

fn merge(into: &mut Value, patch: &Value) {
    match (into, patch) {
        (Value::Object(into), Value::Object(patch)) => {
            for (name, change) in patch {
                match into.get_mut(name) {
                    _ if change.is_null() => drop(into.remove(name)),
                    Some(member) => merge(member, change),
                    None => drop(into.insert(name.clone(), change.clone())),
                }
            }
        }
        (into, patch) => *into = patch.clone(),
    }
}

/// A key as it is kept. It has no secret, only its hash.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct KeyRecord {
    /// Its own for good.
    pub id: KeyId,
    /// Owner of what is stored with it; no other key has it at the same time.
    pub name: String,
    /// What the operator says.
    pub settings: KeySettings,
    /// Of its secret.
    #[serde(with = "as_hex")]
    pub hash: Hash,
    /// The secret before, while it works.
    pub previous: Option<Previous>,
    /// Unix seconds, as all times here.
    pub created_at: i64,
    /// As known when the record was written, which is somewhat later than the use.
    pub last_used_at: Option<i64>,
    /// When its present secret was made, if that is not the first.
    pub rotated_at: Option<i64>,
    /// When it was revoked, which is for good.
    pub revoked_at: Option<i64>,
}

/// A secret that was replaced and still works for some time.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub struct Previous {
    /// Of the secret.
    #[serde(with = "as_hex")]
    pub hash: Hash,
    /// From when on it does not work.
    pub until: i64,
}

/// Whether a key is let in.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyState {
    /// It is.
    Active,
    /// Its time is over.
    Expired,
    /// It was revoked.
    Revoked,
    /// A key of the configuration has its name and wins.
    Shadowed,
}

impl KeyState {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
            Self::Shadowed => "shadowed",
        }
    }
}

impl KeyRecord {
    /// As it is shown.
    pub(crate) fn view(&self, now: i64, shadowed: bool) -> KeyView {
        let expired = self.settings.expires_at.is_some_and(|at| at <= now);
        let state = match (self.revoked_at, expired, shadowed) {
            (Some(_), ..) => KeyState::Revoked,
            (None, true, _) => KeyState::Expired,
            (None, false, true) => KeyState::Shadowed,
            (None, false, false) => KeyState::Active,
        };
        let previous =
            self.previous.as_ref().filter(|previous| previous.until > now && self.revoked_at.is_none());
        KeyView {
            object: "client_key",
            id: self.id,
            name: self.name.clone(),
            state,
            secret_prefix: self.id.secret_prefix(),
            secret: None,
            settings: self.settings.clone(),
            created_at: self.created_at,
            last_used_at: self.last_used_at,
            rotated_at: self.rotated_at,
            previous_secret_until: previous.map(|previous| previous.until),
            revoked_at: self.revoked_at,
        }
    }
}

/// A key as it is shown: the admin API's object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KeyView {
    /// Always `client_key`.
    pub object: &'static str,
    /// Its id.
    pub id: KeyId,
    /// Its name.
    pub name: String,
    /// Whether it is let in.
    pub state: KeyState,
    /// How its secrets begin.
    pub secret_prefix: String,
    /// The secret: only in the answer that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// What the operator says.
    #[serde(flatten)]
    pub settings: KeySettings,
    /// Unix seconds, as all times here.
    pub created_at: i64,
    /// When it was last let in; behind by up to a minute after a crash of the server.
    pub last_used_at: Option<i64>,
    /// When its present secret was made, if that is not the first.
    pub rotated_at: Option<i64>,
    /// From when on the secret before does not work, if it does now.
    pub previous_secret_until: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<i64>,
}
