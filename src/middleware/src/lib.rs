//! What stands between requests and models: it sees, changes and halts what the model is asked, what it answers, and
//! what tools give back.
//!
//! A [`Middleware`] is shared by all responses, and gives each of them [`Hooks`] of its own. A [`Chain`] has them in
//! their order, and a [`Run`] is the chain of one response.
#![warn(missing_docs)]

pub mod builtin;
mod chain;
mod facts;
mod gather;
mod halt;
mod hooks;
mod member;
mod run;
mod turn;

pub use chain::{Chain, ChainError};
pub use facts::{End, EndStatus, Facts};
pub use gather::Passed;
pub use halt::{Ends, Halt, Headers, Stop};
pub use hooks::{EndFuture, HookFuture, Hooks, Middleware, MiddlewareSpec, OnFailure, Wants};
pub use run::Run;
pub use turn::{SampledTurn, ToolOutcome, TurnRequest};
