//! The real binary is killed in the middle of its tools.

use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, text};

const PATIENCE: Duration = Duration::from_secs(40);

struct Node {
    folder: TempDir,
    fake: FakeProvider,
    binary: Option<Binary>,
    idempotent: bool,
}

impl Node {
    fn start(idempotent: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut node = Self { folder, fake: FakeProvider::start(), binary: None, idempotent };
        node.begin();
        node
    }

    /// The tool notes its run, and ends when there is a file `go`.
    fn begin(&mut self) {
        let script = "cat > /dev/null; echo run >> runs; while [ ! -e go ]; do sleep 0.02; done; echo seven";
        let tool = format!(
            "[tools.get_weather]\nkind = 'command'\ndescription = 'Weather'\ncommand = ['/bin/sh', '-c', {script:?}]\nworking_directory = {:?}\nenv = ['PATH']\nidempotent = {}\n",
            self.folder.path(),
            self.idempotent
        );
        let config = format!("{}\n{tool}", self.fake.provider("anthropic"));
        self.binary = Some(PROGRAM.start(self.folder.path(), &config, &[("PATH", "/usr/bin:/bin")]));
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Connection {
        let body = body.map(|body| body.to_string().into_bytes());
        Connection::send(self.binary.as_ref().unwrap().address, method, path, &[], body.as_deref())
    }

    fn stream(&self, id: &Value) -> Answer {
        self.ask("GET", &format!("/v1/responses/{}?stream=true", id.as_str().unwrap()), None).finish()
    }

    /// A background stream whose model has called the tool.
    fn create(&self) -> (Connection, Value) {
        let body = json!({"model": "anthropic/m", "input": "Hi", "stream": true, "background": true,
                          "tools": [{"type": "function", "name": "get_weather"}]});
        let mut stream = self.ask("POST", "/v1/responses", Some(&body));
        let id = stream.until("response.created")["response"]["id"].clone();
        (stream, id)
    }

    fn wait(&self, name: &str) {
        let end = Instant::now() + PATIENCE;
        while !self.folder.path().join(name).exists() {
            assert!(Instant::now() < end, "no file `{name}`");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn go(&self) {
        std::fs::write(self.folder.path().join("go"), "").unwrap();
    }
}

fn runs(folder: &Path) -> usize {
    std::fs::read_to_string(folder.join("runs")).unwrap().lines().count()
}

#[test]
fn a_tool_that_was_cut_off_is_run_again_only_if_it_may_be() {
    for idempotent in [false, true] {
        let mut node = Node::start(idempotent);
        node.fake.push(wire::answer("anthropic", CALL));
        node.fake.push(wire::answer("anthropic", text(&["Seven"])));
        let (_stream, id) = node.create();
        node.wait("runs");
        node.binary = None;
        node.go();
        node.begin();
        let answer = node.stream(&id);
        let response = answer.last_response();
        assert_eq!(answer.events().last().unwrap().0, "response.completed");
        let output = response["output"][1]["output"].as_str().unwrap();
        if idempotent {
            assert_eq!((output.trim(), runs(node.folder.path())), ("seven", 2));
        } else {
            assert!(output.contains("unknown"), "{output}");
            assert_eq!(runs(node.folder.path()), 1);
        }
        assert!(node.fake.request(1).body.to_string().contains(output.trim()));
        assert_eq!(node.fake.count(), 2);
    }
}

#[test]
fn a_tool_that_is_done_is_not_run_again() {
    let mut node = Node::start(true);
    node.fake.push(wire::answer("anthropic", CALL));
    node.fake.script(Script::silent());
    node.go();
    let (mut stream, id) = node.create();
    // Of the call, then of its output.
    stream.until("response.output_item.done");
    stream.until("response.output_item.done");
    node.fake.request(1);
    node.binary = None;
    node.fake.push(wire::answer("anthropic", text(&["Seven"])));
    node.begin();
    let answer = node.stream(&id);
    assert_eq!(answer.last_response()["output"][1]["output"].as_str().unwrap().trim(), "seven");
    assert_eq!(answer.events().last().unwrap().0, "response.completed");
    assert_eq!(runs(node.folder.path()), 1);
    assert_eq!(node.fake.request(1).body, node.fake.request(2).body);
}
