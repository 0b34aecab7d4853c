//! What is kept: chains over restarts and providers, references, `GET`.

use serde_json::{Value, json};

use crate::stage::app::{folder, setup};
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, KINDS, Turn, text};

fn config(fake: &FakeProvider) -> String {
    KINDS.iter().map(|kind| fake.provider(kind)).collect()
}

#[test]
fn a_stored_response_reads_as_it_was_answered() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).disk(&folder()).start();
    fake.always(wire::answer("openai-chat", text(&["Hi", "!"])));
    let unary = app.post(&json!({"model": "openai-chat/m", "input": "Hello"})).response();
    assert_eq!(unary["store"], true);
    assert_eq!(app.stored(&unary["id"]).response(), unary);

    let streamed = app.post(&json!({"model": "openai-chat/m", "input": "Hello", "stream": true}));
    let snapshot = streamed.last_response();
    assert_eq!(app.stored(&snapshot["id"]).response(), snapshot);
}

#[test]
fn a_response_that_is_not_stored_is_not_found() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    for stream in [false, true] {
        let body = json!({"model": "openai-chat/m", "input": "Hello", "store": false, "stream": stream});
        let answer = app.post(&body);
        let response = if stream { answer.last_response() } else { answer.response() };
        assert_eq!(response["store"], false);
        let got = app.stored(&response["id"]);
        assert_eq!(got.error(), (404, "not_found".into(), Some("not_found".into()), None));
        let id = response["id"].as_str().unwrap();
        assert_eq!(got.message(), format!("Response with id '{id}' not found."));
        let next = json!({"model": "openai-chat/m", "input": "And?", "previous_response_id": id});
        let (status, _, code, param) = app.post(&next).error();
        assert_eq!((status, code.as_deref()), (400, Some("previous_response_not_found")));
        assert_eq!(param.as_deref(), Some("previous_response_id"));
    }
}

#[test]
fn a_chain_goes_on_after_a_restart_and_on_any_provider() {
    let fake = FakeProvider::start();
    let disk = folder();
    let mut previous = Value::Null;
    let answers: [&'static [&'static str]; 5] =
        [&["answer-0"], &["answer-1"], &["answer-2"], &["answer-3"], &["answer-4"]];
    for (turn, kind) in KINDS.into_iter().enumerate() {
        let app = setup(config(&fake)).disk(&disk).start();
        fake.push(wire::answer(kind, Turn { thinking: "hm", ..text(answers[turn]) }));
        let body = json!({"model": format!("{kind}/m"), "input": format!("question-{turn}"),
                          "previous_response_id": previous, "stream": turn % 2 == 0,
                          "instructions": format!("instruction-{turn}")});
        let answer = app.post(&body);
        let response = if turn % 2 == 0 { answer.last_response() } else { answer.response() };
        assert_eq!(response["previous_response_id"], previous);
        previous = response["id"].clone();
        let asked = fake.request(turn).body.to_string();
        let places: Vec<_> = (0..=turn)
            .flat_map(|n| [format!("question-{n}"), format!("answer-{n}")])
            .take(2 * turn + 1)
            .map(|word| asked.find(&word).unwrap_or_else(|| panic!("{kind}: no {word} in {asked}")))
            .collect();
        assert!(places.is_sorted(), "{kind}: out of order in {asked}");
        let foreign = (0..turn).find(|n| asked.contains(&format!("instruction-{n}")));
        assert_eq!(foreign, None, "instructions are not inherited: {asked}");
        app.stop();
    }
}

#[test]
fn sealed_reasoning_survives_in_a_chain_though_nobody_asked_to_see_it() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).disk(&folder()).start();
    for (kind, blob) in [("openai-responses", "blob-of-openai"), ("anthropic", "sig-of-anthropic")] {
        let before = fake.count();
        fake.push(wire::answer(kind, Turn { thinking: "hm", ..text(&["4"]) }));
        fake.push(wire::answer(kind, text(&["6"])));
        let first = json!({"model": format!("{kind}/m"), "input": "2+2?", "reasoning": {"effort": "low", "summary": "auto"}});
        let response = app.post(&first).response();
        assert_eq!(response["output"][0].get("encrypted_content"), None);
        let path = format!(
            "/v1/responses/{}?include[]=reasoning.encrypted_content",
            response["id"].as_str().unwrap()
        );
        let shown = app.get(&path).response();
        assert!(shown["output"][0]["encrypted_content"].as_str().is_some_and(|b| b.starts_with("or2.")));
        let next = json!({"model": format!("{kind}/m"), "input": "3+3?", "previous_response_id": response["id"],
                          "reasoning": {"effort": "low"}});
        app.post(&next).response();
        let asked = fake.request(before + 1).body.to_string();
        assert!(asked.contains(blob), "{kind}: {asked}");
    }
}

#[test]
fn an_item_reference_stands_for_the_stored_item() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).start();
    fake.push(wire::answer("openai-chat", CALL));
    let tool = json!({"type": "function", "name": "get_weather", "parameters": {"type": "object"}});
    let first = json!({"model": "openai-chat/m", "input": "Weather?", "tools": [tool]});
    let call = app.post(&first).response()["output"][0].clone();
    fake.push(wire::answer("anthropic", text(&["18"])));
    let input = json!([{"role": "user", "content": "Weather?"}, {"type": "item_reference", "id": call["id"]},
                       {"type": "function_call_output", "call_id": call["call_id"], "output": "18"}]);
    app.post(&json!({"model": "anthropic/m", "input": input, "tools": [tool]})).response();
    let asked = fake.request(1).body.to_string();
    assert!(asked.contains("tool_use") && asked.contains("Oslo"), "{asked}");

    for wrong in ["fc_nothing", "msg_0199f0f0f0f07000800000000000000000", "../../etc", "é"] {
        let input = json!([{"type": "item_reference", "id": wrong}]);
        let refused = app.post(&json!({"model": "openai-chat/m", "input": input}));
        assert_eq!(
            refused.error(),
            (404, "not_found".into(), Some("not_found".into()), Some("input[0].id".into())),
            "{wrong}"
        );
        assert_eq!(refused.message(), format!("Item with id '{wrong}' not found."));
    }
}

#[test]
fn only_finished_responses_of_a_sane_id_can_be_continued() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).start();
    let long = "resp_".repeat(500);
    for wrong in [
        "resp_0199f0f0f0f070008000000000000000",
        "resp_",
        "nonsense",
        "",
        "../../etc/passwd",
        "resp_\u{0}",
        &long,
    ] {
        let body = json!({"model": "openai-chat/m", "input": "Hi", "previous_response_id": wrong});
        let answer = app.post(&body);
        let (status, kind, code, param) = answer.error();
        assert_eq!((status, kind.as_str()), (400, "invalid_request_error"), "{wrong}");
        assert_eq!(param.as_deref(), Some("previous_response_id"));
        if wrong != long {
            assert_eq!(code.as_deref(), Some("previous_response_not_found"), "{wrong}");
            assert_eq!(answer.message(), format!("Previous response with id '{wrong}' not found."));
        }
    }
    assert_eq!(fake.count(), 0);
}

#[test]
fn get_takes_only_what_it_knows() {
    let fake = FakeProvider::start();
    let app = setup(config(&fake)).start();
    for path in ["resp_unknown", "%ff%fe", "..%2f..", "resp_%00", "a%20b", &"x".repeat(3000)] {
        let (status, kind, ..) = app.get(&format!("/v1/responses/{path}")).error();
        assert_eq!((status, kind.as_str()), (404, "not_found"), "{path}");
    }
    let (status, _, code, param) = app.get("/v1/responses/resp_x?include[]=nonsense").error();
    assert_eq!((status, code.as_deref(), param.as_deref()), (400, Some("invalid_value"), Some("include")));
    let (status, ..) = app.get("/v1/responses/resp_x?include=%ff&=&&a=b=c").error();
    assert_eq!(status, 400);
}
