//! What the engine costs: one text delta to one frame, a whole stream, a whole unary answer.
#![expect(clippy::unwrap_used, reason = "a bench fails like a test")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use or_adapters::{CallKind, FinishReason, ModelEvent};
use or_engine::{Input, Output, ResponseLoop};
use or_protocol::Usage;
use serde_json::json;

#[path = "../tests/support/sized.rs"]
mod sized;

use sized::{delta, spec, words};

const NOW: i64 = 1_770_000_000;

/// A stream that has begun, and the buffer that its frames go to.
fn begun(stream: bool) -> (ResponseLoop, Output) {
    let mut engine = ResponseLoop::new(spec(json!({"stream": stream})));
    let mut out = Output::default();
    engine.handle(Input::Start, NOW, &mut out);
    engine.handle(Input::Model(delta(0)), NOW, &mut out);
    (engine, out)
}

/// Time of `n` deltas; making the event is not counted, the driver has it anyway.
fn deltas(n: u64, make: fn(usize) -> ModelEvent) -> Duration {
    let (mut engine, mut out) = begun(true);
    let mut spent = Duration::ZERO;
    // The text of one response is bounded: a new loop every so often, and one timer for many deltas.
    for start in (0..n).step_by(1000) {
        let events: Vec<ModelEvent> = (start..n.min(start + 1000)).map(|at| make(at as usize)).collect();
        let at = Instant::now();
        for event in events {
            engine.handle(Input::Model(event), NOW, &mut out);
            black_box(&out.frames);
            out.frames.clear();
        }
        spent += at.elapsed();
        (engine, out) = begun(true);
    }
    spent
}

fn call_delta(at: usize) -> ModelEvent {
    if at.is_multiple_of(1000) {
        let (call_id, name) = (Some("call_1".into()), "get_weather".into());
        return ModelEvent::ToolCallStart {
            block: 1,
            call_id,
            name,
            namespace: None,
            kind: CallKind::Function,
            extra: or_protocol::Extra::NONE,
        };
    }
    ModelEvent::ToolArgsDelta { block: 1, delta: words(at).into() }
}

/// One response of `n` deltas from start to end.
fn whole(stream: bool, n: usize) -> Vec<Input> {
    let mut inputs = vec![Input::Start];
    if stream {
        inputs.extend((0..n).map(|at| Input::Model(delta(at))));
    } else {
        let text = (0..n).map(words).collect();
        inputs.push(Input::Model(ModelEvent::TextDelta { block: 0, text, logprobs: Vec::new() }));
    }
    inputs.push(Input::Model(ModelEvent::BlockDone { block: 0, complete: true }));
    inputs.push(Input::Model(ModelEvent::Usage(Usage::new(10, 20, None, 0, 0))));
    inputs.push(Input::Model(ModelEvent::Finished { reason: FinishReason::Stop }));
    inputs
}

fn bench_whole(c: &mut Criterion, name: &str, stream: bool, n: usize) {
    let setup = || (ResponseLoop::new(spec(json!({"stream": stream}))), whole(stream, n));
    let run = |(mut engine, inputs): (ResponseLoop, Vec<Input>)| {
        let mut out = Output::default();
        for input in inputs {
            engine.handle(input, NOW, &mut out);
        }
        (engine, out)
    };
    c.bench_function(name, |b| b.iter_batched(setup, run, BatchSize::SmallInput));
}

fn engine(c: &mut Criterion) {
    c.bench_function("text delta to frame", |b| b.iter_custom(|n| deltas(n, delta)));
    c.bench_function("arguments delta to frame", |b| b.iter_custom(|n| deltas(n, call_delta)));
    bench_whole(c, "stream of 300 deltas", true, 300);
    bench_whole(c, "unary answer of 300 words", false, 300);
}

criterion_group!(benches, engine);
criterion_main!(benches);
