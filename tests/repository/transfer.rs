//! `open-responses export` and `import`, as an operator runs them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Output, Stdio};

use open_responses::protocol::{ResponseId, ResponseStatus};
use open_responses::store::{Change, SledOptions, SledStore, Store, StoredResponse};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;

use crate::PROGRAM;

const COUNT: usize = 700;

/// Makes a store in `data`; the records have line breaks between their tokens.
fn fill(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let store = SledStore::open(SledOptions::new(folder.join("data"))).unwrap();
    let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
    let commits = (0..COUNT).map(|n| {
        let id = ResponseId::new();
        let record = StoredResponse {
            owner: "me".into(),
            created_at: 1,
            status: ResponseStatus::Completed,
            provider: "demo".into(),
            previous_response_id: None,
            input: raw("[\n]"),
            response: raw(&format!(
                "{{\r\n \"id\": \"{id}\", \"status\": \"completed\", \"output\": [], \"n\": {n}, \"x\": \"{}\" }}",
                "y".repeat(n * 20)
            )),
            sealed: Vec::new(),
            notes: Vec::new(),
            background: false,
            resume: None,
        };
        store.commit(Change::record(id, record))
    });
    for commit in commits {
        runtime.block_on(commit).unwrap();
    }
}

fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = PROGRAM.command(folder, &[]).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    // Who refuses to start does not read it.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, said: &str) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{text}");
    assert!(text.contains(said), "no {said:?} in {text}");
}

#[test]
fn a_store_goes_through_a_file_and_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fill(path);
    check(&run(path, &["export", "all.jsonl"], b""), 0, "700 responses exported, ");
    let lines = std::fs::read(path.join("all.jsonl")).unwrap();
    assert_eq!(lines.iter().filter(|byte| **byte == b'\n').count(), COUNT);
    assert!(!path.join("all.jsonl.part").exists());

    check(&run(path, &["import", "--data", "two", "all.jsonl"], b""), 0, "700 responses imported, ");
    let two = run(path, &["export", "--data", "two"], b"");
    check(&two, 0, "700 responses exported, ");
    assert!(two.stdout == lines);

    let half = lines.len() / 2;
    let broken = run(path, &["--data", "three", "import", "-"], &lines[..half]);
    check(&broken, 1, "refused: line ");
    check(&run(path, &["import", "--data", "three"], &lines), 0, " were there already");
    assert!(run(path, &["export", "--data", "three"], b"").stdout == lines);
    check(&run(path, &["import", "--overwrite", "all.jsonl"], b""), 0, "700 responses imported, ");
    assert!(run(path, &["export"], b"").stdout == lines);
}

#[test]
fn a_folder_in_use_or_without_a_store_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(SledOptions::new(folder.path().join("data"))).unwrap();
    let text =
        "error: the store data/responses is in use by another process; stop that one, or use another folder";
    check(&run(folder.path(), &["export", "all.jsonl"], b""), 1, text);
    check(&run(folder.path(), &["import"], b""), 1, text);
    drop(store);
    assert!(!folder.path().join("all.jsonl").exists());
    check(&run(folder.path(), &["export", "--data", "none"], b""), 1, "error: there is no store in none");
    check(&run(folder.path(), &["import", "none"], b""), 1, "error: cannot read none: ");
}
