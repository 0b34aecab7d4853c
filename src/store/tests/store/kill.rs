//! What was confirmed is there after `kill -9`, and what was deleted is not.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{Change, SledOptions, SledStore, Store, StoredResponse};
use serde_json::value::RawValue;

/// Set for the process that is to be killed: the store's folder.
const FOLDER: &str = "OR_TEST_STORE_KILL_FOLDER";
const ROUNDS: u64 = 5;

/// A record whose contents follow from its id. Every few are long enough for several pieces.
fn record(id: &ResponseId) -> StoredResponse {
    let long = id.as_str().ends_with(['0', '4', '8', 'c']);
    let text = id.as_str().repeat(if long { 400 } else { 20 });
    let raw = |json: String| RawValue::from_string(json).unwrap();
    StoredResponse {
        owner: "me".into(),
        created_at: 1,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: None,
        input: raw("[]".into()),
        response: raw(format!(r#"{{"id":"{id}","output":[],"text":"{text}"}}"#)),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    }
}

fn say(what: &str, id: &ResponseId) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{what} {id}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// Commits from many tasks, deletes some of it, and prints what is confirmed, until it is killed.
fn commit_for_ever(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let store = SledStore::open(SledOptions::new(folder)).unwrap();
    for _ in 0..16 {
        let store = Arc::clone(&store);
        runtime.spawn(async move {
            loop {
                let id = ResponseId::new();
                store.commit(Change::record(id.clone(), record(&id))).await.unwrap();
                say("confirmed", &id);
                if id.as_str().ends_with(['3', '4', '9', 'c']) {
                    say("deleting", &id);
                    assert!(store.delete(id.clone(), "me".into()).await.unwrap());
                    say("deleted", &id);
                }
            }
        });
    }
    runtime.block_on(std::future::pending())
}

#[test]
fn every_confirmed_response_survives_kill_9() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return commit_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (mut confirmed, mut deleted) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Any spread will do: the moment is random enough by itself.
        let life = Duration::from_millis(40 + round * 67);
        let before = (confirmed.len(), deleted.len());
        kill_after(life, folder.path(), &mut confirmed, &mut deleted);
        assert!(confirmed.len() > before.0, "nothing was confirmed in round {round}");
        assert!(deleted.len() > before.1, "nothing was deleted in round {round}");
        let store = SledStore::open(SledOptions::new(folder.path())).unwrap();
        for id in &confirmed {
            let got = runtime.block_on(store.load(id.clone(), "me".into())).unwrap();
            let got = got.unwrap_or_else(|| panic!("{id} is lost after round {round}"));
            assert_eq!(got.response.get(), record(id).response.get());
        }
        for id in &deleted {
            let got = runtime.block_on(store.load(id.clone(), "me".into())).unwrap();
            assert!(got.is_none(), "{id} is back after round {round}");
        }
    }
    let kept = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(kept, 2, "nothing was moved aside");
}

/// Runs this test's other half, kills it, and notes what it had confirmed. What it was about to delete may be
/// there or not.
fn kill_after(life: Duration, folder: &Path, confirmed: &mut Vec<ResponseId>, deleted: &mut Vec<ResponseId>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::every_confirmed_response_survives_kill_9", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut die_at = None;
    while let Some(Ok(line)) = lines.next() {
        let Some((what, id)) = line.split_once(' ') else { continue };
        let Some(id) = ResponseId::parse(id) else { continue };
        match what {
            "deleting" => confirmed.retain(|other| *other != id),
            "deleted" => deleted.push(id),
            _ => confirmed.push(id),
        }
        if what == "deleted" {
            die_at.get_or_insert_with(|| Instant::now() + life);
        }
        if die_at.is_some_and(|at| Instant::now() >= at) {
            child.kill().unwrap();
        }
    }
    child.kill().unwrap();
    child.wait().unwrap();
}
