//! What a middleware is.

use std::future::ready;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use or_adapters::ModelEvent;
use or_telemetry::Metrics;
use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::{End, Facts, SampledTurn, Stop, ToolOutcome, TurnRequest};

/// What a hook says, at last.
pub type HookFuture<'a> = Pin<Box<dyn Future<Output = Result<(), Stop>> + Send + 'a>>;
/// What the last hook does.
pub type EndFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A middleware. One value serves all responses, and holds what they share.
pub trait Middleware: Send + Sync + 'static {
    /// What it is. Asked once, when it is registered.
    fn spec(&self) -> MiddlewareSpec;

    /// The server starts: the place to open what it needs. Called once.
    ///
    /// # Errors
    /// Why the server cannot start.
    fn start(&self, metrics: &Metrics) -> Result<(), String> {
        let _ = metrics;
        Ok(())
    }

    /// A response begins: makes what looks after it, or `None` if there is nothing to do. Called where responses are
    /// served, so it must not block.
    fn begin(&self, facts: &Arc<Facts>) -> Option<Box<dyn Hooks>>;
}

/// A middleware's part in one response, with what it knows of it. Each hook lets things go on by `Ok`; what it changes
/// is changed for those behind it as well.
///
/// Hooks of one value never run at the same time. A hook that panics, fails or is too slow ends the response, or is
/// passed over ([`OnFailure`]); after a panic only `on_end` is still called. Work that nobody waits for any more, because
/// the client left, is dropped at its next `await`.
///
/// They run on threads of the middlewares' own, so they may take their time; what blocks for long belongs into
/// `tokio::task::spawn_blocking`. See [`MiddlewareSpec::in_place`] for the other way.
pub trait Hooks: Send + 'static {
    /// The model is about to be asked.
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        let _ = turn;
        Box::pin(ready(Ok(())))
    }

    /// The model did something. What is put into `out` takes its place: deltas, final texts and the record are made of
    /// that. An event that is held back has to come before the end of its part
    /// ([`ModelEvent::PartDone`], [`ModelEvent::BlockDone`], [`ModelEvent::Finished`]).
    ///
    /// # Errors
    /// The response ends behind what is in `out`.
    fn on_event(&mut self, event: ModelEvent, out: &mut Vec<ModelEvent>) -> Result<(), Stop> {
        out.push(event);
        Ok(())
    }

    /// The model has answered, and what follows from it was not begun.
    fn after_sample<'a>(&'a mut self, turn: &'a mut SampledTurn) -> HookFuture<'a> {
        let _ = turn;
        Box::pin(ready(Ok(())))
    }

    /// A tool of this server, or of an MCP server that it called, has a result.
    fn on_tool_result<'a>(&'a mut self, outcome: &'a mut ToolOutcome) -> HookFuture<'a> {
        let _ = outcome;
        Box::pin(ready(Ok(())))
    }

    /// The response is over, and told. Called once, whatever came before.
    fn on_end<'a>(&'a mut self, end: &'a End) -> EndFuture<'a> {
        let _ = end;
        Box::pin(ready(()))
    }
}

/// What a middleware is called, when it is asked, and what happens if it fails.
#[derive(Clone, Debug)]
pub struct MiddlewareSpec {
    /// For logs and metrics.
    pub name: String,
    /// For one hook. Default: 5 s.
    pub timeout: Duration,
    /// Default: the response fails.
    pub on_failure: OnFailure,
    /// Its hooks run where responses are served, which spares a change of threads at each. They must be short and must
    /// not block: all responses of that thread wait for them. Events and results of tools of 64 KiB or more are taken to the
    /// middlewares' threads all the same, and the hooks stay there to the end of the response. Default: false.
    pub in_place: bool,
    /// Hooks that are called; `on_end` always is. Default: all.
    pub wants: Wants,
    /// Only requests for models with such names. Default: all.
    pub models: Option<Regex>,
    /// Only requests of client keys with these names. Default, empty: all.
    pub clients: Vec<String>,
}

impl MiddlewareSpec {
    /// With the defaults.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            timeout: Duration::from_secs(5),
            on_failure: OnFailure::Fail,
            in_place: false,
            wants: Wants::default(),
            models: None,
            clients: Vec::new(),
        }
    }

    /// Whether it has a part in this response.
    pub(crate) fn is_for(&self, facts: &Facts) -> bool {
        self.models.as_ref().is_none_or(|models| models.is_match(&facts.model))
            && (self.clients.is_empty() || self.clients.contains(&facts.owner))
    }
}

/// What becomes of a response whose middleware fails, panics, or is too slow.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFailure {
    /// It fails, with the code `middleware_failed`.
    #[default]
    Fail,
    /// It goes on as if the hook had changed nothing.
    Pass,
}

/// Which hooks are called. One that is not needed and not called costs nothing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(missing_docs, reason = "names of hooks")]
pub struct Wants {
    pub before_sample: bool,
    pub on_event: bool,
    pub after_sample: bool,
    pub on_tool_result: bool,
    /// Whether `after_sample` may change items. Nothing of a turn is shown before that, so a client that streams gets
    /// each turn at once. Default: false.
    pub gathers: bool,
}

impl Wants {
    /// None but `on_end`.
    pub const NONE: Self = Self {
        before_sample: false,
        on_event: false,
        after_sample: false,
        on_tool_result: false,
        gathers: false,
    };
}

impl Default for Wants {
    fn default() -> Self {
        Self { before_sample: true, on_event: true, after_sample: true, on_tool_result: true, gathers: false }
    }
}
