//! The one end of a response: decided, committed, told.

use or_protocol::{ApiError, ErrorKind, EventBody, IncompleteDetails, ResponseStatus};
use serde_json::value::RawValue;

use super::view::bytes;
use super::{ResponseLoop, State};
use crate::contract::{Action, Outcome, Output};
use crate::event_log::Told;
use crate::items::mcp::cut_note;
use crate::items::{Ending, Slot};
use crate::snapshot::{response_error, short_response, snapshot_json};

impl ResponseLoop {
    pub(super) fn complete(&mut self, now: i64, out: &mut Output) {
        self.assembly.close_all(Ending::Completed, &mut self.writer);
        self.completed_at = Some(now);
        self.end(ResponseStatus::Completed, out);
    }

    pub(super) fn cut(&mut self, reason: &str, out: &mut Output) {
        if self.assembly.open.values().any(|slot| matches!(slot, Slot::Held(_))) {
            self.notes.push(cut_note());
        }
        self.assembly.close_all(Ending::Incomplete, &mut self.writer);
        self.incomplete = Some(IncompleteDetails { reason: reason.to_owned() });
        self.end(ResponseStatus::Incomplete, out);
    }

    pub(super) fn fail(&mut self, error: ApiError, out: &mut Output) {
        self.abandon();
        self.error = Some(error);
        self.end(ResponseStatus::Failed, out);
    }

    pub(super) fn cancel(&mut self, out: &mut Output) {
        self.abandon();
        self.incomplete = Some(IncompleteDetails { reason: "cancelled".into() });
        self.end(ResponseStatus::Cancelled, out);
    }

    pub(super) fn halt(&mut self, reason: String, out: &mut Output) {
        self.abandon();
        self.incomplete = Some(IncompleteDetails { reason });
        self.end(ResponseStatus::Incomplete, out);
    }

    fn abandon(&mut self) {
        self.end_turn();
        // Before everything open is closed as cut off: an output that a log left half told is open, and is completed
        // if its result is there.
        self.abandon_round();
        self.assembly.abandon(&mut self.writer);
    }

    /// Decides the end. It is told only after its commit (design D8).
    pub(super) fn end(&mut self, status: ResponseStatus, out: &mut Output) {
        self.status = status;
        self.render();
        if self.spec.store {
            self.state = State::Committing;
            out.next = Some(Action::Commit);
        } else {
            self.tell_end(out);
        }
    }

    pub(super) fn committed(&mut self, good: bool, out: &mut Output) {
        if !good && self.status != ResponseStatus::Failed {
            let text = "The response could not be stored.";
            self.error = Some(ApiError::new(ErrorKind::Storage, text).with_code("storage_error"));
            self.status = ResponseStatus::Failed;
            self.incomplete = None;
            self.completed_at = None;
            self.render();
        }
        self.tell_end(out);
    }

    /// The end cannot be written down as it is: it becomes a failure that is short enough for any store.
    pub(super) fn shorten(&mut self, error: ApiError, out: &mut Output) {
        if self.shortened {
            return self.committed(false, out);
        }
        self.shortened = true;
        self.status = ResponseStatus::Failed;
        (self.incomplete, self.completed_at) = (None, None);
        self.assembly.output.clear();
        self.assembly.sealed.clear();
        self.error = Some(error);
        self.render();
        let short = self.response_json.as_deref().and_then(|whole| short_response(whole, None));
        self.response_json = short.or(self.response_json.take());
        out.next = Some(Action::Commit);
    }

    /// Takes the final response object out for its record, so that there is one of it in memory; it has to be given
    /// back before the end is told.
    pub fn lend_response(&mut self) -> Option<Box<RawValue>> {
        self.response_json.take()
    }

    /// Gives it back.
    pub fn give_back(&mut self, response: Box<RawValue>) {
        self.response_json = Some(response);
    }

    /// Whether the end is decided.
    pub fn is_decided(&self) -> bool {
        matches!(self.state, State::Committing | State::Ended)
    }

    /// Whether the response was too large to be stored, so that its record has nothing but its end.
    pub fn is_shortened(&self) -> bool {
        self.shortened
    }

    /// The response object before its end, also if that is decided already and not on disk.
    pub fn unfinished_json(&self) -> Vec<u8> {
        bytes(self.live(&self.assembly.output))
    }

    fn tell_end(&mut self, out: &mut Output) {
        self.state = State::Ended;
        let (name, outcome) = match self.status {
            ResponseStatus::Completed => ("response.completed", Outcome::Completed),
            ResponseStatus::Incomplete => ("response.incomplete", Outcome::Incomplete),
            ResponseStatus::Cancelled => ("response.incomplete", Outcome::Cancelled),
            ResponseStatus::Failed | ResponseStatus::Queued | ResponseStatus::InProgress => {
                ("response.failed", Outcome::Failed)
            }
        };
        if let Some(error) = self.error.as_ref().filter(|_| self.told < Told::Error) {
            let payload = error.payload();
            let body = EventBody::Error {
                error: payload,
                code: payload.code,
                message: payload.message,
                param: payload.param,
            };
            self.writer.emit("error", body);
        }
        if let Some(response) = &self.response_json {
            self.writer.finish(name, response);
        }
        out.next = Some(Action::End(outcome));
    }

    /// Writes the final response object down, once for the client, the stream and the store.
    fn render(&mut self) {
        let error = self.error.as_ref().map(response_error);
        let resource = self.resource(error.as_ref());
        self.response_json = Some(snapshot_json(&resource));
    }
}
