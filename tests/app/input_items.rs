//! `GET /v1/responses/{id}/input_items`.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Answer;
use or_test_support::provider::FakeProvider;
use or_test_support::schema::schemas;
use or_test_support::wire::{self, CALL, text};

fn server() -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    fake.always(wire::answer("openai-chat", text(&["Hi"])));
    let app = setup(fake.provider("openai-chat")).start();
    (fake, app)
}

fn make(app: &App, input: &Value) -> String {
    let response = app.post(&json!({"model": "openai-chat/m", "input": input})).response();
    response["id"].as_str().unwrap().to_owned()
}

fn get(app: &App, id: &str, query: &str) -> Answer {
    app.get(&format!("/v1/responses/{id}/input_items{query}"))
}

/// The list of a 200, with its frame checked.
#[track_caller]
fn list(app: &App, id: &str, query: &str) -> Value {
    let answer = get(app, id, query);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let list = answer.json();
    let keys: Vec<_> = list.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["object", "data", "first_id", "last_id", "has_more"]);
    assert_eq!(list["object"], "list");
    let data = list["data"].as_array().unwrap();
    let id_of = |item: Option<&Value>| item.map(|item| item["id"].clone()).unwrap_or_default();
    assert_eq!((&list["first_id"], &list["last_id"]), (&id_of(data.first()), &id_of(data.last())));
    for item in data {
        if let Some(Err(findings)) = schemas().map(|s| s.check_named("ItemField", item)) {
            panic!("{findings:#?} in {item:#}");
        }
    }
    list
}

/// The texts of the messages of a list.
fn texts(list: &Value) -> Vec<&str> {
    let data = list["data"].as_array().unwrap().iter();
    data.map(|item| item["content"][0]["text"].as_str().unwrap()).collect()
}

#[test]
fn a_text_is_one_message_of_the_user() {
    let (_fake, app) = server();
    let id = make(&app, &json!("Hello"));
    let shown = list(&app, &id, "");
    let item = &shown["data"][0];
    assert!(item["id"].as_str().is_some_and(|id| id.starts_with("msg_")), "{item}");
    let want = json!({"type": "message", "id": item["id"], "status": "completed", "role": "user",
                      "content": [{"type": "input_text", "text": "Hello"}]});
    assert_eq!(shown["data"], json!([want]));
    assert_eq!(shown["has_more"], false);
    assert_eq!(list(&app, &id, ""), shown, "ids are stable");
}

#[test]
fn pages_follow_each_other_in_both_orders() {
    let (_fake, app) = server();
    let words: Vec<_> = (0..45).map(|n| format!("word-{n}")).collect();
    let input: Vec<_> = words.iter().map(|word| json!({"role": "user", "content": word})).collect();
    let id = make(&app, &json!(input));
    for (order, want) in
        [("", words.iter().rev().collect::<Vec<_>>()), ("&order=asc", words.iter().collect())]
    {
        for (limit, pages) in
            [("", 3), ("&limit=1", 45), ("&limit=45", 1), ("&limit=44", 2), ("&limit=100", 1)]
        {
            let (mut seen, mut query, mut count) = (Vec::new(), format!("?x=y{order}{limit}"), 0);
            loop {
                let page = list(&app, &id, &query);
                seen.extend(texts(&page).into_iter().map(str::to_owned));
                count += 1;
                if page["has_more"] == false {
                    break;
                }
                query = format!("?after={}{order}{limit}", page["last_id"].as_str().unwrap());
            }
            assert_eq!((seen.iter().collect::<Vec<_>>(), count), (want.clone(), pages), "{order}{limit}");
        }
    }
    let last = list(&app, &id, "?limit=1&order=asc");
    let behind = list(&app, &id, &format!("?after={}", last["last_id"].as_str().unwrap()));
    assert_eq!(
        (&behind["data"], &behind["first_id"], &behind["has_more"]),
        (&json!([]), &Value::Null, &json!(false))
    );
}

#[test]
fn every_kind_of_item_keeps_its_contents_and_its_own_id() {
    let (fake, app) = server();
    fake.push(wire::answer("openai-chat", CALL));
    let tool = json!({"type": "function", "name": "get_weather", "parameters": {"type": "object"}});
    let first = app.post(&json!({"model": "openai-chat/m", "input": "Weather?", "tools": [tool]})).response();
    let call = &first["output"][0];
    let input = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Yes?", "annotations": []}], "id": "msg_mine"},
        {"type": "item_reference", "id": call["id"]},
        {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"},
        {"role": "user", "content": [{"type": "input_text", "text": "So?"},
            {"type": "input_image", "image_url": "data:image/png;base64,AAAA"}], "id": "msg_mine"},
    ]);
    let id = make(&app, &input);
    let shown = list(&app, &id, "?order=asc");
    let data = shown["data"].as_array().unwrap();
    let kinds: Vec<_> = data.iter().map(|item| item["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["message", "message", "function_call", "function_call_output", "message"]);
    assert_eq!(data[0]["content"], json!([{"type": "input_text", "text": "Be brief."}]));
    assert_eq!(data[1]["id"], "msg_mine");
    assert_eq!(data[2], *call, "in place of the reference");
    assert_eq!((&data[3]["output"], &data[3]["status"]), (&json!("18 degrees"), &json!("completed")));
    assert_eq!(data[4]["content"][1]["image_url"], "data:image/png;base64,AAAA");
    assert_ne!(data[4]["id"], "msg_mine", "an id stands once in a list");

    let again = json!([{"type": "item_reference", "id": data[4]["id"]}]);
    let again = make(&app, &again);
    assert_eq!(list(&app, &again, "")["data"][0], data[4], "a listed id can be referred to");
}

#[test]
fn a_chained_response_lists_its_own_input_only() {
    let (_fake, app) = server();
    let first = make(&app, &json!("one"));
    let next = json!({"model": "openai-chat/m", "input": "two", "previous_response_id": first});
    let second = app.post(&next).response()["id"].as_str().unwrap().to_owned();
    assert_eq!(texts(&list(&app, &second, "")), ["two"]);
    assert_eq!(texts(&list(&app, &first, "")), ["one"]);
    let empty = json!({"model": "openai-chat/m", "previous_response_id": first, "input": []});
    let answer = app.post(&empty);
    if answer.status == 200 {
        let third = answer.response()["id"].as_str().unwrap().to_owned();
        assert_eq!(list(&app, &third, "")["data"], json!([]));
    }
}

#[test]
fn a_long_input_is_listed_too() {
    let (_fake, app) = server();
    let long = "x".repeat(400_000);
    let id = make(&app, &json!([{"role": "user", "content": long}, {"role": "user", "content": "short"}]));
    let shown = list(&app, &id, "?order=asc");
    assert_eq!(texts(&shown), [long.as_str(), "short"]);
}

#[test]
fn a_wrong_query_is_named() {
    let (_fake, app) = server();
    let id = make(&app, &json!("Hello"));
    for (query, code, param) in [
        ("?limit=0", "integer_below_min_value", "limit"),
        ("?limit=-5", "integer_below_min_value", "limit"),
        ("?limit=101", "integer_above_max_value", "limit"),
        ("?limit=many", "invalid_type", "limit"),
        ("?order=newest", "invalid_value", "order"),
        ("?after=msg_of_nobody", "invalid_value", "after"),
        ("?include[]=nonsense", "invalid_value", "include"),
    ] {
        let want = (400, "invalid_request_error".into(), Some(code.into()), Some(param.into()));
        assert_eq!(get(&app, &id, query).error(), want, "{query}");
    }
    let good = "?include[]=message.input_image.image_url&include=reasoning.encrypted_content&before=x";
    assert_eq!(get(&app, &id, good).status, 200);
    for unknown in ["resp_0199f0f0f0f070008000000000000000", "resp_x", "..%2f..", "%ff"] {
        assert_eq!(
            get(&app, unknown, "").error(),
            (404, "not_found".into(), Some("not_found".into()), None),
            "{unknown}"
        );
    }
    let answer = app.request("POST", &format!("/v1/responses/{id}/input_items"), &[], Some(b"{}")).finish();
    assert_eq!((answer.error().0, answer.header("allow")), (405, Some("GET")));
}
