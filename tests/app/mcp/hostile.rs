//! A server that means harm: what it costs, and what the clients of others notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::mcp::body;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::mcp::{Does, FakeMcp, listed};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

/// The most memory that the process ever had, in MiB.
fn peak(binary: &Binary) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", binary.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

fn post(binary: &Binary, body: &Value) -> Answer {
    Connection::send(binary.address, "POST", "/v1/responses", &[], Some(body.to_string().as_bytes())).finish()
}

/// What costs most for its bytes, just within the limit for a message.
fn dense(count: usize) -> String {
    format!("[{}{{}}]", r#"{"a":1},"#.repeat(count))
}

fn writes(content: String) -> FakeMcp {
    let hostile = FakeMcp::start();
    hostile.does("get_weather", Does::Writes(content.into()));
    hostile
}

/// One at a time: they are about memory and time.
static ALONE: Mutex<()> = Mutex::new(());

/// Clients use a hostile server at the same time; others use a good one.
fn check(hostile: &FakeMcp, clients: usize) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let (fake, good) = (FakeProvider::start(), FakeMcp::start());
    // The model calls the tool in the first turn of each request.
    fake.always(|request| {
        let called =
            request.body["messages"].as_array().is_some_and(|all| all.iter().any(|m| m["role"] == "tool"));
        if called {
            wire::answer("openai-chat", text(&["Seven"]))(request)
        } else {
            wire::answer("openai-chat", wire::CALL)(request)
        }
    });
    let hosts = format!("security.allow_private_hosts = ['{}', '{}']\n", hostile.address, good.address);
    let binary = PROGRAM.start(folder.path(), &(hosts + &fake.provider("openai-chat")), &[]);
    let ask = |server: &FakeMcp, label: &str| post(&binary, &body("openai-chat", &[server.tool(label)]));
    assert_eq!(ask(&good, "good").status, 200);
    let before = peak(&binary);
    let over = AtomicBool::new(false);
    let worst = std::thread::scope(|scope| {
        let others = scope.spawn(|| {
            let mut worst = Duration::ZERO;
            while !over.load(Ordering::SeqCst) {
                let started = Instant::now();
                assert_eq!(ask(&good, "good").status, 200);
                worst = worst.max(started.elapsed());
            }
            worst
        });
        let attacks: Vec<_> = (0..clients).map(|_| scope.spawn(|| ask(hostile, "bad"))).collect();
        let answers: Vec<_> = attacks.into_iter().map(|attack| attack.join()).collect();
        over.store(true, Ordering::SeqCst);
        for answer in answers {
            let answer = answer.unwrap();
            assert!(matches!(answer.status, 200 | 424), "{}", answer.text());
        }
        others.join().unwrap()
    });
    let grown = peak(&binary) - before;
    assert!(grown < 300, "{grown} MiB");
    assert!(worst < Duration::from_secs(3), "{worst:?}");
}

#[test]
fn dense_results_cost_a_small_multiple_of_their_bytes() {
    check(&writes(dense(230_000)), 8);
}

#[test]
fn dense_members_that_nobody_reads_cost_no_more() {
    check(&writes(format!(r#"[{{"type":"text","text":"hi","_meta":{{"x":{}}}}}]"#, dense(230_000))), 8);
}

#[test]
fn dense_lists_cost_a_small_multiple_of_their_bytes() {
    let mut tools = vec![listed("get_weather")];
    for n in 0..25 {
        let mut tool = listed(&format!("t{n}"));
        tool["inputSchema"]["enum"] = json!(vec![json!({"a": 1}); 8000]);
        tools.push(tool);
    }
    // What fits of the list is in each request and answer.
    check(&FakeMcp::with(vec![tools]), 2);
}

#[test]
fn messages_over_the_limit_are_refused() {
    check(&writes(dense(1_900_000)), 8);
}
