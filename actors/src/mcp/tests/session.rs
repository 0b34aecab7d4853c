//! Sessions: opening, losing, sharing, ending.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use or_protocol::Output;
use pretty_assertions::assert_eq;
use tokio::sync::oneshot;

use super::fake::{User, mcp_server, until};
use crate::mcp::McpPool;
use or_test_support::mcp::Does;
use or_tools::mcp::{McpCommand, McpError, McpPlace, McpServer};

#[actix_rt::test]
async fn all_calls_share_one_session() {
    let fake = mcp_server();
    let user = User::of(&fake);
    let runs = join_all((0..50).map(|_| user.call("echo", "{}"))).await;
    assert!(runs.iter().all(|run| !run.failed), "{runs:?}");
    let asked = fake.asked("initialize");
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].body["params"]["protocolVersion"], "2025-11-25");
    assert!(user.metrics().contains("open_responses_mcp_sessions 1"));
}

#[actix_rt::test]
async fn a_server_without_initialize_is_asked_what_it_knows() {
    let fake = mcp_server();
    {
        let mut rules = fake.rules();
        rules.modern = true;
        rules.pages.truncate(1);
    }
    let user = User::of(&fake);
    assert_eq!(user.names().await, ["a", "b"]);
    assert_eq!(user.call("echo", "{\"x\":1}").await.output, Output::Text("{\"x\":1}".into()));
    let call = &fake.asked("tools/call")[0];
    assert_eq!(call.header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(call.header("authorization"), Some("Bearer hush-hush"));
    assert!(call.header("mcp-session-id").is_none());
    assert_eq!(fake.asked("initialize").len(), 1);
}

#[actix_rt::test]
async fn another_credential_is_another_session() {
    let fake = mcp_server();
    let user = User::of(&fake);
    let same = user.beside(|server| server.label = "the same by another name".into());
    let other = user.beside(|server| server.headers[0].1 = "Bearer other".into());
    for user in [&user, &same, &other] {
        user.list().await.unwrap();
    }
    let keys: Vec<_> = fake
        .asked("initialize")
        .iter()
        .map(|s| s.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(keys, ["Bearer hush-hush", "Bearer other"]);
}

async fn check_refusal(status: u16, want: McpError, reason: &str) {
    let fake = mcp_server();
    fake.rules().status = Some(status);
    let user = User::of(&fake);
    let got = user.list().await.unwrap_err();
    assert_eq!((&got, got.reason()), (&want, reason));
    assert!(!got.to_string().contains("hush"), "{got}");
    let counted = format!(r#"open_responses_mcp_connect_errors_total{{reason="{reason}"}} 1"#);
    assert!(user.metrics().contains(&counted), "{}", user.metrics());
}

#[actix_rt::test]
async fn a_server_that_wants_other_credentials_is_told_apart() {
    check_refusal(401, McpError::Unauthorized { status: 401 }, "unauthorized").await;
    check_refusal(403, McpError::Unauthorized { status: 403 }, "unauthorized").await;
    check_refusal(404, McpError::Http { status: 404 }, "http_error").await;
    check_refusal(500, McpError::Http { status: 500 }, "http_error").await;
    check_refusal(302, McpError::Http { status: 302 }, "http_error").await;
}

#[actix_rt::test]
async fn a_server_that_failed_is_left_alone_for_a_while() {
    let fake = mcp_server();
    fake.rules().status = Some(500);
    let user = User::of(&fake);
    let begun = Instant::now();
    for _ in 0..3 {
        assert_eq!(user.list().await, Err(McpError::Http { status: 500 }));
        assert!(user.call("echo", "{}").await.failed);
    }
    let asked = fake.seen().len();
    assert!(asked == 1 || begun.elapsed() >= Duration::from_secs(1), "{asked} times");
    fake.rules().status = None;
    // The pause is a second, and twice as long if the machine was too slow for the first.
    actix_rt::time::sleep(Duration::from_millis(2010)).await;
    assert_eq!(user.names().await, ["a", "b", "c"]);
}

async fn check_expired(status: u16, body: Option<&str>) {
    let fake = mcp_server();
    let user = User::of(&fake);
    user.list().await.unwrap();
    *fake.rules() = {
        let mut rules = fake.rules().clone();
        rules.session = Some(2);
        rules.expired = status;
        rules.expired_body = body.map(str::to_owned);
        rules
    };
    let run = user.call("echo", r#"{"n":1}"#).await;
    assert_eq!(run.output, Output::Text(r#"{"n":1}"#.into()));
    let sessions: Vec<_> = fake
        .asked("tools/call")
        .iter()
        .map(|s| s.header("mcp-session-id").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(sessions, ["1", "2"]);
    user.list().await.unwrap();
    assert_eq!(fake.asked("tools/list").len(), 4, "a new session has a new list");
}

#[actix_rt::test]
async fn a_call_in_a_session_that_expired_goes_to_a_new_one() {
    check_expired(404, None).await;
    check_expired(400, None).await;
    check_expired(410, Some("gone")).await;
    check_expired(400, Some("who are you?")).await;
    check_expired(422, Some("")).await;
    for error in [
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: Server not initialized"},"id":null}"#,
        r#"{"jsonrpc":"2.0","error":{"code":-32000,"message":"Bad Request: what?"},"id":null}"#,
        r#"{"error":{"code":-32000,"message":"Bad Request: Unknown Mcp-Session-Id header"}}"#,
        r#"{"what":1}"#,
    ] {
        check_expired(400, Some(error)).await;
    }
}

#[actix_rt::test]
async fn a_server_that_refuses_every_call_is_asked_in_one_new_session() {
    let fake = mcp_server();
    let user = User::of(&fake);
    user.list().await.unwrap();
    fake.rules().does.insert("echo".into(), Does::Status(400));
    let run = user.call("echo", "{}").await;
    assert!(run.failed, "{run:?}");
    assert_eq!((fake.asked("initialize").len(), fake.asked("tools/call").len()), (2, 2));
}

#[actix_rt::test]
async fn a_list_in_a_session_that_expired_comes_from_a_new_one() {
    let fake = mcp_server();
    let user = User::of(&fake);
    user.call("echo", "{}").await;
    fake.rules().session = Some(2);
    assert_eq!(user.names().await, ["a", "b", "c"]);
}

#[actix_rt::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let fake = mcp_server();
    let user =
        User::with(&fake, |server| server.place = McpPlace::Url("http://127.0.0.1:1/mcp?key=hush".into()));
    let got = user.list().await.unwrap_err();
    assert_eq!(got, McpError::Unreachable("no connection".into()));
    let run = user.call("echo", "{}").await;
    let want = "Error: 'echo' failed: the MCP server could not be reached: no connection";
    assert_eq!(run.output, Output::Text(want.into()));
}

#[actix_rt::test]
async fn a_header_that_is_the_protocols_is_refused() {
    let fake = mcp_server();
    let user = User::with(&fake, |server| server.headers.push(("Host".into(), "elsewhere".into())));
    let want = McpError::Refused("the header 'Host' cannot be set".into());
    assert_eq!(user.list().await, Err(want));
    assert_eq!(fake.seen().len(), 0);
}

#[actix_rt::test]
async fn an_idle_session_is_closed_and_opened_again() {
    let fake = mcp_server();
    let user = User::of(&fake).bounded(Duration::from_millis(300), 10);
    user.list().await.unwrap();
    until(|| fake.count("DELETE") >= 1).await;
    until(|| user.metrics().contains("open_responses_mcp_sessions 0")).await;
    assert_eq!(user.names().await, ["a", "b", "c"]);
    assert_eq!(fake.asked("initialize").len(), 2);
}

#[actix_rt::test]
async fn a_session_in_use_is_not_idle() {
    let fake = mcp_server();
    let user = User::with(&fake, |server| server.limits.call_timeout = Duration::from_secs(4))
        .bounded(Duration::from_secs(2), 10);
    assert_eq!(user.call("never", "{}").await.result, "timeout");
    assert_eq!(fake.asked("DELETE").len(), 0);
}

#[actix_rt::test]
async fn a_full_pool_forgets_the_server_that_was_not_used_for_longest() {
    let fake = mcp_server();
    let first = User::of(&fake).bounded(Duration::from_secs(60), 2);
    let user = |key: &str| first.beside(|server| server.headers[0].1 = key.into());
    let (second, third) = (user("second"), user("third"));
    for user in [&first, &second, &first, &third] {
        user.list().await.unwrap();
    }
    assert_eq!(first.pool.len(), 2);
    until(|| fake.count("DELETE") >= 1).await;
    let closed: Vec<_> = fake
        .asked("DELETE")
        .iter()
        .map(|s| s.header("authorization").unwrap_or_default().to_owned())
        .collect();
    assert_eq!(closed, ["second"]);
}

#[actix_rt::test]
async fn an_owner_with_all_its_sessions_forgets_one_of_its_own() {
    let fake = mcp_server();
    let mut first = User::of(&fake).bounded(Duration::from_secs(60), 10);
    first.pool = Arc::new(
        Arc::into_inner(first.pool).unwrap().with_owners(|owner| if owner == "default" { 1 } else { 2 }),
    );
    let mut other = first.beside(|_| {});
    other.owner = "another";
    let second = first.beside(|server| server.headers[0].1 = "second".into());
    for user in [&other, &first, &second] {
        user.list().await.unwrap();
    }
    assert_eq!(first.pool.len(), 2);
    until(|| fake.count("DELETE") >= 1).await;
    let closed = fake.asked("DELETE")[0].header("authorization").map(str::to_owned);
    assert_eq!(closed.as_deref(), Some("Bearer hush-hush"));
    // The other's session is still the one it was.
    other.list().await.unwrap();
    assert_eq!(fake.count("initialize"), 3);
}

#[actix_rt::test]
async fn an_owner_that_uses_all_its_sessions_gets_no_other() {
    let fake = mcp_server();
    let mut first = User::of(&fake).bounded(Duration::from_secs(60), 10);
    first.pool = Arc::new(Arc::into_inner(first.pool).unwrap().with_owners(|_| 1));
    let second = first.beside(|server| server.headers[0].1 = "second".into());
    let (here, gone) = oneshot::channel();
    let look = async {
        until(|| fake.count("tools/call") >= 1).await;
        let refused = second.list().await;
        drop(here);
        refused
    };
    let (_, refused) = tokio::join!(first.start("never", "{}", gone), look);
    assert_eq!(refused, Err(McpError::TooMany));
    // One that is not used makes room.
    second.list().await.unwrap();
}

#[test]
fn all_workers_share_the_pool() {
    fn shared<T: Send + Sync>() {}
    shared::<McpPool>();
}

#[test]
fn debug_shows_no_secret() {
    let fake = |place| McpServer {
        label: "docs".into(),
        place,
        headers: vec![("x".into(), "hush".into())],
        trusted: false,
        shared: false,
        limits: Default::default(),
    };
    let url = format!("{:?}", fake(McpPlace::Url("https://hush:hush@example.com/hush?hush=hush".into())));
    assert!(url.contains("https://example.com") && !url.contains("hush"), "{url}");
    let command = McpCommand {
        command: vec!["server".into(), "hush".into()],
        environment: vec![("KEY".into(), "hush".into())],
        working_directory: None,
    };
    let command = format!("{:?}", fake(McpPlace::Command(command)));
    assert!(command.contains("server") && !command.contains("hush"), "{command}");
}
