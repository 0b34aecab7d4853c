//! The list of tools: pages, sharing, refreshing, limits.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use pretty_assertions::assert_eq;
use serde_json::json;
use tokio::sync::oneshot;

use super::fake::{User, mcp_server, tool, until};
use crate::mcp::ListMcpTools;
use or_tools::mcp::McpError;

#[actix_rt::test]
async fn all_pages_are_listed_in_order() {
    let fake = mcp_server();
    let tools = User::of(&fake).list().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(tools[0].description.as_deref(), Some("d"));
    assert_eq!(tools[0].input_schema, *json!({"type": "object"}).as_object().unwrap());
    assert_eq!(tools[0].read_only(), Some(true));
}

#[actix_rt::test]
async fn those_who_ask_at_the_same_time_share_one_list() {
    let fake = mcp_server();
    fake.rules().list_pause = Duration::from_millis(100);
    let user = User::of(&fake);
    let lists = join_all((0..10).map(|_| user.list())).await;
    assert!(lists.iter().all(|list| Arc::ptr_eq(list.as_ref().unwrap(), lists[0].as_ref().unwrap())));
    user.list().await.unwrap();
    assert_eq!(fake.asked("initialize").len(), 1);
    assert_eq!(fake.asked("tools/list").len(), 2, "one for each page");
}

#[actix_rt::test]
async fn a_client_that_leaves_does_not_take_the_list_from_the_others() {
    let fake = mcp_server();
    fake.rules().list_pause = Duration::from_millis(100);
    let user = User::of(&fake);
    let (here, gone) = oneshot::channel();
    let asked = user.pool.actor(&user.server, "default").unwrap().send(ListMcpTools { gone });
    drop(here);
    assert_eq!(asked.await.unwrap(), Err(McpError::Gone));
    assert_eq!(user.names().await, ["a", "b", "c"]);
    assert_eq!(fake.asked("tools/list").len(), 2);
}

#[actix_rt::test]
async fn a_list_that_changed_is_asked_for_again() {
    let fake = mcp_server();
    fake.rules().listens = true;
    let user = User::of(&fake);
    assert_eq!(user.names().await, ["a", "b", "c"]);
    until(|| fake.listeners() == 1).await;
    fake.rules().pages = vec![vec![tool("new")]];
    assert_eq!(user.names().await, ["a", "b", "c"]);
    fake.notify("notifications/tools/list_changed");
    for _ in 0..6000 {
        if user.names().await == ["new"] {
            return;
        }
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the list stays as it was");
}

#[actix_rt::test]
async fn tools_over_the_limits_are_left_out() {
    let fake = mcp_server();
    let mut long = tool("long");
    long["description"] = json!("x".repeat(300));
    fake.rules().pages =
        vec![vec![tool("a"), long, tool("a"), tool("")], vec![tool("b"), tool("c"), tool("d")]];
    let user = User::with(&fake, |server| {
        server.limits.max_definition_bytes = 200;
        server.limits.max_tools = 3;
    });
    assert_eq!(user.names().await, ["a", "b", "c"]);
}

#[actix_rt::test]
async fn a_list_that_does_not_come_is_an_error() {
    let fake = mcp_server();
    fake.rules().list_pause = Duration::from_secs(60);
    let user = User::with(&fake, |server| server.limits.list_timeout = Duration::from_secs(2));
    let late = Err(McpError::TimedOut(Duration::from_secs(2)));
    assert_eq!(user.list().await, late);
    assert_eq!(user.list().await, late);
    assert_eq!(fake.asked("tools/list").len(), 1, "the second answer is the first error");
}

#[actix_rt::test]
async fn a_tool_that_is_wrong_takes_none_of_the_others() {
    let fake = mcp_server();
    let with = |name: &str, member: &str, value: serde_json::Value| {
        let mut tool = tool(name);
        tool[member] = value;
        tool
    };
    let mut bare = tool("bare");
    bare.as_object_mut().unwrap().remove("inputSchema");
    let wrong = [with("b", "inputSchema", json!(true)), json!("c"), json!({"inputSchema": {}})];
    let usable = [
        bare,
        with("null", "inputSchema", json!(null)),
        with("hints", "annotations", json!({"readOnlyHint": "yes"})),
        with("icons", "icons", json!("x")),
        with("title", "title", json!(5)),
        with("words", "description", json!(5)),
    ];
    fake.rules().pages = vec![vec![tool("a")], [&wrong[..], &usable[..]].concat(), vec![tool("z")]];
    let tools = User::of(&fake).list().await.unwrap();
    let names: Vec<_> = tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["a", "bare", "null", "hints", "icons", "title", "words", "z"]);
    assert_eq!(tools[1].input_schema, *json!({"type": "object"}).as_object().unwrap());
    // What it says in no known form it has not said.
    assert_eq!((tools[3].read_only(), tools[4].read_only()), (None, Some(true)));
}
