//! Every key prefix of the store's one tree. A prefix that was once used is never used for something else.
//!
//! | prefix | key | value |
//! |---|---|---|
//! | `r/` | 32 hex digits of the response id | number of further pieces (u16, big endian), then the record's first piece, see `record.rs` |
//! | `r/` | the same, `/`, number of the piece from 1 (u16, big endian) | a further piece of a long record |
//! | `r/` | the hex digits, `e`, sequence number of the row's first event (u64, big endian), number of the piece from 0 (u16) | frames of its event log, see `rows.rs` |
//! | `r/` | the hex digits, `k` | the key of `i/` that leads to it |
//! | `r/` | the hex digits, `d` | bytes of its event log (u64, big endian) |
//! | `o/` | 32 hex digits of the response id | the response is not over, its record is the state it was last seen in, or not there yet while a long one is being written; how often it was taken up since, if it was: one byte |
//! | `u/` | name of an owner | what it has: bytes and responses (u64 each, big endian), see `books.rs` |
//! | `m/clean` | | empty: the last process closed the store |
//! | `a/` | 32 hex digits of the id of the response that asked, 4 or more of the output index | the use of an approval, see `approval.rs`: format (1), state (0 started, 1 done), id of the response that used it |
//! | `w/` | name of an endpoint, `/`, when it is due (u64, big endian), id of the event | an event that an endpoint is to be told, see `db/outbox.rs` |
//! | `i/` | SHA-256 of an owner and an idempotency key | the last request with it: SHA-256 of its body, id of the response |
//! | `m/batches` | | how many batches were written (u64, big endian) |
//! | `m/approvals` | | the key that proves a request for approval to be of this store, 32 random bytes |
//! | `m/owners` | | which names took the place of owners that were places in a list, see `owners.rs` |
//! | `k/` | 16 hex digits of a client key's id | the key, see `db/client_keys.rs` |
//!
//! One tree, because a batch is atomic within a tree only. A response id begins with the milliseconds of its
//! creation (UUIDv7), so `r/`, `o/` and `a/` are in order of age and retention needs no index beside them. All that
//! belongs to a response is in one range, its record first; but the uses of its approvals, which outlive its deletion.

use or_keys::KeyId;
use or_protocol::ResponseId;

use crate::ApprovalId;

/// Records of responses.
const RESPONSE: &str = "r/";

/// Responses that are not over.
const OPEN: &str = "o/";

/// Uses of approvals.
const APPROVAL: &str = "a/";

/// Events that wait to be told.
const DELIVERY: &str = "w/";

/// Uses of idempotency keys.
const KEY_USE: &str = "i/";

/// What owners have.
const USAGE: &str = "u/";

/// Client keys.
const CLIENT_KEY: &str = "k/";

/// The mark of a store that was closed.
pub(super) const CLEAN: &[u8] = b"m/clean";

/// Counter of batches.
pub(super) const BATCHES: &[u8] = b"m/batches";

/// Names of owners that were places in a list.
pub(super) const OWNERS: &[u8] = b"m/owners";

/// Key of approvals, 32 bytes.
pub(super) const APPROVAL_KEY: &[u8] = b"m/approvals";

fn hex(id: &ResponseId) -> &str {
    id.as_str().strip_prefix("resp_").unwrap_or(id.as_str())
}

/// Key of a response's record, or of its first piece. All its other keys in `r/` begin with it.
pub(super) fn response(id: &ResponseId) -> Vec<u8> {
    [RESPONSE, hex(id)].concat().into_bytes()
}

/// What the keys of all responses begin with.
pub(super) fn all_responses() -> &'static [u8] {
    RESPONSE.as_bytes()
}

/// Key that says that a response is not over.
pub(super) fn open(id: &ResponseId) -> Vec<u8> {
    [OPEN, hex(id)].concat().into_bytes()
}

/// Key of the use of an approval.
pub(super) fn approval(id: &ApprovalId) -> Vec<u8> {
    format!("{APPROVAL}{}{:04x}", hex(&id.response), id.index).into_bytes()
}

/// What the keys of all responses that are not over begin with.
pub(super) fn all_open() -> &'static [u8] {
    OPEN.as_bytes()
}

/// The response that a key of `o/` or the first key of a record names.
pub(super) fn response_of(key: &[u8]) -> Option<ResponseId> {
    let hex = std::str::from_utf8(key.get(2..)?).ok()?;
    ResponseId::parse(&format!("resp_{hex}"))
}

/// Key of a further piece of a record, behind its first one in the order of keys.
pub(super) fn piece(response: &[u8], number: u16) -> Vec<u8> {
    [response, b"/", &number.to_be_bytes()].concat()
}

/// Key of the length of a response's event log.
pub(super) fn log_len(response: &[u8]) -> Vec<u8> {
    [response, b"d"].concat()
}

/// Key of a delivery.
pub(super) fn delivery(endpoint: &str, due_ms: u64, event_id: &str) -> Vec<u8> {
    [&deliveries_to(endpoint), &due_ms.to_be_bytes()[..], event_id.as_bytes()].concat()
}

/// What the keys of all deliveries to an endpoint begin with, in the order in which they are due.
pub(super) fn deliveries_to(endpoint: &str) -> Vec<u8> {
    [DELIVERY, endpoint, "/"].concat().into_bytes()
}

/// What the keys of all deliveries begin with.
pub(super) fn all_deliveries() -> &'static [u8] {
    DELIVERY.as_bytes()
}

/// Endpoint, time and id of the event, which has this length, in the key of a delivery.
pub(super) fn delivery_of(key: &[u8], id: usize) -> Option<(&str, u64, &str)> {
    let (rest, id) = key.split_at_checked(key.len().checked_sub(id)?)?;
    let (rest, due_ms) = rest.split_last_chunk()?;
    let endpoint = rest.strip_prefix(DELIVERY.as_bytes())?.strip_suffix(b"/")?;
    let text = |bytes| std::str::from_utf8(bytes).ok();
    Some((text(endpoint)?, u64::from_be_bytes(*due_ms), text(id)?))
}

/// Key of the last use of an idempotency key.
pub(super) fn key_use(name: &[u8; 32]) -> Vec<u8> {
    [KEY_USE.as_bytes(), name].concat()
}

/// Key of what leads back from a response to the use of a key.
pub(super) fn used_key(response: &[u8]) -> Vec<u8> {
    [response, b"k"].concat()
}

/// Key of what an owner has.
pub(super) fn usage(owner: &str) -> Vec<u8> {
    [USAGE, owner].concat().into_bytes()
}

/// Key of a client key.
pub(super) fn client_key(id: KeyId) -> Vec<u8> {
    [CLIENT_KEY, id.digits().as_str()].concat().into_bytes()
}

/// What the keys of all client keys begin with.
pub(super) fn all_client_keys() -> &'static [u8] {
    CLIENT_KEY.as_bytes()
}

/// What the keys of all owners' usage begin with.
pub(super) fn all_usage() -> &'static [u8] {
    USAGE.as_bytes()
}

/// The owner that a key of `u/` names.
pub(super) fn owner_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(USAGE.as_bytes())?).ok()
}

/// Key of a piece of a log's row whose first event has this sequence number.
pub(super) fn row(response: &[u8], first: u64, number: u16) -> Vec<u8> {
    [response, b"e", &first.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// What the keys of all rows of a log begin with.
pub(super) fn rows(response: &[u8]) -> Vec<u8> {
    [response, b"e"].concat()
}

/// Sequence number of the first event of a row, and number of the piece.
pub(super) fn row_of(key: &[u8]) -> Option<(u64, u16)> {
    let (rest, piece) = key.split_last_chunk()?;
    let (_, first) = rest.split_last_chunk()?;
    Some((u64::from_be_bytes(*first), u16::from_be_bytes(*piece)))
}

/// Keys of the responses that were created before `cutoff_ms`, Unix milliseconds: all that they have, the marks of
/// those that are not over, and the uses of their approvals.
pub(super) fn created_before(cutoff_ms: u64) -> [std::ops::Range<Vec<u8>>; 3] {
    [RESPONSE, OPEN, APPROVAL].map(|prefix| range_before(prefix, cutoff_ms))
}

/// Keys of the responses that were made in this time, Unix milliseconds.
pub(super) fn made_in(then: std::ops::Range<u64>) -> std::ops::Range<Vec<u8>> {
    range_before(RESPONSE, then.start).end..range_before(RESPONSE, then.end).end
}

fn range_before(prefix: &str, cutoff_ms: u64) -> std::ops::Range<Vec<u8>> {
    // 48 bits of a UUIDv7 are its time; a cutoff beyond them is beyond every id.
    let hex = format!("{:012x}", cutoff_ms.min((1 << 48) - 1));
    prefix.as_bytes().to_vec()..[prefix, &hex].concat().into_bytes()
}

/// Whether the use of an approval is among the keys of [`created_before`].
pub(super) fn is_before(id: &ApprovalId, cutoff_ms: u64) -> bool {
    range_before(APPROVAL, cutoff_ms).contains(&approval(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_is_behind_the_moment_it_was_made_in() {
        let id = ResponseId::parse("resp_0190000000007000800000000000abcd").unwrap();
        let made_at_ms = 0x0190_0000_0000;
        for cutoff_ms in [made_at_ms, made_at_ms + 1, u64::MAX] {
            let [responses, open_ones, approvals] = created_before(cutoff_ms);
            let before = cutoff_ms > made_at_ms;
            assert_eq!(responses.contains(&response(&id)), before);
            assert_eq!(responses.contains(&row(&response(&id), 7, 0)), before);
            assert_eq!(open_ones.contains(&open(&id)), before);
            let asked = ApprovalId { response: id.clone(), index: 0 };
            assert_eq!(approvals.contains(&approval(&asked)), before);
            assert_eq!(is_before(&asked, cutoff_ms), before);
        }
    }

    #[test]
    fn keys_lead_back_to_what_they_name() {
        let id = ResponseId::new();
        assert_eq!(response_of(&open(&id)), Some(id.clone()));
        assert_eq!(response_of(&response(&id)), Some(id.clone()));
        assert_eq!(response_of(&row(&response(&id), 1, 0)), None);
        assert_eq!(response_of(&approval(&ApprovalId { response: id.clone(), index: 0 })), None);
        let event = "evt_1";
        assert_eq!(delivery_of(&delivery("a.b", 1 << 40, event), event.len()), Some(("a.b", 1 << 40, event)));
        assert_eq!(row_of(&row(&response(&id), 1 << 40, 9)), Some((1 << 40, 9)));
    }
}
