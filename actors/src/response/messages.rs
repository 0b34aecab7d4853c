//! What a `LoopActor` tells its supervisor.

use actix::Message;
use or_engine::Outcome;
use or_protocol::ResponseId;

/// A loop is over, however it ended. Sent once by each `LoopActor` to its supervisor, also while a
/// panic unwinds.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LoopEnded {
    /// Which.
    pub id: ResponseId,
    /// How; `None` after a panic that nothing caught, or when no response ever began.
    pub outcome: Option<Outcome>,
}
