//! A server that means harm: what it costs, and what the clients of others notice.

use serde_json::{Value, json};

use super::{MIB, STALL, Server};
use or_test_support::client::Answer;
use or_test_support::mcp::{Does, FakeMcp, listed};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

fn ask(server: &Server, tools: &[Value]) -> Answer {
    let body = json!({"model": "openai-chat/m", "input": "How is it in Oslo?", "tools": tools});
    server.post(&body.to_string())
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

/// Clients use a hostile server at the same time; others use a good one.
fn check(hostile: &FakeMcp, clients: usize) {
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
    let server = Server::start(&(hosts + &fake.provider("openai-chat")));
    let of_others = |server: &Server| assert_eq!(ask(server, &[good.tool("good")]).status, 200);
    of_others(&server);
    let before = server.peak();
    let ((), worst) = server.probed(of_others, || {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let attack = || ask(&server, &[hostile.tool("bad")]);
            let attacks: Vec<_> = (0..clients).map(|_| scope.spawn(attack)).collect();
            attacks.into_iter().map(|attack| attack.join().unwrap()).collect()
        });
        for answer in answers {
            assert!(matches!(answer.status, 200 | 424), "{}", answer.text());
        }
    });
    let grown = (server.peak() - before) / MIB;
    assert!(grown < 300, "{grown} MiB");
    assert!(worst < STALL, "{worst:?}");
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
