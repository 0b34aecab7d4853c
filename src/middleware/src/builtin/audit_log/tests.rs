//! Files of an audit log.

use std::path::Path;

use pretty_assertions::assert_eq;

use super::writer::{Files, Writer};
use or_telemetry::Metrics;

fn write(path: &Path, max_bytes: u64, keep: u32, lines: &[&str]) {
    let files = Files { path: path.to_owned(), max_bytes, max_age: None, keep };
    let writer = Writer::start(files, Metrics::new().unwrap()).unwrap();
    lines.iter().for_each(|line| writer.write(format!("{line}\n")));
}

#[test]
fn files_are_rotated_by_size_and_a_number_of_them_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    write(&path, 8, 2, &["one", "two", "three", "four"]);
    write(&path, 8, 2, &["5", "six"]);
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
    assert_eq!(read("audit.jsonl").as_deref(), Some("six\n"));
    assert_eq!(read("audit.jsonl.1").as_deref(), Some("four\n5\n"));
    assert_eq!(read("audit.jsonl.2").as_deref(), Some("three\n"));
    assert_eq!(read("audit.jsonl.3"), None);
}

#[test]
fn what_is_old_makes_room() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.jsonl");
    let max_age = Some(std::time::Duration::from_millis(1));
    for line in ["one\n", "two\n"] {
        let files = Files { path: path.clone(), max_bytes: 1 << 20, max_age, keep: 3 };
        Writer::start(files, Metrics::new().unwrap()).unwrap().write(line.into());
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "two\n");
    assert_eq!(std::fs::read_to_string(folder.path().join("audit.jsonl.1")).unwrap(), "one\n");
}

#[test]
fn what_cannot_be_written_is_counted_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone").join("audit.jsonl");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let files = Files { path: path.clone(), max_bytes: 4, max_age: None, keep: 1 };
    let metrics = Metrics::new().unwrap();
    let writer = Writer::start(files, metrics.clone()).unwrap();
    let lost = |want: &str| {
        for _ in 0..500 {
            if metrics.render(&or_telemetry::Levels::default()).contains(want) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("no {want}");
    };
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    writer.write("one\n".into());
    // A file without a name can still be written; the next one cannot be made.
    writer.write("two\n".into());
    lost("open_responses_audit_lines_lost_total 1");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    writer.write("three\n".into());
    drop(writer);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"lost_lines\":1}\nthree\n");
}
