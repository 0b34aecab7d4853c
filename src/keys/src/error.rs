//! Why a key cannot be made or changed.

use or_protocol::{ApiError, ErrorKind};

/// Why a key cannot be made or changed. `Display` is for an operator.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyError {
    /// What was asked for is wrong.
    #[error("{text}")]
    Invalid {
        /// Path of the member.
        param: String,
        /// What is wrong, as a sentence.
        text: String,
    },
    /// There is no such key.
    #[error("There is no client key '{0}'.")]
    NotFound(String),
    /// Another key has the name.
    #[error("There is a client key '{0}' already. Choose another name, or rotate that one.")]
    Taken(String),
    /// A key of the configuration has the name.
    #[error(
        "The configuration has a client key '{0}'. Choose another name, or take that one out of the configuration first."
    )]
    OfConfig(String),
    /// Responses are stored under the name.
    #[error(
        "Responses are stored under the name '{0}', which an earlier key left; the new key would read them. Choose another name, or say inherit_responses if it is meant to have them."
    )]
    HasResponses(String),
    /// The key was revoked, which is for good.
    #[error("The client key '{0}' was revoked. Make a new one.")]
    Revoked(String),
    /// There are as many as there may be.
    #[error("There are {0} client keys, and no more may be. Delete some that are not in use.")]
    TooMany(usize),
    /// The system gave no random bytes.
    #[error("The system gave no random bytes: {0}")]
    Random(String),
}

impl KeyError {
    /// As an answer of the admin API.
    pub fn to_api(&self) -> ApiError {
        let (kind, code, param) = match self {
            Self::Invalid { param, .. } => (ErrorKind::InvalidRequest, "invalid_value", Some(param.as_str())),
            Self::NotFound(_) => (ErrorKind::NotFound, "key_not_found", None),
            Self::Taken(_) | Self::OfConfig(_) => (ErrorKind::Conflict, "key_name_taken", Some("name")),
            Self::HasResponses(_) => (ErrorKind::Conflict, "key_name_has_responses", Some("name")),
            Self::Revoked(_) => (ErrorKind::Conflict, "key_revoked", None),
            Self::TooMany(_) => (ErrorKind::Conflict, "too_many_keys", None),
            Self::Random(_) => return ApiError::internal(),
        };
        let error = ApiError::new(kind, self.to_string()).with_code(code);
        match param {
            Some(param) => error.with_param(param),
            None => error,
        }
    }
}
