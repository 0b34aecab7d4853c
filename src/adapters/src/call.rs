//! A call to a provider.

use serde::Serialize;

use crate::{AdapterError, Note};

/// An HTTP call to make. The driver adds credentials, static headers and `content-type`.
#[derive(Debug)]
pub struct UpstreamCall {
    /// Appended to the provider's `base_url`; begins with `/`, may have a query.
    pub path: String,
    /// Headers beside credentials.
    pub headers: Vec<(&'static str, String)>,
    /// JSON body. Empty: the call is a GET.
    pub body: Vec<u8>,
    /// Whether the provider will answer with a stream. May be true for a unary client request.
    pub stream: bool,
    /// What was emulated or dropped.
    pub notes: Vec<Note>,
}

/// What most requests need at most; growing from nothing copies a body several times.
const USUAL_BODY: usize = 1024;

/// A call's body as JSON.
pub(crate) fn body_json(body: &impl Serialize) -> Result<Vec<u8>, AdapterError> {
    let mut json = Vec::with_capacity(USUAL_BODY);
    match serde_json::to_writer(&mut json, body) {
        Ok(()) => Ok(json),
        Err(e) => {
            let why = format!("The request cannot be written as JSON: {e}.");
            Err(AdapterError::unsupported("input", why))
        }
    }
}
