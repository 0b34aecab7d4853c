//! Good answers: every kind of provider, as JSON and as a stream.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::Options;
use or_test_support::client::check_response;
use or_test_support::provider::{FakeProvider, Script};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

/// A server with one provider of each kind, all played by one fake.
fn all_kinds() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let config: String = KINDS.iter().map(|kind| fake.provider(kind)).collect();
    (fake, setup(config).start())
}

fn weather_tool() -> Value {
    json!({"type": "function", "name": "get_weather", "description": "Weather of a city",
           "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}})
}

/// The response as JSON and as the last snapshot of a stream, both checked; they must say the same.
#[track_caller]
fn both(fake: &FakeProvider, app: &App, kind: &'static str, turn: Turn, body: &Value) -> Value {
    let mut body = body.clone();
    body["model"] = json!(format!("{kind}/m"));
    fake.push(wire::answer(kind, turn));
    let unary = app.post(&body).response();
    body["stream"] = json!(true);
    fake.push(wire::answer(kind, turn));
    let streamed = app.post(&body).last_response();
    check_response(&streamed, Options::STRICT);
    assert_eq!(without_ids(&unary), without_ids(&streamed), "{kind}");
    unary
}

fn without_ids(response: &Value) -> Value {
    let mut response = response.clone();
    for key in ["id", "created_at", "completed_at"] {
        response[key] = json!(response[key].is_null());
    }
    for item in response["output"].as_array_mut().unwrap() {
        item["id"] = Value::Null;
    }
    response
}

fn output_types(response: &Value) -> Vec<&str> {
    response["output"].as_array().unwrap().iter().map(|item| item["type"].as_str().unwrap()).collect()
}

#[test]
fn text_comes_from_every_kind() {
    let (fake, app) = all_kinds();
    for kind in KINDS {
        let turn = text(&["Hel", "lo ", "wörld"]);
        let response = both(&fake, &app, kind, turn, &json!({"input": "Hi", "metadata": {"a": "b"}}));
        assert_eq!(response["status"], "completed", "{kind}");
        assert_eq!(response["model"], format!("{kind}/m"));
        assert_eq!(output_types(&response), ["message"], "{kind}");
        assert_eq!(response["output"][0]["content"][0]["text"], "Hello wörld", "{kind}");
        assert_eq!(response["metadata"], json!({"a": "b"}));
        let usage = &response["usage"];
        assert_eq!((&usage["input_tokens"], &usage["output_tokens"]), (&json!(11), &json!(7)), "{kind}");
        assert_eq!(usage["total_tokens"], 18, "{kind}");
    }
}

#[test]
fn a_tool_call_goes_round_on_every_kind() {
    let (fake, app) = all_kinds();
    for kind in KINDS {
        let before = fake.count();
        let body = json!({"input": "Weather in Oslo?", "tools": [weather_tool()]});
        let response = both(&fake, &app, kind, CALL, &body);
        // Gemini's signature of the call has an item of its own.
        let types: &[&str] =
            if kind == "gemini" { &["reasoning", "function_call"] } else { &["function_call"] };
        assert_eq!(output_types(&response), types, "{kind}");
        let call = &response["output"][types.len() - 1];
        assert_eq!((&call["name"], &call["status"]), (&json!("get_weather"), &json!("completed")), "{kind}");
        let arguments: Value = serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({"city": "Oslo"}), "{kind}");

        let output =
            json!({"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"});
        let next =
            json!({"input": [output], "previous_response_id": response["id"], "tools": [weather_tool()]});
        let last = both(&fake, &app, kind, text(&["18 ", "degrees"]), &next);
        assert_eq!(last["output"][0]["content"][0]["text"], "18 degrees", "{kind}");
        assert_eq!(last["previous_response_id"], response["id"]);
        let asked = fake.request(before + 2).body.to_string();
        for part in ["Weather in Oslo?", "get_weather", "Oslo", "18 degrees"] {
            assert!(asked.contains(part), "{kind}: no `{part}` in {asked}");
        }
    }
}

#[test]
fn thinking_comes_before_the_text() {
    let (fake, app) = all_kinds();
    for kind in KINDS {
        let turn = Turn { thinking: "2+2 is 4", ..text(&["4"]) };
        let body = json!({"input": "2+2?", "reasoning": {"effort": "low", "summary": "auto"}});
        let response = both(&fake, &app, kind, turn, &body);
        assert_eq!(output_types(&response), ["reasoning", "message"], "{kind}");
        let thought = &response["output"][0];
        assert!(thought.get("encrypted_content").is_none(), "{kind}: {thought}");
        assert_eq!(thought["summary"][0]["text"], "2+2 is 4", "{kind}: {thought}");
        assert_eq!(thought.get("content"), None, "{kind}: {thought}");
        assert_eq!(response["reasoning"], json!({"effort": "low", "summary": "auto"}));
    }
}

#[test]
fn events_of_a_raw_trace_are_named_as_their_client_reads_them() {
    let (fake, app) = all_kinds();
    let names = |headers: &[(&str, &str)], kind: &'static str| {
        fake.push(wire::answer(kind, Turn { thinking: "2+2 is 4", ..text(&["4"]) }));
        let answer =
            app.post_with(headers, &json!({"model": format!("{kind}/m"), "input": "2+2?", "stream": true}));
        let names = answer
            .events_with(Options::HOSTED)
            .into_iter()
            .map(|(name, _)| name)
            .filter(|name| name.contains("reasoning"));
        names.collect::<Vec<_>>()
    };
    let spec = ["response.reasoning.delta", "response.reasoning.done"];
    let openai = ["response.reasoning_text.delta", "response.reasoning_text.done"];
    for kind in ["openai-chat", "ollama"] {
        assert_eq!(names(&[], kind), spec, "{kind}");
        assert_eq!(names(&[("x-stainless-lang", "js")], kind), openai, "{kind}");
        assert_eq!(names(&[("user-agent", "ai/7 ai-sdk/open-responses/2")], kind), openai, "{kind}");
        assert_eq!(names(&[("openresponses-reasoning-events", "openai")], kind), openai, "{kind}");
    }
    let headers = [("openresponses-reasoning-events", "both")];
    let answer = app.post_with(&headers, &json!({"model": "ollama/m", "input": "2+2?"}));
    assert_eq!(answer.error().2.as_deref(), Some("invalid_value"));
}

#[test]
fn an_exhausted_budget_is_incomplete() {
    let (fake, app) = all_kinds();
    for kind in KINDS {
        let turn = Turn { cut: true, ..text(&["Once ", "upon"]) };
        let response = both(&fake, &app, kind, turn, &json!({"input": "A tale", "max_output_tokens": 16}));
        assert_eq!(response["status"], "incomplete", "{kind}");
        assert_eq!(response["incomplete_details"], json!({"reason": "max_output_tokens"}), "{kind}");
        assert_eq!(response["output"][0]["status"], "incomplete", "{kind}");
        assert_eq!(response["completed_at"], Value::Null);
    }
}

#[test]
fn a_refusal_is_a_refusal_part() {
    let (fake, app) = all_kinds();
    for kind in ["openai-chat", "openai-responses"] {
        let turn = Turn { refusal: "I can't help with that.", ..Turn::default() };
        let response = both(&fake, &app, kind, turn, &json!({"input": "No"}));
        let part = &response["output"][0]["content"][0];
        assert_eq!(*part, json!({"type": "refusal", "refusal": "I can't help with that."}), "{kind}");
    }
}

#[test]
fn a_schema_reaches_every_kind_and_is_echoed() {
    let (fake, app) = all_kinds();
    for kind in KINDS {
        let before = fake.count();
        let schema = json!({"type": "object", "properties": {"answer_word": {"type": "string"}},
                            "required": ["answer_word"], "additionalProperties": false});
        let format = json!({"type": "json_schema", "name": "reply", "schema": schema, "strict": true});
        let body = json!({"input": "Answer", "text": {"format": format}});
        let response = both(&fake, &app, kind, text(&[r#"{"answer_word""#, r#":"x"}"#]), &body);
        assert_eq!(response["output"][0]["content"][0]["text"], r#"{"answer_word":"x"}"#, "{kind}");
        assert_eq!(response["text"]["format"]["schema"], schema, "{kind}");
        let asked = fake.request(before).body.to_string();
        assert!(asked.contains("answer_word"), "{kind}: {asked}");
    }
}

#[test]
fn sealed_reasoning_is_shown_when_asked_for_and_goes_back_unchanged() {
    let (fake, app) = all_kinds();
    for (kind, blob) in [("openai-responses", "blob-of-openai"), ("anthropic", "sig-of-anthropic")] {
        let before = fake.count();
        let turn = Turn { thinking: "hm", ..text(&["4"]) };
        let body = json!({"input": "2+2?", "store": false, "include": ["reasoning.encrypted_content"],
                          "reasoning": {"effort": "low", "summary": "auto"}});
        let response = both(&fake, &app, kind, turn, &body);
        let sealed = response["output"][0]["encrypted_content"].as_str().unwrap();
        assert!(sealed.starts_with("or2."), "{kind}: {sealed}");

        let mut input = vec![json!({"role": "user", "content": "2+2?"})];
        input.extend(response["output"].as_array().unwrap().iter().cloned());
        input.push(json!({"role": "user", "content": "And 3+3?"}));
        both(&fake, &app, kind, text(&["6"]), &json!({"input": input, "reasoning": {"effort": "low"}}));
        let asked = fake.request(before + 2).body.to_string();
        assert!(asked.contains(blob), "{kind}: {asked}");
    }
}

#[test]
fn an_answer_has_the_customary_headers() {
    let (fake, app) = all_kinds();
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let body = json!({"model": "openai-chat/m", "input": "Hi"});
    let unary = app.post_with(&[("x-request-id", "mine-1")], &body);
    assert_eq!(unary.header("content-type"), Some("application/json"));
    assert_eq!(unary.header("x-request-id"), Some("mine-1"));
    assert!(unary.header("openai-processing-ms").is_some_and(|ms| ms.parse::<u64>().is_ok()));
    assert_eq!(unary.header("openresponses-translation"), None);
    assert_eq!(unary.header("openresponses-provider"), Some("openai-chat"));

    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let stream = app.post(&json!({"model": "openai-chat/m", "input": "Hi", "stream": true}));
    stream.events();
    assert!(stream.header("content-type").is_some_and(|t| t.starts_with("text/event-stream")));
    assert_eq!(stream.header("cache-control"), Some("no-cache"));
    assert_eq!(stream.header("x-accel-buffering"), Some("no"));
    assert_eq!(stream.header("openresponses-provider"), Some("openai-chat"));
    assert!(stream.header("x-request-id").is_some_and(|id| id.starts_with("req_")));
    let body = stream.text();
    assert!(body.ends_with("\n\ndata: [DONE]\n\n"), "{body}");
    assert!(!body.contains('\r') && !body.contains("\nid:"), "{body}");
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks() {
    let (fake, app) = all_kinds();
    fake.push(wire::answer("openai-chat", text(&["Hi"])));
    let body = json!({"model": "openai-chat/m", "input": "Hi", "stream": true}).to_string();
    let head = format!("host: {}\r\ncontent-type: application/json", app.address);
    let request =
        format!("POST /v1/responses HTTP/1.0\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    let mut socket = TcpStream::connect(app.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, events) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200") && !head.contains("transfer-encoding"), "{head}");
    assert!(events.starts_with("event: response.created\n"), "{events}");
    assert!(events.ends_with("\n\ndata: [DONE]\n\n") && !events.contains('\r'), "{events}");
}

#[test]
fn a_dropped_field_is_reported_and_refused_in_strict_mode() {
    let (fake, app) = all_kinds();
    fake.always(wire::answer("anthropic", text(&["Hi"])));
    let body = json!({"model": "anthropic/m", "input": "Hi", "presence_penalty": 1});
    let answer = app.post(&body);
    answer.response();
    let notes = answer.header("openresponses-translation").unwrap_or_default();
    assert!(notes.contains("presence_penalty;dropped;"), "{notes}");
    let asked = fake.count();

    let refused = app.post_with(&[("openresponses-strict", "true")], &body);
    let want = (
        400,
        "invalid_request_error".into(),
        Some("unsupported_parameter".into()),
        Some("presence_penalty".into()),
    );
    assert_eq!(refused.error(), want);
    assert_eq!(fake.count(), asked, "nothing may be sent in strict mode");

    let strict = setup(format!("server.strict_translation = true\n{}", fake.provider("anthropic"))).start();
    assert_eq!(strict.post(&body).status, 400);
    assert_eq!(strict.post_with(&[("openresponses-strict", "false")], &body).status, 200);
}

#[test]
fn a_paused_turn_goes_on_in_the_same_stream() {
    let (fake, app) = all_kinds();
    let pause = |frame: String| frame.replace("end_turn", "pause_turn");
    for background in [false, true] {
        let frames = wire::frames("anthropic", &text(&["First"])).into_iter().map(pause);
        fake.script(frames.fold(Script::head(200, "text/event-stream"), Script::send));
        fake.push(wire::answer("anthropic", text(&["Second"])));
        let body = json!({"model": "anthropic/m", "input": "Hi", "stream": true, "background": background});
        let response = app.post(&body).last_response();
        let texts: Vec<_> =
            response["output"].as_array().unwrap().iter().map(|i| i["content"][0]["text"].clone()).collect();
        assert_eq!(
            (&response["status"], texts),
            (&json!("completed"), vec![json!("First"), json!("Second")])
        );
        assert_eq!(response["usage"]["output_tokens"], 2 * wire::OUTPUT_TOKENS);
        assert_eq!(app.stored(&response["id"]).response(), response);
    }
    assert_eq!(fake.count(), 4);
}

#[test]
fn strict_mode_refuses_whatever_a_kind_cannot_carry() {
    let (fake, app) = all_kinds();
    let cases = [
        ("openai-chat", "truncation", "auto"),
        ("anthropic", "truncation", "auto"),
        ("gemini", "prompt_cache_retention", "24h"),
        ("gemini", "user", "u"),
        ("ollama", "safety_identifier", "s"),
        ("ollama", "service_tier", "flex"),
    ];
    for (kind, field, value) in cases {
        let body = json!({"model": format!("{kind}/m"), "input": "Hi", field: value});
        let (status, _, code, param) = app.post_with(&[("openresponses-strict", "true")], &body).error();
        assert_eq!((status, code.as_deref()), (400, Some("unsupported_parameter")), "{kind} {field}");
        assert_eq!(param.as_deref(), Some(field), "{kind}");
    }
    assert_eq!(fake.count(), 0);
}

#[test]
fn a_demand_for_a_call_that_no_tool_can_meet_is_refused_by_every_kind() {
    let (fake, app) = all_kinds();
    for kind in ["openai-chat", "anthropic", "gemini", "ollama"] {
        for choice in [json!("required"), json!({"type": "web_search"})] {
            let tools = json!([{"type": "web_search"}]);
            let body =
                json!({"model": format!("{kind}/m"), "input": "Hi", "tools": tools, "tool_choice": choice});
            let (status, _, code, param) = app.post(&body).error();
            assert_eq!((status, code.as_deref()), (400, Some("unsupported_value")), "{kind} {choice}");
            assert_eq!(param.as_deref(), Some("tool_choice"), "{kind} {choice}");
        }
    }
    assert_eq!(fake.count(), 0);
}
