//! The places of middlewares in the life of a response.

use std::sync::Arc;

use or_adapters::{ModelEvent, Note};
use or_engine::{Input, ToolResult};
use or_middleware::{End, EndStatus, Ends, Halt, Headers, Passed, Run, ToolOutcome, TurnRequest};

use super::{Driver, Step, large};

impl Driver {
    /// Lets the middlewares see and change what is about to be asked. `None`: nobody wants to.
    ///
    /// # Errors
    /// What to do in its place.
    pub(crate) async fn before_sample(&mut self) -> Result<Option<TurnRequest>, Step> {
        let Some(request) = self.begin_turn() else { return Ok(None) };
        let Some(asked) = self.through(async |run| run.before_sample(request).await).await? else {
            return Ok(None);
        };
        self.asked(asked).await.map(Some)
    }

    /// The same for a background response that was not begun. It is over soon, so nothing else is looked at meanwhile.
    ///
    /// # Errors
    /// What to do in its place.
    pub(crate) async fn before_begin(&mut self) -> Result<Option<TurnRequest>, Step> {
        let Some(request) = self.begin_turn() else { return Ok(None) };
        let Some(run) = &mut self.middleware else { return Ok(None) };
        let asked = Box::pin(run.before_sample(request)).await;
        self.asked(asked).await.map(Some)
    }

    /// What is asked if nobody changes it; `None` if nobody looks.
    fn begin_turn(&mut self) -> Option<TurnRequest> {
        let run = self.middleware.as_mut()?;
        run.begin_turn(self.engine.turns().saturating_add(1));
        let engine = &self.engine;
        run.wants().before_sample.then(|| {
            let (items, settings) = (engine.shared_context(), engine.turn_settings().into_owned());
            let mut asked = TurnRequest::new(items, settings, engine.usage().copied());
            asked.context_bytes = self.request.bytes() as u64;
            asked
        })
    }

    async fn asked(&mut self, (mut asked, halt): (TurnRequest, Option<Halt>)) -> Result<TurnRequest, Step> {
        self.told(std::mem::take(&mut asked.headers), std::mem::take(&mut asked.notes));
        match halt {
            None => Ok(asked),
            Some(halt) if self.engine.turns() == 0 => {
                self.told(halt.headers, Vec::new());
                Err(self.fail_with(halt.error).await)
            }
            Some(halt) => Err(self.halt(halt).await),
        }
    }

    /// Takes in the events of one read as the middlewares want them. `after_sample` comes before the end of the turn,
    /// behind everything else: what follows from an end is not undone.
    ///
    /// # Errors
    /// What to do in place of the rest.
    pub(crate) async fn pass_on(&mut self, events: Vec<ModelEvent>) -> Result<Step, Step> {
        let passed = self.through(async |run| run.on_events(events).await).await?;
        let Some(Passed { events, last, halt }) = passed else { return Ok(Step::More) };
        match (self.some(events).await, halt, last) {
            (Step::More, Some(halt), _) => Ok(self.halt(halt).await),
            (Step::More, None, Some(reason)) => {
                let passed = self.through(async |run| run.after_sample(reason).await).await?;
                let Some((turn, Passed { mut events, halt, .. })) = passed else { return Ok(Step::More) };
                self.told(turn.headers, turn.notes);
                if let Some(halt) = halt {
                    return Ok(self.halt(halt).await);
                }
                events.push(ModelEvent::Finished { reason });
                Ok(self.some(events).await)
            }
            (step, _, _) => Ok(step),
        }
    }

    async fn some(&mut self, events: Vec<ModelEvent>) -> Step {
        let bytes = large::bytes(&events);
        if events.is_empty() { Step::More } else { self.batch(events, bytes).await }
    }

    /// Lets the middlewares see and change a result before anybody else.
    ///
    /// # Errors
    /// The outer one: what to do in its place. The inner one: the same, because one halted.
    pub(crate) async fn seen(
        &mut self,
        index: usize,
        result: ToolResult,
    ) -> Result<Result<ToolResult, Step>, Step> {
        if self.middleware.as_ref().is_none_or(|run| !run.wants().on_tool_result) {
            return Ok(Ok(result));
        }
        let Some(call) = self.engine.tool_calls().into_iter().find(|call| call.index == index) else {
            return Ok(Ok(result));
        };
        let ToolResult { output, failed, fault } = result;
        let outcome = ToolOutcome {
            call_id: call.call_id,
            name: call.name,
            arguments: call.arguments,
            server: call.mcp.map(|mcp| mcp.label),
            output,
            failed,
            notes: Vec::new(),
        };
        // Boxed: every loop would carry the room for it.
        let seen = Box::pin(self.through(async |run| run.on_tool_result(outcome).await)).await?;
        let Some((ToolOutcome { output, failed, notes, .. }, halt)) = seen else {
            return Ok(Err(Step::More));
        };
        self.told(Headers::default(), notes);
        Ok(match halt {
            None => Ok(ToolResult { output, failed, fault }),
            Some(halt) => {
                self.engine.withhold(index);
                Err(self.halt(halt).await)
            }
        })
    }

    /// Asks the middlewares, and reacts to what comes from outside meanwhile. `None`: there are none.
    ///
    /// # Errors
    /// What to do in its place.
    async fn through<T>(&mut self, ask: impl AsyncFnOnce(&mut Run) -> T) -> Result<Option<T>, Step> {
        let Some(mut run) = self.middleware.take() else { return Ok(None) };
        let done = self.wait(Box::pin(ask(&mut run))).await;
        self.middleware = Some(run);
        done.map(Some)
    }

    /// Ends the response with what was made of it.
    async fn halt(&mut self, halt: Halt) -> Step {
        self.told(halt.headers, Vec::new());
        match halt.ends {
            Ends::Failed => self.fail_with(halt.error).await,
            Ends::Incomplete(reason) => self.feed(Input::Halt(reason)).await,
        }
    }

    /// What middlewares say beside the answer.
    fn told(&mut self, headers: Headers, notes: Vec<Note>) {
        for (name, value) in headers.into_vec() {
            self.attend.sink.header(name, value);
        }
        for note in notes {
            if !self.recorder.notes.contains(&note) {
                self.recorder.notes.push(note);
            }
        }
    }

    /// Tells the middlewares of the end.
    pub(crate) fn end_middleware(&mut self, status: EndStatus) {
        let Self { middleware: Some(run), engine, recorder, request, refusal, .. } = self else { return };
        run.end(|| End {
            status,
            provider: Arc::clone(request.provider()),
            error: refusal.take().or_else(|| engine.error().cloned()),
            usage: engine.usage().copied(),
            notes: recorder.notes.clone(),
            took: request.facts.received.elapsed(),
        });
    }
}
