//! Where requests may send this server: to public addresses, and to the private ones that the operator listed.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::mcp::{body, good, providers, types};
use or_test_support::mcp::FakeMcp;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, text};

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
    let app = setup(format!("{}\n[mcp.weather]\nurl = '{}'\n", providers(&fake), home.url())).start();
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
