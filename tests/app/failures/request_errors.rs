//! Mistakes of the client: each has its status, type, code and param, and none reaches a provider.

use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::client::Connection;
use or_test_support::provider::FakeProvider;

/// No provider may be asked: the fake has no script, and a call to it would be a 5xx.
fn server(more: &str) -> (FakeProvider, App) {
    let fake = FakeProvider::start();
    let keyless = "\n[providers.keyless]\nkind = 'anthropic'\nbase_url = 'http://127.0.0.1:1/v1'\napi_key_env = 'NO_SUCH_KEY'\n";
    let app = setup(format!("{more}\n{}{keyless}", fake.provider("openai-chat"))).start();
    (fake, app)
}

/// Sends a body with these fields over a good one; `want` is code and param.
#[track_caller]
fn check(app: &App, fields: Value, want: (&str, &str), message: &str) {
    for stream in [false, true] {
        let mut body = json!({"model": "openai-chat/m", "input": "Hi", "stream": stream});
        for (key, value) in fields.as_object().unwrap() {
            body[key] = value.clone();
        }
        let answer = app.post(&body);
        let code = Some(want.0.to_owned()).filter(|c| !c.is_empty());
        let param = Some(want.1.to_owned()).filter(|p| !p.is_empty());
        let got = answer.error();
        assert_eq!(got, (400, "invalid_request_error".into(), code, param), "{}: {}", fields, answer.text());
        assert!(answer.message().starts_with(message), "{fields}: {}", answer.message());
    }
}

#[test]
fn a_missing_field_is_named() {
    let (fake, app) = server("");
    let missing = "missing_required_parameter";
    for model in [Value::Null, json!("")] {
        check(&app, json!({"model": model}), (missing, "model"), "Missing required parameter: 'model'.");
    }
    let cases = [
        (json!({"input": [{"role": "user"}]}), "input[0].content"),
        (json!({"input": [{"type": "custom_tool_call_output", "output": "x"}]}), "input[0].call_id"),
        (json!({"input": [{"type": "function_call", "call_id": "c", "arguments": "{}"}]}), "input[0].name"),
        (json!({"input": [{"content": "x"}]}), "input[0].type"),
        (json!({"input": [{"role": "user", "content": [{"text": "x"}]}]}), "input[0].content[0].type"),
        (json!({"tools": [{"type": "function"}]}), "tools[0].name"),
        (json!({"tools": [{"name": "x"}]}), "tools[0].type"),
        (json!({"text": {"format": {"type": "json_schema", "name": "x"}}}), "text.format.schema"),
        (json!({"text": {"format": {}}}), "text.format.type"),
    ];
    for (fields, param) in cases {
        check(&app, fields, (missing, param), &format!("Missing required parameter: '{param}'."));
    }
    assert_eq!(fake.count(), 0);
}

#[test]
fn a_wrong_type_is_named() {
    let (fake, app) = server("");
    let cases = [
        (json!({"model": 7}), "model"),
        (json!({"input": 7}), "input"),
        (json!({"input": ["x"]}), "input[0]"),
        (json!({"input": [{"role": "user", "content": 1}]}), "input[0].content"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": 1}]}]}),
            "input[0].content[0].text",
        ),
        (json!({"stream": "yes"}), "stream"),
        (json!({"store": 1}), "store"),
        (json!({"temperature": "hot"}), "temperature"),
        (json!({"max_output_tokens": 16.5}), "max_output_tokens"),
        (json!({"max_output_tokens": "16"}), "max_output_tokens"),
        (json!({"tools": {}}), "tools"),
        (json!({"tools": ["x"]}), "tools[0]"),
        (json!({"tools": [{"type": "function", "name": "f", "parameters": "x"}]}), "tools[0].parameters"),
        (json!({"tool_choice": 1}), "tool_choice"),
        (json!({"metadata": []}), "metadata"),
        (json!({"metadata": {"a": 1}}), "metadata.a"),
        (json!({"include": "x"}), "include"),
        (json!({"include": [1]}), "include[0]"),
        (json!({"reasoning": "high"}), "reasoning"),
        (json!({"text": []}), "text"),
        (json!({"instructions": 1}), "instructions"),
        (json!({"previous_response_id": 1}), "previous_response_id"),
        (json!({"parallel_tool_calls": 1}), "parallel_tool_calls"),
        (json!({"stream_options": {"include_obfuscation": 1}}), "stream_options.include_obfuscation"),
    ];
    for (fields, param) in cases {
        if param == "stream" {
            let answer = app.post(&json!({"model": "openai-chat/m", "stream": "yes"}));
            assert_eq!(
                answer.error(),
                (400, "invalid_request_error".into(), Some("invalid_type".into()), Some("stream".into()))
            );
            continue;
        }
        check(&app, fields, ("invalid_type", param), &format!("Invalid type for '{param}': expected "));
    }
    assert_eq!(fake.count(), 0);
}

#[test]
fn ranges_lengths_and_words_are_kept() {
    let (fake, app) = server("");
    let (below, above) = ("integer_below_min_value", "integer_above_max_value");
    let (low, high, long) = ("decimal_below_min_value", "decimal_above_max_value", "string_above_max_length");
    let word = "invalid_value";
    let many: Value =
        (0..17).map(|n| (format!("k{n}"), json!("v"))).collect::<serde_json::Map<_, _>>().into();
    let text = |n: usize| "x".repeat(n);
    let call =
        |id: String| json!({"input": [{"type": "function_call_output", "call_id": id, "output": "x"}]});
    let image = |url: &str| {
        let part = json!({"type": "input_image", "image_url": url});
        json!({"input": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "user", "content": [part]}]})
    };
    let file = |two: [&str; 2]| {
        let mut part = json!({"type": "input_file", "filename": "a.txt"});
        two.iter().for_each(|name| part[*name] = json!("https://a.example/b"));
        json!({"input": [{"role": "user", "content": [part]}]})
    };
    let image_path = "input[2].content[0].image_url";
    let tool = json!({"type": "function", "name": "f"});
    let array = "array_above_max_length";
    let mut wide = json!({"input": [{"type": "a:b"}]});
    (0..1000).for_each(|n| wide["input"][0][format!("x{n}")] = json!(1));
    let cases = [
        (file(["file_data", "file_url"]), word, "input[0].content[0].file_url"),
        (file(["file_id", "file_url"]), word, "input[0].content[0].file_id"),
        (json!({"max_output_tokens": 10}), below, "max_output_tokens"),
        (json!({"max_output_tokens": -1}), below, "max_output_tokens"),
        (json!({"max_output_tokens": 1e30}), above, "max_output_tokens"),
        (json!({"max_tool_calls": 0}), below, "max_tool_calls"),
        (json!({"top_logprobs": 21}), above, "top_logprobs"),
        (json!({"top_logprobs": -1}), below, "top_logprobs"),
        (json!({"temperature": 2.1}), high, "temperature"),
        (json!({"temperature": -0.1}), low, "temperature"),
        (json!({"top_p": 1.01}), high, "top_p"),
        (json!({"presence_penalty": -3}), low, "presence_penalty"),
        (json!({"frequency_penalty": 3}), high, "frequency_penalty"),
        (json!({"safety_identifier": text(129)}), long, "safety_identifier"),
        (json!({"prompt_cache_key": text(65)}), long, "prompt_cache_key"),
        (json!({"user": text(513)}), long, "user"),
        (json!({"tools": vec![tool.clone(); 1001]}), array, "tools"),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": vec![tool.clone(); 1001]}]}),
            array,
            "tools[0].tools",
        ),
        (
            json!({"tools": [{"type": "namespace", "name": "n", "tools": vec![tool.clone(); 1000]}]}),
            array,
            "tools",
        ),
        (
            json!({"tools": [{"type": "function", "name": "f", "parameters": {"x": vec![1; 65_536]}}]}),
            array,
            "tools[0].parameters",
        ),
        (
            json!({"tools": [{"type": "function", "name": "f", "parameters": {"x": text(1 << 20)}}]}),
            long,
            "tools[0].parameters",
        ),
        (json!({"tools": vec![json!({"type": "a:b", "x": text(1 << 20)}); 4]}), long, "tools"),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "a", "schema": {"x": vec![1; 65_536]}}}}),
            array,
            "text.format.schema",
        ),
        (
            json!({"input": [{"role": "user", "content": vec![json!({"type": "input_text", "text": "a"}); 10_001]}]}),
            array,
            "input[0].content",
        ),
        (
            json!({"input": [{"type": "a:b", "x": 1, "y": 2}], "include": vec!["reasoning.encrypted_content"; 101]}),
            array,
            "include",
        ),
        (wide, "object_above_max_properties", "input[0]"),
        (json!({"metadata": many}), "object_above_max_properties", "metadata"),
        (json!({"metadata": {"a": text(513)}}), long, "metadata.a"),
        (json!({"metadata": {text(65): "a"}}), long, "metadata"),
        (call(text(65)), long, "input[0].call_id"),
        (call(String::new()), "empty_string", "input[0].call_id"),
        (json!({"include": ["nonsense"]}), word, "include[0]"),
        (json!({"truncation": "some"}), word, "truncation"),
        (json!({"service_tier": "gold"}), word, "service_tier"),
        (json!({"reasoning": {"effort": "extreme"}}), word, "reasoning.effort"),
        (json!({"reasoning": {"summary": "long"}}), word, "reasoning.summary"),
        (json!({"text": {"verbosity": "much"}}), word, "text.verbosity"),
        (json!({"text": {"format": {"type": "xml"}}}), word, "text.format.type"),
        (
            json!({"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}}),
            word,
            "text.format.name",
        ),
        (json!({"tool_choice": "maybe"}), word, "tool_choice"),
        (json!({"tool_choice": "required"}), word, "tool_choice"),
        (json!({"tools": [tool], "tool_choice": {"type": "function", "name": "g"}}), word, "tool_choice"),
        (
            json!({"tools": [tool], "tool_choice": {"type": "allowed_tools", "tools": [{"type": "function", "name": "g"}]}}),
            word,
            "tool_choice",
        ),
        (json!({"tools": [{"type": "function", "name": "no spaces"}]}), word, "tools[0].name"),
        (json!({"moderation": {"model": "m"}}), "unsupported_parameter", "moderation"),
        (
            json!({"prompt_cache_options": {"prewarm": true}}),
            "unsupported_parameter",
            "prompt_cache_options.prewarm",
        ),
        (
            json!({"input": [{"role": "user", "content": "a"}, {"type": "compaction_trigger"}]}),
            "unsupported_parameter",
            "input",
        ),
        (json!({"input": [{"type": "nonsense"}]}), word, "input[0].type"),
        (json!({"input": [{"role": "king", "content": "x"}]}), word, "input[0].role"),
        (
            json!({"input": [{"role": "user", "content": [{"type": "nonsense"}]}]}),
            word,
            "input[0].content[0].type",
        ),
        (image("not a url"), word, image_path),
        (image("data:image/png,xyz"), word, image_path),
        (image(""), "empty_string", image_path),
        (json!({"background": true, "store": false}), "invalid_value", "background"),
        (json!({"model": "no-such-model"}), "model_not_found", "model"),
        (json!({"model": "nobody/m"}), "model_not_found", "model"),
        (json!({"model": "keyless/m"}), "model_not_found", "model"),
        (json!({"conversation": "conv_1"}), "unsupported_parameter", "conversation"),
    ];
    for (fields, code, param) in cases {
        check(&app, fields, (code, param), "");
    }
    check(
        &app,
        json!({"max_output_tokens": 10}),
        (below, "max_output_tokens"),
        "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got 10 instead.",
    );
    assert_eq!(fake.count(), 0);
}

#[test]
fn calls_and_outputs_come_in_pairs() {
    let (fake, app) = server("");
    let call = json!({"type": "function_call", "call_id": "call_9", "name": "f", "arguments": "{}"});
    let output = json!({"type": "function_call_output", "call_id": "call_9", "output": "x"});
    check(
        &app,
        json!({"input": [output]}),
        ("", "input"),
        "No tool call found for function call output with call_id call_9.",
    );
    check(
        &app,
        json!({"input": [output, call]}),
        ("", "input"),
        "No tool call found for function call output with call_id call_9.",
    );
    check(
        &app,
        json!({"input": [call, {"role": "user", "content": "x"}]}),
        ("", "input"),
        "No tool output found for function call call_9.",
    );
    assert_eq!(fake.count(), 0);
}

/// Sends bytes as a create body; `want` is status and code.
#[track_caller]
fn check_bytes(app: &App, headers: &[(&str, &str)], body: &[u8], want: (u16, &str)) {
    let answer = app.request("POST", "/v1/responses", headers, Some(body)).finish();
    let (status, kind, code, _) = answer.error();
    assert_eq!((status, code.as_deref()), (want.0, Some(want.1)), "{}", answer.text());
    assert_eq!(kind, "invalid_request_error");
}

#[test]
fn a_body_must_be_a_json_object() {
    let (fake, app) = server("");
    for bad in
        ["", "{", "nonsense", "{\"model\":}", "{} {}", "\u{feff}{}", "{\"a\":\"\\ud800\"}", "{\"a\":1e999}"]
    {
        check_bytes(&app, &[], bad.as_bytes(), (400, "invalid_json"));
    }
    check_bytes(&app, &[], b"{\"model\":\"\xff\xfe\"}", (400, "invalid_json"));
    for bad in ["[]", "1", "null", "\"x\""] {
        check_bytes(&app, &[], bad.as_bytes(), (400, "invalid_type"));
    }
    let deep =
        format!("{{\"model\":\"openai-chat/m\",\"input\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    check_bytes(&app, &[], deep.as_bytes(), (400, "invalid_json"));
    let objects = format!("{}1{}", "{\"a\":".repeat(200), "}".repeat(200));
    check_bytes(&app, &[], objects.as_bytes(), (400, "invalid_json"));
    assert_eq!(fake.count(), 0);
}

#[test]
fn only_json_is_taken() {
    let (_fake, app) = server("");
    let body = br#"{"model":"nobody/m"}"#;
    for other in
        ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
    {
        check_bytes(&app, &[("content-type", other)], body, (415, "unsupported_content_type"));
    }
    for good in ["application/json; charset=utf-8", "Application/JSON", "application/vnd.api+json"] {
        check_bytes(&app, &[("content-type", good)], body, (400, "model_not_found"));
    }
    // curl's users forget the header more often than not, but say something wrong rarely.
    check_bytes(&app, &[("content-type", "-")], body, (400, "model_not_found"));
    check_bytes(&app, &[("content-encoding", "gzip")], body, (415, "unsupported_content_encoding"));
    check_bytes(&app, &[("content-encoding", "identity")], body, (400, "model_not_found"));
}

#[test]
fn a_large_body_is_413_with_and_without_a_length() {
    let (_fake, app) = server("server.max_body_bytes = 2048");
    let body = json!({"model": "openai-chat/m", "input": "x".repeat(500_000)}).to_string();
    check_bytes(&app, &[], body.as_bytes(), (413, "request_too_large"));

    let host = app.address;
    let head = format!("POST /v1/responses HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n");
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let answer = Connection::raw(host, chunked.as_bytes()).finish();
    assert_eq!(answer.error().0, 413);
    // A client that waits for leave to send gets its answer without sending.
    let waits = format!("{head}content-length: 500000\r\nexpect: 100-continue\r\n\r\n");
    assert_eq!(Connection::raw(host, waits.as_bytes()).finish().error().0, 413);

    let fits = json!({"model": "nobody/m", "input": "x".repeat(1900)}).to_string();
    check_bytes(&app, &[], fits.as_bytes(), (400, "model_not_found"));
}

#[test]
fn a_body_that_stops_coming_is_refused() {
    let (_fake, app) = server("server.client_write_timeout_s = 1");
    let head =
        format!("POST /v1/responses HTTP/1.1\r\nhost: {}\r\ncontent-length: 100\r\n\r\n{{", app.address);
    let answer = Connection::raw(app.address, head.as_bytes()).finish();
    let (status, _, code, _) = answer.error();
    assert_eq!((status, code.as_deref()), (400, Some("body_timeout")));
}

#[test]
fn paths_and_methods_that_do_not_exist_are_told_apart() {
    let (_fake, app) = server("");
    for (method, path, status, kind) in [
        ("GET", "/", 404, "not_found"),
        ("POST", "/v1", 404, "not_found"),
        ("POST", "/v1/chat/completions", 404, "not_found"),
        ("POST", "/responses", 404, "not_found"),
        ("GET", "/v1/responses/a/b/c", 404, "not_found"),
        ("PUT", "/v1/responses", 405, "invalid_request_error"),
        ("GET", "/v1/responses", 405, "invalid_request_error"),
        ("PATCH", "/v1/responses/resp_1", 405, "invalid_request_error"),
        ("POST", "/metrics", 405, "invalid_request_error"),
    ] {
        let answer = app.request(method, path, &[], Some(b"{}")).finish();
        let got = answer.error();
        assert_eq!((got.0, got.1.as_str()), (status, kind), "{method} {path}: {}", answer.text());
    }
}
