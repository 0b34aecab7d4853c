//! Tools that Anthropic and Gemini run themselves, asked for as OpenAI's, from the client to the provider and back.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::Options;
use or_test_support::provider::{FakeProvider, Request, Script};
use or_test_support::wire::{self, text};

fn start(fake: &FakeProvider) -> App {
    let tools =
        "quirks = { web_search = 'web_search_20250305', code_execution = 'code_execution_20250825' }\n";
    let tables = [&fake.provider("anthropic"), tools, &fake.provider("gemini"), &fake.provider("ollama")];
    setup(tables.concat()).start()
}

/// A search, and a text that cites it.
fn anthropic(streams: bool, blocks: &[Value], reason: &str) -> Script {
    let usage = json!({"input_tokens": 5, "output_tokens": 7});
    if !streams {
        let body = json!({"id": "m", "type": "message", "role": "assistant", "content": blocks, "usage": usage,
            "stop_reason": reason});
        return Script::json(200, &body);
    }
    let mut events = vec![json!({"type": "message_start", "message": {"id": "m", "usage": usage}})];
    for (index, block) in blocks.iter().enumerate() {
        let mut start = block.clone();
        let mut delta = None;
        if block["type"] == "text" {
            start["text"] = json!("");
            delta = Some(json!({"type": "text_delta", "text": block["text"]}));
        } else if block["type"] == "server_tool_use" {
            start["input"] = json!({});
            delta = Some(json!({"type": "input_json_delta", "partial_json": block["input"].to_string()}));
        }
        events.push(json!({"type": "content_block_start", "index": index, "content_block": start}));
        events.extend(
            delta.map(|delta| json!({"type": "content_block_delta", "index": index, "delta": delta})),
        );
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason}, "usage": usage}));
    events.push(json!({"type": "message_stop"}));
    sse(&events)
}

fn gemini(streams: bool, parts: &[Value], grounding: &Value) -> Script {
    let mut chunks: Vec<Value> =
        parts.iter().map(|part| json!({"candidates": [{"content": {"parts": [part]}}]})).collect();
    chunks.push(json!({"candidates": [{"finishReason": "STOP", "groundingMetadata": grounding}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7, "totalTokenCount": 12}}));
    if streams {
        return sse(&chunks);
    }
    let candidate =
        json!({"content": {"parts": parts}, "finishReason": "STOP", "groundingMetadata": grounding});
    Script::json(200, &json!({"candidates": [candidate]}))
}

fn sse(events: &[Value]) -> Script {
    let frame = |event: &Value| {
        let name = event["type"].as_str().map_or_else(String::new, |name| format!("event: {name}\n"));
        format!("{name}data: {event}\n\n")
    };
    events.iter().map(frame).fold(Script::head(200, "text/event-stream"), Script::send)
}

fn is_stream(request: &Request) -> bool {
    request.body["stream"] == true || request.path.contains("streamGenerateContent")
}

/// Asks; the response, checked, with the types of the hosted item's events where it was streamed.
fn ask(app: &App, body: &Value) -> (Value, Vec<String>) {
    let answer = app.post(body);
    if body["stream"] != true {
        return (answer.response_with(Options::HOSTED), Vec::new());
    }
    let events = answer.events_with(Options::HOSTED);
    let of_item = |name: &&String| name.contains("_call") || name.contains("output_item");
    let names = events.iter().map(|(name, _)| name).filter(of_item).cloned().collect();
    (events.last().unwrap().1["response"].clone(), names)
}

fn searching(model: &str, stream: bool) -> Value {
    json!({"model": model, "input": "Trams?", "stream": stream, "tools": [{"type": "web_search"}],
        "include": ["web_search_call.action.sources"]})
}

fn steps(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("response.{name}")).collect()
}

fn searched() -> [Value; 4] {
    let pages = json!([{"type": "web_search_result", "url": "https://a.example", "title": "A", "encrypted_content": "c1"}]);
    [
        json!({"type": "text", "text": "I look."}),
        json!({"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {"query": "trams"}}),
        json!({"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": pages}),
        json!({"type": "text", "text": "Found.", "citations": [{"type": "web_search_result_location",
            "url": "https://a.example", "title": "A", "cited_text": "x", "encrypted_index": "i"}]}),
    ]
}

#[test]
fn a_search_of_anthropics_is_told_as_openais_and_goes_back_as_its_own() {
    let fake = FakeProvider::start();
    let app = start(&fake);
    for stream in [true, false] {
        let first = fake.count();
        fake.push(|request| anthropic(is_stream(request), &searched(), "end_turn"));
        let (response, names) = ask(&app, &searching("anthropic/claude-sonnet-4-6", stream));
        assert_eq!(
            fake.request(first).body["tools"],
            json!([{"type": "web_search_20250305", "name": "web_search"}])
        );
        let item = &response["output"][1];
        let action = json!({"type": "search", "query": "trams", "queries": ["trams"],
            "sources": [{"type": "url", "url": "https://a.example"}]});
        assert_eq!(
            (&item["type"], &item["status"], &item["action"]),
            (&json!("web_search_call"), &json!("completed"), &action)
        );
        let cited = &response["output"][2]["content"][0]["annotations"][0];
        assert_eq!(
            (&cited["url"], &cited["start_index"], &cited["end_index"]),
            (&json!("https://a.example"), &json!(0), &json!(6))
        );
        if stream {
            let want = [
                "output_item.added",
                "output_item.done",
                "output_item.added",
                "web_search_call.in_progress",
                "web_search_call.searching",
                "web_search_call.completed",
                "output_item.done",
                "output_item.added",
                "output_item.done",
            ];
            assert_eq!(names, steps(&want));
        }
        // Its provider gets its blocks back, from the store and from the client.
        let mut input = vec![json!({"role": "user", "content": "Trams?"})];
        input.extend(response["output"].as_array().unwrap().clone());
        input.push(json!({"role": "user", "content": "And?"}));
        let tools = json!([{"type": "web_search"}]);
        for body in [
            json!({"model": "anthropic/claude-sonnet-4-6", "input": "And?", "previous_response_id": response["id"], "tools": tools}),
            json!({"model": "anthropic/claude-sonnet-4-6", "input": input, "tools": tools, "store": false}),
        ] {
            let next = fake.count();
            fake.push(wire::answer("anthropic", text(&["So."])));
            assert_eq!(app.post(&body).status, 200);
            let sent = fake.request(next).body["messages"].clone();
            assert_eq!(sent[1]["content"].as_array().unwrap()[1..3], searched()[1..3], "{sent}");
        }
        // Another provider is told what was done.
        let next = fake.count();
        fake.push(wire::answer("ollama", text(&["So."])));
        let body = json!({"model": "ollama/m", "input": "And?", "previous_response_id": response["id"]});
        assert_eq!(app.post(&body).status, 200);
        let sent = fake.request(next).body.to_string();
        assert!(sent.contains("web_search") && sent.contains("trams") && !sent.contains("srv_1"), "{sent}");
    }
}

#[test]
fn a_paused_turn_of_anthropics_goes_on_with_its_blocks() {
    let fake = FakeProvider::start();
    let app = start(&fake);
    for stream in [true, false] {
        let first = fake.count();
        fake.push(|request| anthropic(is_stream(request), &searched()[..2], "pause_turn"));
        fake.push(|request| anthropic(is_stream(request), &searched()[2..], "end_turn"));
        let (response, _) = ask(&app, &searching("anthropic/claude-sonnet-4-6", stream));
        let sent = fake.request(first + 1).body["messages"].clone();
        assert_eq!(sent.as_array().unwrap().len(), 2, "{sent}");
        assert_eq!(sent[1]["content"], json!(searched()[..2]));
        let statuses: Vec<_> =
            response["output"].as_array().unwrap().iter().map(|item| &item["status"]).collect();
        assert_eq!(statuses, ["completed"; 4]);
    }
}

#[test]
fn a_search_of_geminis_is_told_as_openais() {
    let fake = FakeProvider::start();
    let app = start(&fake);
    let grounding = json!({"webSearchQueries": ["trams"], "groundingChunks": [{"web": {"uri": "https://a.example", "title": "A"}}],
        "groundingSupports": [{"segment": {"endIndex": 7, "text": "Zürich"}, "groundingChunkIndices": [0]}]});
    for stream in [true, false] {
        let first = fake.count();
        let grounding = grounding.clone();
        fake.push(move |request| gemini(is_stream(request), &[json!({"text": "Zürich."})], &grounding));
        let (response, names) = ask(&app, &searching("gemini/gemini-2.5-flash", stream));
        assert_eq!(fake.request(first).body["tools"], json!([{"googleSearch": {}}]));
        let cited = &response["output"][0]["content"][0]["annotations"][0];
        assert_eq!((&cited["start_index"], &cited["end_index"]), (&json!(0), &json!(6)));
        let item = &response["output"][1];
        let action = json!({"type": "search", "query": "trams", "queries": ["trams"],
            "sources": [{"type": "url", "url": "https://a.example"}]});
        assert_eq!((&item["type"], &item["action"]), (&json!("web_search_call"), &action));
        if stream {
            let want = [
                "output_item.added",
                "output_item.done",
                "output_item.added",
                "web_search_call.in_progress",
                "web_search_call.searching",
                "web_search_call.completed",
                "output_item.done",
            ];
            assert_eq!(names, steps(&want));
        }
    }
}

#[test]
fn code_that_gemini_runs_is_told_as_openais_and_goes_back_signed() {
    let fake = FakeProvider::start();
    let app = start(&fake);
    let parts = [
        json!({"executableCode": {"language": "PYTHON", "code": "print(4)"}, "thoughtSignature": "c2ln"}),
        json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "4\n"}}),
        json!({"text": "Four."}),
    ];
    let tools = json!([{"type": "code_interpreter", "container": {"type": "auto"}}]);
    for stream in [true, false] {
        let said = parts.clone();
        fake.push(move |request| gemini(is_stream(request), &said, &json!({})));
        let body = json!({"model": "gemini/gemini-3-flash-preview", "input": "2+2?", "stream": stream, "tools": tools,
            "include": ["code_interpreter_call.outputs"]});
        let (response, names) = ask(&app, &body);
        let item = &response["output"][0];
        assert_eq!((&item["code"], &item["outputs"][0]["logs"]), (&json!("print(4)"), &json!("4\n")));
        if stream {
            let want = [
                "output_item.added",
                "code_interpreter_call.in_progress",
                "code_interpreter_call_code.delta",
                "code_interpreter_call_code.done",
                "code_interpreter_call.interpreting",
                "code_interpreter_call.completed",
                "output_item.done",
                "output_item.added",
                "output_item.done",
            ];
            assert_eq!(names, steps(&want));
        }
        let next = fake.count();
        fake.push(wire::answer("gemini", text(&["So."])));
        let body = json!({"model": "gemini/gemini-3-flash-preview", "input": "And?", "tools": tools,
            "previous_response_id": response["id"]});
        assert_eq!(app.post(&body).status, 200);
        assert_eq!(fake.request(next).body["contents"][1]["parts"], json!(parts));
    }
}

#[test]
fn code_that_anthropic_runs_is_told_as_openais() {
    let fake = FakeProvider::start();
    let app = start(&fake);
    let blocks = [
        json!({"type": "server_tool_use", "id": "srv_1", "name": "bash_code_execution", "input": {"command": "echo 4"}}),
        json!({"type": "bash_code_execution_tool_result", "tool_use_id": "srv_1", "content":
            {"type": "bash_code_execution_result", "stdout": "4\n", "stderr": "", "return_code": 0, "content": []}}),
        json!({"type": "text", "text": "Four."}),
    ];
    for stream in [true, false] {
        let blocks = blocks.clone();
        let first = fake.count();
        fake.push(move |request| anthropic(is_stream(request), &blocks, "end_turn"));
        let body = json!({"model": "anthropic/claude-sonnet-4-6", "input": "2+2?", "stream": stream,
            "tools": [{"type": "code_interpreter", "container": {"type": "auto"}}],
            "include": ["code_interpreter_call.outputs"]});
        let (response, _) = ask(&app, &body);
        let item = &response["output"][0];
        assert_eq!((&item["code"], &item["outputs"][0]["logs"]), (&json!("echo 4"), &json!("4\n")));
        assert_eq!(fake.request(first).header("anthropic-beta"), Some("code-execution-2025-08-25"));
    }
}
