//! Anthropic Messages: `POST /messages` below a base URL that ends in `/v1`.
//!
//! What is mapped, emulated and left out is listed in `docs/providers/anthropic.md`.

mod error;
mod history;
mod list;
mod media;
mod models;
mod names;
mod open;
mod request;
mod response;
mod schema;
mod stream;
mod thinking;
mod tools;
mod wire;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::models::{ModelQuirk, Models};
use crate::counting::{counting, members, read_number};
use crate::{
    Adapter, AdapterError, Framing, ModelPage, ModelRequest, ProviderOptions, ResponseTranslator,
    UpstreamCall, UpstreamError,
};

/// The kind in the configuration, and the origin of sealed thinking.
const KIND: &str = "anthropic";
/// The version that older models and other hosts know.
const VERSION: &str = "2023-06-01";
/// Token budget for a model whose maximum is unknown, if the request names none.
const DEFAULT_MAX_TOKENS: u64 = 4_096;
/// Hosts that know the caching mark at the top of a request.
const CACHING_HOSTS: &[&str] = &["https://api.anthropic.com/"];
/// What the counter takes of a request.
const COUNTED: &[&str] =
    &["model", "messages", "system", "tools", "tool_choice", "thinking", "output_config", "cache_control"];
/// Keys of the quirks table.
const KEYS: &[&str] = &["version", "beta", "auth", "prompt_caching", "default_max_tokens", "models"];

/// The adapter for Anthropic's API and for hosts that speak it.
#[derive(Debug)]
pub struct Anthropic {
    quirks: Quirks,
    models: Models,
}

#[derive(Debug)]
struct Quirks {
    version: String,
    beta: Vec<String>,
    auth: Auth,
    caching: bool,
    default_max_tokens: u64,
}

/// Which header carries the key.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
enum Auth {
    XApiKey,
    Bearer,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Caching {
    Off,
    Auto,
}

impl Anthropic {
    /// Reads the provider's quirks. The error names the key that is wrong.
    pub fn new(options: &ProviderOptions) -> Result<Self, String> {
        let base = format!("{}/", options.base_url);
        let mut quirks = Quirks {
            version: VERSION.to_owned(),
            beta: Vec::new(),
            auth: Auth::XApiKey,
            caching: CACHING_HOSTS.iter().any(|host| base.starts_with(host)),
            default_max_tokens: DEFAULT_MAX_TOKENS,
        };
        let mut rows: Vec<ModelQuirk> = Vec::new();
        for (key, value) in &options.quirks {
            match key.as_str() {
                "version" => quirks.version = read(key, value)?,
                "beta" => quirks.beta = read(key, value)?,
                "auth" => quirks.auth = read(key, value)?,
                "prompt_caching" => quirks.caching = matches!(read(key, value)?, Caching::Auto),
                "default_max_tokens" => quirks.default_max_tokens = read(key, value)?,
                "models" => rows = read(key, value)?,
                _ => return Err(format!("unknown key `{key}`; known are {}", KEYS.join(", "))),
            }
        }
        if quirks.default_max_tokens == 0 {
            return Err("`default_max_tokens` must be at least 1".into());
        }
        let header = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        if !header(&quirks.version) {
            return Err("`version` must be a date such as 2023-06-01".into());
        }
        if !quirks.beta.iter().all(|beta| header(beta)) {
            return Err("`beta` must hold names without spaces".into());
        }
        Ok(Self { quirks, models: Models::new(rows) })
    }
}

fn read<T: DeserializeOwned>(key: &str, value: &Value) -> Result<T, String> {
    T::deserialize(value).map_err(|e| format!("`{key}`: {e}"))
}

impl Adapter for Anthropic {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn carries(&self) -> &'static [&'static str] {
        &["text", "image", "file"]
    }

    fn list(&self, page: Option<&str>) -> Option<UpstreamCall> {
        Some(list::call(self, page))
    }

    fn read_list(&self, body: &[u8]) -> Result<ModelPage, AdapterError> {
        list::read(body)
    }

    fn framing(&self) -> Framing {
        Framing::Sse
    }

    fn credentials(&self, key: &str) -> Vec<(&'static str, String)> {
        match self.quirks.auth {
            Auth::XApiKey => vec![("x-api-key", key.to_owned())],
            Auth::Bearer => vec![("authorization", format!("Bearer {key}"))],
        }
    }

    fn request(&self, request: &ModelRequest<'_>) -> Result<UpstreamCall, AdapterError> {
        request::build(self, request)
    }

    fn translator(&self, request: &ModelRequest<'_>) -> Box<dyn ResponseTranslator> {
        Box::new(stream::MessageTranslator::new(request::turn(self, request)))
    }

    fn count(&self, _model: &str, call: &UpstreamCall) -> Option<UpstreamCall> {
        counting(call, "/messages/count_tokens".into(), &members(&call.body, COUNTED)?)
    }

    fn read_count(&self, body: &[u8]) -> Result<u64, AdapterError> {
        read_number(KIND, body, "input_tokens")
    }

    fn error(&self, status: u16, retry_after_s: Option<u64>, body: &[u8]) -> UpstreamError {
        error::from_body(status, retry_after_s, body)
    }
}

#[cfg(test)]
mod history_tests;
#[cfg(test)]
mod request_tests;
#[cfg(test)]
mod stream_tests;
#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn options(quirks: Value) -> ProviderOptions {
        ProviderOptions {
            name: "a".into(),
            base_url: "https://host.example/v1".into(),
            quirks: quirks.as_object().unwrap().clone(),
        }
    }

    #[track_caller]
    fn check(quirks: Value, want: &str) {
        assert_eq!(Anthropic::new(&options(quirks)).unwrap_err(), want);
    }

    #[test]
    fn a_bad_quirk_is_named() {
        check(
            json!({"versoin": "x"}),
            "unknown key `versoin`; known are version, beta, auth, prompt_caching, default_max_tokens, models",
        );
        check(json!({"auth": "basic"}), "`auth`: unknown variant `basic`, expected `x-api-key` or `bearer`");
        check(json!({"default_max_tokens": 0}), "`default_max_tokens` must be at least 1");
        check(json!({"beta": ["a b"]}), "`beta` must hold names without spaces");
        check(json!({"models": [{"max_output_tokens": 1}]}), "`models`: missing field `prefix`");
    }

    #[test]
    fn the_key_goes_into_the_chosen_header() {
        let own = Anthropic::new(&options(json!({}))).unwrap();
        assert_eq!(own.credentials("k"), [("x-api-key", "k".to_owned())]);
        let bearer = Anthropic::new(&options(json!({"auth": "bearer"}))).unwrap();
        assert_eq!(bearer.credentials("k"), [("authorization", "Bearer k".to_owned())]);
    }
}
