//! Finish reasons.

use crate::{AdapterError, FinishReason, UpstreamError, UpstreamErrorKind};

/// What a finish reason means.
pub(super) fn outcome(reason: &str, message: Option<&str>) -> Result<FinishReason, AdapterError> {
    match reason {
        "STOP" => Ok(FinishReason::Stop),
        // A limit of one call; going on with its token is not built.
        "MAX_TOKENS" | "CONTINUATION" => Ok(FinishReason::MaxOutputTokens),
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ok(FinishReason::ContentFilter),
        other => Err(AdapterError::Upstream(UpstreamError {
            kind: UpstreamErrorKind::Server,
            status: None,
            message: match message.filter(|m| !m.is_empty()) {
                Some(message) => format!("The model stopped with {other}: {message}"),
                None => format!("The model stopped with {other}."),
            },
            code: Some(other.to_ascii_lowercase()),
            retry_after_s: None,
        })),
    }
}
