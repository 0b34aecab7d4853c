//! Endpoints and their bounds.

use std::time::Duration;

use crate::schedule::Schedule;
use crate::signing::SigningKey;

/// Where events go.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// As the store's [`Subscription`](or_store::Subscription) has it.
    pub name: String,
    /// `http` or `https`; may hold a key. It is the operator's, so it may be private.
    pub url: String,
    /// Signs with each of them.
    pub keys: Vec<SigningKey>,
}

/// Bounds of all endpoints.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Of one try, with the connection.
    pub timeout: Duration,
    /// Tries at the same time, for each endpoint.
    pub max_concurrent: usize,
    /// When an event is sent again.
    pub schedule: Schedule,
}
