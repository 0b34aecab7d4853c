//! The real binary is killed or stopped, and started again on the same folder.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const PATIENCE: Duration = Duration::from_secs(40);

struct Node {
    folder: TempDir,
    fake: FakeProvider,
    binary: Option<Binary>,
}

impl Node {
    fn start() -> Self {
        let mut node =
            Self { folder: tempfile::tempdir().unwrap(), fake: FakeProvider::start(), binary: None };
        node.begin("");
        node
    }

    fn begin(&mut self, config: &str) {
        let config = format!("{config}\n{}", self.fake.provider("anthropic"));
        self.binary = Some(PROGRAM.start(self.folder.path(), &config, &[]));
    }

    /// `kill -9`.
    fn kill(&mut self) {
        self.binary = None;
    }

    fn terminate(&mut self) -> String {
        let binary = self.binary.take().unwrap();
        binary.terminate();
        let (status, text) = binary.wait();
        assert!(status.success(), "{text}");
        text
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Connection {
        let body = body.map(|body| body.to_string().into_bytes());
        Connection::send(self.binary.as_ref().unwrap().address, method, path, &[], body.as_deref())
    }

    fn create(&self, background: bool, stream: bool) -> Connection {
        let body = json!({"model": "anthropic/m", "input": "Hi", "stream": stream, "background": background});
        self.ask("POST", "/v1/responses", Some(&body))
    }

    fn get(&self, id: &Value, query: &str) -> Answer {
        self.ask("GET", &format!("/v1/responses/{}{query}", id.as_str().unwrap()), None).finish()
    }

    /// Polls until the response is over.
    #[track_caller]
    fn end(&self, id: &Value) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let response = self.get(id, "").response();
            if response["status"] != "queued" && response["status"] != "in_progress" {
                return response;
            }
            assert!(Instant::now() < end, "it stays {response}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[track_caller]
fn until(done: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < end, "it does not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn shown_text(response: &Value) -> &str {
    response["output"][0]["content"][0]["text"].as_str().unwrap_or_default()
}

/// `Half`, and never the rest.
fn half() -> Script {
    let frames = wire::frames("anthropic", &text(&["Half", " and half"]));
    let half = frames.len() / 2;
    let script = Script::head(200, "text/event-stream");
    frames[..half].iter().cloned().fold(script, Script::send).then(Step::Hold)
}

/// The frames of a stream, and then those that another connection got behind them, as one answer.
fn joined(mut first: Vec<String>, mut rest: Answer) -> Answer {
    first.push(rest.text());
    rest.body = first.concat().into_bytes();
    rest
}

/// Reads frames up to one of this type.
fn read_to(stream: &mut Connection, kind: &str) -> Vec<String> {
    let mut frames = Vec::new();
    loop {
        let frame = stream.block().unwrap();
        let found = frame.starts_with(&format!("event: {kind}\n"));
        frames.push(format!("{frame}\n\n"));
        if found {
            return frames;
        }
    }
}

#[test]
fn a_polled_response_is_sampled_again_after_a_crash() {
    let mut node = Node::start();
    node.fake.script(half());
    let id = node.create(true, false).finish().response()["id"].clone();
    node.fake.request(0);
    node.kill();
    node.fake.push(wire::answer("anthropic", text(&["Whole"])));
    node.begin("");
    let done = node.end(&id);
    assert_eq!((&done["status"], shown_text(&done)), (&json!("completed"), "Whole"));
    let [before, after] = [0, 1].map(|n| node.fake.request(n).body);
    assert_eq!(before, after);
}

#[test]
fn a_stream_that_has_shown_nothing_goes_on_after_a_crash() {
    let mut node = Node::start();
    node.fake.script(Script::silent());
    let mut stream = node.create(true, true);
    let seen = read_to(&mut stream, "response.in_progress");
    let id = node.fake.request(0).body["model"].clone();
    assert_eq!(id, "m");
    let created: Value = serde_json::from_str(seen[0].split("data: ").nth(1).unwrap()).unwrap();
    let id = created["response"]["id"].clone();
    node.kill();
    node.fake.push(wire::answer("anthropic", text(&["Whole"])));
    node.begin("");
    let rest = node.get(&id, "?stream=true&starting_after=2");
    let whole = joined(seen, rest);
    assert_eq!(shown_text(&whole.last_response()), "Whole");
    assert_eq!(node.get(&id, "?stream=true").text(), whole.text());
    assert_eq!(node.get(&id, "").response(), whole.last_response());
}

#[test]
fn a_stream_that_has_shown_output_is_closed_after_a_crash() {
    let mut node = Node::start();
    node.fake.script(half());
    let mut stream = node.create(true, true);
    let seen = read_to(&mut stream, "response.output_text.delta");
    let created: Value = serde_json::from_str(seen[0].split("data: ").nth(1).unwrap()).unwrap();
    let id = created["response"]["id"].clone();
    node.kill();
    node.begin("");
    let after = seen.len() - 1;
    let whole = joined(seen, node.get(&id, &format!("?stream=true&starting_after={after}")));
    let failed = whole.last_response();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!((shown_text(&failed), &failed["output"][0]["status"]), ("Half", &json!("incomplete")));
    assert_eq!(whole.events().last().unwrap().0, "response.failed");
    assert_eq!(node.end(&id), failed);
    assert_eq!(node.fake.count(), 1);
}

#[test]
fn a_foreground_response_has_failed_after_a_crash() {
    let mut node = Node::start();
    node.fake.script(half());
    let mut stream = node.create(false, true);
    let id = stream.until("response.created")["response"]["id"].clone();
    stream.until("response.output_text.delta");
    // Its beginning joins a batch of the disk, which nobody waits for: it can be read a moment before it is there to
    // stay. What is confirmed later lies behind it.
    until(|| node.get(&id, "/input_items").status == 200);
    node.fake.script(Script::silent());
    node.create(true, false).finish().response();
    node.kill();
    node.begin("");
    let failed = node.get(&id, "").response();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!((&failed["completed_at"], &failed["background"]), (&Value::Null, &json!(false)));
}

#[test]
fn a_response_with_the_clients_own_key_cannot_go_on() {
    let mut node = Node::start();
    node.fake.script(Script::silent());
    let body = json!({"model": "anthropic/m", "input": "Hi", "stream": true, "background": true, "api_key": "sk-mine"});
    let mut stream = node.ask("POST", "/v1/responses", Some(&body));
    let id = stream.until("response.created")["response"]["id"].clone();
    node.fake.request(0);
    node.kill();
    node.begin("");
    let failed = node.get(&id, "?stream=true").last_response();
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    assert_eq!(node.fake.count(), 1);
    for file in crate::stage::app::files(node.folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(7).any(|w| w == b"sk-mine"), "{}", file.display());
    }
}

#[test]
fn a_response_whose_provider_is_gone_ends_under_its_name() {
    let mut node = Node::start();
    node.fake.script(Script::silent());
    let id = node.create(true, false).finish().response()["id"].clone();
    node.fake.request(0);
    node.kill();
    let off = ["anthropic", "demo", "gemini", "ollama", "openai"];
    let off = off.map(|name| format!("providers.{name}.enabled = false\n")).concat();
    node.binary = Some(PROGRAM.start(node.folder.path(), &off, &[]));
    let failed = node.end(&id);
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("interrupted")));
    let log = node.terminate();
    let line = log.lines().find(|line| line.contains("\"message\":\"response\"")).unwrap_or(&log);
    assert!(line.contains("\"provider\":\"anthropic\""), "{line}");
}

#[test]
fn a_stopped_server_leaves_its_background_work_to_the_next() {
    let mut node = Node::start();
    node.fake.script(half());
    node.fake.script(Script::silent());
    let polled = node.create(true, false).finish().response()["id"].clone();
    node.fake.request(0);
    let mut streamed = node.create(true, true);
    let seen = read_to(&mut streamed, "response.in_progress");
    let created: Value = serde_json::from_str(seen[0].split("data: ").nth(1).unwrap()).unwrap();
    node.fake.request(1);
    let begin = Instant::now();
    let log = node.terminate();
    assert!(begin.elapsed() < Duration::from_secs(25), "it waits for what it can leave");
    assert!(log.contains("parked"), "{log}");
    assert!(streamed.finish().cut);
    node.fake.always(wire::answer("anthropic", text(&["Whole"])));
    node.begin("");
    assert_eq!(shown_text(&node.end(&polled)), "Whole");
    let rest = node.get(&created["response"]["id"], "?stream=true&starting_after=2");
    assert_eq!(joined(seen, rest).last_response()["status"], "completed");
}

#[test]
fn a_background_stream_that_has_shown_output_has_the_grace_time() {
    let mut node = Node::start();
    let gate = Gate::default();
    let frames = wire::frames("anthropic", &text(&["Half", " and half"]));
    let script = Script::head(200, "text/event-stream");
    let script = frames[..4].iter().cloned().fold(script, Script::send).then(Step::Wait(gate.clone()));
    node.fake.script(frames[4..].iter().cloned().fold(script, Script::send));
    let mut stream = node.create(true, true);
    stream.until("response.output_text.delta");
    node.binary.as_ref().unwrap().terminate();
    until(|| node.ask("GET", "/ready", None).finish().status == 503);
    let binary = node.binary.take().unwrap();
    gate.open();
    let answer = stream.finish();
    assert_eq!(shown_text(&answer.last_response()), "Half and half");
    assert!(binary.wait().0.success());
}

#[test]
fn a_response_keeps_its_route_after_a_crash() {
    let (mut node, other) = (Node::start(), FakeProvider::start());
    let targets = "targets = [{ provider = 'anthropic' }, { provider = 'other', model = 'x' }]";
    let provider = other.named_provider("other", "openai-chat");
    let config = format!("background.max_retries = 0\n{provider}\n[[routes]]\npattern = '^m$'\n{targets}\n");
    node.kill();
    node.begin(&config);
    let fails = |_: &_| Script::json(500, &wire::error("anthropic", 500, "no"));
    node.fake.push(fails);
    other.script(Script::silent());
    let body = json!({"model": "m", "input": "Hi", "background": true});
    let id = node.ask("POST", "/v1/responses", Some(&body)).finish().response()["id"].clone();
    other.request(0);
    node.kill();
    // It was asked last, so it is asked first.
    other.push(|_| Script::json(500, &wire::error("openai-chat", 500, "no")));
    node.fake.push(wire::answer("anthropic", text(&["Whole"])));
    node.begin(&config);
    let done = node.end(&id);
    assert_eq!((&done["status"], shown_text(&done)), (&json!("completed"), "Whole"));
    assert_eq!((node.fake.count(), other.count(), &other.request(1).body["model"]), (2, 2, &json!("x")));
}
