//! What belongs to one client key alone, and what the operator's servers take from requests.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::mcp::{body, configured, good, providers};
use or_test_support::client::Answer;
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::{FakeProvider, Request};
use or_test_support::wire::{self, text};

const KEYS: &str =
    "[[auth.keys]]\nname = 'ada'\nkey_env = 'ADA'\n[[auth.keys]]\nname = 'bob'\nkey_env = 'BOB'\n";
const ADA: (&str, &str) = ("authorization", "Bearer key-of-ada-0123456789");
const BOB: (&str, &str) = ("authorization", "Bearer key-of-bob-0123456789");

fn start(server: &FakeMcp, more: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Seven"])));
    let table = configured(server, "weather", &format!("require_approval = 'never'\n{more}"));
    let config = server.allowed() + KEYS + &providers(&fake) + &table;
    let keys = |one: (&str, &'static str)| one.1.strip_prefix("Bearer ").unwrap();
    let app = setup(config).env("ADA", keys(ADA)).env("BOB", keys(BOB)).env("KEY", "Bearer of-the-operator");
    (fake, app.start())
}

fn by_label() -> Value {
    json!({"type": "mcp", "server_label": "weather"})
}

/// How many sessions the two keys come to, each asking twice.
#[track_caller]
fn check_sessions(more: &str, tool: impl Fn(&FakeMcp) -> Value, want: usize) {
    let server = FakeMcp::start();
    let (_fake, app) = start(&server, more);
    let request = body("openai-chat", &[tool(&server)]);
    for key in [ADA, BOB, ADA, BOB] {
        good(&app.post_with(&[key], &request));
    }
    assert_eq!(server.count("initialize"), want);
}

#[test]
fn each_client_key_has_a_session_of_its_own() {
    check_sessions("", |_| by_label(), 2);
    check_sessions("", |server| server.tool("weather"), 2);
    check_sessions("headers = { authorization = { env = 'KEY' } }", |_| by_label(), 2);
}

#[test]
fn an_operator_may_let_all_share_one() {
    check_sessions("share_session = true", |_| by_label(), 1);
    // Only that of the operator's own headers, and not of an address that happens to be the same.
    check_sessions("share_session = true", |server| server.tool("weather"), 2);
    let with_header = |_: &FakeMcp| {
        let mut tool = by_label();
        tool["headers"] = json!({"x-role": "reader"});
        tool
    };
    check_sessions("share_session = true\nallow_client_headers = ['x-role']", with_header, 2);
}

#[test]
fn calls_of_all_sessions_keep_to_the_servers_limit() {
    let server = FakeMcp::start();
    let gate = or_test_support::provider::Gate::default();
    server.does("get_weather", or_test_support::mcp::Does::Waits(gate.clone(), "seven".into()));
    let (fake, app) = start(&server, "max_concurrent = 1");
    let request = body("openai-chat", &[by_label()]);
    std::thread::scope(|scope| {
        for key in [ADA, BOB] {
            fake.push(wire::answer("openai-chat", wire::CALL));
            let (app, request) = (&app, &request);
            scope.spawn(move || good(&app.post_with(&[key], request)));
        }
        server.until("tools/call", 1);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(server.count("tools/call"), 1);
        gate.open();
    });
    assert_eq!(server.count("tools/call"), 2);
}

#[track_caller]
fn check_header(more: &str, member: &str, value: Value, refused: Option<(&str, &str)>) -> Option<Request> {
    let server = FakeMcp::start();
    let (_fake, app) = start(&server, more);
    let mut tool = by_label();
    tool[member] = value;
    let answer: Answer = app.post_with(&[ADA], &body("openai-chat", &[tool]));
    let Some((param, header)) = refused else {
        good(&answer);
        return server.asked("tools/list").pop();
    };
    let (status, kind, code, at) = answer.error();
    assert_eq!(
        (status, kind.as_str(), code.as_deref()),
        (400, "invalid_request_error", Some("mcp_header_not_allowed"))
    );
    assert_eq!(at.as_deref(), Some(format!("tools[0].{param}").as_str()));
    assert!(answer.text().contains(&format!("'{header}'")), "{}", answer.text());
    assert_eq!(server.seen().len(), 0);
    None
}

#[test]
fn a_header_of_a_request_is_refused_unless_the_operator_lists_it() {
    let own = "headers = { authorization = { env = 'KEY' }, x-role = 'reader' }\n";
    for name in ["X-Role", "x-forwarded-user", "cookie", "authorization", "Forwarded"] {
        let lower = name.to_lowercase();
        let value = json!({name: "Basic a"});
        check_header(own, "headers", value, Some((&format!("headers.{lower}"), &lower)));
    }
    check_header(own, "authorization", json!("mine"), Some(("authorization", "authorization")));
    let listed = format!("{own}allow_client_headers = ['X-Role']\n");
    check_header(&listed, "authorization", json!("mine"), Some(("authorization", "authorization")));
    check_header(
        &listed,
        "headers",
        json!({"x-role": "a", "x-user": "b"}),
        Some(("headers.x-user", "x-user")),
    );
    // One that the operator has no value for is no different.
    check_header("", "headers", json!({"x-user": "b"}), Some(("headers.x-user", "x-user")));
}

#[test]
fn a_listed_header_takes_the_operators_place_and_credentials_stand_alone() {
    let own = "headers = { authorization = { env = 'KEY' }, x-role = 'reader', x-secret = 's' }\n\
               allow_client_headers = ['x-role', 'Authorization', 'cookie']\n";
    let names = ["authorization", "x-role", "x-secret", "cookie"];
    let sent = |member: &str, value: Value| {
        let request = check_header(own, member, value, None).unwrap();
        names.map(|name| request.header(name).unwrap_or_default().to_owned())
    };
    assert_eq!(sent("headers", json!({"X-Role": "admin"})), ["Bearer of-the-operator", "admin", "s", ""]);
    assert_eq!(sent("authorization", json!("mine")), ["Bearer mine", "", "", ""]);
    assert_eq!(sent("headers", json!({"authorization": "Basic me"})), ["Basic me", "", "", ""]);
    assert_eq!(sent("headers", json!({"cookie": "a=b"})), ["", "", "", "a=b"]);
}

#[test]
fn headers_of_the_connection_are_nobodys() {
    let server = FakeMcp::start();
    let (_fake, app) = start(&server, "");
    for name in ["Transfer-Encoding", "connection", "Proxy-Authorization", "keep-alive", "Expect", "Host"] {
        for mut tool in [by_label(), server.tool("weather")] {
            tool["headers"] = json!({name: "x"});
            let (status, _, code, _) = app.post_with(&[ADA], &body("openai-chat", &[tool])).error();
            assert_eq!((status, code.as_deref()), (400, Some("invalid_value")), "{name}");
        }
    }
    assert_eq!(server.seen().len(), 0);
}
