//! A text delta becomes a frame without an allocation of its own.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use allocation_counter::measure;
use or_adapters::ModelEvent;
use or_engine::{Input, Output, ResponseLoop};
use serde_json::json;

#[path = "../support/sized.rs"]
mod sized;

/// Allocations of 1000 deltas in one response, the buffers grown by then left in place.
fn allocations_of_1000_deltas(stream: bool) -> u64 {
    let mut engine = ResponseLoop::new(sized::spec(json!({"stream": stream})));
    let mut out = Output::default();
    engine.handle(Input::Start, 0, &mut out);
    // The driver empties the buffer after each read and keeps its room.
    let mut feed = |event: ModelEvent| {
        engine.handle(Input::Model(event), 0, &mut out);
        out.frames.clear();
    };
    feed(sized::delta(0));
    let events: Vec<ModelEvent> = (0..1000).map(sized::delta).collect();
    measure(|| events.into_iter().for_each(&mut feed)).count_total
}

#[test]
fn a_text_delta_allocates_nothing_but_room_for_the_text() {
    // The text grows by doubling: 1000 words are some ten allocations. Two buffers take turns in the frames.
    let streamed = allocations_of_1000_deltas(true);
    assert!(streamed <= 16, "{streamed} allocations for 1000 deltas");
    let unary = allocations_of_1000_deltas(false);
    assert!(unary <= 14, "{unary} allocations for 1000 deltas");
    println!("allocations for 1000 deltas: {streamed} streamed, {unary} unary");
}
