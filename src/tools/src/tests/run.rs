//! Runs of tools in Rust, and what goes wrong with them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use or_protocol::{ContentPart, Output, ResponseId};
use pretty_assertions::assert_eq;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    AnyTool, FunctionTool, Registry, ToolContext, ToolError, ToolOutput, ToolRequest, ToolRun, ToolSpec,
    client, run,
};

pub(crate) fn context() -> ToolContext {
    let metadata: Map<String, Value> = json!({"who": "Zoë"}).as_object().unwrap().clone();
    let id = ResponseId::parse("resp_000102030405060708090a0b0c0d0e0f").unwrap();
    ToolContext::new(id, "call_1", 2, "web", Arc::new(metadata))
}

/// Does it as a worker's arbiter would.
pub(crate) fn on_arbiter<T>(work: impl Future<Output = T>) -> T {
    actix_rt::System::new().block_on(work)
}

pub(crate) async fn run_with(
    registry: &Registry,
    name: &str,
    arguments: &str,
    context: ToolContext,
) -> ToolRun {
    let (_here, gone) = oneshot::channel();
    let message = ToolRequest { name: name.into(), arguments: arguments.into(), context, gone };
    run(registry, &client(), message).await
}

/// One call of one tool; the text is for the model.
pub(crate) fn call(tool: AnyTool, arguments: &str) -> (&'static str, Output) {
    let registry = Registry::new([tool]).unwrap();
    let name = registry.names().next().unwrap().to_owned();
    let run = on_arbiter(run_with(&registry, &name, arguments, context()));
    assert_eq!(run.failed, !["ok", "cut"].contains(&run.result));
    (run.result, run.output)
}

#[derive(Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
struct Arguments {
    #[schemars(length(max = 10))]
    city: String,
    #[serde(default)]
    days: u8,
}

fn spec() -> ToolSpec {
    ToolSpec { timeout: Duration::from_secs(60), ..ToolSpec::new("weather", "The weather.") }
}

fn tool<R>(spec: ToolSpec, run: impl Fn(Arguments, ToolContext) -> R + Send + Sync + 'static) -> AnyTool
where
    R: Future<Output = Result<ToolOutput, ToolError>> + Send + 'static,
{
    AnyTool::Rust(Arc::new(FunctionTool::new(spec, run)))
}

fn echo() -> AnyTool {
    tool(spec(), |arguments, _| async move {
        match arguments.city.as_str() {
            "panic" => panic!("a bug"),
            "error" => Err("no such city".into()),
            "long" => Ok("x".repeat(300 * 1024).into()),
            "image" => Ok(ToolOutput::image("image/png", b"abc")),
            "json" => Ok(json!({"days": arguments.days}).into()),
            city => Ok(format!("{city}: sun").into()),
        }
    })
}

#[track_caller]
fn check(arguments: &str, result: &str, text: &str) {
    let (got, output) = call(echo(), arguments);
    assert_eq!((got, output), (result, Output::Text(text.into())));
}

#[test]
fn a_result_reaches_the_model() {
    check(r#"{"city": "Oslo"}"#, "ok", "Oslo: sun");
    check(r#"{"city": "json", "days": 3}"#, "ok", r#"{"days":3}"#);
}

#[test]
fn an_image_is_a_content_part() {
    let (result, output) = call(echo(), r#"{"city": "image"}"#);
    let Output::Parts(parts) = output else { panic!("no parts") };
    let [ContentPart::InputImage { image_url: Some(url), .. }] = &parts[..] else { panic!("{parts:?}") };
    assert_eq!((result, url.as_str()), ("ok", "data:image/png;base64,YWJj"));
}

#[test]
fn a_failure_is_a_text_for_the_model() {
    check(r#"{"city": "error"}"#, "error", "Error: 'weather' failed: no such city");
    check(r#"{"city": "panic"}"#, "panic", "Error: 'weather' failed with an internal error.");
}

#[test]
fn arguments_that_are_wrong_do_not_reach_the_tool() {
    let wrong = "Error: the arguments of the call are wrong and 'weather' was not run: ";
    let of = |fault: &str| format!("{wrong}{fault}");
    check(
        r#"{"city""#,
        "bad_arguments",
        &of("they are not JSON: EOF while parsing an object at line 1 column 7"),
    );
    check("", "bad_arguments", &of("\"city\" is a required property"));
    check("[]", "bad_arguments", &of("[] is not of type \"object\""));
    check(
        r#"{"city": "Llanfairpwllgwyngyll", "days": "two"}"#,
        "bad_arguments",
        &of("\"Llanfairpwllgwyngyll\" is longer than 10 characters (at /city); \
             \"two\" is not of type \"integer\" (at /days)"),
    );
}

#[test]
fn a_long_text_is_cut_and_says_so() {
    let (result, output) = call(echo(), r#"{"city": "long"}"#);
    let Output::Text(text) = output else { panic!("no text") };
    let want = format!("{}\n[Cut off here: the result is longer than 262144 bytes.]", "x".repeat(262_144));
    assert_eq!(result, "cut");
    assert!(text == want);
}

#[test]
fn a_tool_that_is_not_there_is_a_text_for_the_model() {
    let registry = Registry::new([echo()]).unwrap();
    let run = on_arbiter(run_with(&registry, "nothing", "{}", context()));
    assert_eq!(run.output, Output::Text("Error: there is no tool 'nothing'.".into()));
    assert_eq!((run.failed, run.result), (true, "unknown"));
}

#[test]
fn a_tool_that_waits_for_ever_is_stopped() {
    let spec = ToolSpec { timeout: Duration::from_millis(50), ..spec() };
    let (dropped, mut is_dropped) = mpsc::channel::<()>(1);
    let hang = tool(spec, move |_, context| {
        let dropped = dropped.clone();
        async move {
            let _dropped = dropped;
            context.progress("waiting");
            std::future::pending().await
        }
    });
    let (result, output) = call(hang, r#"{"city": "Oslo"}"#);
    let want = "Error: 'weather' was stopped after 0.05 s without a result.";
    assert_eq!((result, output), ("timeout", Output::Text(want.into())));
    // The registry is gone, and with it the tool's own sender; the future's sender went before.
    assert_eq!(is_dropped.blocking_recv(), None);
}

#[test]
fn a_tool_that_blocks_its_thread_blocks_nobody_else() {
    let spec = ToolSpec { timeout: Duration::from_millis(50), ..spec() };
    let block = tool(spec, |_, _| async {
        std::thread::sleep(Duration::from_secs(60));
        Ok("too late".into())
    });
    let started = Instant::now();
    assert_eq!(call(block, r#"{"city": "Oslo"}"#).0, "timeout");
    assert!(started.elapsed() < Duration::from_secs(30));
}

#[test]
fn who_leaves_cancels_the_tool_at_once() {
    let (told, was_told) = std::sync::mpsc::channel();
    let (begun, mut has_begun) = mpsc::channel(1);
    let hang = tool(spec(), move |_, context| {
        let (told, begun) = (told.clone(), begun.clone());
        // Work that outlives the future hears of it by the token.
        tokio::spawn(async move {
            context.cancelled.cancelled().await;
            told.send(()).unwrap();
        });
        async move {
            begun.send(()).await.unwrap();
            std::future::pending().await
        }
    });
    let registry = Registry::new([hang]).unwrap();
    let run = on_arbiter(async {
        let (here, gone) = oneshot::channel();
        let arguments = r#"{"city": "Oslo"}"#.into();
        let message = ToolRequest { name: "weather".into(), arguments, context: context(), gone };
        let leave = async {
            has_begun.recv().await;
            drop(here);
        };
        let http = client();
        tokio::join!(run(&registry, &http, message), leave).0
    });
    assert_eq!((run.result, run.failed), ("cancelled", true));
    was_told.recv_timeout(Duration::from_secs(30)).unwrap();
}

#[test]
fn calls_over_the_limit_wait_for_a_place() {
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let go_on = Arc::new(Semaphore::new(0));
    let (seen, open) = (Arc::clone(&most), Arc::clone(&go_on));
    let spec = ToolSpec { max_concurrent: 2, ..spec() };
    let counting = tool(spec, move |arguments, _| {
        let (running, most, go_on) = (Arc::clone(&running), Arc::clone(&most), Arc::clone(&go_on));
        async move {
            most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let _turn = go_on.acquire().await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok(arguments.city.into())
        }
    });
    let registry = Registry::new([counting]).unwrap();
    let runs = on_arbiter(async {
        let calls = ["a", "b", "c", "d"].map(|city| {
            let arguments = json!({ "city": city }).to_string();
            let registry = &registry;
            async move { run_with(registry, "weather", &arguments, context()).await }
        });
        let open = async {
            while seen.load(Ordering::SeqCst) < 2 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            open.add_permits(1);
        };
        tokio::join!(futures_util::future::join_all(calls), open).0
    });
    let texts: Vec<_> = runs.into_iter().map(|run| run.output).collect();
    assert_eq!(texts, ["a", "b", "c", "d"].map(|text| Output::Text(text.into())));
    assert_eq!(seen.load(Ordering::SeqCst), 2);
}

#[test]
fn a_tool_knows_its_call_and_can_report() {
    let (progress, mut reported) = mpsc::channel(4);
    let told = tool(spec(), |_, context: ToolContext| async move {
        context.progress("half of it");
        let ToolContext { response_id, call_id, iteration, owner, metadata, .. } = context;
        Ok(format!("{response_id} {call_id} {iteration} {owner} {}", metadata["who"]).into())
    });
    let registry = Registry::new([told]).unwrap();
    let context = context().with_progress(progress);
    let run = on_arbiter(run_with(&registry, "weather", r#"{"city": "Oslo"}"#, context));
    let want = "resp_000102030405060708090a0b0c0d0e0f call_1 2 web \"Zoë\"";
    assert_eq!(run.output, Output::Text(want.into()));
    assert_eq!(reported.try_recv().as_deref(), Ok("half of it"));
}
