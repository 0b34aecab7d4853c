//! What of a changed configuration a running server cannot take over.

use toml::{Table, Value};

use super::Config;

/// Keys, and tables with all their keys, that are read when the server starts and not again.
const FIXED: [&str; 14] = [
    "server.bind",
    "server.workers",
    "server.max_bytes_in_flight",
    "server.client_write_timeout_s",
    "server.max_connections",
    "server.cors_allowed_origins",
    "server.log_format",
    "metrics.bind",
    "telemetry",
    "admin",
    "store",
    "security.seal_key_env",
    "webhooks",
    "webhook_limits",
];

/// The keys in which two configurations differ and that only a restart puts in force, such as `server.bind`.
pub fn restart_wanted(before: &Config, after: &Config) -> Vec<String> {
    let tables = [before, after].map(|config| Table::try_from(config).unwrap_or_default());
    let [before, after] = tables.each_ref().map(|table| {
        move |key: &str| {
            let mut parts = key.split('.');
            let first = parts.next().and_then(|part| table.get(part));
            parts.fold(first, |value, part| value.and_then(|value: &Value| value.get(part)))
        }
    });
    FIXED.iter().filter(|key| before(key) != after(key)).map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::read::schema;

    #[track_caller]
    fn check(before: &str, after: &str, want: &[&str]) {
        let [before, after] = [before, after].map(|text| Config::from_toml(text).unwrap());
        assert_eq!(restart_wanted(&before, &after), want);
    }

    #[test]
    fn only_fixed_keys_that_differ_are_named() {
        check("", "", &[]);
        check("", "server.bind = '127.0.0.1:1'\nserver.keepalive_s = 7", &["server.bind"]);
        check("[store]\npath = 'a'", "[store]\npath = 'b'\nretention_days = 3", &["store"]);
        check("", "[webhooks.a]\nurl = 'http://x'\nsecret_env = 'S'", &["webhooks"]);
        check("", "[providers.openai]\nkind = 'openai-chat'\nbase_url = 'http://x/v1'", &[]);
    }

    #[test]
    fn every_fixed_key_is_one() {
        for fixed in FIXED {
            let is_key = |key: &str| key == fixed || key.starts_with(&format!("{fixed}."));
            assert!(schema::keys().any(is_key), "{fixed}");
        }
    }
}
