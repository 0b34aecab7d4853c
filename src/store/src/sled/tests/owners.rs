use std::path::Path;

use or_protocol::{ResponseId, ResponseStatus};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;

use super::super::super::open::{DbOptions, OnCorruption};
use super::super::write::{Content, RecordBytes, RecordState, Write};
use super::*;
use crate::StoredResponse;

fn open(path: &Path) -> Db {
    let options =
        DbOptions { on_corruption: OnCorruption::Fail, power_loss_safe: false, cache_capacity: 1 << 20 };
    Db::open(path, &options).unwrap()
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

/// Writes a record as earlier versions did; `length`: of its input.
fn put(db: &Db, owner: &str, length: usize) -> ResponseId {
    let id = ResponseId::new();
    let record = StoredResponse {
        owner: owner.into(),
        created_at: 1,
        status: ResponseStatus::InProgress,
        provider: "key-1".into(),
        previous_response_id: None,
        input: raw(&format!("[\"{{\\\"owner\\\":\\\"key-1\\\" {}\"]", "x".repeat(length))),
        response: raw("{\"output\":[]}"),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    };
    let record =
        Some(RecordBytes { content: Content::Bytes(record.encode().unwrap()), state: RecordState::Open });
    db.write(&[Write { id: id.clone(), record, appends: Vec::new(), outbox: Vec::new() }]).unwrap();
    id
}

fn get(db: &Db, id: &ResponseId) -> StoredResponse {
    StoredResponse::decode(id.as_str(), &db.read(id).unwrap().unwrap()).unwrap()
}

fn names(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(place, name)| ((*place).to_owned(), (*name).to_owned())).collect()
}

/// Adopts a store with a record of `owner`; `want`: whose it is then.
#[track_caller]
fn check(owner: &str, list: &[(&str, &str)], want: &str) {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let id = put(&db, owner, 0);
    db.adopt(&names(list)).unwrap();
    assert_eq!(get(&db, &id).owner, want);
}

#[test]
fn a_place_is_replaced_by_the_name_of_its_key() {
    let list = [("key-1", "key-aaaaaaaaaaaa"), ("key-2", "key-bbbbbbbbbbbb"), ("key-12", "key-cccccccccccc")];
    check("key-1", &list, "key-aaaaaaaaaaaa");
    check("key-12", &list, "key-cccccccccccc");
    // Nobody stands there, and what is no place stays.
    for stays in ["key-3", "key-", "key-1a", "key-aaaaaaaaaaaa", "ann", "local"] {
        check(stays, &list, stays);
    }
    check("key-1", &[], "key-1");
    check("key-1", &[("key-1", "key-1")], "key-1");
}

#[test]
fn records_of_all_lengths_are_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let ids: Vec<_> = (0..700).map(|n| put(&db, "key-1", n * 13)).collect();
    let other = put(&db, "key-2", 5);
    assert_eq!(db.adopt(&names(&[("key-1", "key-aaaaaaaaaaaa")])).unwrap(), 700);
    for (length, id) in (0..).map(|n| n * 13).zip(&ids) {
        let record = get(&db, id);
        let rest = (record.provider.as_str(), record.input.get().len());
        assert_eq!((record.owner.as_str(), rest), ("key-aaaaaaaaaaaa", ("key-1", length + 25)));
    }
    assert_eq!(get(&db, &other).owner, "key-2");
    assert_eq!(db.open_responses().unwrap().len(), 701);
}

#[test]
fn a_list_that_changes_later_gives_nothing_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    // A start without a list does not count.
    assert_eq!(db.adopt(&[]).unwrap(), 0);
    let (ann, bob) = (put(&db, "key-1", 0), put(&db, "key-2", 0));
    assert_eq!(db.adopt(&names(&[("key-1", "key-a"), ("key-2", "key-b")])).unwrap(), 2);
    let late = put(&db, "key-1", 0);
    assert_eq!(db.adopt(&names(&[("key-1", "key-b")])).unwrap(), 0);
    let owners = [&ann, &bob, &late].map(|id| get(&db, id).owner);
    assert_eq!(owners, ["key-a", "key-b", "key-1"]);
}

#[test]
fn a_start_that_was_cut_off_is_gone_on_with_by_the_names_that_it_began_with() {
    let folder = tempfile::tempdir().unwrap();
    let db = open(folder.path());
    let (ann, bob) = (put(&db, "key-a", 0), put(&db, "key-1", 0));
    let begun = Adopted { names: names(&[("key-1", "key-a")]).into_iter().collect(), done: false };
    db.note(&begun).unwrap();
    drop(db);
    let db = open(folder.path());
    assert_eq!(db.adopt(&names(&[("key-1", "key-b")])).unwrap(), 1);
    assert_eq!([&ann, &bob].map(|id| get(&db, id).owner), ["key-a", "key-a"]);
    assert!(db.adopted().unwrap().done);
}
