//! Tools that crash, hang and flood, beside others that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use open_responses::tools::{Tool, ToolContext, ToolFuture, ToolOutput, ToolSpec};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script, Step};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

/// What a request asks of the tool, in its metadata.
const FAULTS: [&str; 4] = ["none", "crash", "hang", "flood"];
const LIMIT: usize = 1000;
/// The tool that hangs is another, since the others have all the time that a busy machine may take.
const HANGING: &str = "get_storm";
const TIMEOUT_S: u64 = 2;
const PATIENCE_S: u64 = 100;

/// A model that calls the tool once, on every kind; a fake of its own for each, since scripts depend on the kind.
fn models() -> Vec<FakeProvider> {
    KINDS
        .into_iter()
        .map(|kind| {
            let fake = FakeProvider::start();
            fake.always(move |request| {
                // Only the call that comes back has the name of the city.
                let said = request.body.to_string();
                let turn = match (said.contains("Oslo"), said.contains(HANGING)) {
                    (true, _) => text(&["Done"]),
                    (false, true) => {
                        Turn { call: CALL.call.map(|(id, _, city)| (id, HANGING, city)), ..CALL }
                    }
                    (false, false) => CALL,
                };
                wire::answer(kind, turn)(request)
            });
            fake
        })
        .collect()
}

fn providers(models: &[FakeProvider]) -> String {
    models.iter().zip(KINDS).map(|(fake, kind)| fake.provider(kind)).collect()
}

fn tool(fault: &str) -> &'static str {
    if fault == "hang" { HANGING } else { "get_weather" }
}

fn body(kind: &str, stream: bool, tool: &str, metadata: &Value) -> Value {
    json!({"model": format!("{kind}/m"), "input": "How is it there?", "stream": stream, "metadata": metadata,
           "tools": [{"type": "function", "name": tool}]})
}

/// The tables of both tools; as many run as there are calls.
fn tables(members: &str) -> String {
    let table = |name: &str, timeout_s: u64| {
        format!(
            "[tools.{name}]\ndescription = 'Weather'\ntimeout_s = {timeout_s}\nmax_output_bytes = {LIMIT}\n\
             max_concurrent = 0\n{members}\n"
        )
    };
    table("get_weather", PATIENCE_S) + &table(HANGING, TIMEOUT_S)
}

/// The result that the model was shown in a response that is otherwise as it should be.
#[track_caller]
fn result(response: &Value) -> String {
    assert_eq!(response["status"], "completed", "{response}");
    let items = response["output"].as_array().unwrap().iter().filter(|item| item["type"] != "reasoning");
    let items: Vec<_> = items.collect();
    let types: Vec<_> = items.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["function_call", "function_call_output", "message"], "{response}");
    assert_eq!(items[2]["content"][0]["text"], "Done");
    items[1]["output"].as_str().unwrap().to_owned()
}

/// Every fault on every kind, whole and streamed, all at the same time.
#[track_caller]
fn check(app: &App, models: &[FakeProvider], runner: &str, crash: &str, crashed: &str) {
    let mut open = Vec::new();
    for fault in FAULTS {
        for kind in KINDS {
            for stream in [false, true] {
                let request = body(kind, stream, tool(fault), &json!({"fault": fault}));
                open.push((fault, kind, stream, app.open(&request)));
            }
        }
    }
    let timed_out = format!("Error: '{HANGING}' was stopped after {TIMEOUT_S} s without a result.");
    let cut = format!("\n[Cut off here: the result is longer than {LIMIT} bytes.]");
    for (fault, kind, stream, connection) in open {
        let answer = connection.finish();
        let got = result(&if stream { answer.last_response() } else { answer.response() });
        match fault {
            "none" => assert_eq!(got.trim(), "7", "{kind}"),
            "crash" => assert!(got.starts_with(crash), "{kind}: {got}"),
            "hang" => assert_eq!(got, timed_out, "{kind}"),
            _ => assert_eq!(got.strip_suffix(&cut).map(str::len), Some(LIMIT), "{kind}"),
        }
    }
    for (fake, kind) in models.iter().zip(KINDS) {
        assert_eq!(fake.count(), 2 * 2 * FAULTS.len(), "{kind}");
    }
    let metrics = app.get("/metrics").text();
    for (result, tool) in
        ["ok", crashed, "cut"].map(|result| (result, "get_weather")).into_iter().chain([("timeout", HANGING)])
    {
        let want = format!(
            "open_responses_tool_dispatches_total{{kind=\"{runner}\",outcome=\"{result}\",tool=\"{tool}\"}} 10\n"
        );
        assert!(metrics.contains(&want), "no {want} in {metrics}");
    }
}

struct Faulty {
    name: &'static str,
    running: Arc<AtomicUsize>,
}

struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Tool for Faulty {
    fn spec(&self) -> ToolSpec {
        let timeout = Duration::from_secs(if self.name == HANGING { TIMEOUT_S } else { PATIENCE_S });
        ToolSpec { timeout, max_output_bytes: LIMIT, ..ToolSpec::new(self.name, "Weather") }
    }

    fn execute(&self, _: Value, context: ToolContext) -> ToolFuture<'_> {
        self.running.fetch_add(1, Ordering::SeqCst);
        let running = Running(Arc::clone(&self.running));
        Box::pin(async move {
            let _running = running;
            match context.metadata["fault"].as_str().unwrap() {
                "none" => Ok(ToolOutput::Text("7".into())),
                "crash" => panic!("as told"),
                "hang" => std::future::pending().await,
                _ => Ok(ToolOutput::Text("x".repeat(8 << 20))),
            }
        })
    }
}

#[test]
fn rust_that_panics_hangs_or_floods_is_told_to_every_model() {
    let (models, running) = (models(), Arc::<AtomicUsize>::default());
    let tool = |name| Faulty { name, running: Arc::clone(&running) };
    let (weather, storm) = (tool("get_weather"), tool(HANGING));
    let app = setup(providers(&models)).with(|builder| builder.tool(weather).tool(storm)).start();
    check(&app, &models, "rust", "Error: 'get_weather' failed with an internal error.", "panic");
    assert!(app.get("/metrics").text().contains("open_responses_panics_total 10\n"));
    let end = Instant::now() + Duration::from_secs(30);
    while running.load(Ordering::SeqCst) > 0 {
        assert!(Instant::now() < end, "a tool runs on");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_program_that_dies_hangs_or_floods_is_told_to_every_model() {
    let models = models();
    let script = "case $OPENRESPONSES_METADATA in *none*) echo 7;; *crash*) kill -9 $$;; *hang*) sleep 600;; *) exec yes;; esac";
    let tools = tables(&format!("kind = 'command'\nenv = ['PATH']\ncommand = ['/bin/sh', '-c', '{script}']"));
    let app = setup(format!("{}{tools}", providers(&models))).env("PATH", "/usr/bin:/bin").start();
    check(&app, &models, "command", "Error: 'get_weather' failed: ", "error");
}

#[test]
fn an_endpoint_that_breaks_off_hangs_or_floods_is_told_to_every_model() {
    let (models, endpoint) = (models(), FakeProvider::start());
    endpoint.always(|request| {
        let metadata: Value =
            serde_json::from_str(request.header("openresponses-metadata").unwrap()).unwrap();
        let text = Script::head(200, "text/plain");
        match metadata["fault"].as_str().unwrap() {
            "none" => text.send("7"),
            "crash" => text.send("7").then(Step::Cut),
            "hang" => Script::silent(),
            _ => text.then(Step::Flood(vec![b'x'; 1 << 16])),
        }
    });
    let tools = tables(&format!("kind = 'http'\nurl = 'http://{}/'", endpoint.address));
    let app = setup(format!("{}{tools}", providers(&models))).start();
    check(&app, &models, "http", "Error: 'get_weather' failed: ", "error");
    assert_eq!(endpoint.count(), 10 * FAULTS.len());
}

/// Panics before it has a future for the request that asks for it, and answers the others with their numbers.
struct Crashy;

impl Tool for Crashy {
    fn spec(&self) -> ToolSpec {
        ToolSpec::new("get_weather", "Weather")
    }

    fn execute(&self, _: Value, context: ToolContext) -> ToolFuture<'_> {
        let number = context.metadata["number"].as_str().unwrap().to_owned();
        assert_ne!(number, "50", "as told");
        Box::pin(async { Ok(ToolOutput::Text(number)) })
    }
}

#[test]
fn one_crash_among_a_hundred_loops_is_its_own() {
    let models = models();
    let app = setup(providers(&models)).with(|builder| builder.tool(Crashy)).start();
    let open: Vec<_> = (0..100)
        .map(|n| {
            let request = body(KINDS[n % 5], n % 2 == 0, "get_weather", &json!({"number": n.to_string()}));
            app.open(&request)
        })
        .collect();
    for (n, connection) in open.into_iter().enumerate() {
        let answer = connection.finish();
        let got = result(&if n % 2 == 0 { answer.last_response() } else { answer.response() });
        if n == 50 {
            assert_eq!(got, "Error: 'get_weather' failed with an internal error.");
        } else {
            assert_eq!(got, n.to_string());
        }
    }
    assert!(app.get("/metrics").text().contains("open_responses_panics_total 1\n"));
}
