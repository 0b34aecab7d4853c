//! What is said of a response from its beginning.

use std::sync::Arc;
use std::time::Instant;

use or_keys::Client;
use or_protocol::ResponseId;

/// Whom a call is made of.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Name of the provider.
    pub provider: &'a Arc<str>,
    /// Its kind.
    pub kind: &'static str,
    /// The name that it knows for the model.
    pub model: &'a str,
    /// What OpenTelemetry calls the provider, if it has a name for it, and what is asked of it.
    pub gen_ai: (Option<&'static str>, &'static str),
}

/// What is said of a response from its beginning, shared by all who say it.
#[derive(Clone, Debug)]
pub struct ResponseFacts {
    /// Its id.
    pub id: ResponseId,
    /// Of the HTTP request.
    pub request_id: String,
    /// Name of the client key that made the request; owner of the record.
    pub owner: String,
    /// Group of the client key that it shares budgets and limits with.
    pub group: Option<Arc<str>>,
    /// That client, as its key was when the request came; after a restart, as it was then.
    pub client: Arc<Client>,
    /// Model name as the client wrote it.
    pub model: String,
    /// The name that the provider knows for it that is asked first.
    pub upstream_model: String,
    /// Name of the provider that is asked first.
    pub provider: Arc<str>,
    /// Kind of that provider; empty if it is not there any more.
    pub provider_kind: &'static str,
    /// What OpenTelemetry calls the provider, if it has a name for it, and what is asked of it.
    pub gen_ai: (Option<&'static str>, &'static str),
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether it outlives its client.
    pub background: bool,
    /// When the request came.
    pub received: Instant,
}
