//! What is known of providers that fail: which are left alone, which keys rest, how many calls may be made again.

mod breaker;
mod budget;
mod clock;
mod keys;

pub(crate) use breaker::{Breaker, BreakerState};
pub use breaker::{BreakerRules, Breakers};
pub use budget::RetryBudget;
pub(crate) use clock::now;
pub use keys::Keys;
