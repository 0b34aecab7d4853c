//! The hosts' words for why an answer ended.

use crate::{AdapterError, FinishReason, UpstreamErrorKind};

/// What a word means; empty is a plain end. None for one that nobody knows.
pub(super) fn read_reason(word: &str) -> Result<Option<FinishReason>, AdapterError> {
    Ok(Some(match word {
        "" | "stop" | "tool_calls" | "function_call" | "eos" | "end_turn" | "stop_sequence" => {
            FinishReason::Stop
        }
        "length" | "max_tokens" | "model_length" | "model_context_window_exceeded" => {
            FinishReason::MaxOutputTokens
        }
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "error" | "network_error" => {
            let message = "The model provider ended the answer with an error.";
            return Err(AdapterError::failed(UpstreamErrorKind::Server, message));
        }
        "insufficient_system_resource" => {
            let message = "The model provider ran out of capacity.";
            return Err(AdapterError::failed(UpstreamErrorKind::Overloaded, message));
        }
        _ => return Ok(None),
    }))
}
