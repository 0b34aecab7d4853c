//! Made-up traffic of each provider for measuring: a stream of many text deltas, and a unary answer.

use serde_json::{Value, json};

/// Text deltas of a stream.
pub(crate) const DELTAS: usize = 1000;
/// Text of one delta, about what providers send.
const WORD: &str = " performance";

/// One provider's traffic.
pub(crate) struct Wire {
    pub(crate) kind: &'static str,
    pub(crate) stream: Vec<u8>,
    pub(crate) unary: Vec<u8>,
}

fn sse(event: Option<&str>, data: &Value) -> String {
    let name = event.map(|e| format!("event: {e}\n")).unwrap_or_default();
    format!("{name}data: {data}\n\n")
}

fn framed(head: Vec<Value>, delta: &Value, tail: Vec<Value>, frame: impl Fn(&Value) -> String) -> Vec<u8> {
    let all = head.iter().chain(std::iter::repeat_n(delta, DELTAS)).chain(tail.iter());
    all.map(frame).collect::<String>().into_bytes()
}

fn typed(value: &Value) -> String {
    sse(value["type"].as_str(), value)
}

fn responses() -> Wire {
    let item = json!({"type":"message","id":"msg_1","status":"completed","role":"assistant",
        "content":[{"type":"output_text","text":"Hello there.","annotations":[],"logprobs":[]}]});
    let usage = json!({"input_tokens":9,"input_tokens_details":{"cached_tokens":0},"output_tokens":3,
        "output_tokens_details":{"reasoning_tokens":0},"total_tokens":12});
    let response = json!({"id":"resp_1","object":"response","created_at":1,"status":"completed","error":null,
        "incomplete_details":null,"instructions":null,"model":"gpt-4.1","output":[item],"tools":[],
        "parallel_tool_calls":true,"temperature":1.0,"tool_choice":"auto","top_p":1.0,"usage":usage,"metadata":{}});
    let delta = json!({"type":"response.output_text.delta","sequence_number":4,"item_id":"msg_1","output_index":0,
        "content_index":0,"delta":WORD,"logprobs":[]});
    let head = vec![
        json!({"type":"response.created","sequence_number":0,"response":{"id":"resp_1","status":"in_progress"}}),
        json!({"type":"response.output_item.added","sequence_number":1,"output_index":0,
            "item":{"type":"message","id":"msg_1","status":"in_progress","role":"assistant","content":[]}}),
        json!({"type":"response.content_part.added","sequence_number":2,"item_id":"msg_1","output_index":0,
            "content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}),
    ];
    let tail = vec![json!({"type":"response.completed","sequence_number":9,"response":response})];
    Wire {
        kind: "openai-responses",
        stream: framed(head, &delta, tail, typed),
        unary: response.to_string().into(),
    }
}

fn chat() -> Wire {
    let chunk = |delta: Value, reason: Value| {
        json!({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4.1",
            "choices":[{"index":0,"delta":delta,"finish_reason":reason}]})
    };
    let head = vec![chunk(json!({"role":"assistant","content":""}), Value::Null)];
    let usage = json!({"prompt_tokens":9,"completion_tokens":3,"total_tokens":12});
    let tail = vec![chunk(json!({}), json!("stop")), json!({"id":"chatcmpl-1","choices":[],"usage":usage})];
    let delta = chunk(json!({"content":WORD}), Value::Null);
    let mut stream = framed(head, &delta, tail, |value| sse(None, value));
    stream.extend_from_slice(b"data: [DONE]\n\n");
    let unary = json!({"id":"chatcmpl-1","object":"chat.completion","created":1,"model":"gpt-4.1","usage":usage,
        "choices":[{"index":0,"message":{"role":"assistant","content":"Hello there."},"finish_reason":"stop"}]});
    Wire { kind: "openai-chat", stream, unary: unary.to_string().into() }
}

fn anthropic() -> Wire {
    let usage = json!({"input_tokens":9,"output_tokens":3});
    let head = vec![
        json!({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],
            "model":"claude","stop_reason":null,"usage":usage}}),
        json!({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}),
    ];
    let tail = vec![
        json!({"type":"content_block_stop","index":0}),
        json!({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":usage}),
        json!({"type":"message_stop"}),
    ];
    let delta = json!({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":WORD}});
    let unary = json!({"id":"msg_1","type":"message","role":"assistant","model":"claude","stop_reason":"end_turn",
        "content":[{"type":"text","text":"Hello there."}],"usage":usage});
    Wire { kind: "anthropic", stream: framed(head, &delta, tail, typed), unary: unary.to_string().into() }
}

fn gemini() -> Wire {
    let chunk = |text: &str, reason: Option<&str>| {
        json!({"candidates":[{"content":{"parts":[{"text":text}],"role":"model"},"finishReason":reason,"index":0}],
            "usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":3,"totalTokenCount":12},
            "modelVersion":"gemini-2.5-flash","responseId":"r"})
    };
    let frame = |value: &Value| sse(None, value).replace('\n', "\r\n");
    let stream = framed(Vec::new(), &chunk(WORD, None), vec![chunk(".", Some("STOP"))], frame);
    Wire { kind: "gemini", stream, unary: chunk("Hello there.", Some("STOP")).to_string().into() }
}

fn ollama() -> Wire {
    let line = |text: &str, done: bool| {
        let mut line = json!({"model":"llama3","created_at":"2026-01-01T00:00:00Z",
            "message":{"role":"assistant","content":text},"done":done});
        if done {
            line["done_reason"] = json!("stop");
            line["prompt_eval_count"] = json!(9);
            line["eval_count"] = json!(3);
        }
        line
    };
    let stream = framed(Vec::new(), &line(WORD, false), vec![line("", true)], |value| format!("{value}\n"));
    Wire { kind: "ollama", stream, unary: line("Hello there.", true).to_string().into() }
}

/// All providers.
pub(crate) fn wires() -> [Wire; 5] {
    [responses(), chat(), anthropic(), gemini(), ollama()]
}
