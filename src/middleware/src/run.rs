//! The chain of one response.

use std::sync::Arc;

use or_adapters::{FinishReason, ModelEvent};
use or_telemetry::Metrics;

use crate::gather::{Gather, Passed};
use crate::member::{Events, Member, Subject};
use crate::{End, Facts, Halt, SampledTurn, ToolOutcome, TurnRequest, Wants};

/// The middlewares of one response. Whoever drops it without an end has failed.
pub struct Run {
    facts: Arc<Facts>,
    members: Vec<Member>,
    metrics: Metrics,
    /// What any of them wants.
    wants: Wants,
    /// Of the running turn; `None` if nobody looks at its items.
    gather: Option<Gather>,
    /// Of a turn that broke off and goes on with the next call.
    broken: Option<Gather>,
    turn: u32,
    attempt: u32,
    over: bool,
}

impl Run {
    pub(crate) fn new(facts: Arc<Facts>, members: Vec<Member>, metrics: Metrics) -> Self {
        let wants = members.iter().map(|member| member.spec.wants).fold(Wants::NONE, |all, one| Wants {
            before_sample: all.before_sample || one.before_sample,
            on_event: all.on_event || one.on_event,
            after_sample: all.after_sample || one.after_sample,
            on_tool_result: all.on_tool_result || one.on_tool_result,
            gathers: all.gathers || one.gathers && one.after_sample,
        });
        Self { facts, members, metrics, wants, gather: None, broken: None, turn: 0, attempt: 0, over: false }
    }

    /// What any of them wants.
    pub fn wants(&self) -> Wants {
        self.wants
    }

    /// A turn begins; `turn`: which one, from 1.
    pub fn begin_turn(&mut self, turn: u32) {
        self.attempt = if turn == self.turn { self.attempt + 1 } else { 1 };
        self.turn = turn;
        let broken = self.broken.take();
        let gather = || broken.unwrap_or_else(|| Gather::new(self.wants.gathers));
        self.gather = self.wants.after_sample.then(gather);
    }

    /// The turn broke off behind what was shown of it, and another provider goes on with it: its items stay, and those
    /// that this one makes stand behind them.
    pub fn goes_on(&mut self) {
        self.broken = self.gather.take().map(Gather::goes_on);
    }

    /// The model is about to be asked.
    pub async fn before_sample(&mut self, mut request: TurnRequest) -> (TurnRequest, Option<Halt>) {
        (request.turn, request.attempt) = (self.turn, self.attempt);
        self.ask_all(request, |wants| wants.before_sample).await
    }

    /// The model did something.
    pub async fn on_events(&mut self, events: Vec<ModelEvent>) -> Passed {
        let Self { facts, members, metrics, gather, .. } = self;
        let (mut events, mut halt) = (Events(events), None);
        for member in members.iter_mut().filter(|member| member.spec.wants.on_event) {
            let (made, halted) = member.ask(events, facts, metrics).await;
            events = made;
            // What was let through before it goes on; a halt further on comes before this one.
            halt = halted.or(halt);
        }
        match gather {
            Some(gather) => Passed { halt, ..gather.take_in(events.0) },
            None => Passed { events: events.0, last: None, halt },
        }
    }

    /// The model has answered. Gives the events that were held back, as the hooks want them.
    pub async fn after_sample(&mut self, finish: FinishReason) -> (SampledTurn, Passed) {
        let Some(gather) = self.gather.take() else { return Default::default() };
        let (items, usage) = (gather.items(), gather.usage());
        let turn =
            SampledTurn { turn: self.turn, items, finish: Some(finish), usage, ..SampledTurn::default() };
        let (turn, halt) = self.ask_all(turn, |wants| wants.after_sample).await;
        let events = if halt.is_none() { gather.give(&turn.items, &self.facts.id) } else { Vec::new() };
        (turn, Passed { events, last: None, halt })
    }

    /// A tool has a result.
    pub async fn on_tool_result(&mut self, outcome: ToolOutcome) -> (ToolOutcome, Option<Halt>) {
        self.ask_all(outcome, |wants| wants.on_tool_result).await
    }

    async fn ask_all<S: Subject>(
        &mut self,
        mut subject: S,
        of: impl Fn(&Wants) -> bool,
    ) -> (S, Option<Halt>) {
        for member in self.members.iter_mut().filter(|member| of(&member.spec.wants)) {
            let (changed, halt) = member.ask(subject, &self.facts, &self.metrics).await;
            subject = changed;
            if halt.is_some() {
                return (subject, halt);
            }
        }
        (subject, None)
    }

    /// The response is over; tells everybody. Later ends have no effect.
    pub fn end(&mut self, end: impl FnOnce() -> End) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let end = Arc::new(end());
        self.members.iter_mut().for_each(|member| member.end(Arc::clone(&end)));
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let facts = Arc::clone(&self.facts);
        self.end(|| End::unknown(&facts));
    }
}
