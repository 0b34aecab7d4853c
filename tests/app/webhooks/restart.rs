//! Events and the death of the process.

use std::collections::HashSet;
use std::time::Duration;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::provider::{FakeProvider, Script};

use super::receiver::{ENV, event, nowhere, receiver, table, wait};

fn start(folder: &TempDir, config: &str) -> Binary {
    PROGRAM.start(folder.path(), &format!("webhook_limits.first_retry_s = 1\n{config}"), &[ENV])
}

fn ask(binary: &Binary, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(|body| body.to_string().into_bytes());
    Connection::send(binary.address, method, path, &[], body.as_deref()).finish()
}

fn begin(binary: &Binary, body: &Value) -> String {
    ask(binary, "POST", "/v1/responses", Some(body)).json()["id"].as_str().unwrap().to_owned()
}

/// The responses that a receiver was told have completed; each event has an id of its own.
fn completed(hook: &FakeProvider) -> HashSet<String> {
    let mut ids = HashSet::new();
    for n in 0..hook.count() {
        let (id, kind, response) = event(&hook.request(n));
        assert_eq!(kind, "response.completed");
        ids.insert((id, response.as_str().unwrap().to_owned()));
    }
    let responses: HashSet<_> = ids.iter().map(|(_, response)| response.clone()).collect();
    assert_eq!(ids.len(), responses.len());
    responses
}

#[test]
fn what_was_not_told_before_a_kill_is_told_after_it() {
    let (folder, address) = (tempfile::tempdir().unwrap(), nowhere());
    let config = format!("providers.demo.enabled = true\n{}", table("app", address, ""));
    let binary = start(&folder, &config);
    let id = begin(&binary, &json!({"model": "demo", "input": "Hi", "background": true}));
    let path = format!("/v1/responses/{id}");
    wait("the end", || ask(&binary, "GET", &path, None).json()["status"] == "completed");
    binary.kill();
    let hook = FakeProvider::start_at(address);
    hook.always(|_| Script::head(204, "text/plain"));
    let binary = start(&folder, &config);
    let (_, kind, response) = event(&hook.request(0));
    assert_eq!((kind.as_str(), response), ("response.completed", json!(id)));
    // Once it was taken it does not come again.
    wait("the outbox", || ask(&binary, "GET", "/metrics", None).text().contains("webhooks_waiting 0"));
    binary.kill();
    let _binary = start(&folder, &config);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(hook.count(), 1);
}

#[test]
fn a_kill_at_any_time_leaves_both_the_end_and_its_event_or_neither() {
    let (folder, hook) = (tempfile::tempdir().unwrap(), receiver());
    let config = format!("providers.demo.enabled = true\n{}", table("app", hook.address, ""));
    let mut ids = HashSet::new();
    for round in 0..4_u64 {
        let binary = start(&folder, &config);
        for _ in 0..10 {
            ids.insert(begin(&binary, &json!({"model": "demo", "input": "Hi", "background": true})));
        }
        std::thread::sleep(Duration::from_millis(round * 7));
        binary.kill();
    }
    let _binary = start(&folder, &config);
    wait("all events", || completed(&hook) == ids);
}

#[test]
fn a_response_that_a_restart_ends_is_told() {
    let (folder, hook, fake) = (tempfile::tempdir().unwrap(), receiver(), FakeProvider::start());
    fake.always(|_| Script::silent());
    let config = fake.provider("anthropic") + &table("app", hook.address, "");
    let binary = start(&folder, &config);
    // With a key that is not stored it cannot go on.
    let body = json!({"model": "anthropic/m", "input": "Hi", "background": true, "api_key": "sk-mine"});
    let id = begin(&binary, &body);
    fake.request(0);
    assert!(binary.kill().contains("open-responses"));
    let _binary = start(&folder, &config);
    let (_, kind, response) = event(&hook.request(0));
    assert_eq!((kind.as_str(), response), ("response.failed", json!(id)));
}
