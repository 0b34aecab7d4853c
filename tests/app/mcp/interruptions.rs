//! The real binary is killed between and in the middle of calls of MCP servers, or its clients leave.

use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::approvals::{asking, refused, stateless, yes};
use crate::PROGRAM;
use crate::stage::mcp::{bench, body, going_on, good, item, types};
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::{FakeProvider, Gate, Script};
use or_test_support::wire::{self, CALL, text};

const KIND: &str = "anthropic";

struct Node {
    folder: TempDir,
    fake: FakeProvider,
    server: FakeMcp,
    binary: Option<Binary>,
}

impl Node {
    fn start() -> Self {
        let (fake, server) = (FakeProvider::start(), FakeMcp::start());
        let mut node = Self { folder: tempfile::tempdir().unwrap(), fake, server, binary: None };
        node.begin();
        node
    }

    fn begin(&mut self) {
        let config = self.server.allowed() + &self.fake.provider(KIND);
        self.binary = Some(PROGRAM.start(self.folder.path(), &config, &[]));
    }

    /// `kill -9`, and a new start.
    fn crash(&mut self) {
        self.binary = None;
        self.begin();
    }

    fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Connection {
        let body = body.map(|body| body.to_string().into_bytes());
        Connection::send(self.binary.as_ref().unwrap().address, method, path, &[], body.as_deref())
    }

    fn open(&self, body: &Value) -> Connection {
        self.send("POST", "/v1/responses", Some(body))
    }

    fn post(&self, body: &Value) -> Answer {
        self.open(body).finish()
    }

    fn push(&self, turn: wire::Turn) {
        self.fake.push(wire::answer(KIND, turn));
    }

    /// A request, its response that asks for approval, and the answer that says yes.
    fn asking(&self) -> (Value, Value, Value) {
        let mut tool = self.server.tool("weather");
        tool["require_approval"] = json!("always");
        let request = body(KIND, &[tool]);
        self.push(CALL);
        let first = good(&self.post(&request));
        let asked = item(&first, "mcp_approval_request")["id"].clone();
        let yes = json!({"type": "mcp_approval_response", "approval_request_id": asked, "approve": true});
        (request, first, yes)
    }

    /// Polls until the response is over.
    #[track_caller]
    fn end(&self, id: &Value) -> Value {
        let end = Instant::now() + Duration::from_secs(40);
        loop {
            let path = format!("/v1/responses/{}", id.as_str().unwrap());
            let response = good(&self.send("GET", &path, None).finish());
            if response["status"] != "queued" && response["status"] != "in_progress" {
                return response;
            }
            assert!(Instant::now() < end, "it stays {response}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn an_approval_is_good_once_over_restarts() {
    let mut node = Node::start();
    let (request, first, yes) = node.asking();
    node.crash();
    let next = going_on(&first, &request, &[yes]);
    node.push(text(&["Seven"]));
    let second = good(&node.post(&next));
    assert_eq!(types(&second), ["mcp_call", "message"]);
    assert_eq!(node.server.count("tools/call"), 1);
    for _ in 0..2 {
        let (status, _, code, _) = node.post(&next).error();
        assert_eq!((status, code.as_deref()), (400, Some("approval_already_answered")));
        node.crash();
    }
    assert_eq!(node.server.count("tools/call"), 1);
    // One list for all of that: the first response showed it.
    assert_eq!(node.server.count("tools/list"), 2);
}

#[test]
fn an_approved_call_that_a_crash_cut_off_is_not_made_again() {
    for stream in [false, true] {
        let mut node = Node::start();
        let (request, first, yes) = node.asking();
        let gate = Gate::default();
        node.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        let mut next = going_on(&first, &request, &[yes]);
        next["stream"] = json!(stream);
        let _connection = node.open(&next);
        node.server.until("tools/call", 1);
        node.crash();
        gate.open();
        for _ in 0..2 {
            node.push(text(&["I do not know"]));
            let again = good(&node.post(&next));
            let call = item(&again, "mcp_call");
            assert_eq!((types(&again), &call["status"]), (vec!["mcp_call", "message"], &json!("failed")));
            assert!(call["error"]["content"][0]["text"].as_str().unwrap().contains("unknown"), "{call}");
            let told = node.fake.request(node.fake.count() - 1).body.to_string();
            assert!(told.contains("unknown; it was not run again"), "{told}");
        }
        assert_eq!(node.server.count("tools/call"), 1);
    }
}

#[test]
fn a_background_response_goes_on_without_the_call_that_was_cut_off() {
    for (stream, approval) in [(false, true), (true, true), (false, false), (true, false)] {
        let mut node = Node::start();
        let mut next = if approval {
            let (request, first, yes) = node.asking();
            going_on(&first, &request, &[yes])
        } else {
            node.push(CALL);
            body(KIND, &[node.server.tool("weather")])
        };
        let gate = Gate::default();
        node.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        next["background"] = json!(true);
        next["stream"] = json!(stream);
        let mut connection = node.open(&next);
        let id = if stream {
            connection.until("response.created")["response"]["id"].clone()
        } else {
            good(&connection.finish())["id"].clone()
        };
        node.server.until("tools/call", 1);
        node.push(text(&["I do not know"]));
        node.crash();
        gate.open();
        let done = node.end(&id);
        assert_eq!(done["status"], "completed", "{done:#}");
        let call = item(&done, "mcp_call");
        assert_eq!(call["status"], "failed");
        assert!(call["error"]["content"][0]["text"].as_str().unwrap().contains("unknown"), "{call}");
        assert_eq!(node.server.count("tools/call"), 1);
        if stream {
            let path = format!("/v1/responses/{}?stream=true", id.as_str().unwrap());
            assert_eq!(good(&node.send("GET", &path, None).finish()), done);
        }
        if approval {
            next["background"] = json!(false);
            next["stream"] = json!(false);
            node.push(text(&["I do not know"]));
            assert_eq!(item(&good(&node.post(&next)), "mcp_call")["status"], "failed");
            assert_eq!(node.server.count("tools/call"), 1);
        }
    }
}

#[test]
fn a_background_response_with_credentials_ends_and_one_without_goes_on() {
    let secret =
        [("authorization", json!("hush-hush-hush")), ("headers", json!({"x-key": "hush-hush-hush"}))];
    for (key, value) in secret {
        let mut node = Node::start();
        let mut tool = node.server.tool("weather");
        let plain = body(KIND, std::slice::from_ref(&tool));
        tool[key] = value;
        let with_key = body(KIND, &[tool]);
        let begun = [plain, with_key].map(|mut request| {
            node.push(CALL);
            node.fake.script(Script::silent());
            request["background"] = json!(true);
            let before = node.fake.count();
            let id = good(&node.post(&request))["id"].clone();
            node.fake.request(before + 1);
            id
        });
        node.push(text(&["Seven"]));
        node.crash();
        let [plain, with_key] = begun.map(|id| node.end(&id));
        assert_eq!(
            (&plain["status"], types(&plain)),
            (&json!("completed"), vec!["mcp_list_tools", "mcp_call", "message"])
        );
        assert_eq!(
            (&with_key["status"], &with_key["error"]["code"]),
            (&json!("failed"), &json!("interrupted"))
        );
        assert_eq!(node.server.count("tools/call"), 2);
    }
}

#[test]
fn two_at_once_make_one_call() {
    let bench = bench("");
    for store in [true, false] {
        let before = bench.server.count("tools/call");
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        let (mut request, first, asked) = asking(&bench, "anthropic");
        bench.fake.always(wire::answer("anthropic", text(&["Seven"])));
        request["store"] = json!(store);
        let next = stateless(&first, &request, &[yes(&asked)]);
        let connections: Vec<_> = (0..8).map(|_| bench.app.open(&next)).collect();
        bench.server.until("tools/call", before + 1);
        std::thread::sleep(Duration::from_millis(100));
        gate.open();
        let mut outputs = Vec::new();
        for connection in connections {
            let answer = connection.finish();
            if answer.status == 200 {
                outputs.push(item(&good(&answer), "mcp_call")["output"].clone());
            } else {
                refused(&answer, "approval_already_answered");
            }
        }
        assert_eq!(outputs.iter().filter(|output| *output == "seven").count(), 1, "{outputs:?}");
        assert_eq!(bench.server.count("tools/call"), before + 1);
    }
}

#[test]
fn a_client_that_left_in_the_middle_may_ask_again_and_the_call_is_not_made_again() {
    let bench = bench("");
    for stream in [false, true] {
        let before = bench.server.count("tools/call");
        let gate = Gate::default();
        bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
        let (mut request, first, asked) = asking(&bench, "openai-chat");
        request["stream"] = json!(stream);
        let next = going_on(&first, &request, &[yes(&asked)]);
        let connection = bench.app.open(&next);
        bench.server.until("tools/call", before + 1);
        connection.leave();
        while !bench.app.get("/metrics").text().contains("open_responses_running_responses 0") {
            std::thread::sleep(Duration::from_millis(5));
        }
        gate.open();
        bench.push_text("openai-chat");
        let again = bench.ask(&next);
        let error = item(&again, "mcp_call")["error"]["content"][0]["text"].as_str().unwrap();
        assert!(error.contains("unknown; it was not run again"), "{error}");
        assert!(!error.contains("restart"), "nobody restarted anything: {error}");
        assert_eq!(bench.server.count("tools/call"), before + 1);
    }
}

#[test]
fn a_result_is_not_lost_with_the_response_that_failed_behind_it() {
    let bench = bench("");
    let (request, first, asked) = asking(&bench, "openai-chat");
    let next = going_on(&first, &request, &[yes(&asked)]);
    bench.fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    assert_eq!(bench.app.post(&next).status, 502);
    let answer = bench.app.post(&next);
    refused(&answer, "approval_already_answered");
    // The error names the response, which has the result.
    let words = answer.message();
    let id = words.split('\'').find(|word| word.starts_with("resp_")).unwrap();
    let failed = good(&bench.app.stored(&json!(id)));
    assert_eq!(
        (&failed["status"], &item(&failed, "mcp_call")["output"]),
        (&json!("failed"), &json!("seven"))
    );
    bench.push_text("openai-chat");
    let more = going_on(&failed, &request, &[json!({"role": "user", "content": "Go on"})]);
    assert_eq!(types(&bench.ask(&more)), ["message"]);
    assert!(bench.told_last().contains("seven"));
    assert_eq!(bench.server.count("tools/call"), 1);
}

#[test]
fn a_stream_shows_the_approved_call_while_it_runs() {
    let bench = bench("");
    let gate = Gate::default();
    bench.server.does("get_weather", Does::Waits(gate.clone(), "seven".into()));
    let (mut request, first, asked) = asking(&bench, "openai-chat");
    request["stream"] = json!(true);
    let mut connection = bench.app.open(&going_on(&first, &request, &[yes(&asked)]));
    let call = connection.until("response.mcp_call.in_progress");
    bench.server.until("tools/call", 1);
    assert_eq!((bench.fake.count(), &call["output_index"]), (1, &json!(0)));
    // What goes wrong behind it is told in the stream.
    bench.fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    gate.open();
    let failed = good(&connection.finish());
    assert_eq!(
        (&failed["status"], &item(&failed, "mcp_call")["output"]),
        (&json!("failed"), &json!("seven"))
    );
    assert_eq!(good(&bench.app.stored(&failed["id"])), failed);
}
