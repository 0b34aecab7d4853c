//! All middlewares of the server, in their order.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use or_telemetry::Metrics;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{Instant, sleep};

use crate::member::{Broken, Member, Threads};
use crate::{Facts, Middleware, MiddlewareSpec, Run};

/// Between two looks whether all hooks have ended.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Why a chain cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// It stands in logs and metrics.
    #[error("the middleware `{name}` must have a name of 1 to 64 letters, digits, `_` or `-`")]
    BadName {
        /// As given.
        name: String,
    },
    /// It says so itself.
    #[error("the middleware `{name}` cannot start: {reason}")]
    Start {
        /// Which.
        name: String,
        /// Why.
        reason: String,
    },
    /// The system gives no threads.
    #[error("the threads for middlewares could not be started")]
    Threads(#[source] std::io::Error),
}

struct Registered {
    spec: Arc<MiddlewareSpec>,
    middleware: Arc<dyn Middleware>,
}

/// All middlewares of the server, in their order. Made at start, and anew by [`Chain::next`].
pub struct Chain {
    registered: Vec<Registered>,
    /// `None` if there are no middlewares.
    threads: Option<Runtime>,
    /// Held by the hooks that run there.
    alive: Arc<()>,
    metrics: Metrics,
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.registered.iter().map(|registered| &registered.spec.name)).finish()
    }
}

impl Chain {
    /// A chain of these.
    ///
    /// # Errors
    /// For a name that is none, one that cannot start, and where there are no threads.
    pub fn new(
        middlewares: impl IntoIterator<Item = Arc<dyn Middleware>>,
        metrics: Metrics,
    ) -> Result<Self, ChainError> {
        Self::made(middlewares, metrics, &[])
    }

    /// A chain of these in place of this one. Those that are in both go on; the others are started.
    ///
    /// # Errors
    /// As for [`Chain::new`].
    pub fn next(
        &self,
        middlewares: impl IntoIterator<Item = Arc<dyn Middleware>>,
    ) -> Result<Self, ChainError> {
        Self::made(middlewares, self.metrics.clone(), &self.registered)
    }

    fn made(
        middlewares: impl IntoIterator<Item = Arc<dyn Middleware>>,
        metrics: Metrics,
        started: &[Registered],
    ) -> Result<Self, ChainError> {
        let mut registered = Vec::new();
        for middleware in middlewares {
            let spec = Arc::new(middleware.spec());
            let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            if !(1..=64).contains(&spec.name.len()) || !spec.name.chars().all(good) {
                return Err(ChainError::BadName { name: spec.name.clone() });
            }
            if !started.iter().any(|before| Arc::ptr_eq(&before.middleware, &middleware)) {
                middleware
                    .start(&metrics)
                    .map_err(|reason| ChainError::Start { name: spec.name.clone(), reason })?;
            }
            registered.push(Registered { spec, middleware });
        }
        let threads = if registered.is_empty() { None } else { Some(threads()?) };
        Ok(Self { registered, threads, alive: Arc::default(), metrics })
    }

    /// A chain without any.
    pub fn none(metrics: Metrics) -> Self {
        Self { registered: Vec::new(), threads: None, alive: Arc::default(), metrics }
    }

    /// Waits until all have heard of the ends of their responses, but not for longer than this.
    pub async fn settled(&self, limit: Duration) {
        let over = Instant::now() + limit;
        while Arc::strong_count(&self.alive) > 1 && Instant::now() < over {
            sleep(LOOK_AGAIN).await;
        }
    }

    /// The chain of a response that begins; `None` if nobody has a part in it. `facts` are made only if somebody may.
    pub fn begin(&self, facts: impl FnOnce() -> Facts) -> Option<Box<Run>> {
        let handle = self.threads.as_ref()?.handle().clone();
        let threads = Threads { handle, alive: Arc::clone(&self.alive) };
        let facts = Arc::new(facts());
        let hooks = |registered: &Registered| {
            if !registered.spec.is_for(&facts) {
                return None;
            }
            let begun = catch_unwind(AssertUnwindSafe(|| registered.middleware.begin(&facts)));
            // Its first hook then says so.
            let hooks = begun.unwrap_or_else(|_| Some(Box::new(Broken)))?;
            Some(Member::new(Arc::clone(&registered.spec), hooks, threads.clone()))
        };
        let members: Vec<_> = self.registered.iter().filter_map(hooks).collect();
        (!members.is_empty()).then(|| Box::new(Run::new(facts, members, self.metrics.clone())))
    }
}

impl Drop for Chain {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // One that does not end must not hold up the end of the server.
            threads.shutdown_background();
        }
    }
}

/// Threads for middlewares alone, so that one that blocks holds up neither requests nor tools.
fn threads() -> Result<Runtime, ChainError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .thread_name("middleware")
        .enable_all()
        .build()
        .map_err(ChainError::Threads)
}
