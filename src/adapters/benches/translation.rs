//! What translation costs: one text delta of a stream, one unary answer, one request, for each provider.
//!
//! `cargo bench -p or-adapters --bench translation`. Times of `…/delta` are for 1,000 deltas together.
#![expect(clippy::unwrap_used, reason = "a bench fails like a test")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use or_adapters::{Adapter, FrameDecoder, ModelEvent, ModelRequest, ProviderOptions, builtin};
use or_protocol::{CreateResponseBody, Settings};
use or_test_support::wire::{self, DELTAS, KINDS, LONG, text};
use serde_json::{Value, json};

fn settings(body: &Value) -> (CreateResponseBody, Settings) {
    let body = CreateResponseBody::from_value(body.clone()).unwrap();
    let settings = body.settings.clone();
    (body, settings)
}

fn pull(adapter: &dyn Adapter, request: &ModelRequest<'_>, bytes: &[u8], out: &mut Vec<ModelEvent>) {
    let mut translator = adapter.translator(request);
    let mut decoder = FrameDecoder::new(adapter.framing());
    // Reads as they come from a socket.
    for chunk in bytes.chunks(1400) {
        decoder.feed(chunk);
        while let Some(frame) = decoder.next().unwrap() {
            translator.push(frame, out).unwrap();
        }
    }
    decoder.close();
    translator.finish(decoder.stray(), out).unwrap();
}

fn translation(c: &mut Criterion) {
    let tool = json!({"type":"function","name":"get_weather","description":"Weather of a city","strict":false,
        "parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}});
    let create = json!({"model":"m","instructions":"Be brief.","tools":[tool],"temperature":0.5,"input":[
        {"role":"user","content":"How is the weather in Oslo?"},
        {"type":"function_call","call_id":"call_1","name":"get_weather","arguments":"{\"city\":\"Oslo\"}"},
        {"type":"function_call_output","call_id":"call_1","output":"7 degrees"}]});
    let (body, settings) = settings(&create);
    for kind in KINDS {
        let stream = wire::frames(kind, &LONG).concat();
        let unary = wire::whole(kind, &text(&["Hello there."])).to_string();
        let adapter = builtin(kind, &ProviderOptions::default()).unwrap().unwrap();
        let request =
            ModelRequest { model: "model", context: &body.input, settings: &settings, stream: true };
        let mut group = c.benchmark_group(kind);
        group.throughput(Throughput::Elements(DELTAS as u64));
        group.bench_function("delta", |b| {
            let mut out = Vec::with_capacity(2 * DELTAS);
            b.iter(|| {
                out.clear();
                pull(adapter.as_ref(), &request, stream.as_bytes(), &mut out);
                black_box(out.len())
            });
        });
        group.throughput(Throughput::Elements(1));
        group.bench_function("unary", |b| {
            let mut out = Vec::new();
            b.iter(|| {
                out.clear();
                adapter.translator(&request).unary(black_box(unary.as_bytes()), &mut out).unwrap();
                black_box(out.len())
            });
        });
        group.bench_function("request", |b| {
            b.iter(|| black_box(adapter.request(&request).unwrap().body.len()));
        });
        group.finish();
    }
}

criterion_group!(benches, translation);
criterion_main!(benches);
