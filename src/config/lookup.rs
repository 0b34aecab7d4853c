//! What the environment holds for the variables that a configuration names.

use std::collections::BTreeMap;

use super::{ConfigError, Env, HeaderValue, Secret};

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
