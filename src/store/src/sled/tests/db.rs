//! Tests of the database, in folders of their own.

use std::fs;

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use super::write::{Content, RecordBytes, RecordState};
use super::*;
use crate::{Append, Subscriptions};

mod ahead;
mod logs;

const OPTIONS: DbOptions =
    DbOptions { on_corruption: OnCorruption::Fail, power_loss_safe: false, cache_capacity: 1 << 20 };

fn write(bytes: usize) -> Write {
    let bytes = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
    record(ResponseId::new(), bytes)
}

fn record(id: ResponseId, bytes: Vec<u8>) -> Write {
    Write {
        id,
        record: Some(RecordBytes { content: Content::Bytes(bytes), state: RecordState::Over }),
        appends: Vec::new(),
        outbox: Vec::new(),
    }
}

impl Db {
    pub(crate) fn write(&self, writes: &[Write]) -> Result<(), StoreError> {
        self.write_all(writes.to_vec())
    }
}

fn bytes_of(write: &Write) -> Option<&Vec<u8>> {
    match &write.record.as_ref()?.content {
        Content::Bytes(bytes) => Some(bytes),
        Content::Record(_) => None,
    }
}

fn made_at(ms: u64) -> Write {
    let id = ResponseId::parse(&format!("resp_{ms:012x}7{:019x}", 1)).unwrap();
    record(id, vec![1; PIECE + 1])
}

/// A folder with a closed store of so many records.
fn filled(count: usize) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    for _ in 0..count {
        db.write(&[write(2000)]).unwrap();
    }
    folder
}

/// A folder with a corrupt store. sled may have moved what was in the first part of its file, if it had the time; then
/// nobody misses it, and another one is made.
fn corrupt() -> TempDir {
    for _ in 0..10 {
        let folder = filled(400);
        let file = folder.path().join(FOLDER).join("db");
        let mut bytes = fs::read(&file).unwrap();
        bytes[3] ^= 0xff;
        fs::write(&file, bytes).unwrap();
        match Db::open(folder.path(), &OPTIONS) {
            Err(StoreOpenError::Corrupt { .. }) => return folder,
            Err(error) => panic!("{error}"),
            Ok(_) => {}
        }
    }
    panic!("sled moves everything at once");
}

fn names(folder: &TempDir) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn records_of_any_length_are_read_after_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let writes: Vec<_> =
        [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 1_000_000].into_iter().map(write).collect();
    for power_loss_safe in [false, true] {
        let db = Db::open(folder.path(), &DbOptions { power_loss_safe, ..OPTIONS }).unwrap();
        db.write(&writes).unwrap();
    }
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    for write in &writes {
        assert_eq!(db.read(&write.id).unwrap().as_ref(), bytes_of(write), "{}", write.len());
    }
    assert_eq!(db.read(&ResponseId::new()).unwrap(), None);
    assert_eq!(fs::read_dir(folder.path().join(FOLDER).join("blobs")).unwrap().count(), 0);
}

#[test]
fn a_record_that_became_shorter_has_nothing_of_the_longer_one() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let long = write(3 * PIECE);
    db.write(std::slice::from_ref(&long)).unwrap();
    db.write(&[record(long.id.clone(), vec![9])]).unwrap();
    assert_eq!(db.read(&long.id).unwrap(), Some(vec![9]));
}

#[test]
fn expired_responses_go_in_small_batches_with_all_their_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let writes: Vec<_> = (1..=5).map(|n| made_at(n * 1000)).collect();
    db.write(&writes).unwrap();
    assert_eq!([(); 3].map(|()| db.expire(4000, 4).unwrap().0), [4, 2, 0]);
    assert_eq!(db.expire(5000, 4).unwrap().1, [writes[3].id.clone()]);
    let left = writes.iter().map(|w| db.read(&w.id).unwrap().is_some()).collect::<Vec<_>>();
    assert_eq!(left, [false, false, false, false, true]);
}

#[test]
fn a_removed_record_leaves_no_piece_and_its_neighbours_whole() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let writes: Vec<_> = [3 * PIECE, 400 * PIECE, 5 * PIECE, 1].into_iter().map(write).collect();
    let [first, long, last, short] = [0, 1, 2, 3].map(|n| writes[n].id.clone());
    db.write(&writes).unwrap();
    // A shorter record in place of a longer one leaves pieces behind; they go too.
    db.write(&[record(long.clone(), vec![1; 2 * PIECE])]).unwrap();
    let ids = [long.clone(), ResponseId::new(), short.clone(), long.clone()];
    assert_eq!(db.remove(&ids).unwrap(), [true, false, true, false]);
    assert_eq!(db.remove(&ids).unwrap(), [false; 4]);
    drop(db);
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    assert_eq!(db.lost(), 0);
    let left = [first, long, last, short].map(|id| db.read(&id).unwrap().map(|bytes| bytes.len()));
    assert_eq!(left, [Some(3 * PIECE), None, Some(5 * PIECE), None]);
    assert_eq!(db.opened().unwrap().sled.scan_prefix("r/").count(), 3 + 5);
}

#[test]
fn a_second_opening_is_refused_with_the_folder_in_the_text() {
    let folder = filled(0);
    let _open = Db::open(folder.path(), &OPTIONS).unwrap();
    let error = Db::open(folder.path(), &OPTIONS).unwrap_err().to_string();
    let path = folder.path().join(FOLDER);
    assert_eq!(
        error,
        format!(
            "the store {} is in use by another process; stop that one, or use another folder",
            path.display()
        )
    );
}

#[test]
fn a_corrupt_store_is_moved_aside_as_it_is() {
    let folder = corrupt();
    let quarantine = DbOptions { on_corruption: OnCorruption::Quarantine, ..OPTIONS };
    let db = Db::open(folder.path(), &quarantine).unwrap();
    let record = write(10);
    db.write(std::slice::from_ref(&record)).unwrap();
    assert_eq!(db.read(&record.id).unwrap().as_ref(), bytes_of(&record));
    let names = names(&folder);
    assert_eq!((names.len(), names[0].as_str(), names[1].as_str()), (3, "confirmed", "responses"));
    assert!(names[2].starts_with("responses.corrupt-"), "{names:?}");
    assert!(fs::metadata(folder.path().join(&names[2]).join("db")).unwrap().len() > 100_000);
}

#[test]
fn a_snapshot_that_was_cut_off_costs_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let record = write(2000);
    db.write(std::slice::from_ref(&record)).unwrap();
    drop(db);
    for bytes in [&b""[..], b"half a snapshot"] {
        let name = folder.path().join(FOLDER).join("snap.7FFFFFFFFFFFFFFF.generating");
        fs::write(&name, bytes).unwrap();
        let db = Db::open(folder.path(), &OPTIONS).unwrap();
        assert_eq!(db.read(&record.id).unwrap().as_ref(), bytes_of(&record));
        assert!(!name.exists());
    }
    assert_eq!(names(&folder), ["confirmed", "responses"]);
}

#[test]
fn a_corrupt_store_is_left_alone_if_so_configured() {
    let folder = corrupt();
    let error = Db::open(folder.path(), &OPTIONS).unwrap_err();
    assert!(matches!(error, StoreOpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    assert_eq!(names(&folder), ["confirmed", "responses"]);
}

#[test]
fn what_is_not_damage_moves_nothing() {
    let quarantine = DbOptions { on_corruption: OnCorruption::Quarantine, ..OPTIONS };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let error = Db::open(&file, &quarantine).unwrap_err().to_string();
    assert_eq!(error, format!("cannot create the store folder {}", file.display()));

    fs::create_dir_all(folder.path().join(FOLDER).join("db")).unwrap();
    let error = Db::open(folder.path(), &quarantine).unwrap_err();
    assert!(matches!(error, StoreOpenError::Io { .. }), "{error}");
    assert_eq!(names(&folder), ["file", FOLDER]);
}

#[cfg(unix)]
#[test]
fn a_folder_without_permission_is_an_error_with_its_name() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o500)).unwrap();
    if fs::write(folder.path().join("probe"), "").is_ok() {
        println!("left out: this user may write everywhere");
        return;
    }
    let error = Db::open(folder.path(), &OPTIONS).unwrap_err();
    assert!(matches!(&error, StoreOpenError::Io { .. }), "{error}");
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_lost_end_is_noticed() {
    let folder = filled(3);
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    assert_eq!(db.lost(), 0);
    drop(db);
    fs::remove_dir_all(folder.path().join(FOLDER)).unwrap();
    assert_eq!(Db::open(folder.path(), &OPTIONS).unwrap().lost(), 3);
}

fn frames(first: u64, count: u64, len: usize) -> Frames {
    let frame = |n: u64| format!("event: x\ndata: {n}{}\n\n", "-".repeat(len));
    Frames { first, bytes: (first..first + count).map(frame).collect::<String>().into() }
}

#[test]
fn a_response_is_open_from_its_first_record_to_its_last() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let put = |id: &ResponseId, state, text: &str| {
        let record = Some(RecordBytes { content: Content::Bytes(text.into()), state });
        let appends = vec![Append::Frames(frames(0, 1, 1))];
        db.write(&[Write { id: id.clone(), record, appends, outbox: Vec::new() }]).unwrap();
    };
    let [begun, open, over] = [0, 1, 2].map(|_| ResponseId::new());
    put(&begun, RecordState::Begun, "begun");
    put(&open, RecordState::Open, "open");
    put(&over, RecordState::Open, "open");
    put(&over, RecordState::Over, "over");
    // It came too late.
    put(&over, RecordState::Begun, "begun");
    assert_eq!(db.read(&over).unwrap().unwrap(), b"over");
    assert_eq!(db.open_responses().unwrap(), [begun.clone(), open.clone()]);
    assert_eq!(db.remove(std::slice::from_ref(&begun)).unwrap(), [true]);
    assert_eq!(db.open_responses().unwrap(), [open]);
    assert_eq!(db.expire(u64::MAX, 1000).unwrap().0, 5);
    assert_eq!(db.opened().unwrap().sled.len(), 1, "all but the number of batches has expired");
}

#[test]
fn a_read_sees_all_of_a_batch_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let id = ResponseId::new();
    let all_of = |version: u8| record(id.clone(), vec![version; PIECE * (2 + usize::from(version % 2))]);
    db.write(&[all_of(0)]).unwrap();
    let over = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let bytes = db.read(&id).unwrap().unwrap();
                let version = bytes[0];
                assert_eq!(bytes.len(), PIECE * (2 + usize::from(version % 2)));
                assert!(bytes.iter().all(|byte| *byte == version), "a mixture");
                let log = db.read_log(&id, 0).unwrap();
                assert!(log.bytes.is_empty() || log.bytes.ends_with(b"\n\n"), "half a row");
            }
        });
        for version in 1..200 {
            let row = frames(u64::from(version), 1, 3 * PIECE);
            db.write(&[Write { appends: vec![Append::Frames(row)], ..all_of(version) }]).unwrap();
            if reader.is_finished() {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_record_that_is_encoded_as_it_is_written_is_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    for len in [0, PIECE - 400, PIECE, 10 * PIECE, 1_000_000] {
        let raw = |json: String| serde_json::value::RawValue::from_string(json).unwrap();
        let stored = Arc::new(StoredResponse {
            owner: "me".into(),
            created_at: 1,
            status: or_protocol::ResponseStatus::Completed,
            provider: "demo".into(),
            previous_response_id: None,
            input: raw(format!("[\"{}\"]", "x".repeat(len))),
            response: raw("{}".into()),
            sealed: Vec::new(),
            notes: Vec::new(),
            background: false,
            resume: None,
        });
        let id = ResponseId::new();
        let content = Content::Record(Arc::clone(&stored));
        let record = Some(RecordBytes { content, state: RecordState::Over });
        db.write(&[Write { id: id.clone(), record, appends: Vec::new(), outbox: Vec::new() }]).unwrap();
        assert_eq!(db.read(&id).unwrap(), Some(stored.encode().unwrap()), "{len}");
        assert!(db.is_of(&id, "me").unwrap());
    }
}
