//! Large messages: what is read of them is the same as of small ones, and what is not read costs nothing.

use or_protocol::{ContentPart, Output};
use or_test_support::mcp::{Does, FakeMcp};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::fake::{User, mcp_server, tool};
use or_tools::mcp::McpError;

/// Makes a message large, and is read by nobody.
fn ballast() -> Value {
    json!([{"a": "x".repeat(9000)}])
}

#[actix_rt::test]
async fn a_large_result_has_all_its_blocks() {
    let text = "é \"quoted\"\n".repeat(900);
    let content = json!([{"type": "text", "text": text, "_meta": {"x": ballast()}},
                         {"type": "image", "data": "aGk=", "mimeType": "image/png", "annotations": {"priority": 0.5}},
                         {"type": "resource", "resource": {"uri": "file:///a.txt", "text": "hi", "_meta": ballast()}}]);
    let fake = mcp_server();
    fake.does("show", Does::Shows(content));
    let run = User::of(&fake).call("show", "{}").await;
    let Output::Parts(parts) = run.output else { panic!("{run:?}") };
    let [
        ContentPart::InputText { text: first, .. },
        ContentPart::InputImage { .. },
        ContentPart::InputText { text: last, .. },
    ] = parts.as_slice()
    else {
        panic!("{parts:?}")
    };
    assert_eq!((first, last.as_str()), (&text, "Resource file:///a.txt:\nhi"));
}

#[actix_rt::test]
async fn a_large_result_in_a_stream_of_events_is_the_same() {
    let words: &'static str = "word ".repeat(2000).leak();
    let fake = mcp_server();
    fake.does("show", Does::Reports("half way", words));
    let (_here, gone) = tokio::sync::oneshot::channel();
    let (run, said) = User::of(&fake).start("show", "{}", gone).await;
    assert_eq!((run.output, said), (Output::Text(words.into()), vec!["half way".to_owned()]));
}

#[actix_rt::test]
async fn a_large_result_of_no_known_form_says_so() {
    for content in
        [json!(vec![json!({"a": 1}); 2000]), json!([{"type": "text", "text": vec![1; 5000]}]), ballast()]
    {
        let fake = mcp_server();
        fake.does("show", Does::Shows(content));
        let run = User::of(&fake).call("show", "{}").await;
        let want = "Error: 'show' failed: the MCP server gave no result: the result has no known form. \
                    It is not known whether the call took effect.";
        assert_eq!(run.output, Output::Text(want.into()));
    }
}

#[actix_rt::test]
async fn a_large_list_has_the_tools_that_fit() {
    let mut large = tool("large");
    large["inputSchema"]["x"] = json!("x".repeat(100_000));
    let mut heavy = tool("heavy");
    heavy["inputSchema"]["enum"] = json!(vec![0; 10_000]);
    let mut meta = tool("meta");
    meta["_meta"] = ballast();
    let mut odd = tool("odd");
    odd["inputSchema"] = json!(5);
    let mut pages = vec![tool("a"), large, meta, json!(5), odd];
    // Each keeps to the bytes of a definition; all of them together have too many values.
    pages.extend((0..20).map(|n| {
        let mut one = heavy.clone();
        one["name"] = json!(format!("heavy{n}"));
        one
    }));
    pages.push(tool("z"));
    let fake = FakeMcp::with(vec![pages, vec![tool("next")]]);
    let names = User::of(&fake).names().await;
    assert_eq!(names, ["a", "meta", "heavy0", "heavy1", "heavy2", "heavy3", "next"]);
}

#[actix_rt::test]
async fn a_message_over_the_limit_is_refused_as_the_server_is_configured() {
    let fake = mcp_server();
    fake.does("show", Does::Says("x".repeat(50_000)));
    let small = User::with(&fake, |server| server.limits.max_message_bytes = 40_000);
    let Output::Text(said) = small.call("show", "{}").await.output else { panic!("no text") };
    assert!(said.contains("more than 40000 bytes"), "{said}");
    assert_eq!(small.call("echo", "{}").await.output, Output::Text("{}".into()));
    let large = small.beside(|server| server.limits.max_message_bytes = 60_000);
    assert!(!large.call("show", "{}").await.failed);

    let fake = FakeMcp::with(vec![vec![{
        let mut one = tool("a");
        one["_meta"] = json!("x".repeat(50_000));
        one
    }]]);
    let user = User::with(&fake, |server| server.limits.max_message_bytes = 40_000);
    assert_eq!(user.list().await, Err(McpError::TooLarge(40_000)));
}
