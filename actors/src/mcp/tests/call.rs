//! Calls of tools: results, errors, the time, cancelling.

use std::time::Duration;

use futures_util::future::join;
use or_protocol::Output;
use or_test_support::mcp::{Does, FakeMcp};
use pretty_assertions::assert_eq;
use tokio::sync::oneshot;

use super::fake::{User, mcp_server, until};
use or_tools::ToolRun;
use or_tools::mcp::McpPlace;

fn text(run: &ToolRun) -> &str {
    match &run.output {
        Output::Text(text) => text,
        Output::Parts(parts) => panic!("{parts:?}"),
    }
}

/// One call of a server with short limits.
async fn check(tool: &str, arguments: &str, want: &str, result: &str) -> (FakeMcp, User) {
    let fake = mcp_server();
    let user = User::with(&fake, |server| {
        server.limits.call_timeout = Duration::from_millis(300);
        server.limits.max_output_bytes = 100;
    });
    let run = user.call(tool, arguments).await;
    assert_eq!((text(&run), run.result), (want, result));
    assert_eq!(run.failed, !matches!(result, "ok" | "cut"));
    let counted =
        format!(r#"open_responses_tool_dispatches_total{{kind="mcp",outcome="{result}",tool="fake"}} 1"#);
    assert!(user.metrics().contains(&counted), "{}", user.metrics());
    (fake, user)
}

#[actix_rt::test]
async fn a_call_brings_its_arguments_and_the_result_comes_back() {
    let (fake, _user) = check("echo", r#"{"x": [1, "ü"]}"#, r#"{"x":[1,"ü"]}"#, "ok").await;
    let seen = &fake.asked("tools/call")[0];
    assert_eq!(seen.header("authorization"), Some("Bearer hush-hush"));
    assert_eq!(seen.header("mcp-session-id"), Some("1"));
    assert!(seen.header("mcp-protocol-version").is_some());
}

#[actix_rt::test]
async fn no_arguments_are_an_empty_object() {
    check("echo", " ", "{}", "ok").await;
}

#[actix_rt::test]
async fn arguments_that_are_no_object_are_not_sent() {
    let wrong = "Error: the arguments of the call are wrong and 'echo' was not run: ";
    let (fake, _user) =
        check("echo", "[1]", &format!("{wrong}they are not a JSON object"), "bad_arguments").await;
    assert_eq!(fake.seen().len(), 0);
    let why = "they are not JSON: expected value at line 1 column 1";
    check("echo", "x", &format!("{wrong}{why}"), "bad_arguments").await;
}

#[actix_rt::test]
async fn what_went_wrong_in_the_tool_is_said_in_the_servers_words() {
    check("fail", "{}", "it went wrong", "error").await;
}

#[actix_rt::test]
async fn a_long_result_is_cut() {
    let want = format!("{}\n[Cut off here: the result is longer than 100 bytes.]", "x".repeat(100));
    check("huge", "{}", &want, "cut").await;
}

#[actix_rt::test]
async fn a_refused_call_shows_the_servers_words_and_no_secret() {
    let want = "Error: 'refused' failed: the MCP server gave no result: \
                Unknown tool; you sent Bearer *** (code -32602)";
    check("refused", "{}", want, "error").await;
}

#[actix_rt::test]
async fn a_call_without_permission_says_so() {
    let want = "Error: 'denied' failed: the MCP server answered with HTTP status 401: \
                the credentials are missing or not accepted";
    check("denied", "{}", want, "error").await;
}

#[actix_rt::test]
async fn after_a_server_error_nobody_knows_what_happened() {
    let want = "Error: 'error' failed: the MCP server answered with HTTP status 500. \
                It is not known whether the call took effect.";
    check("error", "{}", want, "error").await;
}

#[actix_rt::test]
async fn a_call_whose_connection_breaks_is_not_sent_again() {
    let want = "Error: 'break' failed: the connection to the MCP server broke. \
                It is not known whether the call took effect.";
    let (fake, _user) = check("break", "{}", want, "error").await;
    assert_eq!(fake.asked("tools/call").len(), 1);
}

#[actix_rt::test]
async fn a_call_that_takes_too_long_is_cancelled() {
    let want = "Error: 'never' was stopped after 0.3 s without a result. \
                It is not known whether the call took effect.";
    let (fake, _user) = check("never", "{}", want, "timeout").await;
    until(|| fake.count("notifications/cancelled") >= 1).await;
    let cancelled = &fake.asked("notifications/cancelled")[0].body["params"];
    assert_eq!(cancelled["requestId"], fake.asked("tools/call")[0].body["id"]);
}

#[actix_rt::test]
async fn a_client_that_leaves_cancels_its_call() {
    let fake = mcp_server();
    let user = User::of(&fake);
    let (here, gone) = oneshot::channel();
    let leave = async {
        until(|| fake.count("tools/call") >= 1).await;
        drop(here);
    };
    let ((run, _), ()) = join(user.start("never", "{}", gone), leave).await;
    assert_eq!((text(&run), run.result), ("Error: 'never' was cancelled.", "cancelled"));
    until(|| fake.count("notifications/cancelled") >= 1).await;
}

#[actix_rt::test]
async fn an_answer_without_end_is_given_up() {
    for tool in ["endless_event", "endless_json"] {
        let fake = mcp_server();
        let run = User::of(&fake).call(tool, "{}").await;
        let why = "a message of the MCP server has more than 2097152 bytes";
        let want = format!("Error: '{tool}' failed: {why}. It is not known whether the call took effect.");
        assert_eq!((text(&run), run.result), (want.as_str(), "error"));
    }
}

#[actix_rt::test]
async fn after_an_answer_that_makes_no_sense_nobody_knows_what_happened() {
    for (tool, why) in [
        ("no_json", "it is neither JSON nor an event stream"),
        ("no_message", "it is no JSON-RPC message"),
        ("no_result", "the result has no known form"),
    ] {
        let want = format!(
            "Error: '{tool}' failed: the MCP server gave no result: {why}. It is not known whether the call took effect."
        );
        check(tool, "{}", &want, "error").await;
    }
}

#[actix_rt::test]
async fn a_servers_words_hold_no_secret_of_the_url() {
    let fake = mcp_server();
    let path = "/mcp/s/hush-hush/mcp?key=also%20hush&k=v";
    fake.does("where", Does::Refuses(-32602, format!("no such place {path} or also hush")));
    let user = User::at(McpPlace::Url(format!("http://{}{path}", fake.address)), &[], |_| {});
    let want = "Error: 'where' failed: the MCP server gave no result: \
                no such place /mcp/s/***/mcp?key=***&k=v or *** (code -32602)";
    assert_eq!(text(&user.call("where", "{}").await), want);
}

#[actix_rt::test]
async fn progress_is_reported() {
    let fake = mcp_server();
    let (_here, gone) = oneshot::channel();
    let (run, said) = User::of(&fake).start("progress", "{}", gone).await;
    assert_eq!((text(&run), said), ("done", vec!["half way".to_owned()]));
}

#[actix_rt::test]
async fn calls_run_at_the_same_time_up_to_the_limit() {
    let fake = mcp_server();
    let user = User::with(&fake, |server| {
        server.limits.call_timeout = Duration::from_millis(500);
        server.limits.max_concurrent = 1;
    });
    let (one, two) = join(user.call("never", "{}"), user.call("never", "{}")).await;
    assert!(one.took.max(two.took) >= Duration::from_millis(990), "{:?} {:?}", one.took, two.took);

    let user = User::with(&fake, |server| server.limits.call_timeout = Duration::from_millis(500));
    let (one, two) = join(user.call("never", "{}"), user.call("never", "{}")).await;
    assert!(one.took.max(two.took) < Duration::from_millis(950), "{:?} {:?}", one.took, two.took);
}
