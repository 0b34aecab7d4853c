//! Another configuration for a server that runs: by a signal, and by a changed file.

use std::path::Path;
use std::time::{Duration, Instant};

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Gate, Script, Step};
use or_test_support::wire::{self, text};

const KIND: &str = "openai-chat";

struct Server {
    folder: tempfile::TempDir,
    binary: Binary,
}

impl Server {
    fn start(config: &str, env: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let binary = PROGRAM.start(folder.path(), config, env);
        Self { folder, binary }
    }

    fn write(&self, config: &str) {
        std::fs::write(self.folder.path().join("config.toml"), config).unwrap();
    }

    /// Has it read this configuration, and waits until `outcome` was counted so often.
    #[track_caller]
    fn reload(&self, config: &str, outcome: &str, times: u32) {
        self.write(config);
        self.binary.hang_up();
        self.counted(outcome, times);
    }

    #[track_caller]
    fn counted(&self, outcome: &str, times: u32) {
        let line = format!("open_responses_config_reloads_total{{outcome=\"{outcome}\"}} {times}\n");
        let end = Instant::now() + Duration::from_secs(30);
        loop {
            let metrics = self.send("GET", "/metrics", &[], None).text();
            if metrics.contains(&line) {
                return;
            }
            assert!(Instant::now() < end, "no {line}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
        Connection::send(self.binary.address, method, path, headers, body).finish()
    }

    fn open(&self, headers: &[(&str, &str)], body: &Value) -> Connection {
        let body = body.to_string();
        Connection::send(self.binary.address, "POST", "/v1/responses", headers, Some(body.as_bytes()))
    }

    fn ask(&self, model: &str) -> Answer {
        self.open(&[], &json!({"model": model, "input": "Hi"})).finish()
    }

    /// The end of it, and its log.
    fn stop(self) -> String {
        self.binary.terminate();
        let (status, text) = self.binary.wait();
        assert!(status.success(), "{text}");
        text
    }
}

/// `model = m` at this provider.
fn route_to(provider: &FakeProvider, name: &str) -> String {
    format!(
        "metrics.public = true\n{}[[routes]]\npattern = '^m$'\nprovider = '{name}'\n",
        provider.named_provider(name, KIND)
    )
}

fn saying(words: &'static [&'static str]) -> FakeProvider {
    let provider = FakeProvider::start();
    provider.always(wire::answer(KIND, text(words)));
    provider
}

fn said(answer: &Answer) -> String {
    answer.json()["output"][0]["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_signal_puts_another_configuration_in_force_and_a_stream_keeps_the_one_before() {
    let (old, new) = (saying(&["old"]), saying(&["new"]));
    let gate = Gate::default();
    let frames = wire::frames(KIND, &text(&["still ", "the ", "old ", "one"]));
    let (first, rest) = frames.split_at(frames.len() / 2);
    let script = Script::head(200, wire::stream_type(KIND)).send(first.concat());
    old.script(script.then(Step::Wait(gate.clone())).send(rest.concat()));
    let server = Server::start(&route_to(&old, "old"), &[]);
    let mut stream = server.open(&[], &json!({"model": "m", "input": "Hi", "stream": true}));
    stream.until("response.output_text.delta");
    server.reload(&route_to(&new, "new"), "applied", 1);
    assert_eq!(said(&server.ask("m")), "new");
    gate.open();
    let response = stream.finish().last_response();
    assert_eq!(
        (&response["status"], &response["output"][0]["content"][0]["text"]),
        (&json!("completed"), &json!("still the old one"))
    );
    assert_eq!((old.count(), new.count()), (1, 1));
    // What is gone is gone: its name, too.
    assert_eq!(server.ask("old/x").status, 400);
    let log = server.stop();
    assert!(log.contains("a new configuration is in force"), "{log}");
}

#[test]
fn a_loop_of_tools_goes_on_with_the_tools_it_began_with() {
    let (provider, weather) = (FakeProvider::start(), FakeProvider::start());
    let gate = Gate::default();
    provider.push(wire::answer(KIND, wire::CALL));
    provider.push(wire::answer(KIND, text(&["done"])));
    let waits = gate.clone();
    weather.always(move |_| {
        Script::default()
            .then(Step::Wait(waits.clone()))
            .then(Step::Head {
                status: 200,
                headers: vec![
                    ("content-type".into(), "text/plain".into()),
                    ("content-length".into(), "4".into()),
                ],
            })
            .send("warm")
    });
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'x'\noffer = 'always'\nurl = 'http://{}/'\n",
        weather.address
    );
    let base = route_to(&provider, "p");
    let server = Server::start(&format!("{base}{tool}"), &[]);
    let stream = server.open(&[], &json!({"model": "m", "input": "Hi", "stream": true}));
    let end = Instant::now() + Duration::from_secs(30);
    while weather.count() == 0 {
        assert!(Instant::now() < end, "the tool was not called");
        std::thread::sleep(Duration::from_millis(2));
    }
    server.reload(&base, "applied", 1);
    gate.open();
    let response = stream.finish().last_response();
    assert_eq!(response["status"], "completed", "{response}");
    let second = provider.request(1).body.to_string();
    assert!(second.contains("warm"), "{second}");
    // The next one has no tool.
    provider.push(wire::answer(KIND, text(&["no tool"])));
    assert_eq!(said(&server.ask("m")), "no tool");
    assert_eq!(provider.request(2).body.get("tools"), None);
}

#[test]
fn a_refused_change_leaves_all_as_it_was() {
    let (old, new) = (saying(&["old"]), saying(&["new"]));
    let server = Server::start(&route_to(&old, "old"), &[]);
    // Good keys before the bad one do not count.
    server.reload(&format!("{}pattern_ = 1\n", route_to(&new, "new")), "refused", 1);
    assert_eq!(said(&server.ask("m")), "old");
    let bad = "[[middleware]]\nkind = 'audit_log'\npath = '/no/such/folder/audit.jsonl'\n";
    server.reload(&format!("{}{bad}", route_to(&new, "new")), "refused", 2);
    assert_eq!(said(&server.ask("m")), "old");
    server.reload(&route_to(&new, "new"), "applied", 1);
    assert_eq!(said(&server.ask("m")), "new");
    let log = server.stop();
    let refused = log.lines().filter(|line| line.contains("a new configuration was refused"));
    let refused: Vec<Value> = refused.map(|line| serde_json::from_str(line).unwrap()).collect();
    let levels: Vec<_> = refused.iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["ERROR", "ERROR"]);
    assert!(refused[0]["error"].as_str().unwrap().contains("pattern_"), "{refused:?}");
}

#[test]
fn keys_that_want_a_restart_are_named_and_the_others_are_in_force() {
    let provider = saying(&["x"]);
    let server = Server::start(&route_to(&provider, "p"), &[]);
    let changed = format!("server.workers = 7\nserver.max_body_bytes = 1024\n{}", route_to(&provider, "p"));
    server.reload(&changed, "applied", 1);
    let long = "x".repeat(2000);
    let body = json!({"model": "m", "input": long});
    assert_eq!(server.open(&[], &body).finish().status, 413);
    let log = server.stop();
    let line = log.lines().find(|line| line.contains("want a restart")).unwrap();
    let line: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&line["level"], &line["keys"]), (&json!("WARN"), &json!("server.workers")));
}

#[test]
fn a_client_key_that_is_taken_out_opens_nothing_more() {
    let provider = saying(&["x"]);
    let [ann, bob] = ["a-key-of-ann-0123456789", "a-key-of-bob-0123456789"];
    let keys = |names: &[&str]| {
        let tables = names.iter().map(|name| format!("[[auth.keys]]\nname = '{name}'\nkey_env = '{name}'\n"));
        format!("{}{}", route_to(&provider, "p"), tables.collect::<String>())
    };
    let server = Server::start(&keys(&["ANN", "BOB"]), &[("ANN", ann), ("BOB", bob)]);
    let status = |key: &str| {
        let bearer = format!("Bearer {key}");
        let body = json!({"model": "m", "input": "Hi"});
        server.open(&[("authorization", &bearer)], &body).finish().status
    };
    assert_eq!([status(ann), status(bob)], [200, 200]);
    server.reload(&keys(&["BOB"]), "applied", 1);
    assert_eq!([status(ann), status(bob)], [401, 200]);
    server.reload(&keys(&["ANN", "BOB"]), "applied", 2);
    assert_eq!([status(ann), status(bob)], [200, 200]);
}

#[test]
fn a_middleware_that_did_not_change_goes_on_and_another_joins() {
    let provider = saying(&["x"]);
    let audit = "[[middleware]]\nkind = 'audit_log'\npath = 'audit.jsonl'\n";
    let prompt = "[[middleware]]\nkind = 'system_prompt'\ntext = 'Be brief.'\n";
    let base = route_to(&provider, "p");
    let server = Server::start(&format!("{base}{audit}"), &[]);
    server.ask("m");
    server.reload(&format!("{base}{prompt}{audit}"), "applied", 1);
    server.ask("m");
    let heard = |number: usize| provider.request(number).body.to_string().contains("Be brief.");
    assert_eq!([heard(0), heard(1)], [false, true]);
    let file = server.folder.path().join("audit.jsonl");
    let lines = |file: &Path| std::fs::read_to_string(file).unwrap().lines().count();
    let end = Instant::now() + Duration::from_secs(30);
    while lines(&file) < 2 {
        assert!(Instant::now() < end, "the audit log stopped");
        std::thread::sleep(Duration::from_millis(10));
    }
    server.stop();
}

#[test]
fn a_changed_file_is_taken_over_without_a_signal_where_that_is_wanted() {
    let (old, new) = (saying(&["old"]), saying(&["new"]));
    let watched = |text: String| format!("server.watch_config = true\n{text}");
    let server = Server::start(&watched(route_to(&old, "old")), &[]);
    assert_eq!(said(&server.ask("m")), "old");
    // As editors and orchestrators do it: another file in the place of this one.
    let beside = server.folder.path().join("next.toml");
    std::fs::write(&beside, watched(route_to(&new, "new"))).unwrap();
    std::fs::rename(&beside, server.folder.path().join("config.toml")).unwrap();
    server.counted("applied", 1);
    assert_eq!(said(&server.ask("m")), "new");
    server.write("[nonsense");
    server.counted("refused", 1);
    assert_eq!(said(&server.ask("m")), "new");
    // From here on nobody looks.
    server.write(&route_to(&old, "old"));
    server.counted("applied", 2);
    server.write(&route_to(&new, "new"));
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(said(&server.ask("m")), "old");
}

#[test]
fn no_stream_is_lost_while_the_configuration_changes_again_and_again() {
    let providers =
        [saying(&["one ", "two ", "three ", "four"]), saying(&["one ", "two ", "three ", "four"])];
    let server = Server::start(&route_to(&providers[0], "p"), &[]);
    let streams = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let body = json!({"model": "m", "input": "Hi", "stream": true, "store": false});
                    let ends = (0..25).map(|_| server.open(&[], &body).finish().last_response());
                    ends.filter(|response| response["status"] == "completed").count()
                })
            })
            .collect();
        for round in 0..20_u32 {
            let provider = &providers[round as usize % 2];
            server.reload(&route_to(provider, "p"), "applied", round + 1);
        }
        clients.into_iter().map(|client| client.join().unwrap()).sum::<usize>()
    });
    assert_eq!(streams, 8 * 25);
    assert!(providers.iter().all(|provider| provider.count() > 0));
}
