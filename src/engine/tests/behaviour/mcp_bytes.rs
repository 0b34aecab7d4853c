//! Items of MCP byte by byte: logs and records that were written long ago are read with those that are written today.

use or_engine::{Input, Mcp};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::support::mcp::*;
use crate::support::play::{Played, play};
use crate::support::script::*;
use crate::support::server_tools::{done_with, failed_with};

/// The items as their ends tell them.
fn told(played: &Played) -> Vec<String> {
    let text = String::from_utf8(played.sse.clone()).unwrap();
    let done = text.lines().filter(|line| line.starts_with("data: {\"type\":\"response.output_item.done\""));
    done.map(|line| line.split_once("\"item\":").unwrap().1.strip_suffix('}').unwrap().to_owned()).collect()
}

#[test]
fn members_are_written_in_their_order() {
    let mcp = Mcp { servers: vec![server(&["read"])], key: [7; 32], ..Mcp::default() };
    let mut events = Vec::new();
    for (block, name) in [(0, "ask"), (1, "ask"), (2, "read")] {
        events.extend([call(block, &format!("c{block}"), name), args(block, "{\"q\":1}"), done(block)]);
    }
    let mut played = play(mcp_spec(json!({}), mcp), events.into_iter().chain([stop()]).map(Input::Model));
    played.feed(done_with(1, "42"));
    played.feed(failed_with(2, "no"));
    assert_eq!(
        told(&played),
        [
            r#"{"type":"mcp_list_tools","id":"mcpl_0198c0de0000700080000000000000aa0000","server_label":"s","tools":[{"description":"Does ask.","input_schema":{},"name":"ask"},{"description":"Does read.","input_schema":{},"name":"read"}]}"#,
            r#"{"type":"mcp_approval_request","id":"mcpr_0198c0de0000700080000000000000aa0003af559aff5fa0f00d2fb0b2c4bd5ad4ab","arguments":"{\"q\":1}","name":"read","server_label":"s"}"#,
            r#"{"type":"mcp_call","id":"mcp_0198c0de0000700080000000000000aa0001","status":"completed","approval_request_id":null,"arguments":"{\"q\":1}","error":null,"name":"ask","output":"42","server_label":"s"}"#,
            r#"{"type":"mcp_call","id":"mcp_0198c0de0000700080000000000000aa0002","status":"failed","approval_request_id":null,"arguments":"{\"q\":1}","error":{"type":"mcp_tool_execution_error","content":[{"type":"text","text":"no"}]},"name":"ask","output":null,"server_label":"s"}"#,
        ]
    );
}
