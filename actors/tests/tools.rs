//! Tools through their actor, as a loop has them run.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actix::Actor as _;
use or_actors::mcp::{AddressGuard, McpBounds, McpPool, McpServers};
use or_actors::metrics::Metrics;
use or_actors::store::{SledOptions, SledStore};
use or_actors::tools::{AnyTool, FunctionTool, Registry, ToolActor, ToolContext, ToolSpec};
use or_actors::{Limits, Node, RunTool, ToolLimits};
use or_engine::ReasoningEvents;
use or_protocol::{Output, ResponseId};
use pretty_assertions::assert_eq;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    text: String,
}

fn node(folder: &std::path::Path) -> Arc<Node> {
    let tool = FunctionTool::new(ToolSpec::new("echo", "Says it."), |arguments: Arguments, _| async move {
        match arguments.text.as_str() {
            "panic" => panic!("a bug"),
            text => Ok(text.into()),
        }
    });
    let limits = Limits {
        max_concurrent_responses: 1,
        keepalive: Duration::from_secs(1),
        client_write_timeout: Duration::from_secs(1),
        max_response: Duration::from_secs(1),
        reasoning_events: ReasoningEvents::Spec,
        background_max_retries: 0,
        background_max_retry_delay: Duration::from_secs(1),
        tools: ToolLimits {
            max_turns: 0,
            max_tool_calls: 0,
            max_repeats: 0,
            max_total_tokens: 0,
            max_concurrent: 0,
        },
    };
    let store = SledStore::open(SledOptions::new(folder)).unwrap();
    let tools = Arc::new(Registry::new([AnyTool::Rust(Arc::new(tool))]).unwrap());
    let metrics = Metrics::new().unwrap();
    let mcp = McpPool::new(AddressGuard::new(&[]), metrics.clone(), McpBounds::default());
    let mcp = McpServers::new(mcp, BTreeMap::new(), None);
    Arc::new(Node::new(BTreeMap::new(), limits, store, tools, mcp, metrics))
}

#[test]
fn one_call_that_panics_leaves_the_actor_to_the_others_and_all_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let node = node(folder.path());
    let shared = Arc::clone(&node);
    let texts = actix::System::new().block_on(async move {
        let actor = ToolActor::new(shared).start();
        let call = async |name: &str, text: &str| {
            let (_here, gone) = oneshot::channel();
            let context = ToolContext::new(ResponseId::new(), "call_1", 1, "web", Arc::default());
            let arguments = format!(r#"{{"text": "{text}"}}"#);
            let run = actor.send(RunTool { name: name.into(), arguments, context, gone }).await.unwrap();
            match run.output {
                Output::Text(text) => text,
                Output::Parts(parts) => format!("{parts:?}"),
            }
        };
        [call("echo", "panic").await, call("echo", "hello").await, call("invented", "x").await]
    });
    let want =
        ["Error: 'echo' failed with an internal error.", "hello", "Error: there is no tool 'invented'."];
    assert_eq!(texts, want);
    let metrics = node.metrics.render(0, true);
    for line in [
        r#"openresponses_tool_runs_total{result="ok",tool="echo"} 1"#,
        r#"openresponses_tool_runs_total{result="panic",tool="echo"} 1"#,
        r#"openresponses_tool_runs_total{result="unknown",tool=""} 1"#,
        r#"openresponses_tool_duration_seconds_count{tool="echo"} 2"#,
        "openresponses_panics_total 1",
    ] {
        assert!(metrics.lines().any(|got| got == line), "{line} is not in {metrics}");
    }
}
