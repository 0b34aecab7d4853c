//! Every key prefix of the store's one tree. A prefix that was once used is never used for something else.
//!
//! | prefix | key | value |
//! |---|---|---|
//! | `r/` | 32 hex digits of the response id | number of further pieces (u16, big endian), then the record's first piece, see `record.rs` |
//! | `r/` | the same, `/`, number of the piece from 1 (u16, big endian) | a further piece of a long record |
//! | `m/batches` | | how many batches were written (u64, big endian) |
//!
//! One tree, because a batch is atomic within a tree only. A response id begins with the milliseconds of its
//! creation (UUIDv7), so `r/` is in order of age and retention needs no index beside it.

use or_protocol::ResponseId;

/// Records of responses.
const RESPONSE: &str = "r/";

/// Counter of batches.
pub(super) const BATCHES: &[u8] = b"m/batches";

/// Key of a response's record, or of its first piece.
pub(super) fn response(id: &ResponseId) -> Vec<u8> {
    let hex = id.as_str().strip_prefix("resp_").unwrap_or(id.as_str());
    [RESPONSE, hex].concat().into_bytes()
}

/// Key of a further piece of a record, behind its first one in the order of keys.
pub(super) fn piece(response: &[u8], number: u16) -> Vec<u8> {
    [response, b"/", &number.to_be_bytes()].concat()
}

/// What the keys of all further pieces of a record begin with.
pub(super) fn pieces(response: &[u8]) -> Vec<u8> {
    [response, b"/"].concat()
}

/// Keys of the responses that were created before `cutoff_ms`, Unix milliseconds.
pub(super) fn responses_before(cutoff_ms: u64) -> std::ops::Range<Vec<u8>> {
    // 48 bits of a UUIDv7 are its time; a cutoff beyond them is beyond every id.
    let hex = format!("{:012x}", cutoff_ms.min((1 << 48) - 1));
    RESPONSE.as_bytes().to_vec()..[RESPONSE, &hex].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_behind_the_moment_it_was_made_in() {
        let id = ResponseId::parse("resp_0190000000007000800000000000abcd").unwrap();
        let made_at_ms = 0x0190_0000_0000;
        assert!(!responses_before(made_at_ms).contains(&response(&id)));
        assert!(responses_before(made_at_ms + 1).contains(&response(&id)));
        assert!(responses_before(u64::MAX).contains(&response(&id)));
    }
}
