//! `[webhooks.<endpoint>]`: who is told of the ends of background responses.

use or_store::EventType;
use serde::{Deserialize, Serialize};

/// One endpoint. Its name is the key of the table; events that wait for it go by that name.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookConfig {
    pub url: String,
    /// Variable with a secret, `whsec_…`, or several with commas: each makes a signature.
    pub secret_env: String,
    /// Empty: all.
    pub events: Vec<EventType>,
    /// Names of client keys; empty: all.
    pub clients: Vec<String>,
}

/// `[webhook_limits]`: bounds of all endpoints.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookLimits {
    /// Of one try.
    pub timeout_s: u64,
    /// Tries at the same time, for each endpoint.
    pub max_concurrent: usize,
    /// Longest pause behind a first try that failed; later ones grow.
    pub first_retry_s: u64,
    /// An event that is older is not sent any more.
    pub give_up_after_s: u64,
    /// Deliveries of one client's events that may wait.
    pub max_waiting_per_client: u64,
}

impl Default for WebhookLimits {
    fn default() -> Self {
        Self {
            timeout_s: 15,
            max_concurrent: 8,
            first_retry_s: 5,
            give_up_after_s: 86_400,
            max_waiting_per_client: 10_000,
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::{Config, Env};

    const TABLE: &str = "[webhooks.a]\nurl = 'https://x/hook?key=hush'\nsecret_env = 'SECRET'\n";
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[track_caller]
    fn check_error(toml: &str, secret: &str, want: &str) {
        let resolved = Config::from_toml(toml).and_then(|c| c.resolve(&Env::from_iter([("SECRET", secret)])));
        let got = resolved.unwrap_err().to_string();
        assert_eq!(got.replace(" in the given configuration", ""), want);
    }

    #[test]
    fn an_endpoint_is_read_with_its_filters() {
        let toml =
            format!("{TABLE}events = ['response.failed', 'response.approval_required']\nclients = ['ann']");
        let config = Config::from_toml(&toml).unwrap();
        config.check().unwrap();
        let want = WebhookConfig {
            url: "https://x/hook?key=hush".into(),
            secret_env: "SECRET".into(),
            events: vec![EventType::Failed, EventType::ApprovalRequired],
            clients: vec!["ann".into()],
        };
        assert_eq!(config.webhooks["a"], want);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        check_error("[webhooks.a]\nsecret_env = 'SECRET'", SECRET, "`webhooks.a.url` is missing");
        check_error("[webhooks.a]\nurl = 'http://x'", SECRET, "`webhooks.a.secret_env` is missing");
        let want = "`webhooks.a.events` must be one of `response.completed`, `response.failed`, \
                    `response.incomplete`, `response.cancelled`, `response.approval_required`";
        check_error(&format!("{TABLE}events = ['done']"), SECRET, want);
        let want = "`webhooks.a.clients` must be a list of names of client keys";
        check_error(&format!("{TABLE}clients = ['a/b']"), SECRET, want);
    }

    #[test]
    fn a_secret_is_one_of_standard_webhooks() {
        let unset = "`webhooks.a.secret_env` names the variable `SECRET`, which is not set or empty";
        check_error(TABLE, "", unset);
        let bad = "`webhooks.a.secret_env` names the variable `SECRET`, whose value is not `whsec_` with 24 to 64 bytes \
                   in base64";
        for secret in ["hunter2hunter2hunter2", "whsec_AAAA", ",", &format!("{SECRET},?")] {
            check_error(TABLE, secret, bad);
        }
        let two = Env::from_iter([("SECRET", format!("{SECRET}, {SECRET}"))]);
        let resolved = Config::from_toml(TABLE).unwrap().resolve(&two).unwrap();
        assert_eq!(resolved.webhooks["a"].len(), 2);
        assert!(!format!("{resolved:?}").contains("MfKQ"), "it is secret");
        let line = "webhook      a (http at https://x/hook): all events of all clients";
        assert!(resolved.to_string().contains(line), "{resolved}");
    }
}
