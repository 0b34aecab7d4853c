//! Members of a provider's answer that have no form of their own here, from OpenAI's wire to the client.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::provider::{FakeProvider, Script};

const MODEL: &str = "openai-responses/gpt-5";

fn moderation(flagged: bool) -> Value {
    let result = json!({"type": "moderation_result", "flagged": flagged, "category_scores": {"x": 0.12}});
    json!({"input": result, "output": {"type": "error", "code": "c", "message": "m"}})
}

/// What OpenAI says of a response, with a member that nobody knows and one that is as good as absent.
fn said(status: &str, error: &Value) -> Value {
    let output = json!([{"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}]);
    json!({"id": "resp_1", "object": "response", "status": status, "error": error, "output": output,
        "usage": {"input_tokens": 1, "output_tokens": 2}, "moderation": moderation(true),
        "tool_usage": {"image_gen": {"total_tokens": 0}, "web_search": {"num_requests": 2}},
        "input_transformations": [{"id": "rs_1", "action": "removed", "reason": "model_mismatch", "type": "reasoning"}],
        "prompt_cache_retention": "24h", "image": null, "surprise": {"a": 1}, "nothing": {}})
}

fn answer(response: &Value, stream: bool) -> Script {
    if !stream {
        return Script::json(200, response);
    }
    let event =
        json!({"type": format!("response.{}", response["status"].as_str().unwrap()), "response": response});
    Script::head(200, "text/event-stream").send(format!("data: {event}\n\n"))
}

fn start() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let app = setup(fake.provider("openai-responses")).start();
    (fake, app)
}

#[test]
fn what_the_provider_says_of_a_response_is_shown_and_kept() {
    let (fake, app) = start();
    let told = said("completed", &Value::Null);
    for stream in [false, true] {
        fake.script(answer(&told, stream));
        let got = app.post(&json!({"model": MODEL, "input": "Hi", "stream": stream}));
        let response = if stream { got.last_response() } else { got.response() };
        for name in ["moderation", "tool_usage", "input_transformations", "prompt_cache_retention"] {
            assert_eq!(response[name], told[name], "{name}");
        }
        for name in ["image", "surprise", "nothing"] {
            assert_eq!(response.get(name), None);
        }
        assert_eq!(app.stored(&response["id"]).response(), response);
        if !stream {
            let notes = got.header("openresponses-translation").unwrap();
            assert!(notes.contains("response.surprise;unknown"), "{notes}");
            assert!(!notes.contains("nothing"), "{notes}");
        }
    }
}

#[test]
fn the_requests_own_words_are_echoed_and_a_policy_is_no_result() {
    let (fake, app) = start();
    let mut told = said("completed", &Value::Null);
    told["moderation"] = Value::Null;
    fake.script(answer(&told, false));
    let policy = json!({"model": "omni-moderation-latest"});
    let body =
        json!({"model": MODEL, "input": "Hi", "prompt_cache_retention": "in_memory", "moderation": policy});
    let response = app.post(&body).response();
    assert_eq!(
        (&response["prompt_cache_retention"], response.get("moderation")),
        (&json!("in_memory"), None)
    );
    assert_eq!(fake.request(0).body["moderation"], policy);
}

#[test]
fn a_guard_against_misalignment_is_told_with_its_reasons() {
    let (fake, app) = start();
    let misalignment =
        json!({"error_type": "other", "review_target": "t", "steer": {"message": "Ask first."}});
    let error = json!({"code": "misalignment_policy_violation", "message": "Blocked.", "type": "policy",
        "param": "input", "misalignment": misalignment});
    let told = said("failed", &error);
    fake.script(answer(&told, true));
    let got = app.post(&json!({"model": MODEL, "input": "Hi", "stream": true}));
    let response = got.last_response();
    let shown = json!({"code": "misalignment_policy_violation", "message": "Blocked.", "type": "policy", "param": "input",
        "misalignment": misalignment});
    assert_eq!((&response["error"], &response["moderation"]), (&shown, &told["moderation"]));
    assert_eq!(app.stored(&response["id"]).response()["error"], shown);
    let events = got.events();
    let (_, event) = events.iter().find(|(name, _)| name == "error").unwrap();
    assert_eq!(event["error"]["misalignment"], misalignment);

    fake.script(answer(&told, false));
    let refused = app.post(&json!({"model": MODEL, "input": "Hi"}));
    assert_eq!(refused.json()["error"]["misalignment"], misalignment);
}
