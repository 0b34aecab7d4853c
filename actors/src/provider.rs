//! Calls providers: one actor for each provider and arbiter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;
use or_adapters::ModelInfo;

use crate::upstream::{self, Upstream};
use crate::{CountTokens, ListModels, ProviderSpec, Sample, SampleError, Sampled, ask};

/// Owns the arbiter's HTTP client for one provider.
pub(crate) struct ProviderActor {
    upstream: Upstream,
}

impl ProviderActor {
    pub(crate) fn new(spec: Arc<ProviderSpec>) -> Self {
        Self { upstream: Upstream::new(spec) }
    }
}

impl Actor for ProviderActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        // One message for each running turn; their number is bounded by admission.
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<Sample> for ProviderActor {
    type Result = ResponseFuture<Result<Sampled, SampleError>>;

    /// The work has its own panic guard: one request's bug must not take the provider from the others.
    fn handle(&mut self, message: Sample, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.clone();
        let work = async move {
            let permit = Permit::take(upstream.spec())?;
            upstream::sample(&upstream, message, permit).await
        };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}

impl Handler<CountTokens> for ProviderActor {
    type Result = ResponseFuture<Result<Option<u64>, SampleError>>;

    fn handle(&mut self, message: CountTokens, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.clone();
        let work = async move {
            let _permit = Permit::take(upstream.spec())?;
            ask::count(&upstream, message).await
        };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}

impl Handler<ListModels> for ProviderActor {
    type Result = ResponseFuture<Result<Vec<ModelInfo>, SampleError>>;

    /// Takes no place among the running calls: no model works for it.
    fn handle(&mut self, _: ListModels, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.clone();
        let work = async move { ask::list(&upstream).await };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}

/// A place among the provider's running calls; given back when dropped.
pub(crate) struct Permit(Arc<ProviderSpec>);

impl Permit {
    fn take(spec: &Arc<ProviderSpec>) -> Result<Self, SampleError> {
        let before = spec.running.fetch_add(1, Ordering::Relaxed);
        let permit = Self(Arc::clone(spec));
        if spec.max_concurrent > 0 && before >= spec.max_concurrent {
            return Err(SampleError::Busy(spec.max_concurrent));
        }
        Ok(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
    }
}
