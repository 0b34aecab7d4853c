//! The response object at one moment of its life.

use or_protocol::{
    ApiError, IncompleteDetails, Item, ResponseError, ResponseResource, ResponseStatus, Usage,
};
use serde_json::value::{RawValue, to_raw_value};

use crate::LoopSpec;

/// The parts of a response object that change over its life.
pub(crate) struct Snapshot<'a> {
    pub(crate) status: ResponseStatus,
    pub(crate) completed_at: Option<i64>,
    pub(crate) incomplete: Option<&'a IncompleteDetails>,
    pub(crate) error: Option<&'a ResponseError>,
    pub(crate) usage: Option<&'a Usage>,
    pub(crate) service_tier: Option<&'a str>,
}

impl Default for Snapshot<'_> {
    fn default() -> Self {
        Self {
            status: ResponseStatus::InProgress,
            completed_at: None,
            incomplete: None,
            error: None,
            usage: None,
            service_tier: None,
        }
    }
}

pub(crate) fn resource<'a>(
    spec: &'a LoopSpec,
    output: &'a [Item],
    now: Snapshot<'a>,
) -> ResponseResource<'a> {
    ResponseResource {
        id: &spec.id,
        created_at: spec.created_at,
        completed_at: now.completed_at,
        status: now.status,
        incomplete_details: now.incomplete,
        model: &spec.model,
        previous_response_id: spec.previous_response_id.as_deref(),
        output,
        error: now.error,
        usage: now.usage,
        store: spec.store,
        background: spec.background,
        // The request's wish is no fact; without the provider's word the tier is the default one.
        service_tier: now.service_tier.unwrap_or("default"),
        settings: &spec.settings,
    }
}

/// The response object as JSON.
pub(crate) fn snapshot_json(resource: &ResponseResource<'_>) -> Box<RawValue> {
    // Our types have string keys and finite numbers only, so this does not fail.
    to_raw_value(resource).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

pub(crate) fn response_error(error: &ApiError) -> ResponseError {
    ResponseError {
        code: error.code.clone().unwrap_or_else(|| error.kind.wire().1.to_owned()),
        message: error.message.clone(),
    }
}
