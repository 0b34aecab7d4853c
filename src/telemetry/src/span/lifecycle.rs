//! The names of what happens to a response, for programs that embed the server and subscribe to `tracing`. They and their
//! fields are stable; docs/observability.md is their table.

use or_adapters::ModelEvent;
use or_protocol::ResponseId;
use tracing::{Level, enabled, event};

/// Target of all of them.
pub const LIFECYCLE: &str = "open_responses::lifecycle";

/// Tells what a model did, piece by piece. Nothing is looked at unless somebody listens.
pub(super) fn chunks(id: &ResponseId, model: &str, iteration: u32, events: &[ModelEvent]) {
    if !enabled!(target: LIFECYCLE, Level::TRACE) {
        return;
    }
    for chunk in events {
        let r#type = chunk.as_str();
        event!(name: "adapter_stream.chunk", target: LIFECYCLE, Level::TRACE, response_id = id.as_str(), model, iteration, r#type);
    }
}

/// Tells which events these frames are. Nothing is looked at unless somebody listens.
pub(super) fn stream_events(id: &ResponseId, frames: &[u8]) {
    if !enabled!(target: LIFECYCLE, Level::TRACE) {
        return;
    }
    // A line break inside of data would end its line, so only the first line of a frame begins so.
    let names = frames.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"event: "));
    for r#type in names.filter_map(|name| std::str::from_utf8(name).ok()) {
        event!(name: "stream_event", target: LIFECYCLE, Level::TRACE, response_id = id.as_str(), r#type);
    }
}
