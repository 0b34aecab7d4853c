//! What an OpenTelemetry collector gets of a response, and what others are told of its spans.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use or_test_support::mcp::{Does, FakeMcp};
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, text};
use pretty_assertions::assert_eq;
use serde_json::json;

use crate::stage::app::{Setup, setup};
use crate::stage::collector::{Collector, Span, metrics, resource};
use crate::stage::mcp::{body, good};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Sends at once.
fn traced(config: &str, collector: &Collector) -> Setup {
    let table = format!("[telemetry]\notlp_endpoint = 'http://{}'\n", collector.address);
    setup(format!("{config}{table}")).env("OTEL_BSP_SCHEDULE_DELAY", "10")
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

#[track_caller]
fn check(span: &Span, want: &[(&str, &str)]) {
    for (name, value) in want {
        assert_eq!(span.attributes.get(*name).map(String::as_str), Some(*value), "{name} of {span:?}");
    }
}

#[test]
fn a_loop_with_tools_is_one_tree_below_the_clients_span() {
    let (collector, fake, endpoint) = (Collector::start(), FakeProvider::start(), FakeProvider::start());
    endpoint.always(|_| Script::body(200, "text/plain", "7"));
    let tool = format!(
        "[tools.get_weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://{}/'\n",
        endpoint.address
    );
    let app = traced(&(fake.provider("openai-chat") + &tool), &collector)
        .env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
        .env("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=hush")
        .start();
    for turn in [CALL, text(&["Seven"])] {
        fake.push(wire::answer("openai-chat", turn));
    }
    let body = json!({"model": "openai-chat/m", "input": "Hi", "stream": true, "temperature": 0.5,
                      "metadata": {"agent": "weather"}, "tools": [{"type": "function", "name": "get_weather"}]});
    let answer = app.post_with(&[("traceparent", PARENT), ("tracestate", "a=1")], &body);
    let response = answer.last_response();
    let spans = collector.spans_with("POST /v1/responses");

    let [request, agent, tool] = ["POST /v1/responses", "invoke_agent weather", "execute_tool get_weather"]
        .map(|name| named(&spans, name)[0]);
    let chats = named(&spans, "chat m");
    assert_eq!((spans.len(), chats.len()), (5, 2));
    assert!(spans.iter().all(|span| span.trace == PARENT[3..35] && !span.failed && span.nanos > 0));
    assert_eq!([&request.parent, &agent.parent, &tool.parent], ["00f067aa0ba902b7", &request.id, &agent.id]);
    assert!(chats.iter().all(|chat| chat.parent == agent.id));
    assert_eq!([request.kind, agent.kind, tool.kind, chats[0].kind], [2, 1, 1, 3]);

    let id = response["id"].as_str().unwrap();
    check(
        request,
        &[
            ("openresponses.response.id", id),
            ("http.response.status_code", "200"),
            ("http.route", "/v1/responses"),
        ],
    );
    check(
        agent,
        &[
            ("gen_ai.agent.name", "weather"),
            ("gen_ai.conversation.id", id),
            ("gen_ai.usage.input_tokens", "22"),
        ],
    );
    let port = fake.address.port().to_string();
    let call = [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "openai-chat"),
        ("gen_ai.request.model", "m"),
        ("gen_ai.request.temperature", "0.5"),
        ("gen_ai.response.finish_reasons", "stop"),
        ("gen_ai.usage.input_tokens", "11"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
    ];
    chats.iter().for_each(|chat| check(chat, &call));
    assert!(chats[1].attributes.contains_key("gen_ai.response.time_to_first_chunk"));
    check(tool, &[("gen_ai.tool.name", "get_weather"), ("gen_ai.tool.call.id", "call_1")]);
    // No content.
    assert!(!format!("{spans:?}").contains("Oslo") && !format!("{spans:?}").contains("Seven"));

    // Each of those that were asked is told of the span that asked it, and the client of the first one.
    let told = |span: &Span| format!("00-{}-{}-01", span.trace, span.id);
    let mut asked: Vec<_> =
        (0..2).map(|n| fake.request(n).header("traceparent").unwrap().to_owned()).collect();
    let mut want: Vec<_> = chats.iter().map(|chat| told(chat)).collect();
    asked.sort();
    want.sort();
    assert_eq!(asked, want);
    assert_eq!(fake.request(0).header("tracestate"), Some("a=1"));
    assert_eq!(endpoint.request(0).header("traceparent"), Some(&*told(tool)));
    assert_eq!(answer.header("traceparent"), Some(&*told(request)));

    let sent = &collector.received("/v1/traces")[0];
    assert!(sent.headers.contains("x-api-key: hush") && sent.headers.contains("application/x-protobuf"));
    let resource = resource(&sent.body);
    assert_eq!(resource["service.name"], "open-responses");
    assert_eq!(resource["deployment.environment.name"], "test");
}

#[test]
fn an_mcp_server_is_told_of_the_span_of_its_call() {
    let (collector, fake, server) = (Collector::start(), FakeProvider::start(), FakeMcp::start());
    let app = traced(&(server.allowed() + &fake.provider("openai-chat")), &collector).start();
    server.rules().does.insert("get_weather".into(), Does::Fails("no".into()));
    for turn in [CALL, text(&["Seven"])] {
        fake.push(wire::answer("openai-chat", turn));
    }
    good(&app.post(&body("openai-chat", &[server.tool("weather")])));
    let spans = collector.spans_with("POST /v1/responses");
    let (agent, call) = (named(&spans, "invoke_agent local")[0], named(&spans, "tools/call get_weather")[0]);
    assert_eq!((&call.parent, call.kind, call.failed, spans.len()), (&agent.id, 3, true, 5));
    check(
        call,
        &[
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "get_weather"),
            ("error.type", "tool_error"),
        ],
    );
    let meta = server.asked("tools/call")[0].body["params"]["_meta"].clone();
    assert_eq!(meta["traceparent"], format!("00-{}-{}-01", call.trace, call.id));
}

#[test]
fn a_failed_call_fails_its_spans_and_a_bad_parent_is_none() {
    let (collector, fake) = (Collector::start(), FakeProvider::start());
    let app = traced(&fake.provider("openai-chat"), &collector).start();
    fake.script(Script::json(500, &wire::error("openai-chat", 500, "no")));
    let body = json!({"model": "openai-chat/m", "input": "Hi"});
    let answer = app.post_with(&[("traceparent", "00-xyz")], &body);
    assert_eq!(answer.status, 502);
    let spans = collector.spans_with("POST /v1/responses");
    let (request, chat) = (named(&spans, "POST /v1/responses")[0], named(&spans, "chat m")[0]);
    assert!(request.failed && chat.failed);
    assert_eq!((request.parent.as_str(), &chat.parent), ("", &request.id));
    check(request, &[("http.response.status_code", "502")]);
    check(chat, &[("error.type", "http_error"), ("http.response.status_code", "500")]);
}

#[test]
fn a_client_that_wants_no_trace_gets_none() {
    let (collector, fake) = (Collector::start(), FakeProvider::start());
    let app = traced(&fake.provider("openai-chat"), &collector).start();
    for parent in [PARENT.replace("-01", "-00"), PARENT.to_owned()] {
        fake.push(wire::answer("openai-chat", text(&["Hi"])));
        app.post_with(&[("traceparent", &parent)], &json!({"model": "openai-chat/m", "input": "Hi"}));
    }
    let spans = collector.spans_with("POST /v1/responses");
    assert_eq!(named(&spans, "POST /v1/responses").len(), 1);
    assert!(fake.request(0).header("traceparent").unwrap().ends_with("-00"));
}

#[test]
fn without_an_endpoint_nothing_is_given_on() {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-chat")).start();
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let answer = app.post_with(&[("traceparent", PARENT)], &json!({"model": "openai-chat/m", "input": "Hi"}));
    assert_eq!((answer.status, answer.header("traceparent")), (200, None));
    assert_eq!(fake.request(0).header("traceparent"), None);
}

#[test]
fn metrics_are_sent_under_the_names_that_they_have() {
    let (collector, fake) = (Collector::start(), FakeProvider::start());
    let app =
        traced(&fake.provider("openai-chat"), &collector).env("OTEL_METRIC_EXPORT_INTERVAL", "50").start();
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    app.post_with(&[], &json!({"model": "openai-chat/m", "input": "Hi"}));
    let end = Instant::now() + Duration::from_secs(30);
    let sent = loop {
        let last = collector.received("/v1/metrics").pop().map(|one| metrics(&one.body)).unwrap_or_default();
        // Its series are there before its end is counted.
        if last.get("gen_ai.server.request.duration") == Some(&1.0) {
            break last;
        }
        assert!(Instant::now() < end, "{last:?}");
        thread::sleep(Duration::from_millis(10));
    };
    let want = [
        ("open_responses_loop_iterations_total", 1.0),
        ("open_responses_response_duration_seconds", 1.0),
        ("open_responses_store_writable", 1.0),
        ("gen_ai.client.operation.duration", 1.0),
        ("gen_ai.server.request.duration", 1.0),
    ];
    let got: BTreeMap<_, _> = want.iter().map(|(name, _)| (*name, sent[*name])).collect();
    assert_eq!(got, BTreeMap::from(want));
}

#[test]
fn a_collector_that_is_gone_holds_nobody_up() {
    let (collector, fake) = (Collector::start(), FakeProvider::start());
    let app = traced(&fake.provider("openai-chat"), &collector).env("OTEL_BSP_MAX_QUEUE_SIZE", "4").start();
    collector.answer(503);
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let body = json!({"model": "openai-chat/m", "input": "Hi"});
    for _ in 0..50 {
        assert_eq!(app.post(&body).status, 200);
    }
    let dropped = || {
        let text = app.get("/metrics").text();
        let line = text.lines().find_map(|line| {
            line.strip_prefix("open_responses_otlp_dropped_total{signal=\"spans\"} ")?.parse::<u64>().ok()
        });
        line.unwrap_or_default()
    };
    let end = Instant::now() + Duration::from_secs(30);
    while dropped() == 0 {
        assert!(Instant::now() < end);
        thread::sleep(Duration::from_millis(50));
    }
    // It is back: spans come again.
    collector.answer(200);
    app.post(&body);
    let before = collector.received("/v1/traces").len();
    let end = Instant::now() + Duration::from_secs(30);
    while collector.received("/v1/traces").len() == before {
        assert!(Instant::now() < end);
        app.post(&body);
        thread::sleep(Duration::from_millis(50));
    }
}
