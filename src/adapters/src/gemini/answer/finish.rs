//! Finish reasons.

use crate::{AdapterError, FinishReason, UpstreamError, UpstreamErrorKind};

/// Reasons that say that something was lost, whatever there is of an answer.
const FAILURES: [&str; 3] = ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE", "MISSING_THOUGHT_SIGNATURE"];

/// What a finish reason means. `spoke`: something of the answer was put out; then a reason that nobody knows is a
/// plain end, which is `None`.
pub(super) fn outcome(
    reason: &str,
    message: Option<&str>,
    spoke: bool,
) -> Result<Option<FinishReason>, AdapterError> {
    match reason {
        "STOP" => Ok(Some(FinishReason::Stop)),
        // A limit of one call; going on with its token is not built.
        "MAX_TOKENS" | "CONTINUATION" => Ok(Some(FinishReason::MaxOutputTokens)),
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "MODEL_ARMOR"
        | "ESCALATION"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => Ok(Some(FinishReason::ContentFilter)),
        other if spoke && !FAILURES.contains(&other) => Ok(None),
        other => Err(AdapterError::Upstream(UpstreamError {
            message: match message.filter(|m| !m.is_empty()) {
                Some(message) => format!("The model stopped with {other}: {message}"),
                None => format!("The model stopped with {other}."),
            },
            code: Some(other.to_ascii_lowercase()),
            ..UpstreamError::of_kind(UpstreamErrorKind::Server)
        })),
    }
}
