//! Why a provider gave no good answer, and what the client is told of it.

use or_adapters::AdapterError;
use or_protocol::{ApiError, ErrorKind};

/// Why a turn gave no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SampleError {
    /// Translation failed or the provider reported an error.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// No connection could be made.
    #[error("cannot reach the provider: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection to the provider broke: {0}")]
    Broken(String),
    /// What came is no answer, by the rules of HTTP or because it is packed. The text holds nothing of it.
    #[error("the provider's answer cannot be read: {0}")]
    NoAnswer(String),
    /// Nothing came for too long.
    #[error("the provider was silent for {0} s")]
    Silent(u64),
    /// As many calls as the configuration allows are running.
    #[error("the provider has {0} calls running, which is its limit")]
    Busy(usize),
    /// The answer is larger than we take.
    #[error("the provider's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// A bug in an adapter or in the provider actor.
    #[error("translation panicked")]
    Panicked,
    /// The loop was gone before the answer came.
    #[error("nobody waits for the answer any more")]
    Gone,
}

impl SampleError {
    /// A closed word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Adapter(AdapterError::Unsupported { .. } | AdapterError::NotHonoured { .. }) => {
                "unsupported"
            }
            Self::Adapter(AdapterError::BadFrame { .. }) => "bad_frame",
            Self::Adapter(AdapterError::Truncated { .. }) => "truncated",
            Self::Adapter(AdapterError::Upstream(e)) if e.status.is_some() => "http_error",
            Self::Adapter(AdapterError::Upstream(_)) => "stream_error",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::NoAnswer(_) => "no_answer",
            Self::Silent(_) => "timeout",
            Self::Busy(_) => "busy",
            Self::TooLarge(_) => "too_large",
            Self::Panicked => "panic",
            Self::Gone => "gone",
        }
    }

    /// HTTP status of the provider's answer, if there was one: that of an answer that began well is 200.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Adapter(AdapterError::Unsupported { .. } | AdapterError::NotHonoured { .. }) => None,
            Self::Adapter(AdapterError::Upstream(error)) => Some(error.status.unwrap_or(200)),
            Self::Adapter(AdapterError::BadFrame { .. } | AdapterError::Truncated { .. })
            | Self::TooLarge(_) => Some(200),
            Self::Unreachable(_)
            | Self::Broken(_)
            | Self::NoAnswer(_)
            | Self::Silent(_)
            | Self::Busy(_)
            | Self::Panicked
            | Self::Gone => None,
        }
    }

    /// What the client is told. `client_key`: the call was made with the client's own provider key.
    pub fn to_api(&self, client_key: bool) -> ApiError {
        let model = |code: &str, text: &str| ApiError::new(ErrorKind::Model, text).with_code(code);
        match self {
            Self::Adapter(error) => error.to_api(client_key),
            Self::Unreachable(_) => model("upstream_unreachable", "The model provider could not be reached."),
            Self::Broken(_) => model(
                "upstream_disconnected",
                "The connection to the model provider broke before the answer was complete.",
            ),
            Self::NoAnswer(why) => {
                let text = format!("The model provider's answer could not be read: {why}.");
                model("upstream_invalid_response", &text)
            }
            Self::Silent(seconds) => {
                let text = format!("The model provider sent nothing for {seconds} seconds.");
                ApiError::new(ErrorKind::Timeout, text).with_code("upstream_timeout")
            }
            Self::Busy(_) => {
                let text = "Too many requests are running on this model provider. Please try again later.";
                let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("rate_limit_exceeded");
                ApiError { retry_after_s: Some(1), ..error }
            }
            Self::TooLarge(_) => {
                model("upstream_invalid_response", "The model provider's answer is too large.")
            }
            Self::Panicked | Self::Gone => ApiError::internal(),
        }
    }
}
