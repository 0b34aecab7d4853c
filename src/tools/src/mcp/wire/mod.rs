//! A server's bytes on their way to messages: bounded, and without what nobody reads.

mod events;
mod lines;
mod slim;

pub(super) use events::events;
pub(super) use lines::lines;
pub(super) use slim::read;
