//! The provider's own tools: how they are asked for, what their calls look like, and how their parts go back.

use or_adapters::gemini::Gemini;
use or_adapters::{Adapter, ModelEvent, ModelRequest, ProviderOptions};
use or_protocol::{CreateResponseBody, Envelope};
use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::{stream, translator};

const FLASH: &str = "gemini-2.5-flash";
const THIRD: &str = "gemini-3-flash-preview";

fn body(client: &Value) -> CreateResponseBody {
    let mut client = client.clone();
    if client.get("input").is_none() {
        client["input"] = json!("Hi");
    }
    CreateResponseBody::from_value(client).unwrap()
}

fn gemini(host: &str, quirks: &Value) -> Gemini {
    let quirks = quirks.as_object().cloned().unwrap_or_default();
    Gemini::new(&ProviderOptions { name: "g".into(), base_url: format!("https://{host}/v1"), quirks })
        .unwrap()
}

/// What is sent of `members`, and the fields of the notes.
#[track_caller]
fn check_with(adapter: &Gemini, model: &str, client: Value, want: Value, notes: &[&str]) {
    let client = body(&client);
    let (context, settings) = (&client.input[..], &client.settings);
    let call = adapter.request(&ModelRequest { model, context, settings, stream: true }).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    let got = json!({"tools": body["tools"], "toolConfig": body["toolConfig"]});
    assert_eq!(
        (got, call.notes.iter().map(|n| n.field.as_str()).collect::<Vec<_>>()),
        (want, notes.to_vec())
    );
}

#[track_caller]
fn check(model: &str, client: Value, tools: Value, config: Value, notes: &[&str]) {
    let want = json!({"tools": tools, "toolConfig": config});
    check_with(&gemini("g.test", &Value::Null), model, client, want, notes);
}

const SEARCH: &str = r#"{"type": "web_search"}"#;

fn search() -> Value {
    serde_json::from_str(SEARCH).unwrap()
}

fn function() -> Value {
    json!({"type": "function", "name": "f"})
}

fn code() -> Value {
    json!({"type": "code_interpreter", "container": {"type": "auto"}})
}

#[test]
fn tools_of_the_providers_own_are_asked_for() {
    let both = json!([{"googleSearch": {}}, {"codeExecution": {}}]);
    for model in [FLASH, THIRD, "gemini-2.0-flash"] {
        check(model, json!({"tools": [search(), code()]}), both.clone(), Value::Null, &[]);
    }
    let preview = json!({"type": "web_search_preview_2025_03_11", "search_context_size": "high"});
    let notes = ["tools[0].search_context_size"];
    check(FLASH, json!({"tools": [preview]}), json!([{"googleSearch": {}}]), Value::Null, &notes);
    for model in ["gemini-1.5-pro", "gemma-4"] {
        check(model, json!({"tools": [search()]}), Value::Null, Value::Null, &["tools[0]"]);
    }
}

#[test]
fn domains_are_kept_or_nothing_is_searched() {
    let blocked = json!({"tools": [{"type": "web_search", "filters": {"blocked_domains": ["b.example"]}}]});
    check(FLASH, blocked.clone(), Value::Null, Value::Null, &["tools[0]"]);
    let vertex = gemini("us-central1-aiplatform.googleapis.com", &Value::Null);
    let sent = json!({"tools": [{"googleSearch": {"excludeDomains": ["b.example"]}}], "toolConfig": null});
    check_with(&vertex, FLASH, blocked, sent, &[]);
    let allowed = json!({"tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.example"]}}]});
    check_with(&vertex, FLASH, allowed, json!({"tools": null, "toolConfig": null}), &["tools[0]"]);
}

#[test]
fn a_quirk_switches_them_off() {
    let off = gemini("g.test", &json!({"web_search": false, "code_execution": false}));
    let nothing = json!({"tools": null, "toolConfig": null});
    check_with(&off, FLASH, json!({"tools": [search(), code()]}), nothing, &["tools[0]", "tools[1]"]);
}

#[test]
fn functions_stand_beside_them_from_generation_3_on() {
    let tools = json!({"tools": [search(), function()]});
    let declared = json!({"functionDeclarations": [{"name": "f", "description": ""}]});
    check(FLASH, tools.clone(), json!([declared]), Value::Null, &["tools"]);
    let mixed = json!({"includeServerSideToolInvocations": true});
    check(THIRD, tools.clone(), json!([declared, {"googleSearch": {}}]), mixed, &[]);
    let vertex = gemini("aiplatform.googleapis.com", &Value::Null);
    check_with(&vertex, THIRD, tools, json!({"tools": [declared], "toolConfig": null}), &["tools"]);
}

#[test]
fn a_choice_may_mean_a_search() {
    let tools = [search(), function()];
    let forced = json!({"tools": tools, "tool_choice": {"type": "web_search_preview"}});
    check(FLASH, forced, json!([{"googleSearch": {}}]), Value::Null, &["tool_choice"]);
    let required = json!({"tools": [search()], "tool_choice": "required"});
    check(FLASH, required, json!([{"googleSearch": {}}]), Value::Null, &["tool_choice"]);
    let none = json!({"tools": tools, "tool_choice": "none"});
    let declared = json!([{"functionDeclarations": [{"name": "f", "description": ""}]}]);
    let config = json!({"functionCallingConfig": {"mode": "NONE"}});
    check(THIRD, none, declared.clone(), config, &["tool_choice"]);
    let allowed = json!({"type": "allowed_tools", "mode": "auto", "tools": [{"type": "web_search"}]});
    let allowed = json!({"tools": tools, "tool_choice": allowed});
    check(THIRD, allowed, json!([{"googleSearch": {}}]), Value::Null, &["tool_choice"]);
}

/// The events of an answer of these chunks, streamed and whole, which must be the same.
fn answer(model: &str, client: &Value, chunks: &[Value]) -> Vec<ModelEvent> {
    let client = body(client);
    let new = || translator(model, &client.input, &client.settings);
    let sse: String = chunks.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    let (streamed, end) = stream(new(), sse.as_bytes().chunks(7));
    assert_eq!(end, Ok(()));
    let mut whole = Vec::new();
    new().unary(json!(chunks).to_string().as_bytes(), &mut whole).unwrap();
    assert_eq!(streamed, whole);
    streamed
}

fn part(part: Value) -> Value {
    json!({"candidates": [{"content": {"parts": [part]}}]})
}

/// What the events say, in short; states are opened.
fn shown(events: &[ModelEvent]) -> Vec<Value> {
    let state = |text: &str| serde_json::from_str(&Envelope::open(text).unwrap().blob).unwrap();
    let show = |event: &ModelEvent| match event {
        ModelEvent::HostedItem { block, item, done } => {
            let mut item = item.clone();
            if let Some(value) = item.get("encrypted_content").and_then(Value::as_str).map(state) {
                item.insert("encrypted_content".into(), value);
            }
            json!([block, item, done])
        }
        ModelEvent::HostedEvent { block, event } => json!([block, event["type"]]),
        ModelEvent::TextDelta { block, text, .. } => json!([block, text]),
        ModelEvent::BlockDone { block, .. } => json!([block, "done"]),
        ModelEvent::Annotation { block, .. } => json!([block, "cited"]),
        ModelEvent::Note(note) => json!(note.field),
        other => json!(format!("{other:?}")),
    };
    events.iter().map(show).collect()
}

/// What goes back of an answer.
fn back(model: &str, client: &Value, events: &[ModelEvent]) -> (Value, Vec<String>) {
    let mut input = vec![json!({"role": "user", "content": "Hi"})];
    for event in events {
        match event {
            ModelEvent::HostedItem { item, done: true, .. } => input.push(json!(item)),
            ModelEvent::TextDelta { text, .. } => {
                input.push(json!({"type": "message", "role": "assistant", "content": text}));
            }
            _ => {}
        }
    }
    input.push(json!({"role": "user", "content": "And?"}));
    let mut client = client.clone();
    client["input"] = json!(input);
    let client = body(&client);
    let (context, settings) = (&client.input[..], &client.settings);
    let request = ModelRequest { model, context, settings, stream: true };
    let call = gemini("g.test", &Value::Null).request(&request).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    (body["contents"].clone(), call.notes.into_iter().map(|note| note.field).collect())
}

fn grounded() -> Vec<Value> {
    let grounding = json!({"webSearchQueries": ["trams", "Zürich trams", "trams"],
        "groundingChunks": [{"web": {"uri": "https://one.test", "title": "one"}}],
        "groundingSupports": [{"segment": {"endIndex": 8, "text": "Zürich "}, "groundingChunkIndices": [0]}]});
    vec![
        part(json!({"text": "Zürich "})),
        json!({"candidates": [{"content": {"parts": [{"text": "has."}]}, "finishReason": "STOP",
            "groundingMetadata": grounding}]}),
    ]
}

#[test]
fn what_was_searched_for_becomes_an_item() {
    let client = json!({"tools": [search()], "include": ["web_search_call.action.sources"]});
    let events = answer(FLASH, &client, &grounded());
    let action = json!({"type": "search", "query": "trams", "queries": ["trams", "Zürich trams"],
        "sources": [{"type": "url", "url": "https://one.test"}]});
    let want = [
        json!([0, "Zürich "]),
        json!([0, "has."]),
        json!([0, "cited"]),
        json!([0, "done"]),
        json!([1, {"type": "web_search_call", "status": "in_progress"}, false]),
        json!([1, "response.web_search_call.in_progress"]),
        json!([1, "response.web_search_call.searching"]),
        json!([1, "response.web_search_call.completed"]),
        json!([1, {"type": "web_search_call", "status": "completed", "action": action, "encrypted_content": {}}, true]),
        json!("Finished { reason: Stop }"),
    ];
    assert_eq!(shown(&events), want);
    // It leaves no trace in the next request, and none is told to the model.
    let (contents, notes) = back(FLASH, &client, &events);
    assert_eq!((contents.as_array().unwrap().len(), notes), (3, vec![]));
    assert!(!contents.to_string().contains("trams"), "{contents}");
}

#[test]
fn without_such_a_tool_there_is_no_item() {
    let events = answer(FLASH, &json!({}), &grounded());
    assert!(!events.iter().any(|event| matches!(event, ModelEvent::HostedItem { .. })));
    let events = answer(
        FLASH,
        &json!({"tools": [search()]}),
        &[part(json!({"executableCode": {"code": "1"}})), end()],
    );
    assert_eq!(shown(&events)[0], json!("output.code_execution"));
}

fn end() -> Value {
    json!({"candidates": [{"content": {"parts": [{"text": ""}]}, "finishReason": "STOP"}]})
}

#[test]
fn code_becomes_an_item_and_goes_back_with_its_signature() {
    let client = json!({"tools": [code()], "include": ["code_interpreter_call.outputs"]});
    let run = json!({"executableCode": {"language": "PYTHON", "code": "print(4)", "id": "c"}, "thoughtSignature": "c2ln"});
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n", "id": "c"}});
    let chunks = [
        part(run.clone()),
        part(json!({"text": ""})),
        part(result.clone()),
        part(json!({"text": "Four."})),
        end(),
    ];
    let events = answer(THIRD, &client, &chunks);
    let shown = shown(&events);
    let names: Vec<_> = shown[1..6].iter().map(|event| event[1].as_str().unwrap()).collect();
    let want = [
        "response.code_interpreter_call.in_progress",
        "response.code_interpreter_call_code.delta",
        "response.code_interpreter_call_code.done",
        "response.code_interpreter_call.interpreting",
        "response.code_interpreter_call.completed",
    ];
    assert_eq!(names, want);
    assert_eq!(shown[6][1]["outputs"], json!([{"type": "logs", "logs": "4\n"}]));
    let (contents, notes) = back(THIRD, &client, &events);
    assert_eq!((&contents[1]["parts"], notes), (&json!([run, result, {"text": "Four."}]), vec![]));
    // Without the tool it is told as a call and its result.
    let (contents, notes) = back(THIRD, &json!({}), &events);
    assert!(contents.to_string().contains("functionResponse"), "{contents}");
    assert_eq!(notes[0], "input.code_interpreter_call");
}

#[test]
fn code_without_a_result_does_not_go_back() {
    let client = json!({"tools": [code()]});
    let run = json!({"executableCode": {"language": "PYTHON", "code": "x"}});
    let events = answer(FLASH, &client, &[part(run), part(json!({"text": "Hm."})), end()]);
    let shown = shown(&events);
    let item = shown.iter().find(|event| event[2] == true).unwrap();
    assert_eq!((&item[1]["status"], &item[1]["encrypted_content"]), (&json!("failed"), &Value::Null));
}

#[test]
fn code_that_took_too_long_failed() {
    let client = json!({"tools": [code()]});
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_DEADLINE_EXCEEDED"}});
    let run = json!({"executableCode": {"language": "PYTHON", "code": "x"}});
    let shown = shown(&answer(FLASH, &client, &[part(run), part(result), end()]));
    assert!(shown.contains(&json!("output.code_execution")));
    assert_eq!(shown.iter().find(|event| event[2] == true).unwrap()[1]["status"], "failed");
}

/// As generation 3 tells them beside functions: each with a signature, several at a time.
#[test]
fn searches_that_are_told_become_one_item_and_go_back_in_their_order() {
    let client = json!({"tools": [search(), function()]});
    let call = |id: &str, query: &str| json!({"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": [query]}, "id": id}, "thoughtSignature": "YQ=="});
    let response = |id: &str| json!({"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"x": 1.50}, "id": id}, "thoughtSignature": "Yg=="});
    let parts = [call("1", "a"), call("2", "b"), response("1"), response("2")];
    let mut chunks: Vec<Value> = parts.iter().cloned().map(part).collect();
    chunks.extend(grounded());
    let events = answer(THIRD, &client, &chunks);
    let shown = shown(&events);
    let done: Vec<_> = shown.iter().filter(|event| event[2] == true).collect();
    assert_eq!((done.len(), &done[0][1]["action"]["queries"]), (1, &json!(["a", "b"])));
    assert_eq!(shown.iter().filter(|event| event[1] == "response.web_search_call.searching").count(), 1);
    let (contents, _) = back(THIRD, &client, &events);
    assert_eq!(contents[1]["parts"].as_array().unwrap()[..4], parts);
}

const PARTS: &[&str] = &[
    r#"{"text":"é"}"#,
    r#"{"text":""}"#,
    r#"{"text":"x","thoughtSignature":"YQ=="}"#,
    r#"{"text":"t","thought":true}"#,
    r#"{"functionCall":{"name":"f","args":{}}}"#,
    r#"{"executableCode":{"code":"1"},"thoughtSignature":"Yg=="}"#,
    r#"{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}"#,
    r#"{"toolCall":{"toolType":"GOOGLE_SEARCH_WEB","args":{"queries":["q"]},"id":"1"},"thoughtSignature":"Yw=="}"#,
    r#"{"toolResponse":{"toolType":"GOOGLE_SEARCH_WEB","response":{},"id":"1"}}"#,
    r#"{"toolResponse":{"toolType":"URL_CONTEXT"}}"#,
    r#"{"executableCode":null}"#,
];

proptest! {
    /// However the parts stand: a stream and a whole answer say the same, items do not interleave, and they go back.
    #[test]
    fn any_order_of_parts_is_told_and_goes_back(picks in prop::collection::vec(prop::sample::select(PARTS), 0..9)) {
        let client = json!({"tools": [search(), code(), function()]});
        let mut chunks: Vec<Value> = picks.iter().map(|text| part(serde_json::from_str(text).unwrap())).collect();
        chunks.push(end());
        let events = answer(THIRD, &client, &chunks);
        let mut open = None;
        for event in &events {
            let (block, ends) = match event {
                ModelEvent::HostedItem { block, done, .. } => (*block, *done),
                ModelEvent::BlockDone { block, .. } => (*block, true),
                ModelEvent::TextDelta { block, .. }
                | ModelEvent::SummaryDelta { block, .. }
                | ModelEvent::ReasoningSealed { block, .. }
                | ModelEvent::ToolCallStart { block, .. }
                | ModelEvent::ToolArgsDelta { block, .. }
                | ModelEvent::HostedEvent { block, .. } => (*block, false),
                _ => continue,
            };
            prop_assert!(open.is_none_or(|open| open == block), "{:?}", events);
            open = (!ends).then_some(block);
        }
        prop_assert_eq!(open, None);
        let (contents, _) = back(THIRD, &client, &events);
        let sent = contents.to_string();
        let count = |what: &str| sent.matches(what).count();
        prop_assert!(count("\"executableCode\"") <= count("\"codeExecutionResult\""), "{}", sent);
    }
}

#[test]
fn an_image_goes_back_as_it_came() {
    let image = |sig: &str| {
        let mut part = json!({"inlineData": {"mimeType": "image/png", "data": "AAAA"}});
        if !sig.is_empty() {
            part["thoughtSignature"] = json!(sig);
        }
        part
    };
    for sig in ["", "c2ln"] {
        let events = answer(THIRD, &json!({}), &[part(image(sig)), part(json!({"text": "There."})), end()]);
        let (contents, notes) = back(THIRD, &json!({}), &events);
        assert_eq!((&contents[1]["parts"], notes), (&json!([image(sig), {"text": "There."}]), vec![]));
    }
    // One that another provider made is told.
    let made = json!({"type": "image_generation_call", "status": "completed", "result": "AAAA", "output_format": "png"});
    let foreign = ModelEvent::HostedItem { block: 0, item: made.as_object().unwrap().clone(), done: true };
    let (contents, notes) = back(THIRD, &json!({}), &[foreign]);
    assert!(!contents.to_string().contains("inlineData"), "{contents}");
    assert!(notes.contains(&"input.image_generation_call".to_owned()), "{notes:?}");
}
