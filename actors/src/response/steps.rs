//! The steps of a response beside sampling: it begins, tries again, runs tools, commits, fails, ends.

use or_engine::{Input, Outcome, Output, ResponseLoop, ToolCall, ToolResult};
use or_middleware::EndStatus;
use or_protocol::{ApiError, ErrorKind, ResponseStatus, json_bytes};
use or_store::StoreError;

use crate::response::attend::unix_now;
use crate::response::driver::{Driver, Step};
use crate::response::job::{Reply, Trail};
use crate::response::record::Recorder;
use crate::response::sink::{Sink, Waiting, read_along};
use crate::response::tool_round::News;
use crate::running::Phase;

impl Driver {
    /// Writes the first record of a background response, then tells the client that it exists, then goes on: a client
    /// never has an id that a restart would not know.
    pub(super) async fn begin(&mut self) -> Step {
        // What cannot be translated is refused while there is somebody to tell.
        let asked = match self.before_begin().await {
            Ok(asked) => asked,
            Err(step) => return step,
        };
        loop {
            let translation = self.sampler.translate(&self.engine, asked.as_ref());
            match translation.await.and_then(|turn| self.noted(turn)) {
                Ok(first) => break self.sampler.keep(first),
                Err(error) => match self.sampler.attempts.pass_over(error) {
                    Some(error) => return self.refuse(error),
                    None => self.sampler.take_back(&mut self.recorder.notes),
                },
            }
        }
        let Some(mut waiting) = self.attend.sink.take_waiting() else { return Step::End(None) };
        let first = Recorder::first_frames(std::mem::take(&mut waiting.held));
        let written = match self.stored().await {
            Some(record) => Some(self.recorder.first(record, first.clone()).await),
            None => None,
        };
        if let Some(Err(error)) = &written {
            tracing::error!(response_id = %self.request.facts.id, %error, "a background response could not begin");
        }
        if !matches!(written, Some(Ok(()))) {
            let text = "The response could not be stored, so it was not begun.";
            self.attend.sink = Sink::Waiting(waiting);
            let too_long = match written {
                Some(Err(StoreError::TooLong(bytes))) => Some(self.recorder.too_long(bytes)),
                _ => None,
            };
            let storage = || ApiError::new(ErrorKind::Storage, text).with_code("storage_error");
            return self.refuse(too_long.unwrap_or_else(storage));
        }
        let Waiting { reply, trail, .. } = waiting;
        let trail = Trail { notes: self.recorder.notes.clone(), ..trail };
        self.attend.sink = self.recorder.detached(0);
        self.attend.sink.hold(first.bytes.to_vec());
        self.attend.sink.publish(usize::MAX);
        let answer = match &mut self.attend.sink {
            Sink::Log(_) => {
                let facts = &self.request.facts;
                let place = self.node.readers.enter_first(&facts.id, &facts.owner);
                let frames = read_along(&self.node, self.recorder.store(), facts.id.clone(), 0, place);
                Reply::Stream { frames, trail }
            }
            _ => Reply::Json { body: self.look(ResponseLoop::current_json).await.into(), trail },
        };
        // If the client has left, the response goes on all the same.
        let _ = reply.send(answer);
        self.feed(Input::Begun).await
    }

    /// Runs the calls that the engine asks for, to the end of the round.
    pub(super) async fn run_tools(&mut self) -> Result<Step, Step> {
        // An approved call comes before the provider's first answer, and the client shall see it run.
        self.open();
        // The next turn has their results.
        self.sampler.forget();
        let calls = self.engine.tool_calls();
        let names = calls.iter().map(|call| call.name.clone()).collect();
        let _phase = self.status.enter(Phase::RunningTools(names));
        if self.request.facts.background {
            let step = self.note_starts(&calls).await;
            if step != Step::More {
                return Ok(step);
            }
        }
        let mut round = self.tools.begin(calls, self.engine.settings(), self.span.trace());
        loop {
            let step = match self.wait(round.next()).await? {
                News::Progress(text) => {
                    if self.attend.sink.progress(&text).await {
                        Step::More
                    } else {
                        self.lost().await
                    }
                }
                News::Done(index, result) => match self.seen(index, result).await? {
                    Ok(result) => self.tool_done(index, result).await,
                    Err(halted) => halted,
                },
                // The engine has said what is next by then.
                News::Over => return Ok(Step::More),
            };
            if step != Step::More {
                return Ok(step);
            }
        }
    }

    /// Writes down which calls are about to run, so that a restart does not run them again. Only a background
    /// response goes on after one.
    async fn note_starts(&mut self, calls: &[ToolCall]) -> Step {
        for call in calls {
            self.engine.handle(Input::ToolStarted { index: call.index }, unix_now(), &mut Output::default());
        }
        self.checkpoint(Vec::new(), Step::More).await
    }

    async fn tool_done(&mut self, index: usize, result: ToolResult) -> Step {
        // The next turn sees it.
        let bytes = usize::try_from(json_bytes(&result.output)).unwrap_or(usize::MAX);
        self.request.set_bytes(self.request.bytes().saturating_add(bytes));
        self.unreserved = self.unreserved.saturating_add(bytes);
        let out = self.handle(Input::ToolDone { index, result }).await;
        self.after_result(out, bytes).await
    }

    /// Writes the record of the end, and tells it.
    pub(super) async fn commit(&mut self) -> Step {
        if self.request.facts.background && !self.attend.sink.is_waiting() {
            return self.commit_background().await;
        }
        let Some(record) = self.stored().await else {
            return self.feed(Input::Committed(Err(()))).await;
        };
        let error = match self.recorder.too_large(&record) {
            Some(error) => error,
            None => {
                let (written, response) = self.recorder.end(record).await;
                self.engine.give_back(response);
                return self.feed(Input::Committed(written)).await;
            }
        };
        self.feed(Input::Unstorable(error)).await
    }

    /// Writes the end and the events that tell it, all at once.
    async fn commit_background(&mut self) -> Step {
        let mut out = Output::default();
        let Some(record) = self.conclude(&mut out).await else { return Step::Park };
        let then = Step::of(out.next);
        Box::pin(self.keep(Some(record), out.frames, then)).await
    }

    /// Ends with an HTTP error; nothing was sent and nothing is kept.
    pub(super) fn refuse(&mut self, error: ApiError) -> Step {
        self.span.error(&error);
        if self.middleware.is_some() {
            self.refusal = Some(error.clone());
        }
        self.attend.sink.refuse(error);
        Step::End(None)
    }

    /// An HTTP error while that is possible, otherwise `error` and `response.failed`. After a call was made the
    /// response is kept in any case: its result would be lost, and an approval is used up.
    pub(super) async fn fail_with(&mut self, error: ApiError) -> Step {
        if self.attend.sink.is_waiting() && !self.engine.has_acted() {
            return self.refuse(error);
        }
        self.span.error(&error);
        self.feed(Input::Failed(error)).await
    }

    /// Gives a unary client its answer, and tells the end.
    pub(super) fn finish(&mut self, outcome: Option<Outcome>) -> Option<Outcome> {
        self.recorder.notes.extend(self.engine.take_notes());
        if let Some(error) = self.engine.error() {
            self.span.error(error);
        }
        if self.attend.sink.is_waiting() {
            match self.engine.error() {
                Some(error) => {
                    let kept = self.engine.is_kept().then(|| self.request.facts.id.clone());
                    self.attend.sink.fail(error.clone(), kept);
                }
                None => {
                    let notes = self.recorder.notes.clone();
                    self.attend.sink.answer(self.engine.take_response_json(), notes);
                }
            }
        }
        // Closes the stream.
        self.attend.sink = Sink::Done;
        self.node.metrics.approvals("requested", self.engine.approval_requests());
        let status = outcome.map_or("refused", word);
        self.span.end(status, self.engine.usage().copied(), &self.recorder.notes);
        self.end_middleware(outcome.map_or(EndStatus::Refused, end_status));
        self.let_go();
        outcome
    }

    /// Ends without an end: the record says that it goes on.
    pub(super) fn park(&mut self) -> Option<Outcome> {
        self.attend.sink = Sink::Done;
        self.span.end("parked", None, &[]);
        self.end_middleware(EndStatus::Parked);
        None
    }

    /// After a panic: the response ends as failed, told and recorded.
    pub(crate) async fn crashed(&mut self) {
        self.here = None;
        if self.fail_with(ApiError::internal()).await == Step::Commit {
            self.commit().await;
        }
        self.finish(Some(Outcome::Failed));
    }

    /// The last resort, when even the orderly end panicked: an HTTP client gets its error, a stream is cut.
    pub(crate) fn give_up(&mut self) {
        self.attend.sink.refuse(ApiError::internal());
        self.attend.sink = Sink::Done;
    }
}

fn end_status(outcome: Outcome) -> EndStatus {
    match outcome {
        Outcome::Completed => EndStatus::Completed,
        Outcome::Incomplete => EndStatus::Incomplete,
        Outcome::Failed => EndStatus::Failed,
        Outcome::Cancelled => EndStatus::Cancelled,
    }
}

/// The wire word of an outcome.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => ResponseStatus::Completed.as_str(),
        Outcome::Incomplete => ResponseStatus::Incomplete.as_str(),
        Outcome::Failed => ResponseStatus::Failed.as_str(),
        Outcome::Cancelled => ResponseStatus::Cancelled.as_str(),
    }
}
