//! A folder that an earlier version wrote is read by this one.
//!
//! `data/format1` was written by the server of commit 830aad9 (records of format 1, without event logs): a chain of
//! text, a tool call, its output and a long answer; reasoning with sealed state and a translation note; and another
//! owner's answer that was cut by a filter. `answers.jsonl` is what the clients got.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use or_protocol::{Item, ResponseId, ResponseStatus};
use or_store::{Change, SledOptions, SledStore, Store, StoredResponse};
use pretty_assertions::assert_eq;
use serde_json::Value;
use tempfile::TempDir;

struct Old {
    store: Arc<SledStore>,
    answers: Vec<(ResponseId, String)>,
    folder: TempDir,
}

fn open() -> Old {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/format1");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("responses")).unwrap();
    for name in ["confirmed", "responses/conf", "responses/db"] {
        fs::copy(data.join(name), folder.path().join(name)).unwrap();
    }
    let answers = fs::read_to_string(data.join("answers.jsonl")).unwrap();
    let answers = answers.lines().map(|line| {
        let json: Value = serde_json::from_str(line).unwrap();
        (ResponseId::parse(json["id"].as_str().unwrap()).unwrap(), line.to_owned())
    });
    let (answers, store) = (answers.collect(), reopened(&folder));
    Old { store, answers, folder }
}

fn reopened(folder: &TempDir) -> Arc<SledStore> {
    SledStore::open(SledOptions { retention: None, ..SledOptions::new(folder.path()) }).unwrap()
}

impl Old {
    fn id(&self, n: usize) -> ResponseId {
        self.answers[n].0.clone()
    }

    async fn load(&self, n: usize, owner: &str) -> Option<StoredResponse> {
        self.store.load(self.id(n), owner.into()).await.unwrap()
    }
}

#[tokio::test]
async fn records_of_format_1_are_what_the_clients_got() {
    let old = open();
    assert_eq!(old.answers.len(), 6);
    for (n, (id, answer)) in old.answers.iter().enumerate() {
        let (owner, other) = if n == 5 { ("bob", "alice") } else { ("alice", "bob") };
        let record = old.load(n, owner).await.unwrap();
        assert_eq!(record.response.get(), answer);
        assert!((record.is_over(), record.background, record.resume.is_none()) == (true, false, true));
        assert!(old.load(n, other).await.is_none());
        assert!(old.store.read_log(id.clone(), 0).await.unwrap().bytes.is_empty());
    }
    assert_eq!(old.load(5, "bob").await.unwrap().status, ResponseStatus::Incomplete);
    assert_eq!(old.store.unfinished(), []);
}

#[tokio::test]
async fn chains_of_format_1_go_on_in_the_present_one() {
    let old = open();
    let next = StoredResponse {
        previous_response_id: Some(old.id(3).to_string()),
        ..old.load(0, "alice").await.unwrap()
    };
    let id = ResponseId::new();
    old.store.commit(Change::record(id.clone(), next)).await.unwrap();
    let turns = old.store.history(id, "alice".into()).await.unwrap();
    let items: Vec<_> = turns.iter().map(|turn| (turn.input.len(), turn.output.len())).collect();
    assert_eq!(items, [(1, 1); 5]);
    assert!(matches!(turns[1].output[0], Item::FunctionCall(_)), "{:?}", turns[1].output);
    assert!(matches!(turns[2].input[0], Item::FunctionCallOutput(_)), "{:?}", turns[2].input);
}

#[tokio::test]
async fn sealed_state_and_notes_of_format_1_are_kept() {
    let old = open();
    let record = old.load(4, "alice").await.unwrap();
    assert_eq!(
        record.notes.iter().map(|(field, ..)| field.as_str()).collect::<Vec<_>>(),
        ["frequency_penalty"]
    );
    let turns = old.store.history(old.id(4), "alice".into()).await.unwrap();
    let Item::Reasoning(reasoning) = &turns[0].output[0] else { unreachable!("{turns:?}") };
    assert!(reasoning.encrypted_content.as_ref().unwrap().starts_with("or1."));
}

#[tokio::test]
async fn a_record_of_format_1_is_deleted_for_good() {
    let old = open();
    let long = old.id(3);
    assert!(!old.store.delete(long.clone(), "bob".into()).await.unwrap());
    assert!(old.store.delete(long.clone(), "alice".into()).await.unwrap());
    let Old { store, folder, answers } = old;
    drop(store);
    let store = reopened(&folder);
    assert!(store.load(long, "alice".into()).await.unwrap().is_none());
    assert_eq!(store.history(answers[2].0.clone(), "alice".into()).await.unwrap().len(), 3);
}
