//! What is allocated: nothing for a text delta, and for a call what it has itself.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use allocation_counter::measure;
use or_adapters::{CallKind, FinishReason, ModelEvent};
use or_engine::{Input, LoopSpec, Mcp, McpFunction, OfferedServer, Output, ResponseLoop, ToolResult};
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

/// Bytes that are allocated from the end of a turn to that of its round: so many calls of a server with so many tools,
/// behind so many thoughts with a state.
fn bytes_of_a_round(calls: u32, tools: usize, thoughts: u32) -> u64 {
    let tool = |n| McpFunction { name: format!("t{n}"), exposed: format!("t{n}"), ..McpFunction::default() };
    let tools = (0..tools).map(tool).collect();
    let server = OfferedServer { label: "s".into(), identity: "s".into(), tools, listed_before: true };
    let mcp = Mcp { servers: vec![server], ..Mcp::default() };
    let mut engine = ResponseLoop::new(LoopSpec { mcp, ..sized::spec(json!({"stream": true})) });
    let mut out = Output::default();
    let mut feed = |input: Input| {
        engine.handle(input, 0, &mut out);
        out.frames.clear();
        engine.tool_calls().len()
    };
    feed(Input::Start);
    for block in 0..thoughts {
        let encrypted_content = "state".to_owned();
        feed(Input::Model(ModelEvent::ReasoningSealed { block, encrypted_content }));
        feed(Input::Model(ModelEvent::BlockDone { block, complete: true }));
    }
    for block in thoughts..thoughts + calls {
        let call_id = Some(format!("c{block}"));
        let (name, namespace, kind) = ("t0".to_owned(), None, CallKind::Function);
        feed(Input::Model(ModelEvent::ToolCallStart {
            block,
            call_id,
            name,
            namespace,
            kind,
            extra: or_protocol::Extra::NONE,
        }));
        feed(Input::Model(ModelEvent::BlockDone { block, complete: true }));
    }
    let mut made = 0;
    let ended = measure(|| made = feed(Input::Model(ModelEvent::Finished { reason: FinishReason::Stop })));
    assert_eq!(made, calls as usize);
    let first = thoughts as usize;
    let results = measure(|| {
        for index in first..first + made {
            let result = ToolResult::failed("no");
            engine.handle(Input::ToolDone { index, result }, 0, &mut out);
            out.frames.clear();
        }
    });
    ended.bytes_total + results.bytes_total
}

#[test]
fn a_call_costs_the_same_among_many_tools_and_thoughts() {
    let (alone, among_many) = (bytes_of_a_round(200, 1, 1), bytes_of_a_round(200, 2000, 2000));
    // The tools are looked up in one table, and the context gets the thoughts.
    let once = 2000 * 1024;
    assert!(among_many < alone + once, "{alone} and {among_many} bytes for 200 calls");
    let twice = bytes_of_a_round(400, 1, 1);
    assert!(twice < 3 * alone, "{alone} and {twice} bytes for 200 and 400 calls");
}
