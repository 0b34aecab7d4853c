//! Long records, whose pieces are written ahead of them.

use pretty_assertions::assert_eq;

use super::*;
use crate::sled::recovery::settle;

const LONG: usize = 3 << 20;

fn keys_of(db: &Db, id: &ResponseId) -> usize {
    db.opened().unwrap().sled.scan_prefix(keys::response(id)).count()
}

#[test]
fn a_long_record_is_there_as_a_whole_and_over() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let long = write(LONG);
    db.write(&[write(10), long.clone(), write(20)]).unwrap();
    assert_eq!(db.open_responses().unwrap(), []);
    drop(db);
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    assert_eq!(db.read(&long.id).unwrap().as_ref(), bytes_of(&long));
    // A second one takes its place in one batch, and is open where it says so.
    let again = vec![7; LONG / 2];
    let mut open = record(long.id.clone(), again.clone());
    open.record.as_mut().unwrap().state = RecordState::Open;
    db.write(&[open]).unwrap();
    assert_eq!(db.read(&long.id).unwrap(), Some(again));
    assert_eq!(db.open_responses().unwrap(), std::slice::from_ref(&long.id));
    assert_eq!(db.remove(std::slice::from_ref(&long.id)).unwrap(), [true]);
    assert_eq!(keys_of(&db, &long.id), 0);
}

#[test]
fn pieces_without_their_record_go_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let long = write(LONG);
    // As if the process had died before the last batch.
    let open = db.opened().unwrap();
    let (mut batch, mut ledger) = (sled::Batch::default(), Ledger::new(&open.sled));
    put(&open.sled, &mut batch, &mut ledger, std::slice::from_ref(&long)).unwrap();
    drop((batch, open));
    assert!(keys_of(&db, &long.id) > LONG / PIECE - 1);
    assert_eq!((db.read(&long.id).unwrap(), db.total().responses), (None, 0));
    drop(db);

    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    assert_eq!(settle(&db, usize::MAX, &Subscriptions::default()), []);
    assert_eq!((keys_of(&db, &long.id), db.open_responses().unwrap()), (0, vec![]));
}
