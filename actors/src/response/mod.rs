//! One response: what it is made from, and the actor that makes it.

mod actor;
mod attempts;
mod attend;
mod driver;
mod interrupts;
mod job;
mod mailbox;
mod messages;
pub(crate) mod prepare;
mod record;
mod request;
mod saved;
mod sink;
mod steps;
mod tool_media;
mod tool_round;
mod turn;

pub(crate) use actor::LoopActor;
pub use job::{BackgroundJob, Job, Reply, Routed, Trail};
pub use messages::LoopEnded;
pub(crate) use request::Neighbours;
pub use saved::SavedRequest;
pub use sink::read_along;
pub(crate) use turn::{Translated, Translation};
