//! Tests of the database, in folders of their own.

use pretty_assertions::assert_eq;
use tempfile::TempDir;

use super::*;

const OPTIONS: DbOptions =
    DbOptions { on_corruption: OnCorruption::Fail, power_loss_safe: false, cache_capacity: 1 << 20 };

fn write(bytes: usize) -> Write {
    let bytes = (0..bytes).map(|n| u8::try_from(n % 251).unwrap()).collect();
    Write { id: ResponseId::new(), bytes }
}

fn made_at(ms: u64) -> Write {
    let id = ResponseId::parse(&format!("resp_{ms:012x}7{:019x}", 1)).unwrap();
    Write { id, bytes: vec![1; PIECE + 1] }
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

fn damage(folder: &TempDir) {
    let file = folder.path().join(FOLDER).join("db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[3] ^= 0xff;
    fs::write(&file, bytes).unwrap();
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
    for Write { id, bytes } in &writes {
        assert_eq!(db.read(id).unwrap().as_ref(), Some(bytes), "{}", bytes.len());
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
    db.write(&[Write { id: long.id.clone(), bytes: vec![9] }]).unwrap();
    assert_eq!(db.read(&long.id).unwrap(), Some(vec![9]));
}

#[test]
fn expired_responses_go_in_small_batches_with_all_their_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let writes: Vec<_> = (1..=5).map(|n| made_at(n * 1000)).collect();
    db.write(&writes).unwrap();
    assert_eq!([db.expire(4000, 4), db.expire(4000, 4), db.expire(4000, 4)].map(Result::unwrap), [4, 2, 0]);
    let left = writes.iter().map(|w| db.read(&w.id).unwrap().is_some()).collect::<Vec<_>>();
    assert_eq!(left, [false, false, false, true, true]);
}

#[test]
fn a_removed_record_leaves_no_piece_and_its_neighbours_whole() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let writes: Vec<_> = [3 * PIECE, 400 * PIECE, 5 * PIECE, 1].into_iter().map(write).collect();
    let [first, long, last, short] = [0, 1, 2, 3].map(|n| writes[n].id.clone());
    db.write(&writes).unwrap();
    // A shorter record in place of a longer one leaves pieces behind; they go too.
    db.write(&[Write { id: long.clone(), bytes: vec![1; 2 * PIECE] }]).unwrap();
    let ids = [long.clone(), ResponseId::new(), short.clone(), long.clone()];
    assert_eq!(db.remove(&ids).unwrap(), [true, false, true, false]);
    assert_eq!(db.remove(&ids).unwrap(), [false; 4]);
    drop(db);
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    assert_eq!(db.lost(), 0);
    let left = [first, long, last, short].map(|id| db.read(&id).unwrap().map(|bytes| bytes.len()));
    assert_eq!(left, [Some(3 * PIECE), None, Some(5 * PIECE), None]);
    assert_eq!(db.sled.scan_prefix("r/").count(), 3 + 5);
}

#[test]
fn a_second_opening_is_refused_with_the_folder_in_the_text() {
    let folder = filled(0);
    let _open = Db::open(folder.path(), &OPTIONS).unwrap();
    let error = Db::open(folder.path(), &OPTIONS).unwrap_err().to_string();
    let path = folder.path().join(FOLDER);
    assert_eq!(error, format!("the store {} is in use by another process", path.display()));
}

#[test]
fn a_corrupt_store_is_moved_aside_as_it_is() {
    let folder = filled(400);
    damage(&folder);
    let quarantine = DbOptions { on_corruption: OnCorruption::Quarantine, ..OPTIONS };
    let db = Db::open(folder.path(), &quarantine).unwrap();
    let record = write(10);
    db.write(std::slice::from_ref(&record)).unwrap();
    assert_eq!(db.read(&record.id).unwrap(), Some(record.bytes));
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
        assert_eq!(db.read(&record.id).unwrap().as_ref(), Some(&record.bytes));
        assert!(!name.exists());
    }
    assert_eq!(names(&folder), ["confirmed", "responses"]);
}

#[test]
fn a_corrupt_store_is_left_alone_if_so_configured() {
    let folder = filled(400);
    damage(&folder);
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
