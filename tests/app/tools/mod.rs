//! Tools that the server runs itself, in the loop of one response.

mod faults;
mod orphans;
mod restart;
mod results;
mod shares;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use open_responses::tools::{Tool, ToolContext, ToolFuture, ToolOutput, ToolSpec};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

/// What the weather tool does when it is called.
#[derive(Clone, Copy)]
enum Behaviour {
    Answer,
    Panic,
    Fail,
    Hang,
}

struct Weather {
    behaviour: Behaviour,
    runs: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Tool for Weather {
    fn spec(&self) -> ToolSpec {
        let parameters =
            json!({"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]});
        ToolSpec { parameters, ..ToolSpec::new("get_weather", "Weather of a city") }
    }

    fn execute(&self, arguments: Value, context: ToolContext) -> ToolFuture<'_> {
        self.runs.fetch_add(1, Ordering::SeqCst);
        let (behaviour, dropped) = (self.behaviour, Dropped(Arc::clone(&self.dropped)));
        Box::pin(async move {
            let _dropped = dropped;
            match behaviour {
                Behaviour::Answer => {
                    context.progress("asking\nthe station");
                    let owner = context.owner.clone();
                    Ok(ToolOutput::Json(json!({"city": arguments["city"], "c": 7, "owner": owner})))
                }
                Behaviour::Panic => panic!("as told"),
                Behaviour::Fail => Err("the station is closed".into()),
                Behaviour::Hang => std::future::pending().await,
            }
        })
    }
}

struct Bench {
    fake: FakeProvider,
    app: App,
    runs: Arc<AtomicUsize>,
    dropped: Arc<AtomicUsize>,
}

fn bench(behaviour: Behaviour, config: &str) -> Bench {
    let fake = FakeProvider::start();
    let (runs, dropped) = (Arc::default(), Arc::default());
    let tool = Weather { behaviour, runs: Arc::clone(&runs), dropped: Arc::clone(&dropped) };
    let config = format!("{}{config}", KINDS.map(|kind| fake.provider(kind)).concat());
    let app = setup(config).with(|builder| builder.tool(tool)).start();
    Bench { fake, app, runs, dropped }
}

fn body(kind: &str, stream: bool) -> Value {
    json!({"model": format!("{kind}/m"), "input": "How is it in Oslo?", "stream": stream,
           "tools": [{"type": "function", "name": "get_weather"}]})
}

/// The output without reasoning, in which some providers keep the state of a call.
fn output(response: &Value) -> Vec<&Value> {
    response["output"].as_array().unwrap().iter().filter(|item| item["type"] != "reasoning").collect()
}

fn types(response: &Value) -> Vec<&str> {
    output(response).iter().map(|item| item["type"].as_str().unwrap()).collect()
}

/// Everything that a request tells the model.
fn told(request: &Request) -> String {
    request.body.to_string()
}

#[test]
fn a_round_of_tools_is_part_of_one_response_on_every_kind() {
    let bench = bench(Behaviour::Answer, "");
    for (n, kind) in KINDS.into_iter().enumerate() {
        for (m, stream) in [false, true].into_iter().enumerate() {
            bench.fake.push(wire::answer(kind, CALL));
            bench.fake.push(wire::answer(kind, text(&["Seven ", "degrees"])));
            let answer = bench.app.post(&body(kind, stream));
            let response = if stream { answer.last_response() } else { answer.response() };
            assert_eq!(answer.text().contains(": progress: asking the station\n\n"), stream);
            assert_eq!(types(&response), ["function_call", "function_call_output", "message"], "{kind}");
            let [call, output, message] = output(&response)[..] else { unreachable!() };
            let want = r#"{"city":"Oslo","c":7,"owner":"local"}"#;
            assert_eq!((&output["output"], &output["status"]), (&json!(want), &json!("completed")));
            assert_eq!(output["call_id"], call["call_id"]);
            assert_eq!(message["content"][0]["text"], "Seven degrees");
            assert_eq!(response["usage"]["output_tokens"], 2 * wire::OUTPUT_TOKENS);
            assert_eq!(response["tools"][0]["parameters"]["required"], json!(["city"]));
            let second = bench.fake.request(4 * n + 2 * m + 1);
            assert!(told(&second).contains("Oslo") && told(&second).contains("owner"), "{}", told(&second));
            assert_eq!(bench.app.stored(&response["id"]).response(), response);
        }
    }
    assert_eq!(bench.runs.load(Ordering::SeqCst), 10);
}

#[test]
fn strict_translation_is_for_the_request_and_not_for_what_the_loop_makes() {
    let bench = bench(Behaviour::Answer, "");
    for kind in KINDS {
        for stream in [false, true] {
            // On openai-chat there is no way back for reasoning.
            bench.fake.push(wire::answer(kind, Turn { thinking: "Hm", ..CALL }));
            bench.fake.push(wire::answer(kind, text(&["Seven degrees"])));
            let answer = bench.app.post_with(&[("openresponses-strict", "true")], &body(kind, stream));
            let response = if stream { answer.last_response() } else { answer.response() };
            assert_eq!(response["status"], "completed", "{kind}: {response}");
        }
    }
}

#[test]
fn what_goes_wrong_in_a_tool_is_told_to_the_model() {
    for (behaviour, want) in [(Behaviour::Fail, "the station is closed"), (Behaviour::Panic, "panic")] {
        let bench = bench(behaviour, "");
        bench.fake.push(wire::answer("anthropic", CALL));
        bench.fake.push(wire::answer("anthropic", text(&["I do not know"])));
        let response = bench.app.post(&body("anthropic", true)).last_response();
        assert_eq!(response["status"], "completed");
        let output = response["output"][1]["output"].as_str().unwrap().to_owned();
        assert!(output.to_lowercase().contains(want) || matches!(behaviour, Behaviour::Panic), "{output}");
        assert!(!output.contains("as told"), "the panic's text is not for the model: {output}");
        assert!(told(&bench.fake.request(1)).contains(output.split('"').next().unwrap()));
    }
}

#[test]
fn tools_that_are_not_ours_go_to_the_client() {
    let bench = bench(Behaviour::Answer, "");
    let call = |id: &str, name: &str| json!({"id": id, "type": "function", "function": {"name": name, "arguments": "{\"city\":\"Oslo\"}"}});
    let message = json!({"role": "assistant", "content": null, "tool_calls": [call("c1", "get_weather"), call("c2", "mine")]});
    let turn = json!({"id": "x", "object": "chat.completion", "created": 1, "model": "m",
                      "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}]});
    bench.fake.script(Script::json(200, &turn));
    let mut request = body("openai-chat", false);
    request["tools"].as_array_mut().unwrap().push(json!({"type": "function", "name": "mine"}));
    let first = bench.app.post(&request).response();
    assert_eq!(types(&first), ["function_call", "function_call", "function_call_output"]);
    assert_eq!((&first["status"], &first["output"][2]["call_id"]), (&json!("completed"), &json!("c1")));
    bench.fake.push(wire::answer("openai-chat", text(&["Done"])));
    request["previous_response_id"] = first["id"].clone();
    request["input"] =
        json!([{"type": "function_call_output", "call_id": "c2", "output": "ours and theirs"}]);
    let second = bench.app.post(&request).response();
    assert_eq!(types(&second), ["message"]);
    let asked = bench.fake.request(1).body;
    let roles: Vec<_> =
        asked["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["user", "assistant", "tool", "tool"]);
    assert_eq!(bench.runs.load(Ordering::SeqCst), 1);
}

#[test]
fn a_call_whose_id_is_too_long_can_be_answered() {
    const LONG: &str = "call_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789";
    let bench = bench(Behaviour::Answer, "");
    for kind in KINDS {
        bench.fake.push(wire::answer(kind, Turn { call: Some((LONG, "mine", "{}")), ..CALL }));
        let mut request = body(kind, false);
        request["tools"].as_array_mut().unwrap().push(json!({"type": "function", "name": "mine"}));
        let first = bench.app.post(&request).response();
        let call = output(&first)[0];
        assert!(
            call["call_id"].as_str().is_some_and(|id| !id.is_empty() && id.len() <= 64),
            "{kind}: {call}"
        );
        let result = json!({"type": "function_call_output", "call_id": call["call_id"], "output": "7"});
        let chained = json!({"previous_response_id": first["id"], "input": [result]});
        let replayed = json!({"input": [{"role": "user", "content": "How is it?"}, call, result]});
        for rest in [chained, replayed] {
            bench.fake.push(wire::answer(kind, text(&["Done"])));
            let mut next = request.clone();
            next.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            assert_eq!(types(&bench.app.post(&next).response()), ["message"], "{kind}");
        }
    }
}

#[test]
fn a_client_that_leaves_ends_its_tools() {
    let bench = bench(Behaviour::Hang, "");
    for (n, stream) in [true, false].into_iter().enumerate() {
        bench.fake.push(wire::answer("openai-chat", CALL));
        let mut connection = bench.app.open(&body("openai-chat", stream));
        if stream {
            connection.until("response.output_item.done");
        }
        let end = Instant::now() + Duration::from_secs(30);
        while bench.runs.load(Ordering::SeqCst) <= n {
            assert!(Instant::now() < end, "the tool does not run");
            std::thread::sleep(Duration::from_millis(5));
        }
        connection.leave();
        while bench.dropped.load(Ordering::SeqCst) <= n {
            assert!(Instant::now() < end, "the tool runs on");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn an_error_after_a_tool_was_run_names_the_response_that_is_kept() {
    let bench = bench(Behaviour::Answer, "");
    let fail = |body: &Value| {
        bench.fake.push(wire::answer("openai-chat", CALL));
        bench.fake.script(Script::json(500, &json!({"error": {"message": "Out of order."}})));
        let answer = bench.app.post(body);
        assert_eq!(answer.error().0, 502);
        answer.header("openresponses-response-id").map(str::to_owned)
    };
    let mut request = body("openai-chat", false);
    let id = json!(fail(&request));
    let kept = bench.app.stored(&id).response();
    assert_eq!((&kept["status"], types(&kept).len()), (&json!("failed"), 2));
    bench.fake.push(wire::answer("openai-chat", text(&["Seven"])));
    let next = json!({"model": "openai-chat/m", "input": "So?", "previous_response_id": id});
    assert_eq!(bench.app.post(&next).response()["status"], "completed");
    assert!(told(&bench.fake.request(2)).contains("owner"));

    request["store"] = json!(false);
    assert_eq!(fail(&request), None);
    bench.fake.script(Script::json(500, &json!({"error": {"message": "Out of order."}})));
    assert_eq!(bench.app.post(&body("openai-chat", false)).header("openresponses-response-id"), None);
}

#[test]
fn a_used_up_budget_gives_the_model_a_last_word() {
    let bench = bench(Behaviour::Answer, "");
    for kind in KINDS {
        bench.runs.store(0, Ordering::SeqCst);
        let before = bench.fake.count();
        bench.fake.push(wire::answer(kind, CALL));
        bench.fake.push(wire::answer(kind, text(&["Seven"])));
        let mut request = body(kind, false);
        request["max_tool_calls"] = json!(1);
        request["tool_choice"] = json!("required");
        let response = bench.app.post(&request).response();
        assert_eq!(types(&response), ["function_call", "function_call_output", "message"], "{kind}");
        assert_eq!((&response["tool_choice"], &response["max_tool_calls"]), (&json!("required"), &json!(1)));
        assert_eq!((bench.fake.count(), bench.runs.load(Ordering::SeqCst)), (before + 2, 1));
    }
}

#[test]
fn a_model_that_never_stops_is_stopped() {
    let bench = bench(Behaviour::Answer, "\n[tool_limits]\nmax_repeats = 2\n");
    bench.fake.always(wire::answer("openai-chat", CALL));
    let response = bench.app.post(&body("openai-chat", true)).last_response();
    assert_eq!(response["status"], "completed");
    assert!((2..5).contains(&bench.runs.load(Ordering::SeqCst)), "{response}");
    assert!(bench.fake.count() < 6);
}
