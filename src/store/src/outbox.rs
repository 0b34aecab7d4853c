//! Events of background responses that others are to be told, kept until they were.
//!
//! An event is written in the same batch as the end of its response, once for each endpoint that wants it: a [`Delivery`].
//! Whoever delivers it says what came of it, and until then it stays.

use std::borrow::Cow;

use or_protocol::{ResponseId, ResponseStatus};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::StoredResponse;

/// What an id of an event begins with.
const PREFIX: &str = "evt_";
/// Characters of such an id: the response's 32 hex digits and two of the type stand behind the prefix.
pub(crate) const EVENT_ID: usize = PREFIX.len() + 34;

/// How the item of a request for approval begins or goes on, in JSON of ours. No text in JSON can have these bytes.
const ASKS: &[u8] = br#""type":"mcp_approval_request""#;

/// What there is to tell of a background response.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the words of the wire")]
pub enum EventType {
    #[serde(rename = "response.completed")]
    Completed,
    #[serde(rename = "response.failed")]
    Failed,
    #[serde(rename = "response.incomplete")]
    Incomplete,
    #[serde(rename = "response.cancelled")]
    Cancelled,
    /// Its output has a request for approval. Comes beside the event of its end.
    #[serde(rename = "response.approval_required")]
    ApprovalRequired,
}

impl EventType {
    /// All of them, in the order of their numbers in the ids of events.
    pub const ALL: [Self; 5] =
        [Self::Completed, Self::Failed, Self::Incomplete, Self::Cancelled, Self::ApprovalRequired];

    /// As it is on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "response.completed",
            Self::Failed => "response.failed",
            Self::Incomplete => "response.incomplete",
            Self::Cancelled => "response.cancelled",
            Self::ApprovalRequired => "response.approval_required",
        }
    }

    fn of_end(status: ResponseStatus) -> Option<Self> {
        match status {
            ResponseStatus::Queued | ResponseStatus::InProgress => None,
            ResponseStatus::Completed => Some(Self::Completed),
            ResponseStatus::Failed => Some(Self::Failed),
            ResponseStatus::Incomplete => Some(Self::Incomplete),
            ResponseStatus::Cancelled => Some(Self::Cancelled),
        }
    }
}

/// An event on its way to one endpoint.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Delivery {
    /// Its name in the configuration.
    pub endpoint: String,
    /// What happened.
    pub event: EventType,
    /// To which response.
    pub response: ResponseId,
    /// Whose that is.
    pub owner: String,
    /// When it happened, Unix seconds.
    pub created_at: i64,
    /// How often it was sent in vain.
    pub tries: u32,
    /// When it is to be sent, Unix milliseconds; 0: at once.
    pub due_ms: u64,
}

impl Delivery {
    /// Names the event, to all endpoints and at each try: `evt_`, the hex digits of the response, two of the type.
    pub fn event_id(&self) -> String {
        let hex = self.response.as_str().trim_start_matches("resp_");
        let number = EventType::ALL.iter().position(|event| *event == self.event).unwrap_or_default();
        format!("{PREFIX}{hex}{number:02x}")
    }

    /// What an id of an event says.
    pub(crate) fn parse_id(id: &str) -> Option<(ResponseId, EventType)> {
        let (hex, number) = id.strip_prefix(PREFIX)?.split_at_checked(32)?;
        let number = usize::from_str_radix(number, 16).ok()?;
        Some((ResponseId::parse(&format!("resp_{hex}"))?, *EventType::ALL.get(number)?))
    }
}

/// Which events one endpoint wants.
#[derive(Clone, Debug, Default)]
pub struct Subscription {
    /// Name of the endpoint: letters, digits, `-`, `_` and `.`.
    pub endpoint: String,
    /// Empty: all.
    pub events: Vec<EventType>,
    /// Owners of responses; empty: all.
    pub clients: Vec<String>,
}

/// Who wants to be told of what.
#[derive(Clone, Debug, Default)]
pub struct Subscriptions {
    /// One for each endpoint.
    pub endpoints: Vec<Subscription>,
    /// How many deliveries of one owner's events may wait; beyond them further ones are refused.
    pub max_waiting: u64,
}

impl Subscriptions {
    /// What this record has to be told of to whom: nothing unless it is the end of a background response.
    pub fn deliveries(&self, id: &ResponseId, record: &StoredResponse, now_s: i64) -> Vec<Delivery> {
        if self.endpoints.is_empty() || !record.background {
            return Vec::new();
        }
        let Some(end) = EventType::of_end(record.status) else { return Vec::new() };
        let wanted = |event: EventType| {
            let wants = move |to: &&Subscription| {
                (to.events.is_empty() || to.events.contains(&event))
                    && (to.clients.is_empty() || to.clients.contains(&record.owner))
            };
            self.endpoints.iter().filter(wants).map(move |to| Delivery {
                endpoint: to.endpoint.clone(),
                event,
                response: id.clone(),
                owner: record.owner.clone(),
                created_at: now_s,
                tries: 0,
                due_ms: 0,
            })
        };
        // What a response asks for that failed or was cancelled is no way to go on.
        let goes_on = matches!(end, EventType::Completed | EventType::Incomplete);
        let mut asking = wanted(EventType::ApprovalRequired).peekable();
        let asks = goes_on && asking.peek().is_some() && asks_for_approval(&record.response);
        wanted(end).chain(asking.filter(|_| asks)).collect()
    }
}

/// Whether an output item is a request for approval.
fn asks_for_approval(response: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Shown<'a> {
        #[serde(borrow)]
        output: Vec<Typed<'a>>,
    }
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, rename = "type")]
        kind: Cow<'a, str>,
    }
    // Nearly all are known by that, and nothing has to be parsed. A schema of the client's could have it as well.
    memchr::memmem::find(response.get().as_bytes(), ASKS).is_some()
        && serde_json::from_str::<Shown<'_>>(response.get())
            .is_ok_and(|shown| shown.output.iter().any(|item| item.kind == "mcp_approval_request"))
}

/// What comes of a delivery.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Settled {
    /// It is over: it was delivered, or is given up.
    Done,
    /// It was sent in vain, and is to be sent again at this time, Unix milliseconds.
    Again(u64),
}

/// What is to be sent to an endpoint.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Due {
    /// Those that were never tried first, by the age of their responses; then by their time.
    pub deliveries: Vec<Delivery>,
    /// When the first of the others is to be sent, Unix milliseconds.
    pub next_ms: Option<u64>,
}

/// How full an outbox is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct OutboxLevel {
    /// Deliveries that wait.
    pub waiting: u64,
    /// How many were refused since the start, because too many of their owner waited.
    pub refused: u64,
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn record(status: ResponseStatus, background: bool, response: &serde_json::Value) -> StoredResponse {
        let raw = |json: String| RawValue::from_string(json).unwrap();
        StoredResponse {
            owner: "ann".into(),
            created_at: 7,
            status,
            provider: "demo".into(),
            previous_response_id: None,
            sealed: Vec::new(),
            input: raw("[]".into()),
            response: raw(response.to_string()),
            notes: Vec::new(),
            background,
            resume: None,
        }
    }

    /// `want`: endpoint and event of each.
    #[track_caller]
    fn check(record: &StoredResponse, want: &[(&str, EventType)]) {
        let to = |endpoint: &str, events: &[EventType], clients: &[&str]| Subscription {
            endpoint: endpoint.into(),
            events: events.to_vec(),
            clients: clients.iter().map(|name| (*name).to_owned()).collect(),
        };
        let endpoints = vec![
            to("all", &[], &[]),
            to("asked", &[EventType::ApprovalRequired], &["ann"]),
            to("bobs", &[], &["bob"]),
        ];
        let subscriptions = Subscriptions { endpoints, max_waiting: 10 };
        let got = subscriptions.deliveries(&ResponseId::new(), record, 9);
        let got: Vec<_> = got.iter().map(|delivery| (delivery.endpoint.as_str(), delivery.event)).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn the_end_of_a_background_response_is_told() {
        use ResponseStatus::{Cancelled, Completed, Failed, InProgress, Incomplete, Queued};
        let plain = json!({"output": [{"type": "message"}]});
        check(&record(Completed, true, &plain), &[("all", EventType::Completed)]);
        check(&record(Failed, true, &plain), &[("all", EventType::Failed)]);
        check(&record(Incomplete, true, &plain), &[("all", EventType::Incomplete)]);
        check(&record(Cancelled, true, &plain), &[("all", EventType::Cancelled)]);
        for status in [Queued, InProgress] {
            check(&record(status, true, &plain), &[]);
        }
        check(&record(Completed, false, &plain), &[]);
    }

    #[test]
    fn an_approval_is_asked_for_by_an_output_item_only() {
        use EventType::{ApprovalRequired, Completed, Failed};
        let asks =
            json!({"output": [{"type": "mcp_list_tools"}, {"id": "x", "type": "mcp_approval_request"}]});
        let all = [("all", Completed), ("all", ApprovalRequired), ("asked", ApprovalRequired)];
        check(&record(ResponseStatus::Completed, true, &asks), &all);
        check(&record(ResponseStatus::Failed, true, &asks), &[("all", Failed)]);
        let text = json!({"output": [{"type": "message", "text": r#""type":"mcp_approval_request""#}]});
        check(&record(ResponseStatus::Completed, true, &text), &[("all", Completed)]);
        let schema = json!({"tools": [{"type": "mcp_approval_request"}], "output": []});
        check(&record(ResponseStatus::Completed, true, &schema), &[("all", Completed)]);
    }

    #[test]
    fn the_id_of_an_event_says_what_it_is_of() {
        for event in EventType::ALL {
            let response = ResponseId::new();
            let delivery = Delivery {
                endpoint: "e".into(),
                event,
                response: response.clone(),
                owner: "o".into(),
                created_at: 1,
                tries: 2,
                due_ms: 3,
            };
            let id = delivery.event_id();
            assert_eq!((id.len(), Delivery::parse_id(&id)), (EVENT_ID, Some((response, event))));
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
        assert_eq!(Delivery::parse_id("evt_0190"), None);
    }
}
