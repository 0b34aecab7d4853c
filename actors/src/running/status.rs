//! How far a running response is, for those who look from outside.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use or_protocol::ResponseId;
use or_telemetry::ResponseFacts;

/// What a response does at this moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Phase {
    /// Its context is read, and its MCP servers are asked for their tools.
    Preparing,
    /// The provider is asked, or answers.
    Sampling,
    /// A call of the provider failed and is made again after a pause.
    Retrying,
    /// These tools are running.
    RunningTools(Vec<String>),
    /// It waits for the disk.
    Storing,
}

/// A running response as it was when somebody looked.
#[derive(Clone, Debug)]
pub struct RunningResponse {
    /// Its id.
    pub id: ResponseId,
    /// Name of the client key that made it.
    pub owner: String,
    /// Model name as the client wrote it.
    pub model: String,
    /// Name of the provider that is asked, or was last.
    pub provider: String,
    /// Whether its client gets a stream.
    pub stream: bool,
    /// Whether it outlives its client.
    pub background: bool,
    /// How long it has been in progress, in this process.
    pub age: Duration,
    /// What it does.
    pub phase: Phase,
    /// Calls of the model so far.
    pub turn: u32,
    /// Tokens of its finished turns, input and output.
    pub tokens: u64,
}

/// What changes while a response is made. Its loop writes, anybody may look.
#[derive(Debug)]
pub(crate) struct Status {
    pub(crate) facts: Arc<ResponseFacts>,
    since: Instant,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    provider: Arc<str>,
    phase: Phase,
    turn: u32,
    tokens: u64,
}

impl Status {
    pub(crate) fn new(facts: Arc<ResponseFacts>) -> Self {
        let provider = Arc::clone(&facts.provider);
        let now = Now { provider, phase: Phase::Preparing, turn: 0, tokens: 0 };
        Self { facts, since: Instant::now(), now: Mutex::new(now) }
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        // Nothing in there can be half-changed.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what the response does, until the guard is dropped.
    pub(crate) fn enter(self: &Arc<Self>, phase: Phase) -> InPhase {
        let before = std::mem::replace(&mut self.now().phase, phase);
        InPhase { status: Arc::clone(self), before: Some(before) }
    }

    /// A turn begins at a provider; `tokens`: of those before it.
    pub(crate) fn turn(&self, provider: &Arc<str>, turn: u32, tokens: u64) {
        let mut now = self.now();
        (now.turn, now.tokens) = (turn, tokens);
        now.provider = Arc::clone(provider);
    }

    /// As it is.
    pub(crate) fn look(&self) -> RunningResponse {
        let facts = &*self.facts;
        let now = self.now();
        RunningResponse {
            id: facts.id.clone(),
            owner: facts.owner.clone(),
            model: facts.model.clone(),
            provider: now.provider.to_string(),
            stream: facts.stream,
            background: facts.background,
            age: self.since.elapsed(),
            phase: now.phase.clone(),
            turn: now.turn,
            tokens: now.tokens,
        }
    }
}

/// What a response does while this lives; what it did before follows.
#[derive(Debug)]
pub(crate) struct InPhase {
    status: Arc<Status>,
    before: Option<Phase>,
}

impl Drop for InPhase {
    fn drop(&mut self) {
        if let Some(before) = self.before.take() {
            self.status.now().phase = before;
        }
    }
}
