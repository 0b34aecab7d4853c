//! Tells endpoints what became of background responses: takes events from the store's outbox, signs and sends them, and
//! sends them again until they are taken or too old.
//!
//! The form is that of [Standard Webhooks](https://www.standardwebhooks.com), with the bodies of OpenAI's API, so that
//! whoever reads OpenAI's webhooks reads these. An event comes at least once, and under the same id each time.
#![warn(missing_docs)]

mod courier;
mod endpoint;
mod message;
mod schedule;
mod send;
mod signing;
mod worker;

pub use endpoint::{Endpoint, Limits};
pub use schedule::Schedule;
pub use signing::SigningKey;
pub use worker::Webhooks;
