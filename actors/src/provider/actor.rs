//! Calls providers: one actor for each provider and arbiter.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use actix::{Actor, Context, Handler, ResponseFuture};
use futures_util::FutureExt as _;
use or_adapters::ModelInfo;

use super::error::SampleError;
use super::http::Upstream;
use super::messages::{CountTokens, ListModels, Sample, Sampled};
use super::permit::Permit;
use super::spec::ProviderSpec;
use super::{queries, sample};
use crate::heavy::Heavy;

/// Owns the arbiter's HTTP client for one provider.
pub(crate) struct ProviderActor {
    upstream: Upstream,
}

impl ProviderActor {
    pub(crate) fn new(spec: Arc<ProviderSpec>, heavy: Heavy) -> Self {
        Self { upstream: Upstream::new(spec, heavy) }
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
    fn handle(&mut self, mut message: Sample, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.of(std::mem::take(&mut message.owner));
        let work = async move {
            let permit = Permit::take(upstream.spec())?;
            sample::sample(&upstream, message, permit).await
        };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}

impl Handler<CountTokens> for ProviderActor {
    type Result = ResponseFuture<Result<Option<u64>, SampleError>>;

    fn handle(&mut self, mut message: CountTokens, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.of(std::mem::take(&mut message.owner));
        let work = async move {
            let _permit = Permit::take(upstream.spec())?;
            queries::count(&upstream, message).await
        };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}

impl Handler<ListModels> for ProviderActor {
    type Result = ResponseFuture<Result<Vec<ModelInfo>, SampleError>>;

    /// Takes no place among the running calls: no model works for it.
    fn handle(&mut self, _: ListModels, _: &mut Self::Context) -> Self::Result {
        let upstream = self.upstream.clone();
        let work = async move { queries::list(&upstream).await };
        Box::pin(AssertUnwindSafe(work).catch_unwind().map(|r| r.unwrap_or(Err(SampleError::Panicked))))
    }
}
