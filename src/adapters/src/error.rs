//! Failures of translation and of providers, and what a client is told of them.

use or_protocol::{ApiError, ErrorDetails, ErrorKind};

/// Why a turn could not be translated, in either direction.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AdapterError {
    /// The request cannot be expressed on this provider.
    #[error("{message}")]
    Unsupported {
        /// Path of the offending field.
        param: String,
        /// Whole sentence for the client.
        message: String,
    },
    /// A member that must not be ignored, whatever the mode, cannot be honoured on this provider.
    #[error("{message}")]
    NotHonoured {
        /// Path of the member.
        param: String,
        /// Whole sentence for the client.
        message: String,
    },
    /// A frame or body of the provider does not parse.
    #[error("{provider} sent a frame that does not parse: {what}")]
    BadFrame {
        /// Adapter kind.
        provider: &'static str,
        /// The parser's words; never the frame itself.
        what: String,
    },
    /// The stream ended without its final event.
    #[error("{provider} closed the stream before the final event")]
    Truncated {
        /// Adapter kind.
        provider: &'static str,
    },
    /// The provider reported an error, as a status or inside its answer.
    #[error("{}", .0.message)]
    Upstream(UpstreamError),
}

impl AdapterError {
    /// A request that cannot be expressed.
    pub fn unsupported(param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unsupported { param: param.into(), message: message.into() }
    }

    /// A failure that the provider reported inside its answer.
    pub(crate) fn failed(kind: UpstreamErrorKind, message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Upstream(UpstreamError { message, ..UpstreamError::of_kind(kind) })
    }

    /// What the client is told. `client_key`: the call was made with the client's own provider key.
    pub fn to_api(&self, client_key: bool) -> ApiError {
        match self {
            Self::Unsupported { param, message } => {
                ApiError::invalid("unsupported_value", param.clone(), message.clone())
            }
            Self::NotHonoured { param, message } => {
                ApiError::invalid("unsupported_parameter", param.clone(), message.clone())
            }
            Self::BadFrame { .. } => ApiError::new(
                ErrorKind::Model,
                "The model provider sent an answer that could not be understood.",
            )
            .with_code("upstream_invalid_response"),
            Self::Truncated { .. } => ApiError::new(
                ErrorKind::Model,
                "The model provider closed the stream before the answer was complete.",
            )
            .with_code("upstream_disconnected"),
            Self::Upstream(error) => error.to_api(client_key),
        }
    }
}

/// Class of a provider's error, after each provider's own table.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamErrorKind {
    /// The provider says that the request is wrong.
    InvalidRequest,
    /// The input does not fit the model's context window.
    ContextLength,
    /// No such model.
    ModelNotFound,
    /// The provider key is wrong, missing or may not do this.
    Auth,
    /// No money or quota left: waiting does not help.
    Quota,
    /// Too many requests: waiting helps.
    RateLimit,
    /// The request or an attachment is too large.
    TooLarge,
    /// A filter refused the prompt.
    ContentFilter,
    /// The provider has no capacity at the moment.
    Overloaded,
    /// The provider failed.
    Server,
    /// The provider gave up waiting for itself.
    Timeout,
}

/// An error a provider reported, read from whatever shape it came in.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamError {
    /// Class.
    pub kind: UpstreamErrorKind,
    /// HTTP status; `None` inside a stream.
    pub status: Option<u16>,
    /// The provider's own message, for the client.
    pub message: String,
    /// The provider's own code, if it has one.
    pub code: Option<String>,
    /// Seconds to wait, rounded up.
    pub retry_after_s: Option<u64>,
    /// What it said beside, only where the provider speaks the standard's wire.
    pub details: Option<Box<ErrorDetails>>,
}

impl UpstreamError {
    /// An error of which only the class is known.
    pub(crate) fn of_kind(kind: UpstreamErrorKind) -> Self {
        Self { kind, status: None, message: String::new(), code: None, retry_after_s: None, details: None }
    }

    /// An error of which only the status is known.
    pub fn of_status(status: u16, retry_after_s: Option<u64>) -> Self {
        let kind = match status {
            401 | 403 => UpstreamErrorKind::Auth,
            402 => UpstreamErrorKind::Quota,
            // Paths are made here, so a 404 without further words is a wrong base URL; 499 is a provider's word
            // for a call that it broke off.
            404 | 499 => UpstreamErrorKind::Server,
            408 | 504 | 524 => UpstreamErrorKind::Timeout,
            413 => UpstreamErrorKind::TooLarge,
            429 => UpstreamErrorKind::RateLimit,
            498 | 503 | 529 => UpstreamErrorKind::Overloaded,
            400..=499 => UpstreamErrorKind::InvalidRequest,
            _ => UpstreamErrorKind::Server,
        };
        let message = format!("The model provider answered with status {status}.");
        Self { status: Some(status), message, retry_after_s, ..Self::of_kind(kind) }
    }

    /// Whether the same request may succeed later, as long as nothing was put out.
    pub fn retryable(&self) -> bool {
        match self.kind {
            UpstreamErrorKind::RateLimit | UpstreamErrorKind::Overloaded | UpstreamErrorKind::Timeout => true,
            // A wrong base URL stays wrong.
            UpstreamErrorKind::Server => self.status != Some(404),
            // Another call was in the way.
            UpstreamErrorKind::InvalidRequest => self.status == Some(409),
            UpstreamErrorKind::ContextLength
            | UpstreamErrorKind::ModelNotFound
            | UpstreamErrorKind::Auth
            | UpstreamErrorKind::Quota
            | UpstreamErrorKind::TooLarge
            | UpstreamErrorKind::ContentFilter => false,
        }
    }

    /// What the client is told (design D15). `client_key`: the key was the client's own.
    pub fn to_api(&self, client_key: bool) -> ApiError {
        let code = |default: &str| self.code.clone().unwrap_or_else(|| default.to_owned());
        let message = self.message.clone();
        let mut error = match self.kind {
            UpstreamErrorKind::InvalidRequest => {
                let mut error = ApiError::new(ErrorKind::InvalidRequest, message);
                error.code.clone_from(&self.code);
                error
            }
            UpstreamErrorKind::ContextLength => {
                ApiError::invalid("context_length_exceeded", "input", message)
            }
            UpstreamErrorKind::ModelNotFound => ApiError::invalid("model_not_found", "model", message),
            UpstreamErrorKind::Auth if client_key => {
                ApiError::new(ErrorKind::Unauthorized, message).with_code("invalid_api_key")
            }
            UpstreamErrorKind::Auth => ApiError::new(
                ErrorKind::Model,
                format!("The model provider refused this server's credentials: {message}"),
            )
            .with_code("upstream_auth_error"),
            UpstreamErrorKind::Quota => {
                ApiError::new(ErrorKind::TooManyRequests, message).with_code("insufficient_quota")
            }
            UpstreamErrorKind::RateLimit => {
                ApiError::new(ErrorKind::TooManyRequests, message).with_code("rate_limit_exceeded")
            }
            UpstreamErrorKind::TooLarge => {
                ApiError::new(ErrorKind::TooLarge, message).with_code(code("request_too_large"))
            }
            UpstreamErrorKind::ContentFilter => {
                // Clients that go on behind such a guard know it by its own code.
                let guarded = self.details.as_ref().is_some_and(|details| details.misalignment.is_some());
                let code = if guarded { code("content_filter") } else { "content_filter".into() };
                ApiError::new(ErrorKind::InvalidRequest, message).with_code(code)
            }
            UpstreamErrorKind::Overloaded => {
                ApiError::new(ErrorKind::Unavailable, message).with_code("overloaded")
            }
            UpstreamErrorKind::Server => {
                ApiError::new(ErrorKind::Model, message).with_code(code("server_error"))
            }
            UpstreamErrorKind::Timeout => {
                ApiError::new(ErrorKind::Timeout, message).with_code("upstream_timeout")
            }
        };
        error.retry_after_s = self.retry_after_s;
        error.details.clone_from(&self.details);
        error
    }
}
