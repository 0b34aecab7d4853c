//! One middleware in the chain of one response: where its hooks run, and what can go wrong with them.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use or_adapters::ModelEvent;
use or_protocol::{ErrorKind, Output, json_bytes};
use or_telemetry::Metrics;
use tokio::runtime::{self, Handle};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::{
    End, Facts, Halt, HookFuture, Hooks, MiddlewareSpec, OnFailure, SampledTurn, Stop, ToolOutcome,
    TurnRequest,
};

/// A hook that blocks its thread does not hear of its timeout. So much later it is given up.
const GRACE: Duration = Duration::from_millis(250);
/// What is larger, in bytes, is taken to the middlewares' threads by a member whose hooks run in place.
const HEAVY: usize = 64 * 1024;
/// Work that waits for one member: a response asks for one hook at a time, and then for the end.
const QUEUE: usize = 4;

/// What a hook is called with.
pub(crate) trait Subject: Clone + Default + Send + 'static {
    /// The hook's name, for logs and metrics.
    const HOOK: &'static str;

    fn hook<'a>(&'a mut self, hooks: &'a mut dyn Hooks) -> HookFuture<'a>;

    /// Whether it takes long to look at.
    fn is_heavy(&self) -> bool;
}

impl Subject for TurnRequest {
    const HOOK: &'static str = "before_sample";

    fn hook<'a>(&'a mut self, hooks: &'a mut dyn Hooks) -> HookFuture<'a> {
        hooks.before_sample(self)
    }

    /// It is shared, so to call the hook costs nothing; who reads all of it sees to that.
    fn is_heavy(&self) -> bool {
        false
    }
}

impl Subject for SampledTurn {
    const HOOK: &'static str = "after_sample";

    fn hook<'a>(&'a mut self, hooks: &'a mut dyn Hooks) -> HookFuture<'a> {
        hooks.after_sample(self)
    }

    fn is_heavy(&self) -> bool {
        false
    }
}

impl Subject for ToolOutcome {
    const HOOK: &'static str = "on_tool_result";

    fn hook<'a>(&'a mut self, hooks: &'a mut dyn Hooks) -> HookFuture<'a> {
        hooks.on_tool_result(self)
    }

    fn is_heavy(&self) -> bool {
        let output = match &self.output {
            Output::Text(text) => text.len(),
            Output::Parts(_) => usize::try_from(json_bytes(&self.output)).unwrap_or(usize::MAX),
        };
        self.arguments.len().saturating_add(output) >= HEAVY
    }
}

/// Events of one read: those that came, and when the hook was called, those that it made of them.
#[derive(Clone, Default)]
pub(crate) struct Events(pub(crate) Vec<ModelEvent>);

impl Subject for Events {
    const HOOK: &'static str = "on_event";

    fn hook<'a>(&'a mut self, hooks: &'a mut dyn Hooks) -> HookFuture<'a> {
        let mut made = Vec::with_capacity(self.0.len());
        let came = std::mem::take(&mut self.0).into_iter();
        let done = came.map(|event| hooks.on_event(event, &mut made)).find(Result::is_err);
        self.0 = made;
        Box::pin(ready(done.unwrap_or(Ok(()))))
    }

    fn is_heavy(&self) -> bool {
        self.0.iter().map(ModelEvent::bytes).fold(0, usize::saturating_add) >= HEAVY
    }
}

/// In place of hooks whose making panicked.
pub(crate) struct Broken;

impl Broken {
    fn stop() -> Stop {
        Stop::Failed("its `begin` panicked".into())
    }
}

impl Hooks for Broken {
    fn before_sample<'a>(&'a mut self, _: &'a mut TurnRequest) -> HookFuture<'a> {
        Box::pin(ready(Err(Self::stop())))
    }

    fn on_event(&mut self, _: ModelEvent, _: &mut Vec<ModelEvent>) -> Result<(), Stop> {
        Err(Self::stop())
    }

    fn after_sample<'a>(&'a mut self, _: &'a mut SampledTurn) -> HookFuture<'a> {
        Box::pin(ready(Err(Self::stop())))
    }

    fn on_tool_result<'a>(&'a mut self, _: &'a mut ToolOutcome) -> HookFuture<'a> {
        Box::pin(ready(Err(Self::stop())))
    }
}

/// Why a hook did not let things go on.
enum Fault {
    Stopped(Stop),
    Panicked,
    TimedOut,
    /// It blocks its thread, or that is gone.
    Lost,
}

/// Calls a hook.
async fn call<S: Subject>(hooks: &mut dyn Hooks, subject: &mut S, limit: Duration) -> Result<(), Fault> {
    // Inside of the guard also what a hook does before its future is there.
    let work = AssertUnwindSafe(async { subject.hook(hooks).await }).catch_unwind();
    match timeout(limit, work).await {
        Ok(Ok(said)) => said.map_err(Fault::Stopped),
        Ok(Err(_)) => Err(Fault::Panicked),
        Err(_) => Err(Fault::TimedOut),
    }
}

type Work =
    Box<dyn for<'a> FnOnce(&'a mut dyn Hooks) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> + Send>;

/// Where the hooks are.
enum Seat {
    Here(Box<dyn Hooks>),
    /// On the middlewares' threads, which take one piece of work after the other. It ends when nobody can send any.
    There(mpsc::Sender<Work>),
    /// They have heard of the end.
    Left,
}

/// The middlewares' threads.
#[derive(Clone)]
pub(crate) struct Threads {
    pub(crate) handle: Handle,
    /// Held by the hooks that run there until they have ended.
    pub(crate) alive: Arc<()>,
}

impl Threads {
    /// Where hooks are that run there from now on.
    fn seat(&self, mut hooks: Box<dyn Hooks>) -> Seat {
        let (sender, mut works) = mpsc::channel::<Work>(QUEUE);
        let alive = Arc::clone(&self.alive);
        self.handle.spawn(async move {
            let _alive = alive;
            while let Some(work) = works.recv().await {
                work(&mut *hooks).await;
            }
        });
        Seat::There(sender)
    }
}

pub(crate) struct Member {
    pub(crate) spec: Arc<MiddlewareSpec>,
    seat: Seat,
    threads: Threads,
    /// It failed in a way after which nobody asks it any more.
    out: bool,
}

impl Member {
    pub(crate) fn new(spec: Arc<MiddlewareSpec>, hooks: Box<dyn Hooks>, threads: Threads) -> Self {
        let seat = if spec.in_place { Seat::Here(hooks) } else { threads.seat(hooks) };
        Self { spec, seat, threads, out: false }
    }

    /// Its hooks leave the thread that serves responses, for the rest of this one.
    fn leave(&mut self) {
        self.seat = match std::mem::replace(&mut self.seat, Seat::Left) {
            Seat::Here(hooks) => self.threads.seat(hooks),
            seat @ (Seat::There(_) | Seat::Left) => seat,
        };
    }

    /// Asks it, with `subject`. The answer is that as it is now, and the halt if there is one.
    pub(crate) async fn ask<S: Subject>(
        &mut self,
        mut subject: S,
        facts: &Facts,
        metrics: &Metrics,
    ) -> (S, Option<Halt>) {
        if self.out {
            return (subject, None);
        }
        let spare = (self.spec.on_failure == OnFailure::Pass).then(|| subject.clone());
        let limit = self.spec.timeout;
        if matches!(self.seat, Seat::Here(_)) && subject.is_heavy() {
            self.leave();
        }
        let done = match &mut self.seat {
            Seat::Here(hooks) => {
                let done = call(&mut **hooks, &mut subject, limit).await;
                (subject, done)
            }
            Seat::There(works) => ask_there(works, subject, limit).await,
            Seat::Left => return (subject, None),
        };
        match done {
            (subject, Ok(())) => (subject, None),
            (subject, Err(Fault::Stopped(Stop::Halt(halt)))) => {
                metrics.middleware_stop(&self.spec.name, S::HOOK, "halted");
                (subject, Some(*halt))
            }
            (subject, Err(fault)) => {
                let halt = self.failed(S::HOOK, &fault, facts, metrics);
                match spare {
                    Some(spare) => (spare, None),
                    None => (subject, Some(halt)),
                }
            }
        }
    }

    /// Says that a hook failed, and how the response ends of it.
    fn failed(&mut self, hook: &'static str, fault: &Fault, facts: &Facts, metrics: &Metrics) -> Halt {
        let name = &self.spec.name;
        let (outcome, why) = match fault {
            Fault::Stopped(Stop::Failed(why)) => ("failed", why.as_str()),
            Fault::Stopped(Stop::Halt(_)) => ("halted", ""),
            Fault::Panicked => ("panic", "it panicked"),
            Fault::TimedOut => ("timeout", "it took too long"),
            Fault::Lost => ("timeout", "it took too long and holds its thread"),
        };
        self.out = matches!(fault, Fault::Panicked | Fault::Lost);
        metrics.middleware_stop(name, hook, outcome);
        if matches!(fault, Fault::Panicked) {
            metrics.panicked();
        }
        let passed_over = self.spec.on_failure == OnFailure::Pass;
        tracing::error!(response_id = %facts.id, middleware = name, hook, why, passed_over, "a middleware failed");
        let (kind, what) = match outcome {
            "timeout" => (ErrorKind::Timeout, "did not answer in time"),
            _ => (ErrorKind::Server, "failed"),
        };
        Halt::new(kind, "middleware_failed", format!("The middleware '{name}' of this server {what}."))
    }

    /// Tells it of the end, without waiting for it.
    pub(crate) fn end(&mut self, end: Arc<End>) {
        let limit = self.spec.timeout;
        match std::mem::replace(&mut self.seat, Seat::Left) {
            // What takes longer than one look goes on by itself.
            Seat::Here(mut hooks) => {
                let Ok(runtime) = runtime::Handle::try_current() else { return };
                let mut work = Box::pin(async move { ended(&mut *hooks, &end, limit).await });
                if work.as_mut().now_or_never().is_none() {
                    runtime.spawn(work);
                }
            }
            Seat::There(works) => {
                // There is room: whatever was asked before is done, or given up and the last.
                let work: Work =
                    Box::new(move |hooks| Box::pin(async move { ended(hooks, &end, limit).await }));
                let _ = works.try_send(work);
            }
            Seat::Left => {}
        }
    }
}

async fn ask_there<S: Subject>(
    works: &mpsc::Sender<Work>,
    mut subject: S,
    limit: Duration,
) -> (S, Result<(), Fault>) {
    let (mut reply, answer) = oneshot::channel();
    let work: Work = Box::new(move |hooks| {
        Box::pin(async move {
            let done = tokio::select! {
                biased;
                // Nobody waits for it any more.
                () = reply.closed() => return,
                done = call(hooks, &mut subject, limit) => done,
            };
            let _ = reply.send((subject, done));
        })
    });
    if works.send(work).await.is_err() {
        return (S::default(), Err(Fault::Lost));
    }
    match timeout(limit + GRACE, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => (S::default(), Err(Fault::Lost)),
    }
}

async fn ended(hooks: &mut dyn Hooks, end: &End, limit: Duration) {
    let work = AssertUnwindSafe(async { hooks.on_end(end).await }).catch_unwind();
    if !matches!(timeout(limit, work).await, Ok(Ok(()))) {
        tracing::error!("a middleware failed at the end of a response");
    }
}
