//! Every recorded exchange through translator and engine, and our own transcripts the same way.
//!
//! What came back from a provider goes in as bytes, and what a client of ours would get is checked by code
//! that knows nothing of our types: the order of events, the published schema, and what the recording
//! says. The recordings lie outside the repository (`or_test_support::shared`); the transcripts are in it.

mod answers;
mod conversations;
mod cuts;
mod disagreements;
mod echo;
mod endings;
mod errors;
mod meaning;
mod random;
mod readers;
mod rebuilt;
mod replay;
mod requests;
mod transcripts;
mod twins;
