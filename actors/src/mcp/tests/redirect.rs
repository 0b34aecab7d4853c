//! Where connections go: servers that a request named, and redirects.

use std::net::SocketAddr;

use or_test_support::mcp::FakeMcp;
use pretty_assertions::assert_eq;

use super::fake::{User, mcp_server};
use or_tools::mcp::{McpError, McpPlace};

fn not_public() -> McpError {
    McpError::Refused("its host is at no public address that is known".into())
}

/// A server that a request named, at this host.
fn named(fake: &FakeMcp, host: &str, allowed: &[SocketAddr]) -> User {
    let allowed: Vec<_> = allowed.iter().map(SocketAddr::to_string).collect();
    let place = McpPlace::Url(format!("http://{host}:{}/mcp", fake.address.port()));
    User::at(place, &allowed, |server| server.trusted = false)
}

#[actix_rt::test]
async fn a_request_cannot_name_a_private_server() {
    let fake = mcp_server();
    for host in ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "0"] {
        assert_eq!(named(&fake, host, &[]).list().await, Err(not_public()), "{host}");
    }
    assert_eq!(fake.seen().len(), 0);
}

#[actix_rt::test]
async fn a_request_can_name_a_private_server_that_is_listed() {
    let fake = mcp_server();
    for host in ["127.0.0.1", "0x7f.1"] {
        assert_eq!(named(&fake, host, &[fake.address]).names().await, ["a", "b", "c"], "{host}");
    }
    let by_name = format!("localhost:{}", fake.address.port());
    let place = McpPlace::Url(format!("http://{by_name}/mcp"));
    let user = User::at(place, &[by_name], |server| server.trusted = false);
    assert_eq!(user.names().await, ["a", "b", "c"]);
}

#[actix_rt::test]
async fn a_redirect_on_the_same_origin_keeps_the_credentials() {
    let fake = mcp_server();
    fake.rules().redirect = Some("/mcp/".into());
    assert_eq!(User::of(&fake).names().await, ["a", "b", "c"]);
    let seen = fake.asked("tools/list");
    let arrived: Vec<_> = seen.iter().filter(|seen| seen.path == "/mcp/").collect();
    assert_eq!(arrived.len(), 2);
    assert!(arrived.iter().all(|seen| seen.header("authorization") == Some("Bearer hush-hush")));
}

#[actix_rt::test]
async fn a_redirect_to_a_private_place_is_not_followed() {
    let (fake, secret) = (mcp_server(), mcp_server());
    fake.rules().redirect = Some(secret.url());
    assert_eq!(User::of(&fake).list().await, Err(not_public()));
    assert_eq!(named(&fake, "127.0.0.1", &[fake.address]).list().await, Err(not_public()));
    assert_eq!(secret.seen().len(), 0);
}

#[actix_rt::test]
async fn a_redirect_to_a_listed_place_is_followed_without_credentials() {
    let (fake, other) = (mcp_server(), mcp_server());
    fake.rules().redirect = Some(other.url());
    let user = named(&fake, "127.0.0.1", &[fake.address, other.address]);
    assert_eq!(user.names().await, ["a", "b", "c"]);
    assert_eq!(fake.asked("tools/list")[0].header("authorization"), Some("Bearer hush-hush"));
    let seen = other.asked("tools/list");
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|seen| seen.header("authorization").is_none()));
}

async fn check_target(to: &str, want: McpError) {
    let fake = mcp_server();
    fake.rules().redirect = Some(to.into());
    assert_eq!(User::of(&fake).list().await, Err(want), "{to}");
}

#[actix_rt::test]
async fn redirects_lead_to_plain_web_urls_only() {
    check_target("file:///etc/passwd", McpError::Refused("it must be http or https".into())).await;
    let user = McpError::Refused("it must not hold a user or a password".into());
    check_target("http://me:pw@1.1.1.1/", user).await;
    check_target("http://", McpError::Protocol("it redirects to nowhere".into())).await;
    check_target("/mcp", McpError::Protocol("it redirects more than 3 times".into())).await;
}

#[actix_rt::test]
async fn a_session_is_told_to_nobody_but_who_opened_it() {
    let (fake, other) = (mcp_server(), mcp_server());
    let user = named(&fake, "127.0.0.1", &[fake.address, other.address]);
    user.list().await.unwrap();
    fake.rules().redirect = Some(other.url());
    let ids = |seen: Vec<or_test_support::provider::Request>| -> Vec<Option<String>> {
        seen.iter().map(|seen| seen.header("mcp-session-id").map(str::to_owned)).collect()
    };
    user.call("a", "{}").await;
    assert_eq!(ids(fake.asked("tools/call")), [Some("1".to_owned())]);
    assert_eq!(ids(other.asked("tools/call")), [None]);

    // Where a redirect led to opened the session: it is there that it is good.
    let (fake, other) = (mcp_server(), mcp_server());
    fake.rules().redirect = Some(other.url());
    let user = named(&fake, "127.0.0.1", &[fake.address, other.address]);
    assert_eq!(user.call("a", "{}").await.result, "ok");
    assert_eq!(ids(fake.asked("tools/call")), [None]);
    assert_eq!(ids(other.asked("tools/call")), [Some("1".to_owned())]);
}
