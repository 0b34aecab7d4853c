//! Calls providers: one [`ProviderActor`] for each provider and arbiter.

mod actor;
mod answer;
mod body;
mod demo;
mod error;
mod http;
mod messages;
mod permit;
pub(crate) mod policy;
mod queries;
mod redact;
mod route;
mod sample;
mod spec;

pub(crate) use actor::ProviderActor;
pub use error::SampleError;
pub use messages::{Batch, CountTokens, ListModels, Sample, Sampled};
pub use route::{Route, Target};
pub use spec::{ProviderKey, ProviderSpec, Transport};
