//! The responses in progress: how many there may be, how each is reached, and how far it is.

mod ending;
mod messages;
mod places;
mod readers;
mod registry;
mod status;
mod tail;

pub use ending::Ending;
pub use messages::{AskEnd, Cancel, CancelReason, EndAsked, Peek, Peeked};
pub(crate) use places::{Place, Unfinished};
pub use readers::{ReaderPlace, Readers, TooManyReaders};
pub use registry::Running;
pub(crate) use registry::{Answer, Door, Handle};
pub(crate) use status::Status;
pub use status::{Phase, RunningResponse};
pub(crate) use tail::{EventLog, Read};
