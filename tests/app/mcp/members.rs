//! Members of the `mcp` tool, and of a choice of it, that must not be overlooked.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::mcp::{Bench, bench, body, types};

/// The request's server with one more member.
fn with(bench: &Bench, member: &str, value: Value) -> Value {
    let mut tool = bench.server.tool("weather");
    tool[member] = value;
    body("openai-chat", &[tool])
}

#[track_caller]
fn check_refused(bench: &Bench, request: &Value, code: &str, param: &str) {
    let answer = bench.app.post(request);
    let (status, _, got, at) = answer.error();
    assert_eq!((status, got.as_deref(), at.as_deref()), (400, Some(code), Some(param)), "{}", answer.text());
    assert!(!answer.text().contains("hush"), "{}", answer.text());
    assert_eq!((bench.fake.count(), bench.server.seen().len()), (0, 0));
}

#[test]
fn what_nobody_knows_is_refused() {
    let bench = bench("");
    for member in ["allowed_tool", "require_approvals", "token"] {
        let request = with(&bench, member, json!("hush"));
        check_refused(&bench, &request, "unknown_parameter", &format!("tools[0].{member}"));
    }
    bench.push_text("openai-chat");
    assert_eq!(types(&bench.ask(&with(&bench, "odd", Value::Null))), ["mcp_list_tools", "message"]);
}

#[test]
fn a_limit_that_cannot_be_kept_is_refused() {
    let bench = bench("");
    for callers in [json!(["programmatic"]), json!([]), json!("direct")] {
        let request = with(&bench, "allowed_callers", callers);
        check_refused(&bench, &request, "unsupported_value", "tools[0].allowed_callers");
    }
    for callers in [json!(["direct", "programmatic"]), Value::Null] {
        bench.push_text("openai-chat");
        bench.ask(&with(&bench, "allowed_callers", callers));
    }
}

#[test]
fn a_list_that_is_not_deferred_is_told() {
    let bench = bench("");
    bench.push_text("openai-chat");
    let answer = bench.app.post(&with(&bench, "defer_loading", json!(true)));
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("tools[0].defer_loading;dropped"), "{notes}");
}

#[test]
fn a_choice_of_no_name_is_refused() {
    let bench = bench("");
    let mut request = body("openai-chat", &[bench.server.tool("weather")]);
    for name in [json!(5), json!(["look"])] {
        request["tool_choice"] = json!({"type": "mcp", "server_label": "weather", "name": name});
        check_refused(&bench, &request, "invalid_type", "tool_choice.name");
        let entry = request["tool_choice"].clone();
        request["tool_choice"] = json!({"type": "allowed_tools", "mode": "auto", "tools": [entry]});
        check_refused(&bench, &request, "invalid_type", "tool_choice.name");
    }
}
