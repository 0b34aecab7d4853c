//! Client keys: what they are, what they may do, and who shows one.
//!
//! Nothing here waits or looks at the clock: times are arguments, in Unix seconds. [`Ring`] has the rules by which keys are
//! made and changed, for a server and for the command line; [`Clients`] finds the key that a request shows.
#![warn(missing_docs)]

mod client;
mod clients;
mod error;
mod limits;
mod pattern;
mod record;
mod ring;
mod secret;

pub use client::{Client, LOCAL};
pub use clients::Clients;
pub use error::KeyError;
pub use limits::{Budgets, OwnLimits, Rates, Usd};
pub use pattern::Pattern;
pub use record::{KeyRecord, KeySettings, KeyState, KeyView, Previous};
pub use ring::{NewKey, Ring, name_problem};
pub use secret::{Hash, KeyId, NewSecret, hash};
