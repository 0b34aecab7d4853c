//! The body of an answer: what it is, and reading it whole or as a stream.

mod shape;
mod silence;
mod stream;
mod whole;

pub(super) use shape::Shape;
pub(super) use stream::StreamReader;
pub(super) use whole::whole;
