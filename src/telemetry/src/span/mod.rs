//! One guard each for a response, a turn of its loop and a call of a tool. It sets whatever is told of the thing: span,
//! life-cycle events, log line and metrics. Nothing here holds keys or content.

mod facts;
mod lifecycle;
mod response;
mod sample;
mod tool;

pub use facts::{Asked, ResponseFacts};
pub use lifecycle::LIFECYCLE;
pub use response::ResponseSpan;
pub use sample::SampleSpan;
pub use tool::{Runner, ToolSpan};
