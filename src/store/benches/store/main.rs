//! Prices of the store beside bare sled in the same run: commits, chained reads, disk space, reopening, memory.
//! Prints tables.
//!
//! `cargo bench -p or-store --bench store` takes some two minutes; with `STORE_BENCH_RESPONSES=10000` (100,000) the long
//! parts are shorter. `-- retention` draws the curve of `docs/images/retention.svg` in its place, see there. The
//! folder is `TMPDIR`'s.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a program that prints figures")]

mod bare;
mod retention;

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_engine::{HistoryTurn, build_context};
use or_protocol::{ResponseId, ResponseStatus};
use or_store::{Change, SledOptions, SledStore, Store, StoredResponse};
use serde_json::json;
use serde_json::value::to_raw_value;
use tokio::runtime::Runtime;

const OWNER: &str = "bench";

fn main() {
    let runtime = Runtime::new().unwrap();
    if std::env::args().any(|argument| argument == "retention") {
        return retention::curve(&runtime);
    }
    let arguments: Vec<_> = std::env::args().collect();
    if let [_, fill_it, kind, path, count] = arguments.as_slice()
        && fill_it == "fill"
    {
        return fill(&runtime, kind, Path::new(path), count.parse().unwrap());
    }
    let count = std::env::var("STORE_BENCH_RESPONSES").map_or(100_000, |text| text.parse().unwrap());
    let small = record(&ResponseId::new(), None, 600).encode().unwrap().len();
    println!("A record has {small} bytes: 200 of input text, 600 of output text, one tool.\n");
    commits(&runtime, count);
    chains(&runtime);
    sizes(&runtime);
    reopening(count);
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

fn open(path: &Path) -> Arc<SledStore> {
    SledStore::open(SledOptions::new(path)).unwrap()
}

/// Latencies of all commits of a run, and the whole time.
struct Run {
    times: Vec<Duration>,
    whole: Duration,
}

impl Run {
    fn rate(&self) -> f64 {
        self.times.len() as f64 / self.whole.as_secs_f64()
    }

    fn line(mut self, name: &str, writers: usize, bare: f64) {
        self.times.sort_unstable();
        let at = |share: usize| ms(self.times[(self.times.len() - 1) * share / 100]);
        let (rate, p50, p99) = (self.rate(), at(50), at(99));
        println!("| {name} | {writers} | {rate:.0} | {:.2} | {p50:.2} | {p99:.2} |", rate / bare);
    }
}

fn commits(runtime: &Runtime, count: usize) {
    println!("| commits | writers | per second | × bare sled | p50 ms | p99 ms |\n|---|---|---|---|---|---|");
    for writers in [1, 16, 64] {
        let each = count / 10 / writers;
        let folder = tempfile::tempdir().unwrap();
        let sled = bare::open(folder.path());
        let run = runtime.block_on(bare::commits(&sled, writers, each));
        drop(sled);
        let rate = run.rate();
        run.line("bare sled", writers, rate);
        for (name, power_loss_safe) in [("store", false), ("store, `power_loss_safe`", true)] {
            let folder = tempfile::tempdir().unwrap();
            let options = SledOptions { power_loss_safe, ..SledOptions::new(folder.path()) };
            let store = SledStore::open(options).unwrap();
            runtime.block_on(through(&store, writers, each, 600)).line(name, writers, rate);
        }
    }
    println!();
}

/// `writers` tasks that commit `each` records one after the other.
async fn through(store: &Arc<SledStore>, writers: usize, each: usize, text: usize) -> Run {
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
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    Run { times, whole: begin.elapsed() }
}

fn chains(runtime: &Runtime) {
    println!("| chain | bare sled cold, ms | store cold, ms | × | bare sled warm, ms | store warm, ms | × |");
    println!("|---|---|---|---|---|---|---|");
    for depth in [1, 10, 100, 1000] {
        let links = links(depth);
        let folder = tempfile::tempdir().unwrap();
        let sled = bare::open(folder.path());
        links.iter().for_each(|(id, record)| bare::put(&sled, id, record));
        drop(sled);
        let last = &links[depth - 1].0;
        let [bare_cold, bare_warm] =
            cold_and_warm(|| bare::open(folder.path()), |sled| assert_eq!(bare::chain(sled, last), depth));

        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        for (id, record) in &links {
            runtime.block_on(store.commit(Change::record(id.clone(), record.clone()))).unwrap();
        }
        drop(store);
        let [cold, warm] = cold_and_warm(
            || open(folder.path()),
            |store| {
                let turns: Vec<HistoryTurn> =
                    runtime.block_on(store.history(last.clone(), OWNER.into())).unwrap();
                assert_eq!(turns.len(), depth);
                std::hint::black_box(build_context(turns, Vec::new()).unwrap());
            },
        );
        println!(
            "| {depth} | {:.2} | {:.2} | {:.1} | {:.2} | {:.2} | {:.1} |",
            ms(bare_cold),
            ms(cold),
            ms(cold) / ms(bare_cold),
            ms(bare_warm),
            ms(warm),
            ms(warm) / ms(bare_warm),
        );
    }
    println!();
}

fn links(depth: usize) -> Vec<(ResponseId, StoredResponse)> {
    let mut links: Vec<(ResponseId, StoredResponse)> = Vec::new();
    for _ in 0..depth {
        let id = ResponseId::new();
        let link = record(&id, links.last().map(|(id, _)| id), 600);
        links.push((id, link));
    }
    links
}

/// Medians of the first reading after 9 reopenings, and of 20 further ones.
fn cold_and_warm<T>(open: impl Fn() -> T, read: impl Fn(&T)) -> [Duration; 2] {
    let timed = |opened: &T| {
        let begin = Instant::now();
        read(opened);
        begin.elapsed()
    };
    let mut cold: Vec<_> = (0..9).map(|_| timed(&open())).collect();
    let opened = open();
    timed(&opened);
    let mut warm: Vec<_> = (0..20).map(|_| timed(&opened)).collect();
    [&mut cold, &mut warm].map(|times| {
        times.sort_unstable();
        times[times.len() / 2]
    })
}

fn sizes(runtime: &Runtime) {
    println!("| record bytes | commits per second, 16 writers | bytes on disk each | × | bare sled | × |");
    println!("|---|---|---|---|---|---|");
    for (text, each) in [(600, 1000), (8_000, 300), (64_000, 60), (500_000, 12)] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(folder.path());
        let run = runtime.block_on(through(&store, 16, each, text));
        drop(store);
        let disk = on_disk(folder.path()) / run.times.len() as u64;
        let folder = tempfile::tempdir().unwrap();
        let sled = bare::open(folder.path());
        for _ in 0..run.times.len() {
            let id = ResponseId::new();
            bare::put(&sled, &id, &record(&id, None, text));
        }
        drop(sled);
        let bare = on_disk(folder.path()) / run.times.len() as u64;
        let bytes = record(&ResponseId::new(), None, text).encode().unwrap().len();
        let times = |disk: u64| disk as f64 / bytes as f64;
        println!(
            "| {bytes} | {:.0} | {disk} | {:.2} | {bare} | {:.2} |",
            run.rate(),
            times(disk),
            times(bare)
        );
    }
    println!();
}

fn on_disk(path: &Path) -> u64 {
    let entries = std::fs::read_dir(path).unwrap().map(|e| e.unwrap().path());
    entries.map(|p| if p.is_dir() { on_disk(&p) } else { p.metadata().unwrap().len() }).sum()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Resident memory of this process, MiB; 0 where that is not known.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()).map_or(0, |kb| kb.parse::<u64>().unwrap() >> 10)
}

/// Each kind in a process of its own, so that its memory is its own.
fn reopening(count: usize) {
    println!("| {count} responses | bare sled | store |\n|---|---|---|");
    let [bare, store] = ["bare", "store"].map(|kind| {
        let folder = tempfile::tempdir().unwrap();
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["fill", kind, folder.path().to_str().unwrap(), &count.to_string()])
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        let mut lines: Vec<_> = String::from_utf8(child.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.push((on_disk(folder.path()) / count as u64).to_string());
        lines
    });
    let names = [
        "resident memory before, MiB",
        "when they are written",
        "closing, ms",
        "reopening, ms",
        "resident memory after that, MiB",
        "bytes on disk each",
    ];
    for ((name, bare), store) in names.iter().zip(bare).zip(store) {
        println!("| {name} | {bare} | {store} |");
    }
}

/// The other half: fills a folder and opens it again.
fn fill(runtime: &Runtime, kind: &str, path: &Path, count: usize) {
    println!("{}", resident());
    if kind == "bare" {
        let sled = bare::open(path);
        runtime.block_on(bare::commits(&sled, 64, count / 64));
        reopen(sled, || bare::open(path));
    } else {
        let store = open(path);
        runtime.block_on(through(&store, 64, count / 64, 600));
        reopen(store, || open(path));
    }
}

fn reopen<T>(opened: T, open: impl FnOnce() -> T) {
    println!("{}", resident());
    println!("{:.0}", ms(timed(|| drop(opened)).1));
    let (opened, opening) = timed(open);
    println!("{:.0}\n{}", ms(opening), resident());
    drop(opened);
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begin = Instant::now();
    let result = work();
    (result, begin.elapsed())
}
