//! Tests of marks, and of what is on disk of them.

use pretty_assertions::assert_eq;

use super::*;
use or_protocol::ResponseId;

use crate::ApprovalState;
use crate::approval::FORMAT;
use crate::sled::open::{DbOptions, OnCorruption};

const HEX: &str = "0190000000007000800000000000abcd";
const PROOF: &str = "00112233445566778899aabbccddeeff";

fn database() -> (Db, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let options =
        DbOptions { on_corruption: OnCorruption::Fail, power_loss_safe: false, cache_capacity: 1 << 20 };
    (Db::open(folder.path(), &options).unwrap(), folder)
}

fn asked(response: &ResponseId) -> ApprovalId {
    ApprovalId { response: response.clone(), index: 1 }
}

fn mark(state: ApprovalState, by: &ResponseId) -> ApprovalMark {
    ApprovalMark { state, by: by.clone() }
}

/// Writes marks in one batch and tells what became of them.
fn written(db: &Db, marks: &[(ApprovalId, ApprovalMark)], cutoff_ms: u64) -> Vec<Result<Marked, String>> {
    let told = db.mark_approvals(marks, cutoff_ms).unwrap();
    told.into_iter().map(|told| told.map_err(|error| error.to_string())).collect()
}

#[test]
fn the_id_of_an_item_names_its_response_and_place() {
    let response = ResponseId::parse(&format!("resp_{HEX}")).unwrap();
    for (index, digits) in [(0, "0000"), (0xab, "00ab"), (0x1_2345, "12345")] {
        let id = ApprovalId { response: response.clone(), index };
        assert_eq!(id.to_string(), format!("mcpr_{HEX}{digits}"));
        assert_eq!(ApprovalId::parse(&format!("{id}{PROOF}")), Some(id));
    }
}

#[test]
fn an_approval_has_one_name_only() {
    for id in [
        String::new(),
        "mcpr_1".into(),
        PROOF.into(),
        format!("mcpr_{HEX}0000"),
        format!("mcpr_{HEX}{PROOF}"),
        format!("mcpr_{HEX}00AB{PROOF}"),
        format!("mcpr_{HEX}00001{PROOF}"),
        format!("mcpr_{HEX}+001{PROOF}"),
        format!("mcpr_{HEX}i001{PROOF}"),
        format!("mcpr_{}0001{PROOF}", HEX.to_uppercase()),
        format!("mcpr_{HEX}0001{}", PROOF.to_uppercase()),
        format!("mcpr_{HEX}0001{PROOF} "),
        format!("mcpr_x_{HEX}0001{PROOF}"),
        format!("msg_{HEX}0001{PROOF}"),
        format!("mcpr_{HEX}0001{}é", &PROOF[1..]),
    ] {
        assert_eq!(ApprovalId::parse(&id), None, "{id}");
    }
}

#[test]
fn the_first_to_mark_an_approval_has_it_and_can_only_say_that_it_is_done() {
    let [first, second] = [0, 1].map(|_| ResponseId::new());
    let used = Marked::Used(first.clone());
    let (started, done) = (ApprovalState::Started, ApprovalState::Done);
    for (earlier, state, by, want) in [
        (None, started, &first, Marked::Written),
        (None, done, &first, Marked::Written),
        (Some(started), done, &first, Marked::Written),
        (Some(done), done, &first, Marked::Written),
        (Some(started), started, &first, used.clone()),
        (Some(done), started, &first, used.clone()),
        (Some(started), started, &second, used.clone()),
        (Some(started), done, &second, used.clone()),
        (Some(done), done, &second, used.clone()),
    ] {
        let earlier = earlier.map(|state| mark(state, &first));
        let got = mark(state, by).follow(earlier.as_ref());
        assert_eq!(got, want, "{state:?} by {by} behind {earlier:?}");
    }
}

#[test]
fn of_two_in_one_batch_the_first_has_the_approval() {
    let (db, _folder) = database();
    let [response, first, second] = [0, 1, 2].map(|_| ResponseId::new());
    let id = asked(&response);
    let other = ApprovalId { response, index: 2 };
    let marks = [
        (id.clone(), mark(ApprovalState::Started, &first)),
        (id.clone(), mark(ApprovalState::Started, &second)),
        (other.clone(), mark(ApprovalState::Started, &second)),
        (id.clone(), mark(ApprovalState::Done, &first)),
    ];
    let (well, used) = (|| Ok(Marked::Written), Ok(Marked::Used(first.clone())));
    assert_eq!(written(&db, &marks, 0), [well(), used, well(), well()]);
    assert_eq!(db.approval(&id).unwrap(), Some(mark(ApprovalState::Done, &first)));
    assert_eq!(db.approval(&other).unwrap(), Some(mark(ApprovalState::Started, &second)));
}

#[test]
fn marks_expire_with_the_responses_that_asked_and_are_refused_from_then_on() {
    let (db, _folder) = database();
    let [old, young] = [1000_u64, 3000].map(|ms| {
        let response = ResponseId::parse(&format!("resp_{ms:012x}7{:019x}", 1)).unwrap();
        (asked(&response), mark(ApprovalState::Started, &ResponseId::new()))
    });
    assert_eq!(written(&db, &[old.clone(), young.clone()], 0), [Ok(Marked::Written), Ok(Marked::Written)]);
    assert_eq!(db.expire(2000, 10).unwrap(), (1, Vec::new()));
    assert_eq!(db.approval(&old.0).unwrap(), None);
    assert_eq!(db.approval(&young.0).unwrap(), Some(young.1.clone()));
    assert_eq!(written(&db, std::slice::from_ref(&old), 2000), [Ok(Marked::Expired)]);
    // A call that was under way may still say that it is over.
    let done = ApprovalMark { state: ApprovalState::Done, ..young.1 };
    assert_eq!(written(&db, &[(young.0, done)], 4000), [Ok(Marked::Written)]);
}

#[test]
fn a_mark_that_does_not_read_is_no_missing_mark() {
    let (db, _folder) = database();
    let [response, by] = [0, 1].map(|_| ResponseId::new());
    let id = asked(&response);
    let denied = mark(ApprovalState::Denied, &by);
    assert_eq!(ApprovalMark::decode(&id, &denied.encode()).unwrap(), denied);
    let good = mark(ApprovalState::Done, &by).encode();
    let damaged = format!("the record of {id} is damaged");
    let newer = "the record has format 2, which this version does not know".to_owned();
    for (bytes, want) in [
        (Vec::new(), &damaged),
        (vec![FORMAT], &damaged),
        ([&[FORMAT, 3], &good[2..]].concat(), &damaged),
        (good[..good.len() - 1].to_vec(), &damaged),
        ([&[FORMAT + 1], &good[1..]].concat(), &newer),
    ] {
        db.opened().unwrap().sled.insert(keys::approval(&id), bytes.clone()).unwrap();
        assert_eq!(db.approval(&id).unwrap_err().to_string(), *want, "{bytes:?}");
        let marks = [(id.clone(), mark(ApprovalState::Started, &by))];
        assert_eq!(written(&db, &marks, 0), [Err(want.clone())]);
    }
}

#[test]
fn a_key_that_does_not_read_is_made_anew() {
    let (db, _folder) = database();
    let key = db.approval_key().unwrap();
    assert_eq!(db.approval_key().unwrap(), key);
    db.opened().unwrap().sled.insert(keys::APPROVAL_KEY, &key[1..]).unwrap();
    let other = db.approval_key().unwrap();
    assert_ne!(other, key);
    assert_eq!(db.approval_key().unwrap(), other);
}
