//! Property: whoever reads an event log, from wherever and whenever, sees exactly what everybody sees from there on.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pretty_assertions::assert_eq;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{RngSeed, TestRunner};
use serde_json::{Value, json};

use crate::stage::app::{App, folder, setup};
use crate::stage::memory::Memory;
use crate::stage::slow_store::{Confirmed, SlowStore, Work};
use or_test_support::client::Connection;
use or_test_support::provider::{FakeProvider, Script, Step};

/// One response, and all who read it.
#[derive(Clone, Debug)]
struct Case {
    /// Length of each delta, and the pause before it.
    deltas: Vec<(usize, Duration)>,
    readers: Vec<Reader>,
    /// How long the store takes, in turn.
    delays: Vec<Duration>,
}

#[derive(Clone, Debug)]
struct Reader {
    begins_after: Duration,
    /// Number of the first event that it wants.
    first: u64,
    /// Before it leaves: how many events it reads, and how long it takes for each. Then it comes back.
    visits: Vec<(u64, Duration)>,
}

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

fn cases() -> impl Strategy<Value = Case> {
    let length = prop_oneof![6 => 1..200_usize, 3 => 1000..9000_usize, 1 => 20_000..120_000_usize];
    let pause = prop_oneof![3 => ms(0..1), 1 => ms(1..12)];
    let visit = (1..25_u64, prop_oneof![3 => ms(0..1), 1 => ms(1..5)]);
    let reader = (ms(0..120), 0..30_u64, vec(visit, 0..5)).prop_map(|(begins_after, first, visits)| Reader {
        begins_after,
        first,
        visits,
    });
    let delay = prop_oneof![2 => ms(0..1), 1 => ms(1..15)];
    (vec((length, pause), 1..40), vec(reader, 1..8), vec(delay, 1..9))
        .prop_map(|(deltas, readers, delays)| Case { deltas, readers, delays })
}

fn script(deltas: &[(usize, Duration)]) -> Script {
    let frame = |delta: Value, end: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": end});
        let chunk = json!({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]});
        format!("data: {chunk}\n\n")
    };
    let mut script = Script::head(200, "text/event-stream");
    for (n, (length, pause)) in deltas.iter().enumerate() {
        let text = format!("{n}:{} ", "ab\n".repeat(length / 3));
        if !pause.is_zero() {
            script = script.then(Step::Pause(*pause));
        }
        script = script.send(frame(json!({"content": text}), Value::Null));
    }
    script.send(frame(json!({}), json!("stop"))).send("data: [DONE]\n\n")
}

fn number(frame: &str) -> u64 {
    let rest = frame.split_once("\"sequence_number\":").unwrap().1;
    rest.split_once([',', '}']).unwrap().0.parse().unwrap()
}

/// Reads it all, in as many visits as the case wants, and returns it.
fn read(app: &App, id: &str, reader: &Reader, confirmed: Option<&Confirmed>) -> String {
    std::thread::sleep(reader.begins_after);
    let (mut text, mut next) = (String::new(), reader.first);
    let to_the_end = (u64::MAX, Duration::ZERO);
    for (most, pause) in reader.visits.iter().copied().chain([to_the_end]) {
        let after = if next == 0 { String::new() } else { format!("&starting_after={}", next - 1) };
        let mut stream = app.request("GET", &format!("/v1/responses/{id}?stream=true{after}"), &[], None);
        assert_eq!(stream.head().status, 200);
        let stop = next.saturating_add(most);
        while next < stop {
            let Some(frame) = stream.block() else { panic!("{reader:?}: the stream ended after {text}") };
            text.push_str(&frame);
            text.push_str("\n\n");
            if frame == "data: [DONE]" {
                assert_eq!(stream.block(), None);
                return text;
            }
            assert_eq!(number(&frame), next, "{reader:?}");
            next += 1;
            if let Some(confirmed) = confirmed {
                let durable = confirmed.lock().unwrap().get(id).copied().unwrap_or_default();
                assert!(next <= durable, "{reader:?}: event {} is shown, {durable} are durable", next - 1);
            }
            std::thread::sleep(pause);
        }
        stream.leave();
    }
    unreachable!("the last visit is to the end");
}

fn check(app: &App, fake: &FakeProvider, case: &Case, confirmed: Option<&Confirmed>) {
    fake.script(script(&case.deltas));
    let body = json!({"model": "openai-chat/m", "input": "Hi", "stream": true, "background": true});
    let mut first: Connection = app.open(&body);
    let id = first.until("response.created")["response"]["id"].as_str().unwrap().to_owned();
    let texts: Vec<_> = std::thread::scope(|scope| {
        let id = &id;
        let threads: Vec<_> =
            case.readers.iter().map(|reader| scope.spawn(move || read(app, id, reader, confirmed))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let whole = first.finish();
    assert_eq!(whole.events().last().unwrap().0, "response.completed");
    let whole = whole.text();
    let frames: Vec<_> = whole.split_inclusive("\n\n").collect();
    for (reader, text) in case.readers.iter().zip(texts) {
        let from = usize::try_from(reader.first).unwrap().min(frames.len() - 1);
        assert!(text == frames[from..].concat(), "{reader:?} saw {text}");
    }
}

fn run(count: u32, check: impl Fn(&Case)) {
    let seed = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    #[expect(clippy::print_stdout, reason = "shown if it fails")]
    {
        println!("seed {seed}");
    }
    let config = ProptestConfig {
        cases: count,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 0,
        ..ProptestConfig::default()
    };
    TestRunner::new(config)
        .run(&cases(), |case| {
            check(&case);
            Ok(())
        })
        .unwrap();
}

#[test]
fn every_reader_sees_the_same_and_only_what_is_durable() {
    let fake = FakeProvider::start();
    let delays = Arc::new(Mutex::new(vec![Duration::ZERO]));
    let (turn, given) = (AtomicUsize::new(0), Arc::clone(&delays));
    let store = SlowStore::new(&Memory::default(), move |work| {
        let delays = given.lock().unwrap();
        let delay = delays[turn.fetch_add(1, Ordering::SeqCst) % delays.len()];
        // Readers run into appends that are under way.
        if work == Work::Commit { delay } else { delay / 4 }
    });
    let confirmed = store.confirmed();
    let app = setup(fake.provider("openai-chat")).with(move |b| b.store(Arc::new(store))).start();
    run(12, |case| {
        delays.lock().unwrap().clone_from(&case.delays);
        check(&app, &fake, case, Some(&confirmed));
    });
}

#[test]
fn every_reader_sees_the_same_from_a_disk() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).disk(&folder()).start();
    run(6, |case| check(&app, &fake, case, None));
}
