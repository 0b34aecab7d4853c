//! Which servers and tools a request gets: those of the configuration, and what the members of `mcp` tools say.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use crate::stage::mcp::{
    Bench, bench, bench_with, body, configured, going_on, good, item, offered, output, providers, types,
};
use or_test_support::mcp::{FakeMcp, listed};
use or_test_support::provider::FakeProvider;
use or_test_support::wire;

const NEVER: &str = "require_approval = 'never'";

fn by_label(label: &str) -> Value {
    json!({"type": "mcp", "server_label": label})
}

/// Its server is `[mcp.weather]`.
fn configured_bench(more: &str) -> Bench {
    let server = FakeMcp::start();
    let table = configured(&server, "weather", more);
    bench_with(server, &table)
}

#[test]
fn a_request_names_it_by_its_label() {
    let bench = configured_bench(&format!(
        "{NEVER}\ndescription = 'Of the north'\nallowed_tools = ['get_weather', 'look']"
    ));
    bench.push_round("openai-chat");
    let response = bench.ask(&body("openai-chat", &[by_label("weather")]));
    assert_eq!(types(&response), ["mcp_list_tools", "mcp_call", "message"]);
    assert_eq!(item(&response, "mcp_list_tools")["tools"].as_array().unwrap().len(), 2);
    let asked = bench.fake.request(0).body;
    assert_eq!(offered(&asked), ["get_weather", "look"]);
    assert_eq!(asked["tools"][0]["function"]["description"], "Of the north\n\nDoes get_weather");
    assert!(!response.to_string().contains(&bench.server.address.to_string()));
    // It does not say `always` of calls that were made without.
    assert_eq!(response["tools"][0]["require_approval"], Value::Null);
    let mut request = body("openai-chat", &[by_label("other")]);
    let (status, _, code, param) = bench.app.post(&request).error();
    assert_eq!((status, code.as_deref()), (400, Some("mcp_server_not_found")));
    assert_eq!(param.as_deref(), Some("tools[0].server_label"));
    request["tools"] = json!([by_label("weather"), by_label("weather")]);
    assert_eq!(bench.app.post(&request).status, 400);
}

#[test]
fn what_every_request_gets_looks_like_any_function_of_the_server() {
    let bench = configured_bench(&format!("{NEVER}\noffer = 'always'"));
    for kind in wire::KINDS {
        for stream in [false, true] {
            bench.push_round(kind);
            let mut request = body(kind, &[]);
            request["stream"] = json!(stream);
            let answer = bench.app.post(&request);
            // Nothing hosted: the strict check.
            let response = if stream { answer.last_response() } else { answer.response() };
            assert_eq!(types(&response), ["function_call", "function_call_output", "message"], "{kind}");
            assert_eq!(output(&response)[1]["output"], "seven");
            assert!(!answer.text().contains("mcp"), "{}", answer.text());
            let names: Vec<_> =
                response["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
            assert_eq!(names, ["get_weather", "look", "write"]);
        }
    }
    // Who names it gets the items.
    bench.push_round("openai-chat");
    let named = bench.ask(&body("openai-chat", &[by_label("weather")]));
    assert_eq!(types(&named), ["mcp_list_tools", "mcp_call", "message"]);
    assert_eq!(bench.server.count("tools/list"), 2);
}

#[test]
fn one_that_is_down_fails_only_those_that_name_it() {
    let bench = configured_bench(&format!("{NEVER}\noffer = 'always'"));
    bench.server.rules().status = Some(503);
    bench.push_text("openai-chat");
    let answer = bench.app.post(&body("openai-chat", &[]));
    assert_eq!(types(&answer.response()), ["message"]);
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("tools") && notes.contains("weather"), "{notes}");
    let (status, _, code, param) = bench.app.post(&body("openai-chat", &[by_label("weather")])).error();
    assert_eq!(
        (status, code.as_deref(), param.as_deref()),
        (424, Some("mcp_server_error"), Some("tools[0]"))
    );
    let strict = bench.app.post_with(&[("openresponses-strict", "true")], &body("openai-chat", &[]));
    assert_eq!(strict.status, 400, "{}", strict.text());
}

#[test]
fn credentials_go_to_their_own_server_only() {
    let (server, other, fake) = (FakeMcp::start(), FakeMcp::start(), FakeProvider::start());
    let table = configured(
        &server,
        "weather",
        &format!(
            "{NEVER}\nheaders = {{ authorization = {{ env = 'KEY' }}, x-team = 'north' }}\n\
             allow_client_headers = ['authorization', 'x-team']"
        ),
    );
    let hosts = format!("security.allow_private_hosts = ['{}', '{}']\n", server.address, other.address);
    let app = setup(hosts + &providers(&fake) + &table).env("KEY", "Bearer of-the-operator").start();
    let ask = |app: &App, tool: Value| {
        fake.push(wire::answer("openai-chat", wire::CALL));
        fake.push(wire::answer("openai-chat", wire::text(&["Seven"])));
        good(&app.post(&body("openai-chat", &[tool])))
    };
    let sent = |server: &FakeMcp, name: &str| {
        let of = |request: &or_test_support::provider::Request| request.header(name).map(str::to_owned);
        let mut all: Vec<_> = server.seen().iter().map(of).collect();
        all.dedup();
        all
    };
    ask(&app, by_label("weather"));
    assert_eq!(sent(&server, "authorization"), [Some("Bearer of-the-operator".to_owned())]);
    assert_eq!(sent(&server, "x-team"), [Some("north".to_owned())]);

    // The same label, and even the same address, given by a request.
    ask(&app, other.tool("weather"));
    assert_eq!((sent(&other, "authorization"), sent(&other, "x-team")), (vec![None], vec![None]));
    let before = server.seen().len();
    ask(&app, server.tool("weather"));
    assert!(
        server.seen()[before..]
            .iter()
            .all(|request| request.header("authorization").is_none() && request.header("x-team").is_none())
    );

    let before = server.seen().len();
    let mut own = by_label("weather");
    own["authorization"] = json!("of-the-client");
    ask(&app, own);
    let seen = &server.seen()[before..];
    assert!(seen.iter().all(|request| request.header("authorization") == Some("Bearer of-the-client")));
    // With credentials of its own, a request gets none of what the operator sends.
    assert!(seen.iter().all(|request| request.header("x-team").is_none()) && !seen.is_empty());
    let before = server.seen().len();
    let mut own = by_label("weather");
    own["headers"] = json!({"Authorization": "Basic mine", "X-Team": "south"});
    ask(&app, own);
    let seen = &server.seen()[before..];
    assert!(seen.iter().all(|request| request.header("authorization") == Some("Basic mine")));
    assert!(seen.iter().all(|request| request.header("x-team") == Some("south")) && !seen.is_empty());
}

#[test]
fn namesakes_carry_their_servers_label() {
    let (one, two) = (FakeMcp::start(), FakeMcp::with(vec![vec![listed("get_weather"), listed("more")]]));
    let table = configured(&one, "north", NEVER) + &configured(&two, "south", NEVER);
    let bench = bench_with(one, &table);
    let tools = [by_label("north"), by_label("south")];
    bench.push_calls(&[("c1", "south__get_weather", "{}"), ("c2", "north__get_weather", "{}")]);
    bench.push_text("openai-chat");
    let first = bench.ask(&body("openai-chat", &tools));
    let names = ["north__get_weather", "look", "write", "south__get_weather", "more"];
    assert_eq!(offered(&bench.fake.request(0).body), names);
    let calls: Vec<_> =
        output(&first)[2..4].iter().map(|call| (&call["server_label"], &call["name"])).collect();
    let name = json!("get_weather");
    assert_eq!(calls, [(&json!("south"), &name), (&json!("north"), &name)]);
    assert_eq!((bench.server.count("tools/call"), two.count("tools/call")), (1, 1));
    let messages = bench.fake.request(1).body["messages"].to_string();
    assert!(messages.contains("south__get_weather") && messages.contains("north__get_weather"));
    // The next request gives them the same names.
    bench.push_text("openai-chat");
    bench.ask(&going_on(&first, &body("openai-chat", &tools), &[json!({"role": "user", "content": "And?"})]));
    assert_eq!(offered(&bench.fake.request(2).body), names);
}

#[test]
fn a_choice_may_be_a_server_or_one_tool_of_it() {
    let bench = configured_bench(NEVER);
    let ask = |choice: Value| {
        bench.push_text("openai-chat");
        let mut request =
            body("openai-chat", &[by_label("weather"), json!({"type": "function", "name": "mine"})]);
        request["tool_choice"] = choice.clone();
        let response = bench.ask(&request);
        assert_eq!(response["tool_choice"], choice);
        bench.fake.request(bench.fake.count() - 1).body
    };
    let asked = ask(json!({"type": "mcp", "server_label": "weather", "name": "look"}));
    assert_eq!(asked["tool_choice"], json!({"type": "function", "function": {"name": "look"}}));
    let asked = ask(json!({"type": "mcp", "server_label": "weather"}));
    let told = asked.to_string();
    assert!(told.contains("get_weather") && told.contains("write"), "{told}");
    assert!(
        asked["tool_choice"] == "required" || asked["tool_choice"]["type"] == "allowed_tools",
        "{asked:#}"
    );
    let mut request = body("openai-chat", &[by_label("weather")]);
    request["tool_choice"] = json!({"type": "mcp", "server_label": "weather", "name": "nothing"});
    let (status, _, _, param) = bench.app.post(&request).error();
    assert_eq!((status, param.as_deref()), (400, Some("tool_choice")));
    request["tool_choice"] = json!({"type": "mcp", "server_label": "other"});
    let (status, _, _, _) = bench.app.post(&request).error();
    assert_eq!(status, 400);
}

#[test]
fn a_filter_of_the_request_chooses_tools() {
    let bench = configured_bench(&format!("{NEVER}\nallowed_tools = ['get_weather', 'look']"));
    for (allowed, want) in [
        (json!(["write", "look"]), vec!["look"]),
        (json!({"tool_names": ["get_weather"]}), vec!["get_weather"]),
        (json!({"read_only": true}), vec!["look"]),
        (json!({"read_only": false}), vec!["get_weather"]),
        (json!({"read_only": true, "tool_names": ["get_weather"]}), vec![]),
        (json!([]), vec![]),
        (Value::Null, vec!["get_weather", "look"]),
    ] {
        let mut tool = by_label("weather");
        tool["allowed_tools"] = allowed.clone();
        bench.push_text("openai-chat");
        let response = bench.ask(&body("openai-chat", &[tool]));
        assert_eq!(offered(&bench.fake.request(bench.fake.count() - 1).body), want, "{allowed}");
        assert_eq!(item(&response, "mcp_list_tools")["tools"].as_array().unwrap().len(), want.len());
        assert_eq!(response["tools"][0]["allowed_tools"], allowed);
    }
}

#[test]
fn whoever_wants_an_approval_is_heard() {
    // Of the configuration, of the request, and whether get_weather, look and write need one.
    let all = [true; 3];
    let none = [false; 3];
    let only_look = json!({"never": {"tool_names": ["look"]}});
    for (config, request, want) in [
        ("", Value::Null, all),
        ("", json!("always"), all),
        ("", json!("never"), none),
        (NEVER, Value::Null, none),
        (NEVER, json!("always"), all),
        (
            NEVER,
            json!({"always": {"tool_names": ["write"]}, "never": {"tool_names": ["get_weather", "look"]}}),
            [false, false, true],
        ),
        ("require_approval = 'always'", json!("never"), all),
        ("require_approval = { never = ['look'] }", Value::Null, [true, false, true]),
        ("require_approval = { never = ['look', 'write'] }", only_look.clone(), [true, false, true]),
        (
            "require_approval = { always = ['write'], never = ['look', 'get_weather'] }",
            json!("never"),
            [false, false, true],
        ),
        ("", json!({"never": {"read_only": true}}), [true, false, true]),
        (NEVER, json!({"never": {"read_only": true}}), [true, false, true]),
        (NEVER, json!({"never": {}}), [true, true, true]),
        ("", only_look, [true, false, true]),
    ] {
        let bench = configured_bench(config);
        bench.push_calls(&[("c1", "get_weather", "{}"), ("c2", "look", "{}"), ("c3", "write", "{}")]);
        bench.push_text("openai-chat");
        let mut tool = by_label("weather");
        tool["require_approval"] = request.clone();
        let response = bench.ask(&body("openai-chat", &[tool]));
        let made: Vec<_> = bench.server.calls().into_iter().map(|(name, _)| name).collect();
        let asked = |name: &str| {
            output(&response)
                .iter()
                .any(|item| item["type"] == "mcp_approval_request" && item["name"] == name)
        };
        for (name, want) in ["get_weather", "look", "write"].into_iter().zip(want) {
            assert_eq!(
                (asked(name), made.contains(&name.to_owned())),
                (want, !want),
                "{name}: {config} {request}"
            );
        }
    }
}

#[test]
fn an_allowed_tool_that_is_not_there_is_told() {
    let bench = configured_bench("");
    let mut tool = bench.server.tool("weather");
    tool["allowed_tools"] = json!(["get_weather", "get_whether"]);
    let request = body("openai-chat", &[tool]);
    bench.push_text("openai-chat");
    let answer = bench.app.post(&request);
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("tools[0].allowed_tools") && notes.contains("get_whether"), "{notes}");
    assert!(!notes.contains("get_weather"), "{notes}");
    let (status, _, code, param) = bench.app.post_with(&[("openresponses-strict", "true")], &request).error();
    assert_eq!(
        (status, code.as_deref(), param.as_deref()),
        (400, Some("unsupported_parameter"), Some("tools[0].allowed_tools"))
    );
}

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
