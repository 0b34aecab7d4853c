//! Members of a request that have no form of their own: where they are kept, what is checked of them, what is shown.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

use or_protocol::{CreateResponseBody, PromptCacheOptions, ResponseId, ResponseResource, ResponseStatus};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

#[track_caller]
fn refused(body: Value) -> (String, String) {
    let error = CreateResponseBody::from_value(body).unwrap_err();
    (error.code.unwrap_or_default(), error.param.unwrap_or_default())
}

#[test]
fn members_are_kept_where_they_were() {
    let body = json!({"input": "Hi", "seed": 7, "none": null, "reasoning": {"mode": "pro", "effort": "low"},
        "text": {"a": 1, "format": {"type": "text", "b": 2}}, "stream_options": {"c": 3}});
    let members = CreateResponseBody::from_value(body).unwrap().settings.members;
    let got: Vec<_> =
        members.paths().into_iter().map(|(path, value)| format!("{path}={}", value.as_str())).collect();
    assert_eq!(
        got,
        ["seed=7", r#"reasoning.mode="pro""#, "text.a=1", "text.format.b=2", "stream_options.c=3"]
    );
}

#[test]
fn the_last_of_a_name_counts_and_a_null_is_none() {
    let body = r#"{"input":"a","x":1,"x":2,"y":1,"y":null}"#;
    let members = CreateResponseBody::from_json(body.as_bytes()).unwrap().settings.members;
    assert_eq!(serde_json::to_string(&members.body).unwrap(), r#"{"x":2}"#);
}

#[test]
fn what_decides_whether_something_is_made_is_read_strictly() {
    let wrong = "invalid_type".to_owned();
    for (body, param) in [
        (json!({"prompt_cache_options": {"prewarm": "true"}}), "prompt_cache_options.prewarm"),
        (json!({"generate": 0}), "generate"),
        (json!({"moderation": "on"}), "moderation"),
        (json!({"context_management": {}}), "context_management"),
        (json!({"background_options": {"completion_window": 8}}), "background_options.completion_window"),
        (json!({"reasoning": {"context": 1}}), "reasoning.context"),
    ] {
        assert_eq!(refused(body), (wrong.clone(), param.to_owned()));
    }
    let (code, param) = refused(json!({"prompt_cache_options": {"mode": "loud"}}));
    assert_eq!((code.as_str(), param.as_str()), ("invalid_value", "prompt_cache_options.mode"));
}

#[test]
fn they_are_bounded_in_number_and_in_bytes() {
    let many: serde_json::Map<_, _> = (0..65).map(|n| (format!("x{n}"), json!(n))).collect();
    assert_eq!(refused(Value::Object(many)).0, "object_above_max_properties");
    assert_eq!(refused(json!({"x": "y".repeat(300_000)})).0, "string_above_max_length");
    let few: serde_json::Map<_, _> = (0..64).map(|n| (format!("x{n}"), json!(n))).collect();
    assert!(CreateResponseBody::from_value(few.into()).is_ok());
}

#[test]
fn options_of_the_cache_have_their_defaults() {
    let settings = |body: Value| CreateResponseBody::from_value(body).unwrap().settings;
    assert_eq!(settings(json!({})).prompt_cache_options(), None);
    let given = settings(json!({"prompt_cache_options": {"ttl": "12h", "prewarm": true}}));
    let want = PromptCacheOptions { ttl: Some("12h".into()), prewarm: true, ..PromptCacheOptions::default() };
    assert_eq!(given.prompt_cache_options(), Some(want));
    assert!(given.generates_nothing() && !settings(json!({"generate": true})).generates_nothing());
    let id = ResponseId::new();
    let response = ResponseResource {
        id: &id,
        created_at: 1,
        completed_at: None,
        status: ResponseStatus::InProgress,
        incomplete_details: None,
        model: "m",
        previous_response_id: None,
        output: &[],
        error: None,
        usage: None,
        store: true,
        background: false,
        service_tier: "default",
        settings: &given,
        members: None,
        prompt_cache_diagnostics: None,
    };
    let shown = &json!(response)["prompt_cache_options"];
    assert_eq!(*shown, json!({"prewarm": true, "mode": "implicit", "ttl": "12h"}));
}

#[test]
fn tools_show_all_their_members_and_a_custom_one_its_format() {
    let tools = json!([
        {"type": "function", "name": "f", "async": true, "defer_loading": true, "output_schema": {"type": "object"}},
        {"type": "custom", "name": "c"},
        {"type": "x_search", "from": "2026"}
    ]);
    let settings = CreateResponseBody::from_value(json!({ "tools": tools })).unwrap().settings;
    let want = json!([
        {"type": "function", "name": "f", "description": null, "parameters": null, "strict": null,
         "async": true, "defer_loading": true, "output_schema": {"type": "object"}},
        {"type": "custom", "name": "c", "format": {"type": "text"}},
        {"type": "x_search", "from": "2026"}
    ]);
    assert_eq!(json!(settings.tools), want);
}

#[test]
fn a_choice_may_name_a_tool_that_an_item_brings() {
    let bring = json!({"type": "additional_tools", "role": "developer", "tools": [{"type": "function", "name": "f"}]});
    let choice = json!({"type": "function", "name": "f"});
    assert!(CreateResponseBody::from_value(json!({"input": [bring], "tool_choice": choice})).is_ok());
    assert_eq!(refused(json!({"input": "Hi", "tool_choice": choice})).1, "tool_choice");
    let bad = json!({"type": "additional_tools", "tools": [{"type": "function"}]});
    assert_eq!(refused(json!({"input": [bad]})).1, "input[0].tools[0].name");
    let bad = json!({"type": "configuration_update", "reasoning": {"effort": "much"}});
    assert_eq!(refused(json!({"input": [bad]})).1, "input[0].reasoning.effort");
}
