//! The response object inside the events that carry it (rules, section 7).

use serde_json::Value;

use super::{Ending, Notes};

/// Fields that are never null.
const SET: [&str; 20] = [
    "id",
    "object",
    "created_at",
    "status",
    "model",
    "output",
    "tools",
    "tool_choice",
    "truncation",
    "parallel_tool_calls",
    "text",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "temperature",
    "store",
    "background",
    "service_tier",
    "metadata",
];

/// Fields that must be there and may be null.
const NULLABLE: [&str; 11] = [
    "completed_at",
    "incomplete_details",
    "previous_response_id",
    "instructions",
    "error",
    "reasoning",
    "usage",
    "max_output_tokens",
    "max_tool_calls",
    "safety_identifier",
    "prompt_cache_key",
];

/// Fields that a response keeps over its whole life.
const STEADY: [&str; 4] = ["id", "created_at", "background", "previous_response_id"];

/// Compares the snapshots of one stream with the rules and with the first of them.
#[derive(Default)]
pub(super) struct Snapshots {
    first: Option<Value>,
}

impl Snapshots {
    /// A snapshot from before any item.
    pub(super) fn early(&mut self, response: &Value, status: &str, notes: &mut Notes) {
        self.any(response, status, notes);
        for key in ["completed_at", "usage", "error", "incomplete_details"] {
            notes.require(response[key].is_null(), format!("response.{key} is set before the end"));
        }
        let empty = response["output"].as_array().is_some_and(Vec::is_empty);
        notes.require(empty, "response.output is not empty before the first item");
    }

    /// The snapshot of the terminal event; its `output` is checked with the items.
    pub(super) fn last(&mut self, response: &Value, ending: Ending, notes: &mut Notes) {
        let status = match ending {
            Ending::Completed => "completed",
            Ending::Incomplete => "incomplete",
            Ending::Cancelled => "cancelled",
            Ending::Failed => "failed",
        };
        self.any(response, status, notes);
        let done = response["completed_at"].is_i64() || response["completed_at"].is_u64();
        let fits = if ending == Ending::Completed { done } else { response["completed_at"].is_null() };
        notes.require(fits, "response.completed_at is a time exactly when the response is completed");
        let error = &response["error"];
        if ending == Ending::Failed {
            let whole = error["code"].is_string() && error["message"].is_string();
            notes.require(whole, "response.error lacks code or message");
        } else {
            notes.require(error.is_null(), "response.error is set without a failure");
        }
        let details = &response["incomplete_details"];
        if matches!(ending, Ending::Incomplete | Ending::Cancelled) {
            notes.require(details["reason"].is_string(), "response.incomplete_details lacks its reason");
        } else {
            notes.require(details.is_null(), "response.incomplete_details is set on a whole response");
        }
        check_usage(&response["usage"], notes);
    }

    fn any(&mut self, response: &Value, status: &str, notes: &mut Notes) {
        for key in SET {
            let set = response.get(key).is_some_and(|value| !value.is_null());
            notes.require(set, format!("response.{key} is missing or null"));
        }
        for key in NULLABLE {
            notes.require(response.get(key).is_some(), format!("response.{key} is missing"));
        }
        notes.require(response["object"] == "response", "response.object is not `response`");
        notes.require(response["created_at"].as_i64().is_some(), "response.created_at is not a whole number");
        notes.require(
            response["status"] == status,
            format!("response.status is {}, not `{status}`", response["status"]),
        );
        let first = self.first.get_or_insert_with(|| response.clone());
        for key in STEADY {
            notes.require(response[key] == first[key], format!("response.{key} changed"));
        }
    }
}

/// Null where the provider counted nothing, else all five counts (7.3).
fn check_usage(usage: &Value, notes: &mut Notes) {
    if usage.is_null() {
        return;
    }
    let counts = [
        &usage["input_tokens"],
        &usage["output_tokens"],
        &usage["total_tokens"],
        &usage["input_tokens_details"]["cached_tokens"],
        &usage["output_tokens_details"]["reasoning_tokens"],
    ];
    notes.require(counts.iter().all(|count| count.is_u64()), "response.usage lacks one of its five counts");
}
