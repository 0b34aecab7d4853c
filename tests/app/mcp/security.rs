//! Where requests may send this server, and for whom alone are the secrets that they or the configuration tell it.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::PROGRAM;
use crate::stage::app::{App, files, setup};
use crate::stage::mcp::{body, good, providers, types};
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};
use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, text};

fn named(url: &str) -> Value {
    json!({"type": "mcp", "server_label": "weather", "server_url": url, "require_approval": "never"})
}

fn server(hosts: &[String]) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Seven"])));
    let app = setup(format!("security.allow_private_hosts = {hosts:?}\n{}", providers(&fake))).start();
    (fake, app)
}

#[track_caller]
fn refused(app: &App, url: &str) {
    for (path, background) in
        [("/v1/responses", false), ("/v1/responses", true), ("/v1/responses/input_tokens", false)]
    {
        let mut request = body("openai-chat", &[named(url)]);
        request["background"] = json!(background);
        let answer = app.request("POST", path, &[], Some(request.to_string().as_bytes())).finish();
        let (status, kind, code, param) = answer.error();
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{url}: {}", answer.text());
        assert_eq!(
            (code.as_deref(), param.as_deref()),
            (Some("mcp_server_not_allowed"), Some("tools[0].server_url"))
        );
    }
}

/// Spellings of this machine.
fn spellings(port: u16) -> Vec<String> {
    let hosts = [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "0",
        "127.0.0.1.",
    ];
    hosts.iter().map(|host| format!("http://{host}:{port}/mcp")).collect()
}

#[test]
fn no_spelling_of_a_private_address_gets_through() {
    let target = FakeMcp::start();
    let (fake, app) = server(&[]);
    for url in spellings(target.address.port()) {
        refused(&app, &url);
    }
    for host in [
        "10.0.0.1",
        "172.16.3.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "[fd00::1]",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ] {
        refused(&app, &format!("http://{host}/mcp"));
        refused(&app, &format!("https://{host}:8443/latest/meta-data?a=b"));
    }
    refused(&app, &format!("http://me@{}/mcp", target.address));
    assert_eq!((target.seen().len(), fake.count()), (0, 0));
}

#[test]
fn a_listed_address_is_reached() {
    let target = FakeMcp::start();
    let (_fake, app) = server(&[target.address.to_string()]);
    for (n, host) in ["127.0.0.1", "127.1", "2130706433", "[::ffff:127.0.0.1]"].into_iter().enumerate() {
        let url = format!("http://{host}:{}/mcp", target.address.port());
        let answer = app.post(&body("openai-chat", &[named(&url)]));
        if answer.status == 200 {
            assert_eq!(types(&good(&answer)), ["mcp_list_tools", "message"]);
        } else {
            // Another spelling may be refused, the listed one not.
            assert!(n > 0, "{}", answer.text());
        }
    }
    assert!(target.count("tools/list") >= 2);
    // The address is listed with its port.
    let other = FakeMcp::start();
    refused(&app, &other.url());
    assert_eq!(other.seen().len(), 0);
}

#[test]
fn a_redirect_is_checked_again() {
    let (from, target) = (FakeMcp::start(), FakeMcp::start());
    let (_fake, app) = server(&[from.address.to_string()]);
    for url in spellings(target.address.port()) {
        from.rules().redirect = Some(url);
        let mut tool = named(&from.url());
        // Each a session of its own: a failed one is not tried again at once.
        tool["headers"] = json!({"x-try": from.seen().len().to_string()});
        let answer = app.post(&body("openai-chat", &[tool]));
        let (status, _, code, _) = answer.error();
        assert_eq!((status, code.as_deref()), (400, Some("mcp_server_not_allowed")), "{}", answer.text());
    }
    assert_eq!(target.seen().len(), 0);
    assert!(!from.seen().is_empty());

    let (_fake, app) = server(&[from.address.to_string(), target.address.to_string()]);
    from.rules().redirect = Some(target.url());
    let before = from.seen().len();
    let mut tool = named(&from.url());
    tool["authorization"] = json!("hush-hush-hush");
    let answer = app.post(&body("openai-chat", &[tool]));
    assert_eq!(types(&good(&answer)), ["mcp_list_tools", "message"]);
    assert!(
        from.seen()[before..]
            .iter()
            .all(|request| request.header("authorization") == Some("Bearer hush-hush-hush"))
    );
    assert!(target.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn a_configured_server_may_be_anywhere_and_redirects_only_to_the_public() {
    let (home, target) = (FakeMcp::start(), FakeMcp::start());
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Seven"])));
    let app = setup(format!(
        "{}\n[mcp.weather]\nurl = '{}'\nallow_client_headers = ['x-a']\n",
        providers(&fake),
        home.url()
    ))
    .start();
    let tool = json!({"type": "mcp", "server_label": "weather"});
    assert_eq!(app.post(&body("openai-chat", std::slice::from_ref(&tool))).status, 200);
    // The address of a request is not trusted because a label is.
    refused(&app, &home.url());
    home.rules().redirect = Some(target.url());
    let mut fresh = tool;
    fresh["headers"] = json!({"x-a": "b"});
    let answer = app.post(&body("openai-chat", &[fresh]));
    assert_ne!(answer.status, 200, "{}", answer.text());
    assert_eq!(target.seen().len(), 0);
}

#[test]
fn a_listed_name_is_a_name() {
    let target = FakeMcp::start();
    let port = target.address.port();
    let (_fake, app) = server(&[format!("LocalHost:{port}")]);
    let answer = app.post(&body("openai-chat", &[named(&format!("http://localhost:{port}/mcp"))]));
    assert_eq!(types(&good(&answer)), ["mcp_list_tools", "message"]);
    let before = target.seen().len();
    refused(&app, &target.url());
    assert_eq!(target.seen().len(), before);
}

#[test]
fn an_operator_may_allow_no_urls_at_all() {
    let target = FakeMcp::start();
    let fake = FakeProvider::start();
    let config = format!("{}\n{}\n[mcp_limits]\nrequest_urls = false\n", target.allowed(), providers(&fake));
    let app = setup(config).start();
    refused(&app, &target.url());
    assert_eq!(target.seen().len(), 0);
}

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
        "\n[mcp.docs]\nurl = '{}?key={OPERATOR}'\nheaders = {{ authorization = {{ env = 'KEY' }} }}\n\
         allow_client_headers = ['authorization', 'x-fresh']\n",
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
