//! What of a request is kept beside its response, to go on with it after a restart.

use or_engine::{Progress, ReasoningEvents};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The part of a request that its response object does not show. Stored with a background response until it is
/// over.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct SavedRequest {
    /// The request's body, without input and keys.
    pub(super) body: Box<RawValue>,
    pub(super) model: String,
    pub(super) upstream_model: String,
    pub(super) request_id: String,
    pub(super) strict: bool,
    /// Names of the raw-reasoning events: those that its log has so far.
    #[serde(default)]
    pub(super) reasoning_events: ReasoningEvents,
    /// It was made with keys of the client's own, for the provider or an MCP server. They are not stored, so it
    /// cannot go on.
    pub(super) client_key: bool,
    /// What its finished turns came to.
    #[serde(default)]
    pub(super) progress: Progress,
}

impl SavedRequest {
    /// As it is stored once the finished turns came to `progress`. `upstream`: name of the model where it was asked last.
    pub(crate) fn at(&self, progress: Progress, upstream: Option<String>) -> Option<Box<RawValue>> {
        let upstream_model = upstream.unwrap_or_else(|| self.upstream_model.clone());
        let saved = Self { progress, upstream_model, ..self.clone() };
        serde_json::to_string(&saved).ok().and_then(|json| RawValue::from_string(json).ok())
    }
}
