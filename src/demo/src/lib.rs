//! The demo provider's model: a deterministic one inside this process, so that the server runs with no key
//! and no network.
//!
//! It stands where a provider's server stands otherwise: [`respond`] is a pure function from a request body
//! to the bytes and pauses of its answer, which the driver plays with its own timers. The wire and its
//! translation are the adapter's (`or_adapters::demo`). What each model name does is in
//! `docs/providers/demo.md`.
#![warn(missing_docs)]

mod answer;
mod calls;
mod merge;
mod plan;
mod sample;
mod scalars;
mod words;

pub use answer::{DemoAnswer, DemoEnd, DemoStep, DemoSteps, respond};
