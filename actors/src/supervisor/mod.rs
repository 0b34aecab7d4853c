//! Who watches over an arbiter's responses, and does the work that is none.

mod actor;
mod count;
mod discovery;
mod messages;

pub use actor::LoopSupervisor;
pub use count::{CountJob, CountMethod, InputCount};
pub use discovery::{Discovery, Found};
pub use messages::{CountInput, DiscoverModels, GoOn, StartResponse};
