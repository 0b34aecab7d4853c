//! Calls providers: one [`ProviderActor`] for each provider and arbiter.

mod actor;
mod answer;
mod body;
mod demo;
mod error;
pub(crate) mod health;
mod http;
mod messages;
mod permit;
pub(crate) mod policy;
mod providers;
mod queries;
mod redact;
mod route;
mod sample;
mod spec;

pub(crate) use actor::ProviderActor;
pub use error::SampleError;
pub(crate) use health::BreakerState;
pub use health::{BreakerRules, Breakers, Keys, RetryBudget};
pub use messages::{Batch, CountTokens, ListModels, Sample, Sampled};
pub use providers::{Pick, Providers};
pub use route::{Route, RouteRules, Target};
pub use spec::{ProviderKey, ProviderSpec, Transport};
