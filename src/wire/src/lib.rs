//! HTTP to providers and tools: awc, with connections below it that hand it nothing it would read wrongly.
//!
//! An answer is read exactly or the connection is closed behind it, so that no request is ever given another's
//! answer; see [`Client`] for what holds, and `pool.rs` for what cannot be known.
#![warn(missing_docs)]

mod answer;
mod chunks;
mod client;
mod connector;
mod error;
mod exchange;
mod fault;
mod head;
mod pool;
mod request;
mod socket;

#[cfg(test)]
mod tests;

pub use awc::http::header::{HeaderMap, HttpDate};
pub use awc::http::{Method, StatusCode};
pub use client::{Answer, Body, Client, Request, Settings};
pub use error::{BodyError, WireError};
