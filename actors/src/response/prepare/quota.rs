//! What an owner may have stored.

use or_protocol::{ApiError, ErrorKind};

use crate::node::Node;

/// Refuses a response that is to be stored for an owner whose share of the store is used up. What is in progress does not
/// count yet, so a share can be passed by that.
pub(super) fn check(node: &Node, owner: &str) -> Result<(), ApiError> {
    let (limits, has) = (node.limits.of_owner(owner), node.store.usage(owner));
    let bytes = limits.max_stored_bytes.or_else(|| node.store.share());
    let [bytes, responses] = [(bytes, has.bytes), (limits.max_stored_responses, has.responses)]
        .map(|(share, has)| share.filter(|share| has >= *share));
    let (share, what) = match (bytes, responses) {
        (Some(share), _) => (share, "bytes of stored responses"),
        (None, Some(share)) => (share, "stored responses"),
        (None, None) => return Ok(()),
    };
    node.metrics.over_limit("stored");
    let text = format!(
        "This client key has used up its share of this server's storage, {share} {what}. Delete stored responses, or send 'store': false."
    );
    Err(ApiError::new(ErrorKind::TooManyRequests, text).with_code("storage_quota_exceeded"))
}
