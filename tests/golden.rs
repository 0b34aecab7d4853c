//! Every recorded exchange through translator and engine, and our own transcripts the same way.
//!
//! What came back from a provider goes in as bytes, and what a client of ours would get is checked by code
//! that knows nothing of our types: the order of events, the published schema, and what the recording
//! says. The recordings lie outside the repository (`support::shared`); the transcripts are in it.

#[path = "golden/answers.rs"]
mod answers;
#[path = "golden/conversations.rs"]
mod conversations;
#[path = "golden/cuts.rs"]
mod cuts;
#[path = "golden/disagreements.rs"]
mod disagreements;
#[path = "golden/errors.rs"]
mod errors;
#[path = "golden/meaning.rs"]
mod meaning;
#[path = "golden/observed.rs"]
mod observed;
#[path = "golden/replay.rs"]
mod replay;
#[path = "golden/requests.rs"]
mod requests;
mod support;
