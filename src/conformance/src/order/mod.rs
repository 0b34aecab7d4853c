//! Checks that a stream is legal, by the rules of the Open Responses specification. Numbers in brackets are those of
//! our digest of it, section and rule.
//!
//! The checker sees only event names and JSON. It follows the response through its states, every item through
//! its own, puts texts and arguments together from their deltas, and compares all of it with what `done`
//! events and the last snapshot say. It goes on after a finding, so one run names them all.

mod items;
mod parts;
mod snapshot;
mod sse;

use serde_json::Value;

use crate::Options;
use items::Items;
use snapshot::Snapshots;

/// The findings of one check.
pub type Findings = Vec<String>;

/// Checks a whole stream, standard items and events only. See [`check_events_with`].
///
/// # Errors
/// The rules that the stream breaks, one line each.
pub fn check_events(events: &[(String, Value)]) -> Result<(), Findings> {
    check_events_with(events, Options::STRICT)
}

/// Checks a whole stream, `response.created` to the terminal event. An event is its SSE name, which may be
/// empty where the transport has none (WebSocket), and its data.
///
/// # Errors
/// The rules that the stream breaks, one line each, with the place and type of the event.
pub fn check_events_with(events: &[(String, Value)], options: Options) -> Result<(), Findings> {
    let mut checker = Checker {
        notes: Notes { list: Vec::new(), place: String::new() },
        phase: Phase::Start,
        snapshots: Snapshots::default(),
        items: Items::new(options),
    };
    for (at, (name, data)) in events.iter().enumerate() {
        checker.notes.place = format!("event {at} ({})", data["type"].as_str().unwrap_or("?"));
        checker.frame(at, name, data);
        checker.event(data);
    }
    checker.notes.place = "end of stream".to_owned();
    checker.notes.require(checker.phase == Phase::Ended, "there is no terminal event");
    if checker.notes.list.is_empty() { Ok(()) } else { Err(checker.notes.list) }
}

/// Checks a response object that is over, as an answer or a `GET` gives it: all fields, and those that go with its
/// status.
///
/// # Errors
/// The rules that it breaks, one line each.
pub fn check_response(response: &Value) -> Result<(), Findings> {
    let mut notes = Notes { list: Vec::new(), place: "response".to_owned() };
    let ending = match response["status"].as_str() {
        Some("completed") => Some(Ending::Completed),
        Some("incomplete") => Some(Ending::Incomplete),
        Some("cancelled") => Some(Ending::Cancelled),
        Some("failed") => Some(Ending::Failed),
        _ => None,
    };
    match ending {
        Some(ending) => Snapshots::default().last(response, ending, &mut notes),
        None => notes.add(format!("the status is {}, which is no end", response["status"])),
    }
    if notes.list.is_empty() { Ok(()) } else { Err(notes.list) }
}

/// Reads a whole SSE body into frames for [`check_events`], without `[DONE]`. It is strict: LF only,
/// each frame is an event line, one data line and an empty line, comments stand between frames, `[DONE]` is
/// last.
///
/// # Errors
/// The first thing in the body that is not of this form.
pub fn parse_sse(bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    sse::parse(bytes)
}

/// Where the response stands (12.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    Start,
    /// `response.created` was seen; the flag says that it was `queued`.
    Created {
        queued: bool,
    },
    Queued,
    InProgress,
    /// An `error` event was seen; only `response.failed` may follow (11.6).
    Failing,
    Ended,
}

/// How the response ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    Completed,
    Incomplete,
    /// There is no terminal event for a cancelled response; it ends as `response.incomplete` with this
    /// status.
    Cancelled,
    Failed,
}

/// Collects findings with their place.
struct Notes {
    list: Findings,
    place: String,
}

impl Notes {
    fn add(&mut self, text: impl AsRef<str>) {
        self.list.push(format!("{}: {}", self.place, text.as_ref()));
    }

    fn require(&mut self, holds: bool, text: impl AsRef<str>) {
        if !holds {
            self.add(text);
        }
    }
}

struct Checker {
    notes: Notes,
    phase: Phase,
    snapshots: Snapshots,
    items: Items,
}

impl Checker {
    /// What every event has: a type that its SSE name repeats (1.5) and the next number (12.2).
    fn frame(&mut self, at: usize, name: &str, data: &Value) {
        let kind = data["type"].as_str();
        self.notes.require(kind.is_some(), "has no `type`");
        self.notes.require(name.is_empty() || Some(name) == kind, format!("the event line says `{name}`"));
        let number = data["sequence_number"].as_u64();
        self.notes.require(
            number == u64::try_from(at).ok(),
            format!("sequence_number is {}, not {at}", data["sequence_number"]),
        );
        for optional in ["logprobs", "obfuscation"] {
            let absent_or_set = data.get(optional).is_none_or(|value| !value.is_null());
            self.notes.require(absent_or_set, format!("`{optional}` is null; it must be left out"));
        }
    }

    fn event(&mut self, data: &Value) {
        let kind = data["type"].as_str().unwrap_or_default();
        match self.phase {
            Phase::Ended => return self.notes.add("comes after the terminal event"),
            Phase::Start if kind != "response.created" => self.notes.add("comes before response.created"),
            Phase::Failing if kind != "response.failed" => {
                self.notes.add("only response.failed follows `error`")
            }
            _ => {}
        }
        match kind {
            "response.created" => self.created(&data["response"]),
            "response.queued" => self.queued(&data["response"]),
            "response.in_progress" => self.in_progress(&data["response"]),
            "response.completed" => self.terminal(Ending::Completed, &data["response"]),
            "response.incomplete" if data["response"]["status"] == "cancelled" => {
                self.terminal(Ending::Cancelled, &data["response"]);
            }
            "response.incomplete" => self.terminal(Ending::Incomplete, &data["response"]),
            "response.failed" => self.terminal(Ending::Failed, &data["response"]),
            "error" => self.error(&data["error"]),
            _ => {
                self.notes.require(self.phase == Phase::InProgress, "comes outside of in_progress");
                self.items.event(kind, data, &mut self.notes);
            }
        }
    }

    fn created(&mut self, response: &Value) {
        self.notes.require(self.phase == Phase::Start, "is not the first event");
        let queued = response["status"] == "queued";
        self.snapshots.early(response, if queued { "queued" } else { "in_progress" }, &mut self.notes);
        self.phase = Phase::Created { queued };
    }

    fn queued(&mut self, response: &Value) {
        self.notes
            .require(self.phase == Phase::Created { queued: true }, "does not follow a queued creation");
        self.snapshots.early(response, "queued", &mut self.notes);
        self.phase = Phase::Queued;
    }

    fn in_progress(&mut self, response: &Value) {
        let starts = matches!(self.phase, Phase::Created { .. } | Phase::Queued);
        self.notes.require(starts, "does not follow created or queued");
        self.snapshots.early(response, "in_progress", &mut self.notes);
        self.phase = Phase::InProgress;
    }

    /// The nested error object (11.7).
    fn error(&mut self, error: &Value) {
        for key in ["type", "message"] {
            self.notes.require(error[key].is_string(), format!("error.{key} is not a string"));
        }
        for key in ["code", "param"] {
            let fits = error.get(key).is_some_and(|value| value.is_string() || value.is_null());
            self.notes.require(fits, format!("error.{key} is neither a string nor null"));
        }
        self.phase = Phase::Failing;
    }

    fn terminal(&mut self, ending: Ending, response: &Value) {
        let waits = matches!(self.phase, Phase::Created { queued: true } | Phase::Queued);
        let allowed = match ending {
            Ending::Completed | Ending::Incomplete => self.phase == Phase::InProgress,
            // A background response can be cancelled while it waits.
            Ending::Cancelled => self.phase == Phase::InProgress || waits,
            Ending::Failed => self.phase == Phase::Failing,
        };
        self.notes.require(allowed, format!("cannot follow the phase {:?}", self.phase));
        self.snapshots.last(response, ending, &mut self.notes);
        self.items.end(response, ending, &mut self.notes);
        self.phase = Phase::Ended;
    }
}
