//! A text delta costs its text and little else, on every provider's wire.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use allocation_counter::measure;
use or_adapters::{FrameDecoder, ModelRequest, ProviderOptions, builtin};
use or_protocol::Settings;
use or_test_support::wire::{self, DELTAS, KINDS, LONG};

/// Allocations of a whole stream for each of its deltas. The bytes come in reads of 1,400.
fn allocations_per_delta(kind: &str) -> f64 {
    let stream = wire::frames(kind, &LONG).concat();
    let adapter = builtin(kind, &ProviderOptions::default()).unwrap().unwrap();
    let settings = Settings::default();
    let request = ModelRequest { model: "model", context: &[], settings: &settings, stream: true };
    let mut out = Vec::with_capacity(2 * DELTAS);
    let counted = measure(|| {
        let mut translator = adapter.translator(&request);
        let mut decoder = FrameDecoder::new(adapter.framing());
        for chunk in stream.as_bytes().chunks(1400) {
            decoder.feed(chunk);
            while let Some(frame) = decoder.next().unwrap() {
                translator.push(frame, &mut out).unwrap();
            }
        }
        decoder.close();
        translator.finish(decoder.stray(), &mut out).unwrap();
    });
    counted.count_total as f64 / DELTAS as f64
}

#[test]
fn a_text_delta_allocates_its_text_and_little_else() {
    for kind in KINDS {
        let per_delta = allocations_per_delta(kind);
        println!("{kind}: {per_delta:.2} allocations for each delta");
        assert!(per_delta < 4.5, "{kind}: {per_delta}");
    }
}
