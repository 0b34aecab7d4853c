//! One response: what it is made from, and the actor that makes it.

mod actor;
mod attend;
mod background;
mod driver;
mod job;
mod log_line;
mod mailbox;
mod messages;
pub(crate) mod prepare;
mod record;
mod saved;
mod sink;
pub(crate) mod tool_media;
mod tool_round;
mod turn;

pub(crate) use actor::LoopActor;
pub(crate) use driver::Neighbours;
pub use job::{BackgroundJob, Job, Reply, Routed};
pub use messages::LoopEnded;
pub use saved::ResumeData;
pub use sink::read_along;
