//! `open-responses export`, `import` and `responses`, as an operator runs them.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
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

#[test]
fn the_keys_of_clients_are_for_the_server_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fill(path);
    std::fs::write(path.join("config.toml"), "[[auth.keys]]\nname = 'ann'\nkey_env = 'ANN'\n").unwrap();
    check(&run(path, &["export", "all.jsonl"], b""), 0, "700 responses exported, ");
    check(&run(path, &["import", "all.jsonl"], b""), 0, "700 were there already");
    check(&run(path, &["responses", "list"], b""), 0, "");
    check(&run(path, &["check-config"], b""), 1, "ANN");
}

#[test]
fn what_is_stuck_is_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fill(path);
    let all = run(path, &["responses", "list"], b"");
    check(&all, 0, "");
    let text = String::from_utf8(all.stdout).unwrap();
    let line = text.lines().nth(1).unwrap();
    let fields: Vec<_> = line.split('\t').collect();
    assert_eq!(text.lines().count(), COUNT + 1);
    let got = (fields[1], fields[2], fields[4], fields[5], fields[6]);
    assert_eq!(got, ("completed", "1", "0", "me", "-"));
    let unfinished = run(path, &["responses", "list", "--unfinished"], b"");
    assert_eq!(String::from_utf8(unfinished.stdout).unwrap().lines().count(), 1);
    check(&run(path, &["responses", "remove", fields[0]], b""), 0, "removed");
    check(&run(path, &["responses", "remove", fields[0]], b""), 1, "is not in the store");
    check(&run(path, &["responses", "remove", "7"], b""), 1, "`7` is not the id of a response");
    check(&run(path, &["export", "all.jsonl"], b""), 0, "699 responses exported, ");
    check(&run(path, &["--data", "none", "responses", "list"], b""), 1, "there is no store in none");
}

/// Everything that others than its owner may read or write, below this folder.
fn open_to_others(folder: &Path) -> Vec<PathBuf> {
    let mut open = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if std::fs::metadata(&path).unwrap().permissions().mode() & 0o077 != 0 {
            open.push(path.clone());
        }
        if path.is_dir() {
            open.extend(open_to_others(&path));
        }
    }
    open
}

#[test]
fn what_is_stored_is_for_its_user_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    fill(path);
    run(path, &["export", "all.jsonl"], b"");
    // As someone who copied it with an open mask.
    std::fs::set_permissions(path.join("data"), Permissions::from_mode(0o755)).unwrap();
    std::fs::set_permissions(path.join("data/responses/db"), Permissions::from_mode(0o644)).unwrap();
    let server = PROGRAM.start_after("umask 0", path);
    server.terminate();
    let (_, said) = server.wait();
    assert!(said.contains("THE STORE IS OPEN TO OTHER USERS"), "{said}");
    assert!(open_to_others(path).len() >= 2);
    std::fs::remove_dir_all(path.join("data")).unwrap();
    let server = PROGRAM.start_after("umask 0", path);
    server.terminate();
    let (_, said) = server.wait();
    assert!(!said.contains("OTHER USERS"), "{said}");
    check(&run(path, &["export", "all.jsonl"], b""), 0, "0 responses exported");
    assert_eq!(open_to_others(path), Vec::<PathBuf>::new());
}
