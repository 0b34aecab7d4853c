//! Small requests that refer to much.

use serde_json::{Value, json};

use super::{MIB, STALL, Server, health};

/// Large contexts of small requests, all at once. Their bounds are generous for a build that is not optimised; the
/// faults that this is about broke them by far.
#[test]
fn large_contexts_keep_nobody_waiting() {
    const LINK: usize = 1_000_000;
    let server = Server::start("server.workers = 2\n");
    let mut last = Value::Null;
    for _ in 0..4 {
        let link = json!({"model": "demo", "input": "a ".repeat(LINK / 2), "previous_response_id": last});
        last = server.post(&link.to_string()).response()["id"].clone();
    }
    let list = server.get(&format!("/v1/responses/{}/input_items", last.as_str().unwrap())).json();
    let references = |count| vec![json!({"type": "item_reference", "id": list["data"][0]["id"]}); count];
    let chain = json!({"model": "demo", "input": "Hi", "previous_response_id": last, "store": false});
    let several = json!({"model": "demo", "input": references(4), "store": false});
    let too_many = json!({"model": "demo", "input": references(200), "store": false});
    for (body, status) in [(chain, 200), (several, 200), (too_many, 400)] {
        let (before, body) = (server.peak(), body.to_string());
        let ((), longest) = server.probed(health, || {
            let open: Vec<_> = (0..4).map(|_| server.open(&body)).collect();
            // Clients that leave are in nobody's way either.
            (0..2).for_each(|_| server.open(&body).leave());
            for connection in open {
                assert_eq!(connection.finish().status, status);
            }
        });
        assert!(longest < STALL, "/health took {longest:?} with {body:.200}");
        let grown = server.peak() - before;
        assert!(grown < 300 * MIB, "the process grew by {} MiB", grown / MIB);
    }
}
