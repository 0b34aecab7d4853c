//! A disk without room: what was confirmed stays, and the store writes again once there is room.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{Change, Health, SledOptions, SledStore, Store, StoredResponse};
use rlimit::Resource;
use serde_json::value::RawValue;

/// Set for the process whose files have a greatest length: the store's folder.
const FOLDER: &str = "OR_TEST_STORE_FULL_FOLDER";
/// That length: the disk that is full.
const ROOM: u64 = 4 << 20;

fn record(id: &ResponseId) -> StoredResponse {
    let raw = |json: String| RawValue::from_string(json).unwrap();
    StoredResponse {
        owner: "me".into(),
        created_at: 1,
        status: ResponseStatus::Completed,
        provider: "demo".into(),
        previous_response_id: None,
        input: raw("[]".into()),
        response: raw(format!(r#"{{"id":"{id}","output":[],"text":"{}"}}"#, id.as_str().repeat(400))),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    }
}

struct Run {
    store: Arc<SledStore>,
    confirmed: Vec<ResponseId>,
}

impl Run {
    async fn commit(&mut self) -> bool {
        let id = ResponseId::new();
        let good = self.store.commit(Change::record(id.clone(), record(&id))).await.is_ok();
        if good {
            self.confirmed.push(id);
        }
        good
    }

    async fn fill(&mut self) {
        let begin = self.confirmed.len();
        while self.commit().await {
            assert!(self.confirmed.len() < begin + 10_000, "the disk is never full");
        }
        assert!(matches!(self.store.health(), Health::Trouble(_)));
    }

    async fn check(&self) {
        for id in &self.confirmed {
            let got = self.store.load(id.clone(), "me".into()).await.unwrap();
            assert_eq!(got.unwrap().response.get(), record(id).response.get());
        }
    }

    async fn recovered(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        while let Health::Trouble(why) = self.store.health() {
            assert!(Instant::now() < end, "{why}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(self.store.health(), Health::Good);
    }
}

/// Fills the disk, makes room, and does so again; then ends with the disk full, as `kill -9` would end it.
fn fill_and_recover(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let limit = |bytes: u64| rlimit::setrlimit(Resource::FSIZE, bytes, rlimit::INFINITY).unwrap();
    let store = SledStore::open(SledOptions::new(folder)).unwrap();
    let mut run = Run { store, confirmed: Vec::new() };
    runtime.block_on(async {
        for round in 1..=3 {
            limit(round * ROOM);
            run.fill().await;
            limit(rlimit::INFINITY);
            // Without any traffic.
            run.recovered().await;
            run.check().await;
            assert!(run.commit().await);
        }
        limit(4 * ROOM);
        run.fill().await;
    });
    let ids: Vec<_> = run.confirmed.iter().map(ResponseId::as_str).collect();
    limit(rlimit::INFINITY);
    std::fs::write(folder.join("ids"), ids.join("\n")).unwrap();
    std::process::abort();
}

#[test]
fn a_disk_that_was_full_loses_nothing_and_is_used_again() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return fill_and_recover(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new("sh")
        // Who writes beyond the limit gets an error in place of a signal.
        .args(["-c", "trap '' XFSZ; ulimit -c 0; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "full::a_disk_that_was_full_loses_nothing_and_is_used_again", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let ids = std::fs::read_to_string(folder.path().join("ids")).unwrap_or_else(|e| panic!("{e}: {said}"));
    let confirmed: Vec<_> = ids.lines().map(|id| ResponseId::parse(id).unwrap()).collect();
    assert!(confirmed.len() > 400, "{}", confirmed.len());
    let store = SledStore::open(SledOptions::new(folder.path())).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(Run { store, confirmed }.check());
    let aside = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(aside, 3, "the database, the mark, the ids: nothing was moved aside");
}
