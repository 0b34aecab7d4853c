//! All of a store as lines, and back.

use std::path::Path;
use std::sync::Arc;

use or_protocol::{ResponseId, ResponseStatus};
use or_store::{
    Change, Export, Frames, Shelf, SledOptions, SledStore, Step, Store, StoredResponse, TransferError, import,
};
use pretty_assertions::assert_eq;
use serde_json::value::RawValue;
use tempfile::TempDir;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn record(id: &ResponseId, status: ResponseStatus, text: &str) -> StoredResponse {
    let word = serde_json::to_string(&status).unwrap();
    StoredResponse {
        owner: "älice\n".into(),
        created_at: 1,
        status,
        provider: "demo".into(),
        previous_response_id: None,
        input: raw("[]"),
        response: raw(&format!(
            r#"{{"id":"{id}","status":{word},"output":[], "text":"{text}","n":1.50,"n":1e2}}"#
        )),
        sealed: vec![(0, "or1.x".into())],
        notes: vec![("a".into(), "b".into(), "c".into())],
        background: false,
        resume: None,
    }
}

fn frames(first: u64, text: &str) -> Frames {
    Frames { first, bytes: format!("event: x\ndata: {text}\n\n").into() }
}

fn opened(folder: &TempDir) -> Arc<SledStore> {
    SledStore::open(SledOptions::new(folder.path())).unwrap()
}

/// A store of every kind of response, closed; and their ids.
async fn filled() -> (TempDir, Vec<ResponseId>) {
    let folder = tempfile::tempdir().unwrap();
    let store = opened(&folder);
    let ids: Vec<_> = (0..5).map(|_| ResponseId::new()).collect();
    let running = |id| StoredResponse {
        background: true,
        resume: Some(raw(r#"{"a": 1}"#)),
        ..record(id, ResponseStatus::InProgress, "running")
    };
    let over = |id, text| record(id, ResponseStatus::Completed, text);
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|n| &ids[n]);
    let records =
        [over(a, "short"), over(b, &"long ".repeat(10_000)), running(c), running(d), over(e, "last")];
    for (id, record) in ids.iter().zip(records) {
        store.commit(Change::record(id.clone(), record)).await.unwrap();
    }
    // Logs: of several rows, and of one that is longer than a piece.
    let whole = Frames { first: 0, bytes: "event: x\ndata: x\n\ndata: [DONE]\n\n".into() };
    for (n, row) in [(2, frames(0, "a")), (2, frames(1, &"ü".repeat(9000))), (4, whole)] {
        store.commit(Change::frames(ids[n].clone(), row)).await.unwrap();
    }
    drop(store);
    (folder, ids)
}

fn exported(folder: &Path) -> (String, Vec<Step>) {
    let (mut out, mut steps) = (Vec::new(), Vec::new());
    let export = Export::open(folder).unwrap();
    export.run(&mut out, &mut |step| steps.push(step)).unwrap();
    assert_eq!(export.count().unwrap(), steps.len() as u64);
    (String::from_utf8(out).unwrap(), steps)
}

fn imported(folder: &Path, overwrite: bool, lines: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    import(folder, overwrite, &mut lines.as_bytes(), &mut |step| steps.push(step)).unwrap();
    steps
}

#[tokio::test]
async fn what_was_exported_and_imported_is_the_same_byte_for_byte() {
    let (folder, ids) = filled().await;
    let (lines, steps) = exported(folder.path());
    assert_eq!(lines.lines().count(), 5);
    let lengths = || lines.split_inclusive('\n').map(|line| Step::Written(line.len() as u64));
    assert_eq!(steps, lengths().collect::<Vec<_>>());
    let other = tempfile::tempdir().unwrap();
    assert_eq!(imported(other.path(), false, &lines), steps);
    assert_eq!(exported(other.path()).0, lines);

    let (from, to) = (opened(&folder), opened(&other));
    for id in &ids {
        let [a, b] = [&from, &to].map(|store| store.load(id.clone(), "älice\n".into()));
        assert_eq!(format!("{:?}", a.await.unwrap().unwrap()), format!("{:?}", b.await.unwrap().unwrap()));
        let [a, b] = [&from, &to].map(|store| store.read_log(id.clone(), 0));
        assert_eq!(a.await.unwrap(), b.await.unwrap());
    }
    assert_eq!(to.unfinished().len(), 2);
    assert_eq!(from.unfinished(), to.unfinished());
}

#[tokio::test]
async fn what_is_there_is_kept_unless_it_is_to_be_replaced() {
    let (folder, ids) = filled().await;
    let (lines, _) = exported(folder.path());
    let store = opened(&folder);
    let shorter = record(&ids[1], ResponseStatus::Completed, "new");
    store.commit(Change::record(ids[1].clone(), shorter.clone())).await.unwrap();
    store.commit(Change::frames(ids[4].clone(), frames(1, "further"))).await.unwrap();
    store.delete(ids[0].clone(), "älice\n".into()).await.unwrap();
    drop(store);
    let kept = imported(folder.path(), false, &lines);
    let written = kept.iter().filter(|step| matches!(step, Step::Written(_))).count();
    assert_eq!((kept.len(), written), (5, 1), "the deleted one is back: {kept:?}");
    let store = opened(&folder);
    let got = store.load(ids[1].clone(), "älice\n".into()).await.unwrap().unwrap();
    assert_eq!(got.response.get(), shorter.response.get());
    drop(store);

    let replaced = imported(folder.path(), true, &lines);
    assert!(replaced.iter().all(|step| matches!(step, Step::Written(_))), "{replaced:?}");
    assert_eq!(exported(folder.path()).0, lines, "nothing is left of what was replaced");
    // The same response twice in one file, too.
    let kept_all = lines.split_inclusive('\n').map(|line| Step::Kept(line.len() as u64)).collect::<Vec<_>>();
    let twice = [lines.as_str(), lines.as_str()].concat();
    assert_eq!(imported(tempfile::tempdir().unwrap().path(), false, &twice)[5..], kept_all);
}

#[tokio::test]
async fn a_line_that_does_not_read_is_named_and_the_others_go_on() {
    let (folder, _) = filled().await;
    let (lines, _) = exported(folder.path());
    let good: Vec<_> = lines.lines().collect();
    let long = &good[1][..good[1].len() - 10];
    let bad = [
        good[0],
        "",
        "{}",
        &good[2].replace("\"format\":2", "\"format\":77"),
        &good[2].replace("\"owner\":", "\"winner\":"),
        &good[2].replace("\"id\":\"resp_", "\"id\":\"r/"),
        "\u{0}\u{1}",
        good[4],
        long,
    ];
    let other = tempfile::tempdir().unwrap();
    let steps = imported(other.path(), false, &bad.join("\n"));
    let refused = steps.iter().filter_map(|step| match step {
        Step::Refused(_, reason) => Some(reason.split(':').next().unwrap().to_owned()),
        Step::Written(_) | Step::Kept(_) => None,
    });
    let refused = refused.collect::<Vec<_>>();
    assert_eq!(refused, [3, 4, 5, 6, 7, 9].map(|n| format!("line {n}")));
    assert_eq!(exported(other.path()).0, format!("{}\n{}\n", good[0], good[4]));
}

#[tokio::test]
async fn a_line_that_the_server_would_trip_over_is_refused() {
    let (folder, ids) = filled().await;
    let (lines, _) = exported(folder.path());
    let good: Vec<_> = lines.lines().collect();
    let to = |n: usize| format!("\"previous_response_id\":\"{}\"", ids[n]);
    let none = "\"previous_response_id\":null";
    let cases = [
        (good[0].replace("\"input\":[]", "\"input\":{}"), "`record.input` is not a list"),
        (good[0].replace("\"input\":[]", "\"input\":[7]"), "items that do not read"),
        (good[0].replace("\"output\":[]", "\"output\":[{\"type\":7}]"), "items that do not read"),
        (good[0].replace("\"response\":{", "\"response\":[{").replace("1e2}", "1e2}]"), "`record.response`"),
        (good[0].replace("\"status\":\"completed\",\"output\"", "\"output\""), "`record.response`"),
        (good[0].replace(none, "\"previous_response_id\":\"7\""), "is not the id of a response"),
        (good[0].replace(none, &to(0)), "a circle"),
        ([good[0].replace(none, &to(1)), good[1].replace(none, &to(0))].join("\n"), "a circle"),
        (good[4].replace("data: [DONE]", "data: more"), "has no end"),
        (good[4].replace("\"first\":0", "\"first\":1"), "has a gap"),
        (good[2].replace("a\\n\\n", "a\\n"), "whole frames"),
    ];
    for (line, want) in cases {
        let other = tempfile::tempdir().unwrap();
        let steps = imported(other.path(), false, &format!("{line}\n{}", good[3]));
        let refused: Vec<_> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Refused(_, reason) => Some(reason.as_str()),
                Step::Written(_) | Step::Kept(_) => None,
            })
            .collect();
        assert_eq!(refused.len(), 1, "{want}: {refused:?}");
        assert!(refused[0].starts_with("line 1: ") && refused[0].contains(want), "{want}: {refused:?}");
    }
}

#[tokio::test]
async fn an_operator_finds_what_is_stuck_and_takes_it_away() {
    let (folder, ids) = filled().await;
    let shelf = Shelf::open(folder.path()).unwrap();
    let mut all = Vec::new();
    shelf.list(false, &mut |entry| all.push(entry)).unwrap();
    assert_eq!(all.iter().map(|entry| &entry.id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert!(all.iter().all(|entry| entry.owner.as_deref() == Some("älice\n") && entry.problem.is_none()));
    let mut unfinished = Vec::new();
    shelf.list(true, &mut |entry| unfinished.push(entry)).unwrap();
    assert_eq!(unfinished, [all[2].clone(), all[3].clone()]);
    assert!(unfinished[0].bytes > unfinished[1].bytes + 18_000, "its log counts");
    assert!(shelf.remove(&ids[2]).unwrap() && !shelf.remove(&ids[2]).unwrap());
    drop(shelf);
    assert_eq!(opened(&folder).unfinished().len(), 1);
}

#[test]
fn a_record_that_does_not_read_does_not_hold_up_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let id = ResponseId::new();
    let db = sled::open(folder.path().join("responses")).unwrap();
    let key = format!("r/{}", id.as_str().trim_start_matches("resp_"));
    db.insert(key, b"\0\0\x63future").unwrap();
    drop(db);
    let (lines, steps) = exported(folder.path());
    let reason = format!("{id}: the record has format 99, which this version does not know");
    assert_eq!((lines.as_str(), steps), ("", vec![Step::Refused(0, reason)]));
}

#[test]
fn a_folder_without_a_store_is_not_made_one() {
    let folder = tempfile::tempdir().unwrap();
    let error = Export::open(folder.path()).err();
    assert!(matches!(error, Some(TransferError::Missing(_))), "{error:?}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
