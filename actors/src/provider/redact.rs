//! Takes keys out of what a provider says: some repeat in their errors what they were sent.

use or_adapters::AdapterError;

use super::error::SampleError;
use super::spec::{ProviderKey, ProviderSpec};

/// Shorter values are no keys, and may stand anywhere by chance.
const SHORTEST: usize = 8;
/// Words in the names of headers whose values are secret; others (versions, titles) help to understand an error.
const SECRET_HEADERS: &[&str] = &["auth", "key", "token", "secret", "cookie"];

/// The error without the keys of this call.
pub(crate) fn mask(spec: &ProviderSpec, key: &ProviderKey, mut error: SampleError) -> SampleError {
    let client_key = match key {
        ProviderKey::Server => None,
        ProviderKey::Client(key) => Some(&**key),
    };
    let keys = spec.keys.all().filter(|_| client_key.is_none()).chain(client_key);
    let headers = spec.headers.iter().filter(|(name, _)| {
        let name = name.to_ascii_lowercase();
        SECRET_HEADERS.iter().any(|word| name.contains(word))
    });
    let values = headers.map(|(_, value)| value.strip_prefix("Bearer ").unwrap_or(value));
    let secrets: Vec<&str> = keys.chain(values).filter(|s| s.len() >= SHORTEST).collect();
    let clean = |text: &mut String| {
        for secret in &secrets {
            if text.contains(secret) {
                *text = text.replace(secret, "***");
            }
        }
    };
    match &mut error {
        SampleError::Adapter(AdapterError::Upstream(upstream)) => {
            clean(&mut upstream.message);
            upstream.code.iter_mut().for_each(clean);
        }
        SampleError::Adapter(AdapterError::BadFrame { what, .. }) => clean(what),
        SampleError::Unreachable(text) | SampleError::Broken(text) => clean(text),
        SampleError::Adapter(
            AdapterError::Unsupported { .. }
            | AdapterError::NotHonoured { .. }
            | AdapterError::Truncated { .. },
        )
        | SampleError::NoAnswer(_)
        | SampleError::Silent(_)
        | SampleError::Busy(_)
        | SampleError::TooLarge(_)
        | SampleError::Panicked
        | SampleError::Gone => {}
    }
    error
}
