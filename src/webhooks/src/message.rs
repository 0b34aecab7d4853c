//! An event as it is sent.

use bytes::Bytes;
use or_store::Delivery;
use serde_json::json;

use crate::signing::{SigningKey, signatures};

/// Headers and body of one try.
pub(crate) struct Message {
    pub(crate) headers: Vec<(&'static str, String)>,
    /// In the shape of OpenAI's events. It is the same at each try.
    pub(crate) body: Bytes,
}

impl Message {
    /// `now_s`: Unix seconds.
    pub(crate) fn new(delivery: &Delivery, keys: &[SigningKey], now_s: i64) -> Self {
        let id = delivery.event_id();
        let event = json!({
            "id": id,
            "object": "event",
            "created_at": delivery.created_at,
            "type": delivery.event.as_str(),
            "data": {"id": delivery.response},
        });
        let body = Bytes::from(event.to_string());
        let signature = signatures(keys, &id, now_s, &body);
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("user-agent", concat!("open-responses/", env!("CARGO_PKG_VERSION")).to_owned()),
            ("webhook-id", id),
            ("webhook-timestamp", now_s.to_string()),
            ("webhook-signature", signature),
        ];
        Self { headers, body }
    }
}
