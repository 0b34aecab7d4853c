//! Whose a stored response is when the list of client keys changes, and what becomes of owners that were places in it.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::Connection;

const ALICE: &str = "a-long-key-of-alice";
const BOB: &str = "a-long-key-of-bob";
const CONFIG: &str = "[auth]\nclient_keys_env = 'KEYS'\n[providers.demo]\nenabled = true\n";

fn start(folder: &Path, keys: &[&str]) -> Binary {
    PROGRAM.start(folder, CONFIG, &[("KEYS", &keys.join(","))])
}

fn ask(binary: &Binary, key: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
    let body = body.map(|body| body.to_string().into_bytes());
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str())];
    let answer = Connection::send(binary.address, method, path, &headers, body.as_deref()).finish();
    (answer.status, answer.json())
}

fn create(binary: &Binary, key: &str, body: Value) -> String {
    let (status, response) = ask(binary, key, "POST", "/v1/responses", Some(&body));
    assert_eq!(status, 200, "{response}");
    response["id"].as_str().unwrap().to_owned()
}

/// Who of the two finds the response.
fn readers(binary: &Binary, id: &str) -> [bool; 2] {
    [ALICE, BOB].map(|key| ask(binary, key, "GET", &format!("/v1/responses/{id}"), None).0 == 200)
}

#[test]
fn taking_a_key_away_gives_its_history_to_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let binary = start(folder.path(), &[ALICE, BOB]);
    let hi = || json!({"model": "demo", "input": "Hi"});
    let (hers, his) = (create(&binary, ALICE, hi()), create(&binary, BOB, hi()));
    binary.kill();
    for keys in [&[BOB][..], &["", BOB], &[BOB, ALICE], &["a-long-key-of-somebody", BOB]] {
        let binary = start(folder.path(), keys);
        assert_eq!(readers(&binary, &hers), [keys.contains(&ALICE), false], "{keys:?}");
        assert_eq!(readers(&binary, &his), [false, true], "{keys:?}");
        binary.kill();
    }
}

/// A line of an export that an earlier version made.
fn line(id: &str, owner: &str, previous: Option<&str>, resume: bool) -> String {
    let status = if resume { "queued" } else { "completed" };
    let output = json!([{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                         "content": [{"type": "output_text", "text": owner, "annotations": []}]}]);
    let input = json!([{"type": "message", "id": "msg_0", "role": "user", "status": "completed",
                        "content": [{"type": "input_text", "text": "Hi"}]}]);
    let response = json!({"id": id, "object": "response", "status": status, "model": "demo",
                          "output": if resume { json!([]) } else { output }});
    let mut record = json!({"owner": owner, "created_at": 1_900_000_000, "status": status, "provider": "demo",
                            "previous_response_id": previous, "input": input, "response": response});
    if resume {
        record["background"] = json!(true);
        record["resume"] = json!({"body": {"model": "demo", "background": true, "store": true}, "model": "demo",
            "upstream_model": "demo", "request_id": "req_1", "strict": false, "client_key": false});
    }
    json!({"id": id, "format": 2, "record": record}).to_string()
}

#[test]
fn places_in_the_list_become_names_once() {
    let folder = tempfile::tempdir().unwrap();
    let id = |n: u8| format!("resp_0199f0f0f0f07000800000000000{n:04x}");
    let lines = [
        line(&id(1), "key-1", None, false),
        line(&id(2), "key-2", None, false),
        line(&id(3), "key-1", Some(&id(1)), false),
        line(&id(4), "key-3", None, false),
        line(&id(5), "key-1", None, true),
    ];
    let import = |lines: &[String]| {
        std::fs::write(folder.path().join("old.jsonl"), lines.join("\n")).unwrap();
        let mut command = PROGRAM.command(folder.path(), &[("KEYS", ALICE)]);
        assert!(command.args(["import", "old.jsonl"]).status().unwrap().success());
    };
    std::fs::write(folder.path().join("config.toml"), "[store]\nretention_days = 0\n").unwrap();
    import(&lines);
    let config = format!("{CONFIG}[store]\nretention_days = 0\n");
    let start = |keys: &str| PROGRAM.start(folder.path(), &config, &[("KEYS", keys)]);
    let binary = start(&format!("{ALICE},{BOB}"));
    let owned = |binary: &Binary| [1, 2, 3, 4].map(|n| readers(binary, &id(n)));
    let (hers, his, nobodys) = ([true, false], [false, true], [false, false]);
    assert_eq!(owned(&binary), [hers, his, hers, nobodys]);
    // The chain is hers, and what was unfinished.
    create(&binary, ALICE, json!({"model": "demo", "input": "And?", "previous_response_id": id(3)}));
    let path = format!("/v1/responses/{}", id(5));
    while ask(&binary, ALICE, "GET", &path, None).1["status"] != "completed" {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    assert_eq!(readers(&binary, &id(5)), hers);
    let log = binary.kill();
    for part in ["belonged to the place of a client key", "at which no key stands"] {
        assert!(log.contains(part), "{log}");
    }

    // The list is another; what is stored stays whose it is, also what an old export brings now.
    import(&[line(&id(6), "key-1", None, false)]);
    let binary = start(&format!("{BOB},{ALICE}"));
    assert_eq!(owned(&binary), [hers, his, hers, nobodys]);
    assert_eq!(readers(&binary, &id(6)), hers);
    let log = binary.kill();
    assert!(!log.contains("belonged to the place"), "{log}");
}
