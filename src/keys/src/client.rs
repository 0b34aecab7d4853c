//! Who makes a request.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::limits::{Budgets, Rates};
use crate::pattern::Pattern;
use crate::record::KeyRecord;
use crate::secret::KeyId;

/// Name of the one client while nobody has to show a key.
pub const LOCAL: &str = "local";

/// Who makes a request: a key of the configuration, a stored one, or [`LOCAL`].
///
/// It is as the key was when the request came; what changes later holds for later requests.
#[derive(Clone, Debug, PartialEq)]
pub struct Client {
    /// Owner of what is stored for it.
    pub name: Arc<str>,
    /// Of a stored key. Counts that outlive a request should go by it where it is there: a name may come to another key.
    pub key: Option<KeyId>,
    /// Clients that have budgets in common.
    pub group: Option<Arc<str>>,
    /// The operator's words about it.
    pub tags: BTreeMap<String, String>,
    /// What it may ask for in a minute.
    pub rates: Rates,
    /// What it may use in a day and a month.
    pub budgets: Budgets,
    /// Models and providers that it may use; `None`: all.
    access: Option<Access>,
}

#[derive(Clone, Debug, PartialEq)]
struct Access {
    models: Vec<Pattern>,
    providers: Vec<Pattern>,
}

impl Client {
    /// One that may use everything.
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            key: None,
            group: None,
            tags: BTreeMap::new(),
            rates: Rates::default(),
            budgets: Budgets::default(),
            access: None,
        }
    }

    /// The client that shows this key.
    pub(crate) fn of(record: &KeyRecord) -> Self {
        let settings = &record.settings;
        Self {
            key: Some(record.id),
            group: settings.group.as_deref().map(Arc::from),
            tags: settings.tags.clone(),
            rates: settings.rates,
            budgets: settings.budgets,
            access: Some(Access { models: settings.models.clone(), providers: settings.providers.clone() }),
            ..Self::named(record.name.as_str())
        }
    }

    /// Whether it may use this model of this provider. `provider`: its name in the configuration; `model`: as the provider
    /// knows it. To be asked of every target of a request.
    pub fn allows(&self, provider: &str, model: &str) -> bool {
        let Some(Access { models, providers }) = &self.access else { return true };
        let any = |patterns: &[Pattern], name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        any(providers, provider) && any(models, model)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(models: &[&str], providers: &[&str], provider: &str, model: &str, want: bool) {
        let patterns = |texts: &[&str]| {
            texts.iter().map(|text| Pattern::try_from((*text).to_owned()).unwrap()).collect()
        };
        let access = Some(Access { models: patterns(models), providers: patterns(providers) });
        let client = Client { access, ..Client::named("ada") };
        assert_eq!(client.allows(provider, model), want, "{models:?} {providers:?} {provider}/{model}");
    }

    #[test]
    fn model_and_provider_must_both_be_allowed() {
        check(&["*"], &["*"], "openai", "gpt-5", true);
        check(&["gpt-*"], &["*"], "openai", "gpt-5", true);
        check(&["gpt-*"], &["*"], "azure", "gpt-5", true);
        check(&["gpt-*"], &["azure"], "openai", "gpt-5", false);
        check(&["gpt-*"], &["*"], "openai", "o3", false);
        // A model's own name may have a slash, and then it is no provider of ours that stands before it.
        check(&["openai/*"], &["*"], "openrouter", "openai/gpt-5", true);
        check(&["openai/*"], &["*"], "openai", "o3", false);
        check(&["o3", "gpt-5"], &["a", "openai"], "openai", "gpt-5", true);
    }

    #[test]
    fn who_has_no_stored_key_may_use_everything() {
        assert!(Client::named(LOCAL).allows("any", "thing"));
    }
}
