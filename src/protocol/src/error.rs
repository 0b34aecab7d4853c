//! The error a client sees, and the one table from kind to HTTP status and `type`.

use serde::Serialize;

use crate::RawJson;

/// What went wrong, as far as the client is concerned. One row each in [`ErrorKind::wire`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// The request itself is wrong.
    InvalidRequest,
    /// No client key, a wrong one, or the client's own provider key was refused.
    Unauthorized,
    /// The key is known and may not do this; or the Host or Origin is not allowed.
    Forbidden,
    /// No such object for this client.
    NotFound,
    /// The path exists, the method does not.
    MethodNotAllowed,
    /// The object is busy or in a state that forbids the operation.
    Conflict,
    /// The body, or an attachment in it, is larger than the limit.
    TooLarge,
    /// The body is not `application/json`.
    UnsupportedMediaType,
    /// An MCP server that the request needs does not work.
    McpServer,
    /// A rate limit, ours or the provider's.
    TooManyRequests,
    /// A fault of this server.
    Server,
    /// The history could not be written or read.
    Storage,
    /// The provider failed or answered nonsense.
    Model,
    /// The provider, or this server while it stops, cannot take work at the moment.
    Unavailable,
    /// The provider did not answer in time.
    Timeout,
}

impl ErrorKind {
    /// HTTP status and error `type`. Source: rules 11.2 to 11.4, design D15.
    pub fn wire(self) -> (u16, &'static str) {
        match self {
            Self::InvalidRequest => (400, "invalid_request_error"),
            Self::Unauthorized => (401, "invalid_request_error"),
            Self::Forbidden => (403, "invalid_request_error"),
            Self::NotFound => (404, "not_found"),
            Self::MethodNotAllowed => (405, "invalid_request_error"),
            Self::Conflict => (409, "invalid_request_error"),
            Self::TooLarge => (413, "invalid_request_error"),
            Self::UnsupportedMediaType => (415, "invalid_request_error"),
            // OpenAI's.
            Self::McpServer => (424, "external_connector_error"),
            Self::TooManyRequests => (429, "too_many_requests"),
            Self::Server | Self::Storage => (500, "server_error"),
            Self::Model => (502, "model_error"),
            Self::Unavailable => (503, "server_error"),
            Self::Timeout => (504, "model_error"),
        }
    }
}

/// An error on its way to a client. `message` never holds a secret.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Decides status and `type`.
    pub kind: ErrorKind,
    /// Machine-readable code, OpenAI's where it has one.
    pub code: Option<String>,
    /// For people: whole sentences in OpenAI's forms.
    pub message: String,
    /// Path of the offending field, such as `input[4].call_id`.
    pub param: Option<String>,
    /// Seconds to wait before another try, rounded up; sent as `retry-after`.
    pub retry_after_s: Option<u64>,
    /// What the provider said beside.
    pub details: Option<Box<ErrorDetails>>,
}

impl ApiError {
    /// An error without code and param.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, code: None, message: message.into(), param: None, retry_after_s: None, details: None }
    }

    /// A 400 about one field.
    pub fn invalid(code: &str, param: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidRequest, message).with_code(code).with_param(param)
    }

    /// A fault of ours whose cause stays in the log.
    pub fn internal() -> Self {
        Self::new(ErrorKind::Server, "The server had an error while processing your request.")
            .with_code("server_error")
    }

    /// The end of a response whose server ended before it.
    pub fn interrupted() -> Self {
        Self::new(ErrorKind::Unavailable, "The server was restarted before the response was complete.")
            .with_code("interrupted")
    }

    /// Sets `code`.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Sets `param`.
    #[must_use]
    pub fn with_param(mut self, param: impl Into<String>) -> Self {
        self.param = Some(param.into());
        self
    }

    /// HTTP status code.
    pub fn status(&self) -> u16 {
        self.kind.wire().0
    }

    /// What programs go by; the `type` where nothing more is known.
    pub fn code(&self) -> &str {
        self.code.as_deref().unwrap_or(self.kind.wire().1)
    }

    /// The `error` object of bodies and stream events.
    pub fn payload(&self) -> ErrorPayload<'_> {
        ErrorPayload {
            message: &self.message,
            r#type: self.kind.wire().1,
            param: self.param.as_deref(),
            // OpenAI has a 400 without a code where nothing more is to say, and so do providers.
            code: (self.code.is_some() || self.kind != ErrorKind::InvalidRequest).then(|| self.code()),
            misalignment: self.details.as_ref().and_then(|details| details.misalignment.as_ref()),
        }
    }

    /// The whole JSON body of an error answer, for a client that reads it only if every member is a text.
    pub fn to_json_of_texts(&self) -> String {
        let payload = self.payload();
        let param = Some(payload.param.unwrap_or_default());
        let error = ErrorPayload { param, code: Some(self.code()), ..payload };
        serde_json::to_string(&ErrorBody { error }).unwrap_or_else(|_| self.to_json())
    }

    /// The whole JSON body of an error answer.
    pub fn to_json(&self) -> String {
        // Strings and nulls only: this cannot fail, and an empty body would be the one wrong answer.
        serde_json::to_string(&ErrorBody { error: self.payload() }).unwrap_or_else(|_| {
            r#"{"error":{"message":"server error","type":"server_error","param":null,"code":"server_error"}}"#.into()
        })
    }
}

/// What an error of a provider has beside its code and message.
///
/// Source: `ResponseError` of OpenAI's types of November 2026.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ErrorDetails {
    /// The provider's word for the class of error, which need not be one of ours.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r#type: Option<String>,
    /// The member of the provider's request that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub param: Option<String>,
    /// Why a guard against misalignment ended the response, and how to go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misalignment: Option<RawJson>,
}

/// `{"error": …}`.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    /// The one key.
    pub error: ErrorPayload<'a>,
}

/// Schema `ErrorPayload`; `param` and `code` are null when unknown.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ErrorPayload<'a> {
    /// For people.
    pub message: &'a str,
    /// Error class.
    pub r#type: &'a str,
    /// Path of the offending field.
    pub param: Option<&'a str>,
    /// Machine-readable code.
    pub code: Option<&'a str>,
    /// OpenAI's, where it ended a response by that policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub misalignment: Option<&'a RawJson>,
}
