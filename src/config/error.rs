//! Why a configuration was refused.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use or_telemetry::otlp::OtlpError;

/// Why the server does not start with this configuration.
///
/// The text names the key, where it was set, and never a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the config file `{}` does not exist", path.display())]
    NoFile { path: PathBuf },
    #[error("the config file `{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{origin} is not valid TOML")]
    Syntax { origin: Origin, source: toml::de::Error },
    #[error("unknown key `{key}` in {origin}{}", hint(nearest.as_deref()))]
    UnknownKey { key: String, origin: Origin, nearest: Option<String> },
    #[error("`{key}` is missing in {origin}{}", hint(nearest.as_deref()))]
    MissingKey { key: String, origin: Origin, nearest: Option<String> },
    #[error("`{key}` in {origin} {problem}")]
    BadValue { key: String, origin: Origin, problem: String },
    #[error("`{key}` in {origin} names the provider `{provider}`, which is not configured{}", hint(nearest.as_deref()))]
    UnknownProvider { key: String, origin: Origin, provider: String, nearest: Option<String> },
    #[error("`{key}` names the variable `{variable}`, which is not set or empty")]
    UnsetVariable { key: String, variable: String },
    #[error("`{key}` names the variable `{variable}`, whose value no header can carry")]
    UnsendableVariable { key: String, variable: String },
    #[error("`{key}` names the variable `{variable}`, whose value is not 32 bytes in base64")]
    BadSealKey { key: String, variable: String },
    #[error(
        "`{key}` names the variable `{variable}`, whose value is not `whsec_` with 24 to 64 bytes in base64"
    )]
    BadWebhookSecret { key: String, variable: String },
    #[error(
        "`{key}` names the variable `{variable}`, in which {which} is shorter than {least} characters and could be guessed; \
         `openssl rand -hex 24` makes a good one"
    )]
    ShortKey { key: String, variable: String, which: String, least: usize },
    #[error("the client key `{name}` is given twice")]
    DuplicateClientName { name: String },
    #[error("the client keys `{first}` and `{second}` have the same value")]
    DuplicateClientKey { first: String, second: String },
    #[error(
        "`admin.key_env` names the variable `{variable}`, whose key is also {other}; the admin key opens nothing else"
    )]
    SharedAdminKey { variable: String, other: String },
    #[error(
        "refusing to listen on {bind} without client keys: anybody who can reach it could spend the providers' keys; \
         set auth.client_keys_env or [[auth.keys]], auth.require_key = true for keys in the store, bind a loopback address, or set server.allow_unauthenticated = true"
    )]
    OpenBind { bind: SocketAddr },
    #[error(transparent)]
    Otlp(#[from] OtlpError),
    #[error("the configuration does not deserialise")]
    Shape { source: toml::de::Error },
    #[error("the configuration does not serialise")]
    Unserialisable { source: toml::ser::Error },
}

/// Where a value was set.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    File(PathBuf),
    /// TOML text given to [`super::Config::from_toml`], or a [`super::Config`] made in code.
    Given,
    /// An `OR__…` variable.
    Variable(String),
    /// A command line option.
    Argument(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file `{}`", path.display()),
            Self::Given => f.write_str("the given configuration"),
            Self::Variable(name) => write!(f, "the variable `{name}`"),
            Self::Argument(name) => write!(f, "the option `{name}`"),
        }
    }
}

/// The candidate that `word` was most likely meant to be, if any is close.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= (word.len().max(candidate.len()) / 3).max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(word: &str, want: Option<&str>) {
        assert_eq!(nearest(word, ["bind", "workers", "keepalive_s", "max_body_bytes"]), want);
    }

    #[test]
    fn a_slip_of_the_finger_finds_the_key() {
        check("wokrers", Some("workers"));
    }

    #[test]
    fn a_forgotten_unit_finds_the_key() {
        check("keepalive", Some("keepalive_s"));
    }

    #[test]
    fn a_different_word_finds_nothing() {
        check("database", None);
    }

    #[test]
    fn an_error_names_key_origin_and_nearest_key() {
        let error = ConfigError::UnknownKey {
            key: "server.bnd".into(),
            origin: Origin::Variable("OR__SERVER__BND".into()),
            nearest: Some("server.bind".into()),
        };
        assert_eq!(
            error.to_string(),
            "unknown key `server.bnd` in the variable `OR__SERVER__BND`; did you mean `server.bind`?"
        );
    }
}
