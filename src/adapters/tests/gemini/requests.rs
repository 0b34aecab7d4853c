//! Requests as Gemini gets them.

use or_adapters::gemini::Gemini;
use or_adapters::{Adapter, AdapterError, ModelRequest, NoteKind, ProviderOptions, UpstreamCall};
use or_protocol::{CreateResponseBody, Envelope};
use pretty_assertions::assert_eq;
use serde_json::{Map, Value, json};

use crate::support::gemini;

fn call(adapter: &Gemini, request: Value) -> Result<UpstreamCall, AdapterError> {
    let request = CreateResponseBody::from_value(request).unwrap();
    adapter.request(&ModelRequest {
        model: request.model.as_deref().unwrap(),
        context: &request.input,
        settings: &request.settings,
        stream: request.stream,
    })
}

/// Body and notes (`-` dropped, `~` emulated) of a request to `model`.
#[track_caller]
fn check(model: &str, mut request: Value, want: &Value, notes: &[&str]) {
    let fields = request.as_object_mut().unwrap();
    fields.entry("model").or_insert_with(|| model.into());
    fields.entry("input").or_insert_with(|| "Hi".into());
    let call = call(&gemini(false), request).unwrap();
    let mut body: Value = serde_json::from_slice(&call.body).unwrap();
    if want.get("contents").is_none() {
        body.as_object_mut().unwrap().remove("contents");
    }
    let mark = |kind| if kind == NoteKind::Dropped { '-' } else { '~' };
    let got: Vec<_> = call.notes.iter().map(|n| format!("{}{}", mark(n.kind), n.field)).collect();
    assert_eq!((&body, got), (want, notes.iter().map(|n| (*n).to_owned()).collect()));
    assert!(call.notes.iter().all(|n| n.why.is_ascii() && !n.why.contains('\n')));
}

#[track_caller]
fn check_refused(model: &str, input: Value, words: &str) {
    match call(&gemini(false), json!({ "model": model, "input": input })) {
        Err(AdapterError::Unsupported { param, message }) => {
            assert!(param.starts_with("input") && message.contains(words), "{param}: {message}");
        }
        other => panic!("{other:?}"),
    }
}

const FLASH: &str = "gemini-2.5-flash";
const THIRD: &str = "gemini-3-flash-preview";

#[test]
fn the_path_names_the_model_and_the_method() {
    for (model, stream, want) in [
        ("gemini-2.5-pro", false, "/models/gemini-2.5-pro:generateContent"),
        ("gemini-2.5-pro", true, "/models/gemini-2.5-pro:streamGenerateContent?alt=sse"),
        ("models/x", false, "/models/x:generateContent"),
        ("tunedModels/my-one", false, "/tunedModels/my-one:generateContent"),
        ("publishers/google/models/x@001", false, "/publishers/google/models/x@001:generateContent"),
        ("../a b?c", false, "/models/..%2Fa%20b%3Fc:generateContent"),
    ] {
        let call = call(&gemini(false), json!({ "model": model, "input": "Hi", "stream": stream })).unwrap();
        assert_eq!((call.path.as_str(), call.stream), (want, stream));
    }
}

#[test]
fn a_models_own_path_must_not_lead_elsewhere() {
    for model in ["models/../../v1/files", "publishers//x", "models/./x"] {
        assert!(call(&gemini(false), json!({ "model": model, "input": "Hi" })).is_err(), "{model}");
    }
}

#[test]
fn one_credential_is_sent() {
    assert_eq!(gemini(false).credentials("k"), [("x-goog-api-key", "k".to_owned())]);
    assert_eq!(gemini(true).credentials("k"), [("authorization", "Bearer k".to_owned())]);
}

#[test]
fn plain_settings_are_mapped() {
    check(
        FLASH,
        json!({ "instructions": "Be kind.", "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 99,
                "presence_penalty": 0, "service_tier": "default", "reasoning": { "effort": "low", "summary": "auto" } }),
        &json!({
            "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] }],
            "systemInstruction": { "parts": [{ "text": "Be kind." }] },
            "generationConfig": { "temperature": 0.5, "topP": 0.9, "maxOutputTokens": 99,
                                  "thinkingConfig": { "includeThoughts": true, "thinkingBudget": 2048 } },
            "serviceTier": "standard"
        }),
        &[],
    );
}

#[test]
fn settings_the_model_does_not_take_are_noted() {
    check(
        "gemini-3.6-flash",
        json!({ "temperature": 0.5, "top_p": 0.9, "presence_penalty": 1, "top_logprobs": 2, "truncation": "auto",
                "text": { "verbosity": "low" }, "reasoning": { "effort": "xhigh" }, "service_tier": "auto" }),
        &json!({ "generationConfig": { "thinkingConfig": { "thinkingLevel": "HIGH" } } }),
        &[
            "~reasoning.effort",
            "-text.verbosity",
            "-temperature",
            "-top_p",
            "-presence_penalty",
            "-top_logprobs",
            "-truncation",
        ],
    );
    check(
        "gemini-3.7-flash",
        json!({ "reasoning": { "effort": "none", "summary": "auto" } }),
        &json!({ "generationConfig": { "thinkingConfig": { "thinkingLevel": "LOW" } } }),
        &["-reasoning.effort"],
    );
    check(
        "gemini-2.0-flash",
        json!({ "reasoning": { "effort": "high", "summary": "auto" } }),
        &json!({}),
        &["-reasoning.effort", "-reasoning.summary"],
    );
}

#[test]
fn vertex_has_log_probabilities_and_tiers_by_header() {
    let request = json!({ "model": FLASH, "input": "Hi", "service_tier": "flex", "top_logprobs": 3 });
    let call = call(&gemini(true), request).unwrap();
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(body["generationConfig"], json!({ "responseLogprobs": true, "logprobs": 3 }));
    assert_eq!(body["serviceTier"], Value::Null);
    assert_eq!(call.headers, [("x-vertex-ai-llm-shared-request-type", "flex".to_owned())]);
}

#[test]
fn quirks_override_the_table_and_add_safety_settings() {
    let quirks = json!({ "include_thoughts": "always", "credential": "bearer",
        "safety_settings": [{ "category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF" }],
        "models": { "gemini-3.6": { "sampling": true, "thinking_levels": ["low"] } } });
    let Value::Object(quirks) = quirks else { panic!("a table") };
    let options = ProviderOptions { name: "g".into(), base_url: "https://g.test/v1beta".into(), quirks };
    let adapter = Gemini::new(&options).unwrap();
    let request = json!({ "model": "gemini-3.6-flash", "input": "Hi", "temperature": 0.5, "reasoning": { "effort": "low" } });
    let body: Value = serde_json::from_slice(&call(&adapter, request).unwrap().body).unwrap();
    assert_eq!(
        body["generationConfig"],
        json!({ "temperature": 0.5, "thinkingConfig": { "includeThoughts": true, "thinkingLevel": "LOW" } })
    );
    assert_eq!(body["safetySettings"][0]["threshold"], "OFF");
    let bad = ProviderOptions { quirks: Map::from_iter([("modles".to_owned(), json!({}))]), ..options };
    assert!(Gemini::new(&bad).unwrap_err().contains("modles"));
}

fn function(name: &str) -> Value {
    json!({ "type": "function", "name": name, "strict": false })
}

#[track_caller]
fn check_choice(model: &str, strict: bool, choice: Value, want: Value, notes: &[&str]) {
    let mut tool = function("b");
    tool["strict"] = strict.into();
    let declared = json!([{ "functionDeclarations": [
        { "name": "a", "description": "" }, { "name": "b", "description": "" }] }]);
    let mut body = json!({ "tools": declared });
    if !want.is_null() {
        body["toolConfig"] = json!({ "functionCallingConfig": want });
    }
    check(model, json!({ "tools": [function("a"), tool], "tool_choice": choice }), &body, notes);
}

#[test]
fn tool_choices_become_modes() {
    let only_a = json!([{ "type": "function", "name": "a" }]);
    let allowed = |mode: &str| json!({ "type": "allowed_tools", "mode": mode, "tools": only_a });
    check_choice(FLASH, false, json!("auto"), json!(null), &[]);
    check_choice(FLASH, true, json!("auto"), json!({ "mode": "VALIDATED" }), &[]);
    check_choice("gemini-2.0-flash", true, json!("auto"), json!(null), &["-tools.strict"]);
    check_choice(FLASH, false, json!("none"), json!({ "mode": "NONE" }), &[]);
    check_choice(FLASH, false, json!("required"), json!({ "mode": "ANY" }), &[]);
    let forced = json!({ "type": "function", "name": "a" });
    check_choice(FLASH, false, forced, json!({ "mode": "ANY", "allowedFunctionNames": ["a"] }), &[]);
    let want = json!({ "mode": "VALIDATED", "allowedFunctionNames": ["a"] });
    check_choice(FLASH, false, allowed("auto"), want, &[]);
    let want = json!({ "mode": "ANY", "allowedFunctionNames": ["a"] });
    check_choice(FLASH, false, allowed("required"), want, &[]);
    check(
        "gemini-2.0-flash",
        json!({ "tools": [function("a"), function("b")], "tool_choice": allowed("auto") }),
        &json!({ "tools": [{ "functionDeclarations": [{ "name": "a", "description": "" }] }] }),
        &["~tool_choice"],
    );
}

#[test]
fn tools_of_other_kinds_become_functions_or_notes() {
    check(
        FLASH,
        json!({ "parallel_tool_calls": false, "tools": [
            { "type": "function", "name": "1st", "description": "D", "strict": false,
              "parameters": { "type": "object", "properties": { "n": { "type": "integer", "multipleOf": 2 } } } },
            { "type": "custom", "name": "patch" }, { "type": "web_search" }] }),
        &json!({ "tools": [{ "functionDeclarations": [
            { "name": "_1st", "description": "D", "parametersJsonSchema": { "type": "object",
              "properties": { "n": { "type": "integer", "description": "(multipleOf: 2)" } } } },
            { "name": "patch", "description": "", "parametersJsonSchema": { "type": "object",
              "properties": { "input": { "type": "string", "description": "The tool's whole input as text." } },
              "required": ["input"], "additionalProperties": false } }] }] }),
        &["~tools[1]", "~parallel_tool_calls", "-tools", "~tools.1st.parameters", "~tools.1st.name"],
    );
}

#[test]
fn a_format_beside_tools_goes_into_the_prompt_before_generation_3() {
    let format = json!({ "type": "json_schema", "name": "n", "description": "D", "schema": { "type": "object", "additionalProperties": false } });
    let schema = json!({ "type": "object", "additionalProperties": false, "description": "D" });
    let config = json!({ "responseMimeType": "application/json", "responseJsonSchema": schema });
    let declared = json!([{ "functionDeclarations": [{ "name": "a", "description": "" }] }]);
    let request = json!({ "text": { "format": format }, "tools": [function("a")] });
    check(FLASH, json!({ "text": { "format": format } }), &json!({ "generationConfig": config }), &[]);
    check(THIRD, request.clone(), &json!({ "generationConfig": config, "tools": declared }), &[]);
    let told = "When you give your final answer, write one JSON value and nothing else, without a code fence. \
        It must satisfy this JSON Schema: {\"type\":\"object\",\"additionalProperties\":false,\"description\":\"D\"}";
    let system = json!({ "parts": [{ "text": told }] });
    check(FLASH, request, &json!({ "systemInstruction": system, "tools": declared }), &["~text.format"]);
    check(
        FLASH,
        json!({ "text": { "format": { "type": "json_object" } } }),
        &json!({ "generationConfig": { "responseMimeType": "application/json" } }),
        &[],
    );
}

#[test]
fn system_texts_lead_or_become_user_text() {
    check(
        FLASH,
        json!({ "input": [
            { "role": "system", "content": "A" }, { "role": "developer", "content": "B" },
            { "role": "user", "content": "Hi" }, { "role": "system", "content": "C" }] }),
        &json!({
            "contents": [{ "role": "user", "parts": [{ "text": "Hi" }, { "text": "C" }] }],
            "systemInstruction": { "parts": [{ "text": "A" }, { "text": "B" }] }
        }),
        &["~input.role"],
    );
    check(
        FLASH,
        json!({ "input": [{ "role": "system", "content": "A" }] }),
        &json!({ "contents": [{ "role": "user", "parts": [{ "text": "A" }] }] }),
        &["~input"],
    );
}

fn history(signed: Option<&str>) -> Value {
    let reasoning = signed.map(|blob| {
        json!({ "type": "reasoning", "summary": [], "encrypted_content": Envelope::seal(blob, "m", "{}") })
    });
    let rest = [
        json!({ "type": "function_call", "call_id": "call_x", "name": "a", "arguments": "{\"n\": 1.0}" }),
        json!({ "type": "function_call", "call_id": "call_y", "name": "a", "arguments": "oops" }),
        json!({ "type": "function_call_output", "call_id": "call_y", "output": "Y" }),
        json!({ "role": "user", "content": "Well?" }),
        json!({ "type": "function_call_output", "call_id": "call_x", "output": [
            { "type": "input_text", "text": "X" },
            { "type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "auto" }] }),
    ];
    let first = json!({ "role": "user", "content": "Hi" });
    Value::Array(std::iter::once(first).chain(reasoning).chain(rest).collect())
}

#[test]
fn foreign_calls_are_sent_without_ids_and_with_a_placeholder() {
    let image = json!({ "inlineData": { "mimeType": "image/png", "data": "AAAA" } });
    check(
        THIRD,
        json!({ "input": history(Some("anthropic")) }),
        &json!({ "contents": [
            { "role": "user", "parts": [{ "text": "Hi" }] },
            { "role": "model", "parts": [
                { "functionCall": { "name": "a", "args": { "n": 1.0 } },
                  "thoughtSignature": "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=" },
                { "functionCall": { "name": "a", "args": { "_raw": "oops" } } }] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "a", "response": { "output": "X" }, "parts": [image] } },
                { "functionResponse": { "name": "a", "response": { "output": "Y" } } },
                { "text": "Well?" }] }] }),
        &["-input.reasoning", "~input.arguments", "~input.function_call"],
    );
    check(
        FLASH,
        json!({ "input": history(None) }),
        &json!({ "contents": [
            { "role": "user", "parts": [{ "text": "Hi" }] },
            { "role": "model", "parts": [
                { "functionCall": { "name": "a", "args": { "n": 1.0 } } },
                { "functionCall": { "name": "a", "args": { "_raw": "oops" } } }] },
            { "role": "user", "parts": [
                { "functionResponse": { "name": "a", "response": { "output": "X" } } },
                { "functionResponse": { "name": "a", "response": { "output": "Y" } } },
                { "text": "Attached to the result of call 1 (a):" }, image, { "text": "Well?" }] }] }),
        &["~input.arguments", "~input.output"],
    );
}

#[test]
fn media_go_inline_or_by_address() {
    let part = |kind: &str, key: &str, value: &str| json!({ "type": kind, key: value });
    let content = json!([
        { "type": "input_image", "image_url": "https://a.test/x.webp?s=1", "detail": "high" },
        part("input_image", "image_url", "https://a.test/x"),
        { "type": "input_file", "filename": "a.pdf", "file_data": "AAAA" },
        part("input_file", "file_url", "https://a.test/b.csv"),
        part("input_file", "file_id", "files/abc"),
        { "type": "input_audio", "input_audio": { "data": "AAAA", "format": "wav" } },
    ]);
    let linked = |mime: &str, uri: &str| json!({ "fileData": { "mimeType": mime, "fileUri": uri } });
    let inline = |mime: &str| json!({ "inlineData": { "mimeType": mime, "data": "AAAA" } });
    let mut image = linked("image/webp", "https://a.test/x.webp?s=1");
    image["mediaResolution"] = json!({ "level": "MEDIA_RESOLUTION_HIGH" });
    check(
        THIRD,
        json!({ "input": [{ "role": "user", "content": content }] }),
        &json!({ "contents": [{ "role": "user", "parts": [
            image, linked("image/jpeg", "https://a.test/x"), inline("application/pdf"),
            linked("text/csv", "https://a.test/b.csv"),
            { "fileData": { "fileUri": "https://g.test/v1beta/files/abc" } }, inline("audio/wav")] }] }),
        &["~input.image_url", "-input.filename"],
    );
}

#[test]
fn what_cannot_be_said_is_refused() {
    let user = |part: Value| json!([{ "role": "user", "content": [part] }]);
    check_refused(FLASH, user(json!({ "type": "input_image", "file_id": "file-1" })), "file ids of its own");
    check_refused(
        FLASH,
        user(json!({ "type": "input_image", "image_url": "data:image/gif;base64,AAAA" })),
        "PNG",
    );
    check_refused(
        FLASH,
        user(json!({ "type": "input_file", "filename": "x.zzz", "file_data": "AAAA" })),
        "type",
    );
    check_refused(FLASH, json!([]), "no text");
    let call = json!({ "type": "function_call", "call_id": "c", "name": "a", "arguments": "{}" });
    check_refused(FLASH, json!([{ "role": "user", "content": "Hi" }, call]), "No tool output found");
    let prefill = json!([{ "role": "user", "content": "Hi" }, { "role": "assistant", "content": "So" }]);
    check_refused("gemini-3.6-flash", prefill.clone(), "must end with a user message");
    check(
        FLASH,
        json!({ "input": prefill }),
        &json!({ "contents": [{ "role": "user", "parts": [{ "text": "Hi" }] },
                              { "role": "model", "parts": [{ "text": "So" }] }] }),
        &[],
    );
}
