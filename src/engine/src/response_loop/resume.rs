//! A response after a restart of the server (design D9).

use or_protocol::{ApiError, Item, ResponseStatus};

use super::{ResponseLoop, State, Turn};
use crate::contract::{LoopSpec, Output, Saved};
use crate::event_log::{self, Log, ResumeError, Told};

impl ResponseLoop {
    /// A loop that goes on with a saved response. It waits for [`Input::Resume`](crate::Input::Resume),
    /// [`Input::Failed`](crate::Input::Failed) or [`Input::Cancel`](crate::Input::Cancel).
    ///
    /// `spec` is as it was at first: its context holds what came in, nothing that the response made. The log
    /// decides what the client was told: frames written from here on are to be appended to it, and the items
    /// of both together are the output.
    ///
    /// `Resume` samples the next turn if the log ends with the record's items, or runs the calls that are not
    /// done, if the record was taken while tools ran: outputs that only the log has are their results, and a
    /// call that was started and not done is [`interrupted`](crate::ToolCall). If the log has more of a turn,
    /// or less than the record, the response ends as failed with the code `interrupted`, and what was open is
    /// closed as incomplete. A log that ends with an `error` event gets its `response.failed`, whatever the
    /// input. Without a stream the next turn is sampled.
    ///
    /// # Errors
    /// [`ResumeError::Over`] if the record's status is final; [`ResumeError::Ended`] if the log has its
    /// terminal event; [`ResumeError::Damaged`] if the log is not of this response or not in this engine's
    /// form. After a damaged log nothing can be appended to it.
    pub fn resume(spec: LoopSpec, saved: Saved<'_>) -> Result<Self, ResumeError> {
        match saved.status {
            ResponseStatus::Queued | ResponseStatus::InProgress => {}
            ResponseStatus::Completed
            | ResponseStatus::Failed
            | ResponseStatus::Incomplete
            | ResponseStatus::Cancelled => return Err(ResumeError::Over),
        }
        let mut this = Self::new(spec);
        this.shown = saved.status;
        this.progress = saved.progress;
        this.state = State::Restored;
        let finished = saved.output.len();
        let output = this.unseal(saved.output);
        if this.spec.stream {
            let Log { frames, told, error } =
                event_log::replay(saved.log, &this.spec.id, &mut this.assembly)?;
            this.writer.next = frames;
            let queued = this.spec.background && told < Told::InProgress;
            this.shown = if queued { ResponseStatus::Queued } else { ResponseStatus::InProgress };
            this.told = told;
            if error.is_some() {
                this.error = error;
                this.state = State::Failing;
            }
        } else {
            this.assembly.output = output;
        }
        // The log is read, then measured by the record, and only what fits both is remembered: the next turn must
        // not see items of a turn that broke off.
        let mut start = finished.min(this.assembly.output.len());
        if this.state == State::Restored && this.adopt(finished) {
            start = this.assembly.output.len() - this.assembly.open.len();
        } else {
            this.progress.tools = None;
            if this.state == State::Restored {
                this.state = State::Interrupted;
            }
        }
        this.count_restored(saved.log.len());
        this.turn = Turn { start, ..Turn::default() };
        this.remember(0..this.turn.start);
        Ok(this)
    }

    /// Takes the sealed state that the client does not see out of the items.
    fn unseal(&mut self, mut output: Vec<Item>) -> Vec<Item> {
        for (index, item) in output.iter_mut().enumerate() {
            if let Item::Reasoning(item) = item
                && !self.assembly.show_sealed
                && let Some(sealed) = item.encrypted_content.take()
            {
                self.assembly.sealed.push((index, sealed));
            }
        }
        output
    }

    /// Runs the tools that a restart interrupted, or samples the next turn.
    pub(super) fn go_on(&mut self, now: i64, out: &mut Output) {
        if self.progress.tools.is_none() {
            return self.begun(now, out);
        }
        self.in_progress();
        self.state = State::RunningTools;
        self.go_on_with_round(true, now, out);
    }

    pub(super) fn interrupted(&mut self, out: &mut Output) {
        self.begin();
        self.fail(ApiError::interrupted(), out);
    }
}
