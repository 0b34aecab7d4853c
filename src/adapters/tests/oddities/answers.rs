//! An answer of each kind: the text `hi there`, a call of `w` with `{"city":"A"}`, 11 tokens in and 7 out.

pub(crate) const KINDS: [&str; 5] = ["openai-chat", "openai-responses", "anthropic", "gemini", "ollama"];

/// The same answer as the data of a stream's frames, and whole.
pub(crate) struct Sample {
    pub(crate) frames: Vec<String>,
    pub(crate) whole: String,
}

pub(crate) fn sample(kind: &str) -> Sample {
    let (frames, whole) = match kind {
        "openai-chat" => CHAT,
        "openai-responses" => RESPONSES,
        "anthropic" => ANTHROPIC,
        "gemini" => GEMINI,
        _ => OLLAMA,
    };
    Sample { frames: frames.iter().map(|frame| (*frame).to_owned()).collect(), whole: whole.to_owned() }
}

type Texts = (&'static [&'static str], &'static str);

const CHAT: Texts = (
    &[
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"hi "}}]}"#,
        r#"{"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"there"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"w","arguments":"{\"city\":"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"A\"}"}}]}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#,
        "[DONE]",
    ],
    r#"{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi there","tool_calls":[{"index":0,"id":"c","type":"function","function":{"name":"w","arguments":"{\"city\":\"A\"}"}}]},"finish_reason":"tool_calls"}],"usage":{"prompt_tokens":11,"completion_tokens":7,"total_tokens":18}}"#,
);

const RESPONSES: Texts = (
    &[
        r#"{"type":"response.created","response":{"id":"r","status":"in_progress"}}"#,
        r#"{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m","role":"assistant","content":[]}}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","content_index":0,"delta":"hi "}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"item_id":"m","content_index":0,"delta":"there"}"#,
        r#"{"type":"response.output_item.done","output_index":0,"item":{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi there","annotations":[]}]}}"#,
        r#"{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c","name":"w","arguments":""}}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"f","delta":"{\"city\":"}"#,
        r#"{"type":"response.function_call_arguments.delta","output_index":1,"item_id":"f","delta":"\"A\"}"}"#,
        r#"{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","id":"f","call_id":"c","name":"w","status":"completed","arguments":"{\"city\":\"A\"}"}}"#,
        r#"{"type":"response.completed","response":{"id":"r","status":"completed","output":[],"usage":{"input_tokens":11,"output_tokens":7,"total_tokens":18}}}"#,
    ],
    r#"{"id":"r","object":"response","status":"completed","output":[{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi there","annotations":[]}]},{"type":"function_call","id":"f","call_id":"c","name":"w","status":"completed","arguments":"{\"city\":\"A\"}"}],"usage":{"input_tokens":11,"output_tokens":7,"total_tokens":18}}"#,
);

const ANTHROPIC: Texts = (
    &[
        r#"{"type":"message_start","message":{"id":"m","type":"message","role":"assistant","content":[],"usage":{"input_tokens":11,"output_tokens":1}}}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi "}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"there"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"c","name":"w","input":{}}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"city\":"}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"\"A\"}"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":7}}"#,
        r#"{"type":"message_stop"}"#,
    ],
    r#"{"id":"m","type":"message","role":"assistant","content":[{"type":"text","text":"hi there"},{"type":"tool_use","id":"c","name":"w","input":{"city":"A"}}],"stop_reason":"tool_use","usage":{"input_tokens":11,"output_tokens":7}}"#,
);

const GEMINI: Texts = (
    &[
        r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hi "}]}}],"usageMetadata":{"promptTokenCount":11,"totalTokenCount":11}}"#,
        r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"there"}]}}]}"#,
        r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"functionCall":{"name":"w","args":{"city":"A"}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,"totalTokenCount":18}}"#,
    ],
    r#"{"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"hi there"},{"functionCall":{"name":"w","args":{"city":"A"}}}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":11,"candidatesTokenCount":7,"totalTokenCount":18}}"#,
);

const OLLAMA: Texts = (
    &[
        r#"{"model":"m","message":{"role":"assistant","content":"hi "},"done":false}"#,
        r#"{"model":"m","message":{"role":"assistant","content":"there"},"done":false}"#,
        r#"{"model":"m","message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"w","arguments":{"city":"A"}}}]},"done":false}"#,
        r#"{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":7}"#,
    ],
    r#"{"model":"m","message":{"role":"assistant","content":"hi there","tool_calls":[{"function":{"name":"w","arguments":{"city":"A"}}}]},"done":true,"done_reason":"stop","prompt_eval_count":11,"eval_count":7}"#,
);
