//! What a `LoopSupervisor` is told and asked.

use std::sync::Arc;

use actix::Message;
use or_protocol::ApiError;

use super::count::{CountJob, InputCount};
use super::discovery::{Discovery, Found};
use crate::response::Job;
use crate::running::Place;

/// Starts one response. Sent by an HTTP handler to the `LoopSupervisor` of its arbiter.
///
/// `Ok` means that a loop was spawned, which answers through the job's own channel; `Err` that it was
/// not admitted.
#[derive(Message)]
#[rtype(result = "Result<(), ApiError>")]
pub struct StartResponse {
    /// What to do.
    pub job: Box<Job>,
}

/// Goes on with a response that a process before this one left unfinished. Sent by a `LoopSupervisor` to itself
/// when there is a place for it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GoOn {
    /// What to do.
    pub job: Box<Job>,
    pub(crate) place: Place,
}

/// Counts the input of a request that is not carried out. Sent by an HTTP handler to the `LoopSupervisor` of its
/// arbiter.
#[derive(Message)]
#[rtype(result = "Result<InputCount, ApiError>")]
pub struct CountInput {
    /// What to count.
    pub job: Box<CountJob>,
}

/// Looks which models the providers have. Sent by an HTTP handler to the `LoopSupervisor` of its arbiter; the work
/// goes on if the handler is gone.
///
/// The reply has what the last look found, which is a new one only when that was too long ago.
#[derive(Message)]
#[rtype(result = "Arc<Found>")]
pub struct DiscoverModels {
    /// Whom to ask, and what they said.
    pub discovery: Arc<Discovery>,
}
