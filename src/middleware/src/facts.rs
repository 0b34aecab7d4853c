//! What a middleware knows of a response from its beginning, and of its end.

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use or_adapters::Note;
use or_protocol::{ApiError, Usage};
use or_telemetry::ResponseFacts;
use serde_json::{Map, Value};

/// What is known of a response from its beginning, beside its [`ResponseFacts`]: id, client, model and the like.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The rest.
    pub response: Arc<ResponseFacts>,
    /// The response that it continues.
    pub previous_response_id: Option<String>,
    /// Of the request.
    pub metadata: Map<String, Value>,
    /// Whether it is kept.
    pub store: bool,
    /// Whether an earlier process began it. The hooks of that one are gone, and so is what they knew.
    pub resumed: bool,
}

impl Deref for Facts {
    type Target = ResponseFacts;

    fn deref(&self) -> &ResponseFacts {
        &self.response
    }
}

/// How it came to an end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndStatus {
    /// The spec's word.
    Completed,
    /// The spec's word.
    Incomplete,
    /// The spec's word.
    Failed,
    /// Its client left, or somebody cancelled it.
    Cancelled,
    /// It ended as an HTTP error before it began.
    Refused,
    /// The server stops; its next start goes on with it, with new hooks.
    Parked,
}

impl EndStatus {
    /// The word in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Incomplete => "incomplete",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::Parked => "parked",
        }
    }
}

/// The end of a response.
#[derive(Clone, Debug)]
pub struct End {
    /// How it ended.
    pub status: EndStatus,
    /// Name of the provider that was asked last: the one that answered, if one did.
    pub provider: Arc<str>,
    /// What went wrong, if it did.
    pub error: Option<ApiError>,
    /// Tokens of its finished turns, those before a restart included.
    pub usage: Option<Usage>,
    /// How fields of the request fared, and what else there is to say of it.
    pub notes: Vec<Note>,
    /// Since the request came; after a restart, since that.
    pub took: Duration,
}

impl End {
    /// An end of which nothing is known.
    pub(crate) fn unknown(facts: &Facts) -> Self {
        let (error, took) = (Some(ApiError::internal()), facts.received.elapsed());
        let provider = Arc::clone(&facts.provider);
        Self { status: EndStatus::Failed, provider, error, usage: None, notes: Vec::new(), took }
    }
}
