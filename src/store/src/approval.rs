//! Names of requests for approval, and what is known of their use.

use std::fmt;

use or_protocol::{ItemId, ResponseId};

use crate::StoreError;

/// What the id of a request for approval begins with.
const PREFIX: &str = "mcpr";
/// Hex digits of the response behind that.
const RESPONSE: usize = 32;
/// Hex digits that prove the id to be ours, behind the rest of it.
const MAC: usize = 32;
/// Format of a mark on disk.
pub(crate) const FORMAT: u8 = 1;

/// Names a request for approval: an output item of a response.
///
/// `Display` is the item's id without the proof at its end.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct ApprovalId {
    /// Which asks.
    pub response: ResponseId,
    /// Output index of the item.
    pub index: usize,
}

impl ApprovalId {
    /// Takes an item's id from outside; `None` unless it has exactly our form: `mcpr_`, 32 hex digits of the
    /// response, 4 of the index (more only if it needs them), 32 of the proof. The proof is not looked at.
    pub fn parse(item: &str) -> Option<Self> {
        let (id, mac) = item.split_at_checked(item.len().checked_sub(MAC)?)?;
        let (response, index) = id.strip_prefix(PREFIX)?.strip_prefix('_')?.split_at_checked(RESPONSE)?;
        let response = ResponseId::parse(&format!("resp_{response}"))?;
        let parsed = Self { response, index: usize::from_str_radix(index, 16).ok()? };
        // One approval must have one name: no capitals, no further zeros, no sign.
        let hex = mac.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        (hex && parsed.to_string() == id).then_some(parsed)
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ItemId::output(PREFIX, &self.response, self.index))
    }
}

/// That an approval was used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovalMark {
    /// What became of the call.
    pub state: ApprovalState,
    /// The response that used it.
    pub by: ResponseId,
}

/// What became of an approved call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApprovalState {
    /// It was about to be made. Without a later mark nobody knows whether it was.
    Started,
    /// It was made.
    Done,
    /// It was refused by whoever was asked.
    Denied,
}

/// What becomes of a mark.
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use = "a call may be made only if its mark was written"]
pub enum Marked {
    /// It is written.
    Written,
    /// It is not: this response has used the approval, which may be the one that asks.
    Used(ResponseId),
    /// It is not: the approval was asked for so long ago that an earlier mark may be gone.
    Expired,
}

impl ApprovalMark {
    /// What becomes of this behind an earlier mark: the first response to write one has the approval, and all that it
    /// can still say is that it is done.
    pub fn follow(&self, earlier: Option<&Self>) -> Marked {
        match earlier {
            None => Marked::Written,
            Some(earlier) if earlier.by == self.by && self.state == ApprovalState::Done => Marked::Written,
            Some(earlier) => Marked::Used(earlier.by.clone()),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let state = match self.state {
            ApprovalState::Started => 0,
            ApprovalState::Done => 1,
            ApprovalState::Denied => 2,
        };
        [&[FORMAT, state], self.by.as_str().as_bytes()].concat()
    }

    pub(crate) fn decode(id: &ApprovalId, bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged(id.to_string());
        let (state, by) = match bytes {
            [FORMAT, 0, by @ ..] => (ApprovalState::Started, by),
            [FORMAT, 1, by @ ..] => (ApprovalState::Done, by),
            [FORMAT, 2, by @ ..] => (ApprovalState::Denied, by),
            [FORMAT, ..] | [] => return Err(damaged()),
            [other, ..] => return Err(StoreError::Format(*other)),
        };
        let by = std::str::from_utf8(by).ok().and_then(ResponseId::parse).ok_or_else(damaged)?;
        Ok(Self { state, by })
    }
}
