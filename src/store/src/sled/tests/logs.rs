//! Event logs, whole and in pieces.

use or_protocol::DONE;
use pretty_assertions::assert_eq;

use super::*;

#[test]
fn a_log_is_read_from_any_number_on_over_rows_of_any_length() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    let id = ResponseId::new();
    let mut whole = Vec::new();
    let mut next = 0;
    for (count, len) in [(2, 10), (1, 3 * PIECE), (500, 100), (1, 0), (7, 9000)] {
        let row = frames(next, count, len);
        next = row.next();
        whole.extend_from_slice(&row.bytes);
        // Another response's log beside it.
        let other = Write {
            id: ResponseId::new(),
            record: None,
            appends: vec![Append::Frames(row.clone())],
            outbox: Vec::new(),
        };
        db.write(&[
            Write { id: id.clone(), record: None, appends: vec![Append::Frames(row)], outbox: Vec::new() },
            other,
        ])
        .unwrap();
    }
    let whole = Frames { first: 0, bytes: whole.into() };
    for from in [0, 1, 2, 3, 4, 250, 502, 503, 504, 510, 511, 600] {
        let mut read = Vec::new();
        let mut at = from;
        loop {
            let part = db.read_log(&id, at).unwrap();
            if part.bytes.is_empty() {
                break;
            }
            assert_eq!(part.first, at);
            at = part.next();
            read.extend_from_slice(&part.bytes);
        }
        assert_eq!(read, whole.since(from).bytes, "from {from}");
        assert_eq!(at, from.max(next), "from {from}");
    }
    assert_eq!(db.read_log(&ResponseId::new(), 0).unwrap().bytes.len(), 0);
    check_pieces(&db, &id, &whole, next);
}

/// Reads a log to its end in pieces, from many of its frames on.
#[track_caller]
fn check_pieces(db: &Db, id: &ResponseId, whole: &Frames, next: u64) {
    for from in (0..=next + 3).step_by(7).chain([next - 1, next, next + 1]) {
        let (mut read, mut place) = (Vec::new(), LogPlace { frame: from, skip: 0 });
        loop {
            let piece = db.read_log_piece(id, place, u64::MAX).unwrap();
            if piece.is_empty() {
                break;
            }
            assert!(piece.len() < 70_000, "{} bytes", piece.len());
            read.extend_from_slice(&piece);
            place = place.behind(&piece);
            if piece.ends_with(DONE.as_bytes()) {
                break;
            }
        }
        assert_eq!(read, whole.since(from).bytes, "from {from}");
    }
    assert_eq!(db.read_log_piece(&ResponseId::new(), LogPlace::default(), u64::MAX).unwrap().len(), 0);
}

#[test]
fn long_frames_are_read_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let db = Db::open(folder.path(), &OPTIONS).unwrap();
    // Frames whose ends, and that of the log, lie on both sides of where the values of the database end.
    for odd in 0..20 {
        let lens = [10, PIECE - 12 - odd, 200_000 + odd, PIECE - 10 + odd, 3, 70_000];
        let (id, mut whole, mut first) = (ResponseId::new(), Vec::new(), 0);
        for row in [&lens[..4], &lens[4..]] {
            let mut bytes: Vec<u8> = row
                .iter()
                .flat_map(|len| format!("event: e\ndata: {}\n\n", "x".repeat(*len)).into_bytes())
                .collect();
            if first > 0 {
                bytes.extend_from_slice(DONE.as_bytes());
            }
            whole.extend_from_slice(&bytes);
            let appends = vec![Append::Frames(Frames { first, bytes: bytes.into() })];
            db.write(&[Write { id: id.clone(), record: None, appends, outbox: Vec::new() }]).unwrap();
            first += row.len() as u64;
        }
        check_pieces(&db, &id, &Frames { first: 0, bytes: whole.clone().into() }, first);
        // What is behind the mark is not shown.
        let piece = db.read_log_piece(&id, LogPlace { frame: 3, skip: 0 }, 4).unwrap();
        let shown = Frames { first: 0, bytes: whole.into() }.before(4);
        assert_eq!(piece, shown.since(3).bytes, "odd {odd}");
    }
}
