//! Prices of the store: commits, chained reads, disk space, reopening. Prints one run's figures.
//!
//! `cargo bench -p or-actors --bench store`; takes a minute or two. The folder is `TMPDIR`'s.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_actors::store::{Change, SledOptions, SledStore, Store, StoredResponse};
use or_engine::{HistoryTurn, build_context};
use or_protocol::{ResponseId, ResponseStatus};
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio::runtime::Runtime;

const OWNER: &str = "bench";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let small = record(&ResponseId::new(), None, 600).encode().unwrap().len();
    println!("record: {small} bytes (200 of input text, 600 of output text)\n");
    commits(&runtime);
    sizes(&runtime);
    chains(&runtime);
    reopening(&runtime);
}

/// A response as the server stores it: one message in, one message out.
fn record(id: &ResponseId, previous: Option<&ResponseId>, text: usize) -> StoredResponse {
    let hex = id.as_str().trim_start_matches("resp_");
    let words = |n: usize| "The quick brown fox is \"quoted\". ".chars().cycle().take(n).collect::<String>();
    let input = json!([{"type": "message", "id": format!("msg_{hex}i0000"), "role": "user",
        "content": [{"type": "input_text", "text": words(200)}]}]);
    let response = json!({
        "id": id, "object": "response", "created_at": 1_760_000_000, "completed_at": 1_760_000_001,
        "status": "completed", "incomplete_details": null, "model": "gpt-5-mini",
        "previous_response_id": previous, "instructions": "You are a helpful assistant.",
        "output": [{"type": "message", "id": format!("msg_{hex}0000"), "status": "completed",
            "role": "assistant", "content": [{"type": "output_text", "text": words(text),
            "annotations": [], "logprobs": []}]}],
        "error": null, "tools": [{"type": "function", "name": "get_weather", "description": "Weather.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}, "strict": true}],
        "tool_choice": "auto", "truncation": "disabled", "parallel_tool_calls": true,
        "text": {"format": {"type": "text"}}, "top_p": 1.0, "presence_penalty": 0.0,
        "frequency_penalty": 0.0, "top_logprobs": 0, "temperature": 1.0, "reasoning": null,
        "usage": {"input_tokens": 50, "output_tokens": 150, "total_tokens": 200,
            "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}},
        "max_output_tokens": null, "max_tool_calls": null, "store": true, "background": false,
        "service_tier": "default", "metadata": {}, "safety_identifier": null, "prompt_cache_key": null,
    });
    StoredResponse {
        owner: OWNER.into(),
        created_at: 1_760_000_000,
        status: ResponseStatus::Completed,
        provider: "openai".into(),
        previous_response_id: previous.map(ToString::to_string),
        input: to_raw_value(&input).unwrap(),
        response: to_raw_value(&response).unwrap(),
        sealed: Vec::new(),
        notes: Vec::new(),
        background: false,
        resume: None,
    }
}

fn options(path: &Path) -> SledOptions {
    SledOptions::new(path)
}

fn commits(runtime: &Runtime) {
    println!("commits            writers   per second   p50 ms   p99 ms");
    for (writers, each) in [(1, 2000), (16, 400), (64, 200)] {
        let folder = tempfile::tempdir().unwrap();
        let sled = sled::Config::new().path(folder.path()).cache_capacity(64 << 20).open().unwrap();
        line("bare sled", writers, runtime.block_on(bare(&sled, writers, each)));
        drop(sled);
        for (name, power_loss_safe) in [("store", false), ("store, fdatasync", true)] {
            let folder = tempfile::tempdir().unwrap();
            let store = SledStore::open(SledOptions { power_loss_safe, ..options(folder.path()) }).unwrap();
            line(name, writers, runtime.block_on(through(&store, writers, each, 600)));
        }
    }
    println!();
}

/// All latencies of `writers` tasks that commit `each` records one after the other, and the whole time.
async fn through(
    store: &Arc<SledStore>,
    writers: usize,
    each: usize,
    text: usize,
) -> (Vec<Duration>, Duration) {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(each);
                for _ in 0..each {
                    let id = ResponseId::new();
                    let record = record(&id, None, text);
                    let begin = Instant::now();
                    store.commit(Change::record(id, record)).await.unwrap();
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    (all, begin.elapsed())
}

/// The same without a store: a thread for each writer, one batch and one flush for each record.
async fn bare(db: &sled::Db, writers: usize, each: usize) -> (Vec<Duration>, Duration) {
    let begin = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let db = db.clone();
            tokio::task::spawn_blocking(move || {
                let mut times = Vec::with_capacity(each);
                for _ in 0..each {
                    let id = ResponseId::new();
                    let bytes = record(&id, None, 600).encode().unwrap();
                    let begin = Instant::now();
                    let mut batch = sled::Batch::default();
                    batch.insert(id.as_str(), bytes);
                    db.apply_batch(batch).unwrap();
                    db.flush().unwrap();
                    times.push(begin.elapsed());
                }
                times
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    (all, begin.elapsed())
}

fn line(name: &str, writers: usize, (mut times, whole): (Vec<Duration>, Duration)) {
    times.sort_unstable();
    let rate = times.len() as f64 / whole.as_secs_f64();
    let at = |share: usize| times[(times.len() - 1) * share / 100].as_secs_f64() * 1e3;
    println!("{name:18} {writers:7} {rate:12.0} {:8.2} {:8.2}", at(50), at(99));
}

fn sizes(runtime: &Runtime) {
    println!("record bytes   commits   per second, 16 writers   bytes on disk each   blob files");
    for (text, each) in [(600, 500), (8_000, 200), (64_000, 60), (500_000, 12)] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(options(folder.path())).unwrap();
        let (times, whole) = runtime.block_on(through(&store, 16, each, text));
        drop(store);
        let bytes = record(&ResponseId::new(), None, text).encode().unwrap().len();
        let rate = times.len() as f64 / whole.as_secs_f64();
        let blobs = std::fs::read_dir(folder.path().join("responses/blobs")).unwrap().count();
        let disk = on_disk(folder.path()) / times.len() as u64;
        println!("{bytes:12} {:9} {rate:24.0} {disk:20} {blobs:12}", times.len());
    }
    println!();
}

fn on_disk(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
    entries.map(|p| if p.is_dir() { on_disk(&p) } else { p.metadata().unwrap().len() }).sum()
}

fn chains(runtime: &Runtime) {
    println!("chain depth   cold ms   warm ms   of which joining the context");
    for depth in [1, 10, 100, 1000] {
        let folder = tempfile::tempdir().unwrap();
        let store = SledStore::open(options(folder.path())).unwrap();
        let last = runtime.block_on(async {
            let mut last: Option<ResponseId> = None;
            for _ in 0..depth {
                let id = ResponseId::new();
                store.commit(Change::record(id.clone(), record(&id, last.as_ref(), 600))).await.unwrap();
                last = Some(id);
            }
            last.unwrap()
        });
        drop(store);
        let reopened = || {
            let store = SledStore::open(options(folder.path())).unwrap();
            (context(runtime, &store, &last).0, store)
        };
        let mut cold: Vec<_> = (0..9).map(|_| reopened().0).collect();
        cold.sort_unstable();
        let cold = cold[4];
        let (_, store) = reopened();
        let mut warm: Vec<_> = (0..20).map(|_| context(runtime, &store, &last)).collect();
        warm.sort_unstable();
        let (whole, joining) = warm[10];
        println!("{depth:11} {:9.2} {:9.2} {:12.2}", ms(cold), ms(whole), ms(joining));
    }
    println!();
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Time from a response id to the joined context, and of the joining alone.
fn context(runtime: &Runtime, store: &Arc<SledStore>, last: &ResponseId) -> (Duration, Duration) {
    let begin = Instant::now();
    let turns: Vec<HistoryTurn> = runtime.block_on(store.history(last.clone(), OWNER.into())).unwrap();
    let joining = Instant::now();
    let context = build_context(turns, Vec::new()).unwrap();
    let times = (begin.elapsed(), joining.elapsed());
    std::hint::black_box(context);
    times
}

fn reopening(runtime: &Runtime) {
    const COUNT: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let store = SledStore::open(options(folder.path())).unwrap();
    runtime.block_on(through(&store, 64, COUNT / 64, 600));
    let begin = Instant::now();
    drop(store);
    let closing = begin.elapsed();
    let begin = Instant::now();
    let store = SledStore::open(options(folder.path())).unwrap();
    let opening = begin.elapsed();
    drop(store);
    let disk = on_disk(folder.path());
    println!(
        "{} responses: closing {:.0} ms, reopening {:.0} ms, {} bytes on disk each",
        COUNT / 64 * 64,
        ms(closing),
        ms(opening),
        disk / (COUNT / 64 * 64) as u64
    );
}
