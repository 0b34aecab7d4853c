//! What the environment holds for the variables that a configuration names.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

use or_webhooks::SigningKey;

use super::{ConfigError, Env, HeaderValue, SealKey, Secret};

/// Headers of the table at `key` with their values.
pub(super) fn header_values(
    key: &str,
    headers: &BTreeMap<String, HeaderValue>,
    env: &Env,
) -> Result<Vec<(String, Secret)>, ConfigError> {
    let resolve = |(name, value): (&String, &HeaderValue)| {
        let value = match value {
            HeaderValue::Text(text) => Secret::new(text.as_str()),
            HeaderValue::Env { env: variable } => secret(env, &format!("{key}.{name}"), variable)?,
        };
        Ok((name.clone(), value))
    };
    headers.iter().map(resolve).collect()
}

/// The variables that a program gets, and their values.
pub(super) fn variables(
    env: &Env,
    key: &str,
    names: &[String],
) -> Result<Vec<(String, Secret)>, ConfigError> {
    names.iter().map(|name| Ok((name.clone(), variable(env, key, name)?))).collect()
}

/// Reads a variable that `key` names, as it is.
fn variable(env: &Env, key: &str, variable: &str) -> Result<Secret, ConfigError> {
    let unset = || ConfigError::UnsetVariable { key: key.to_owned(), variable: variable.to_owned() };
    env.get(variable).map(Secret::new).ok_or_else(unset)
}

/// Reads a variable that `key` names. White space around it is taken off:
/// it is the newline at the end of a file of keys, and no part of any key.
pub(super) fn secret(env: &Env, key: &str, variable: &str) -> Result<Secret, ConfigError> {
    let (key, variable) = (key.to_owned(), variable.to_owned());
    match env.get(&variable).map(str::trim) {
        None => Err(ConfigError::UnsetVariable { key, variable }),
        Some(value) if value.bytes().all(|b| matches!(b, b' '..=b'~')) => Ok(Secret::new(value)),
        Some(_) => Err(ConfigError::UnsendableVariable { key, variable }),
    }
}

/// Shortest key that the server takes from its clients, in characters.
const MIN_KEY: usize = 16;

/// The same for a key that clients show to this server: one that can be guessed is none. `which`: how the error calls
/// it.
pub(super) fn shown_key(
    secret: Secret,
    key: &str,
    variable: &str,
    which: String,
) -> Result<Secret, ConfigError> {
    if secret.expose().len() < MIN_KEY {
        let (key, variable) = (key.to_owned(), variable.to_owned());
        return Err(ConfigError::ShortKey { key, variable, which, least: MIN_KEY });
    }
    Ok(secret)
}

/// Reads the key in the variable that `key` names; `None` if it names none.
pub(super) fn seal_key(key: &str, variable: &str, env: &Env) -> Result<Option<SealKey>, ConfigError> {
    if variable.is_empty() {
        return Ok(None);
    }
    let text = secret(env, key, variable)?;
    let standard = BASE64_STANDARD.decode(text.expose());
    let bytes = standard.or_else(|_| BASE64_URL_SAFE_NO_PAD.decode(text.expose().trim_end_matches('=')));
    let bad = || ConfigError::BadSealKey { key: key.to_owned(), variable: variable.to_owned() };
    bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(|key| Some(SealKey(key))).ok_or_else(bad)
}

/// Reads the secrets of a webhook, parted by commas, in the variable that `key` names.
pub(super) fn signing_keys(key: &str, variable: &str, env: &Env) -> Result<Vec<SigningKey>, ConfigError> {
    let list = secret(env, key, variable)?;
    let keys = list.expose().split(',').map(|text| SigningKey::parse(text.trim()));
    let bad = || ConfigError::BadWebhookSecret { key: key.to_owned(), variable: variable.to_owned() };
    keys.collect::<Option<Vec<_>>>().ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(value: &str, want: Result<Option<[u8; 32]>, &str>) {
        let got = seal_key("security.seal_key_env", "KEY", &Env::from_iter([("KEY", value)]));
        let got = got.map(|key| key.map(|SealKey(bytes)| bytes)).map_err(|error| error.to_string());
        assert_eq!(got, want.map_err(str::to_owned));
    }

    #[test]
    fn a_seal_key_is_32_bytes_in_base64() {
        check("//////////////////////////////////////////8=\n", Ok(Some([255; 32])));
        check("__________________________________________8", Ok(Some([255; 32])));
        let bad = "`security.seal_key_env` names the variable `KEY`, whose value is not 32 bytes in base64";
        for value in ["hunter2hunter2", "AAAA", "?"] {
            check(value, Err(bad));
        }
        let unset = "`security.seal_key_env` names the variable `KEY`, which is not set or empty";
        check("", Err(unset));
        assert!(seal_key("security.seal_key_env", "", &Env::default()).unwrap().is_none());
    }
}
