//! Tools through their actor, as a loop has them run.

use std::sync::Arc;

use actix::Actor as _;
use or_actors::tools::{RunTool, ToolActor};

use or_protocol::{Output, ResponseId};
use or_telemetry::{Levels, Metrics};
use or_tools::{AnyTool, FunctionTool, Registry, ToolContext, ToolRequest, ToolSpec};
use pretty_assertions::assert_eq;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::oneshot;

#[derive(Deserialize, JsonSchema)]
struct Arguments {
    text: String,
}

fn echo() -> Registry {
    let tool = FunctionTool::new(ToolSpec::new("echo", "Says it."), |arguments: Arguments, _| async move {
        match arguments.text.as_str() {
            "panic" => panic!("a bug"),
            text => Ok(text.into()),
        }
    });
    Registry::new([AnyTool::Rust(Arc::new(tool))]).unwrap()
}

#[test]
fn one_call_that_panics_leaves_the_actor_to_the_others_and_all_are_counted() {
    let metrics = Metrics::new().unwrap();
    let counted = metrics.clone();
    let texts = actix::System::new().block_on(async move {
        let actor = ToolActor::new(Arc::new(echo()), counted).start();
        let call = async |name: &str, text: &str| {
            let (_here, gone) = oneshot::channel();
            let context = ToolContext::new(ResponseId::new(), "call_1", 1, "web", Arc::default());
            let arguments = format!(r#"{{"text": "{text}"}}"#);
            let request = ToolRequest { name: name.into(), arguments, context, gone };
            let run = actor.send(RunTool(request)).await.unwrap();
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
    let text = metrics.render(&Levels::default());
    for line in [
        r#"open_responses_tool_dispatches_total{kind="rust",outcome="ok",tool="echo"} 1"#,
        r#"open_responses_tool_dispatches_total{kind="rust",outcome="panic",tool="echo"} 1"#,
        r#"open_responses_tool_dispatches_total{kind="unknown",outcome="unknown",tool="other"} 1"#,
        r#"open_responses_tool_duration_seconds_count{kind="rust",tool="echo"} 2"#,
        "open_responses_panics_total 1",
    ] {
        assert!(text.lines().any(|got| got == line), "{line} is not in {text}");
    }
}
