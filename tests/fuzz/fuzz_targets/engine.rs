//! Bytes become inputs of the loop, legal or not, and loops over the server's tools; see `Scenario` and `ToolLoop`.
#![no_main]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken rule must end the run")]

use libfuzzer_sys::fuzz_target;

#[path = "../../../src/engine/tests/support/mod.rs"]
mod support;

fuzz_target!(|data: &[u8]| {
    support::scenario::Scenario::read(data).check();
    support::tool_loop::ToolLoop::read(data).check();
});
