//! What a request or the configuration tells of an MCP server to get in is for that server alone.

use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::files;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, text};

const TOKEN: &str = "mcp-canary-token-0123456789";
const HEADER: &str = "mcp-canary-header-0123456789";
const QUERY: &str = "mcp-canary-query-0123456789";
const PATH: &str = "mcp-canary-path-0123456789";
const OPERATOR: &str = "mcp-canary-operator-0123456789";
const CANARIES: [&str; 5] = [TOKEN, HEADER, QUERY, PATH, OPERATOR];

#[track_caller]
fn check_clean(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for canary in CANARIES {
        // Sled may cut a page anywhere.
        for part in [&canary[..18], &canary[9..]] {
            if let Some(at) = text.find(part) {
                let near: String =
                    text[..at].chars().rev().take(1000).collect::<Vec<_>>().into_iter().rev().collect();
                panic!("`{part}` is in {what}, behind {near}");
            }
        }
    }
}

fn send(binary: &Binary, method: &str, path: &str, body: Option<&Value>) -> Answer {
    let body = body.map(|body| body.to_string().into_bytes());
    Connection::send(binary.address, method, path, &[], body.as_deref()).finish()
}

/// The tools of requests: by URL with each kind of credential, by label with and without.
fn tools(server: &FakeMcp) -> Vec<Value> {
    let mut by_token = server.tool("weather");
    by_token["authorization"] = json!(TOKEN);
    let mut by_header = server.tool("weather");
    by_header["headers"] = json!({"X-Key": HEADER});
    let mut by_query = server.tool("weather");
    by_query["server_url"] = json!(format!("{}?key={QUERY}", server.url()));
    let mut by_path = server.tool("weather");
    by_path["server_url"] = json!(format!("{}/s/{PATH}", server.url()));
    let configured = json!({"type": "mcp", "server_label": "docs", "require_approval": "never"});
    let mut own = configured.clone();
    own["authorization"] = json!(TOKEN);
    vec![by_token, by_header, by_query, by_path, configured, own]
}

fn pages(binary: &Binary, id: &str) -> Vec<Answer> {
    let paths = [
        format!("/v1/responses/{id}"),
        format!("/v1/responses/{id}?stream=true"),
        format!("/v1/responses/{id}/input_items"),
    ];
    paths.iter().map(|path| send(binary, "GET", path, None)).collect()
}

#[test]
fn no_credential_of_an_mcp_server_is_kept_logged_or_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (fake, server) = (FakeProvider::start(), FakeMcp::start());
    let mut config = server.allowed();
    for kind in KINDS {
        config += &fake.provider(kind);
    }
    config += &format!(
        "\n[mcp.docs]\nurl = '{}?key={OPERATOR}'\nheaders = {{ authorization = {{ env = 'KEY' }} }}\n",
        server.url()
    );
    let env = [("KEY", OPERATOR), ("RUST_LOG", "trace")];
    let binary = PROGRAM.start(folder.path(), &config, &env);
    let mut answers = Vec::new();
    for does in [Does::Says("seven".into()), Does::Fails("no".into()), Does::Status(401), Does::Status(500)] {
        server.does("get_weather", does);
        for tool in tools(&server) {
            for (stream, background) in [(false, false), (true, false), (false, true), (true, true)] {
                fake.push(wire::answer("openai-chat", CALL));
                fake.push(wire::answer("openai-chat", text(&["Seven"])));
                let mut body = json!({"model": "openai-chat/m", "input": "How?", "tools": [tool], "stream": stream,
                    "background": background});
                let answer = send(&binary, "POST", "/v1/responses", Some(&body));
                assert_eq!(answer.status, 200, "{}", answer.text());
                let words = answer.text();
                let id = words.split("\"id\":\"resp_").nth(1).unwrap().split('"').next().unwrap();
                answers.push(answer);
                if background {
                    while
                        send(&binary, "GET", &format!("/v1/responses/resp_{id}"), None).json()["completed_at"]
                            .is_null()
                    {
                        std::thread::sleep(std::time::Duration::from_millis(5));
                    }
                }
                answers.extend(pages(&binary, &format!("resp_{id}")));
                // A mistake beside it must not echo it.
                body["temperature"] = json!("hot");
                answers.push(send(&binary, "POST", "/v1/responses", Some(&body)));
            }
        }
    }
    // In the middle of a background response.
    for tool in &tools(&server)[2..4] {
        let before = fake.count();
        fake.script(Script::silent());
        let body = json!({"model": "openai-chat/m", "input": "How?", "tools": [tool], "background": true});
        answers.push(send(&binary, "POST", "/v1/responses", Some(&body)));
        fake.request(before);
    }
    server.rules().status = Some(403);
    for mut tool in tools(&server) {
        // A session of its own: the list of the others is known.
        tool["headers"]["x-fresh"] = json!("1");
        let body = json!({"model": "openai-chat/m", "input": "How?", "tools": [tool]});
        answers.push(send(&binary, "POST", "/v1/responses", Some(&body)));
    }
    answers.push(send(&binary, "GET", "/metrics", None));
    let seen = format!("{:?}", server.seen());
    for canary in CANARIES {
        assert!(seen.contains(canary), "the server did not get `{canary}`");
    }
    for number in 0..fake.count() {
        check_clean("what the provider got", format!("{:?}", fake.request(number)).as_bytes());
    }
    for answer in &answers {
        check_clean("an answer", &answer.body);
        check_clean("an answer's headers", format!("{answer:?}").as_bytes());
    }
    let output = binary.kill();
    assert!(output.contains("MCP session opened"), "{output}");
    check_clean("the log", output.as_bytes());
    for file in files(&folder.path().join("data")) {
        check_clean(&file.display().to_string(), &std::fs::read(&file).unwrap());
    }
}
