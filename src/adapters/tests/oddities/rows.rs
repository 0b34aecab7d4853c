//! The table.

/// What an answer says that was changed.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "words of the table")]
pub(crate) enum Want {
    /// The same as before.
    Same,
    /// Other counts of tokens in and out.
    Usage(u64, u64),
    /// Another text.
    Text(&'static str),
    /// Other arguments.
    Arguments(&'static str),
}

/// An oddity.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) want: Want,
    /// Kind, what is replaced in each frame and in the whole body, and by what. Tried where it occurs.
    pub(crate) edits: &'static [(&'static str, &'static str, &'static str)],
}

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "a count that only the total tells",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":-9"#),
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":null"#),
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":1e999"#),
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":NaN"#),
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":{"tokens":11}"#),
        ],
    },
    Row {
        name: "a count as a text",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":"11""#),
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":"11""#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":"11""#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":"11""#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":"11""#),
        ],
    },
    Row {
        name: "a count as a float",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""prompt_tokens":11"#, r#""prompt_tokens":11.0"#),
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":11.0"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":11.0"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":11.0"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":11.0"#),
        ],
    },
    Row {
        name: "a count below zero",
        want: Want::Usage(0, 7),
        edits: &[
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":-9"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":-9"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":-9"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":-9"#),
        ],
    },
    Row {
        name: "a count that is null",
        want: Want::Usage(0, 7),
        edits: &[
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":null"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":null"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":null"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":null"#),
        ],
    },
    Row {
        name: "a count that is an object",
        want: Want::Usage(0, 7),
        edits: &[
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":{"tokens":11}"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":{"tokens":11}"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":{"tokens":11}"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":{"tokens":11}"#),
        ],
    },
    Row {
        name: "a count beyond all numbers",
        want: Want::Usage(0, 7),
        edits: &[
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":1e999"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":1e999"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":1e999"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":1e999"#),
        ],
    },
    Row {
        name: "a count that is not a number",
        want: Want::Usage(0, 7),
        edits: &[
            ("openai-responses", r#""input_tokens":11"#, r#""input_tokens":NaN"#),
            ("anthropic", r#""input_tokens":11"#, r#""input_tokens":NaN"#),
            ("gemini", r#""promptTokenCount":11"#, r#""promptTokenCount":NaN"#),
            ("ollama", r#""prompt_eval_count":11"#, r#""prompt_eval_count":NaN"#),
        ],
    },
    Row {
        name: "an index that is a text",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""index":0"#, r#""index":"0""#),
            ("openai-responses", r#""content_index":0"#, r#""content_index":"0""#),
            ("anthropic", r#""index":0"#, r#""index":"0""#),
            ("gemini", r#""index":0"#, r#""index":"0""#),
        ],
    },
    Row {
        name: "an index that is a float",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""index":0"#, r#""index":0.0"#),
            ("openai-responses", r#""content_index":0"#, r#""content_index":0.0"#),
            ("anthropic", r#""index":0"#, r#""index":0.0"#),
            ("gemini", r#""index":0"#, r#""index":0.0"#),
        ],
    },
    Row {
        name: "an index that is a negative number",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""index":0"#, r#""index":-1"#),
            ("openai-responses", r#""content_index":0"#, r#""content_index":-1"#),
            ("anthropic", r#""index":0"#, r#""index":-1"#),
            ("gemini", r#""index":0"#, r#""index":-1"#),
        ],
    },
    Row {
        name: "an index that is null",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""index":0"#, r#""index":null"#),
            ("openai-responses", r#""content_index":0"#, r#""content_index":null"#),
            ("anthropic", r#""index":0"#, r#""index":null"#),
            ("gemini", r#""index":0"#, r#""index":null"#),
        ],
    },
    Row {
        name: "a key that stands twice",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""content":"hi "#, r#""content":null,"content":"hi "#),
            ("openai-chat", r#""delta":{"content":"there"}"#, r#""delta":{"content":"there","content":""}"#),
            ("openai-responses", r#""delta":"there""#, r#""delta":"","delta":"there""#),
            (
                "openai-responses",
                r#""arguments":"{\"city\":\"A\"}""#,
                r#""arguments":"{\"city\":\"A\"}","arguments":null"#,
            ),
            ("anthropic", r#""text":"there""#, r#""text":"there","text":"""#),
            ("anthropic", r#""name":"w""#, r#""name":"v","name":"w""#),
            ("gemini", r#""text":"there""#, r#""text":null,"text":"there""#),
            ("gemini", r#""name":"w""#, r#""name":"w","name":null"#),
            ("ollama", r#""content":"there""#, r#""content":"there","content":"""#),
            ("ollama", r#""done":true"#, r#""done":false,"done":true"#),
        ],
    },
    Row {
        name: "half a character at the end of a delta",
        want: Want::Text("hi \u{fffd}there"),
        edits: &[
            ("openai-chat", r#""content":"hi ""#, r#""content":"hi \ud83d""#),
            ("anthropic", r#""text":"hi ""#, r#""text":"hi \ud83d""#),
            ("gemini", r#""text":"hi ""#, r#""text":"hi \ud83d""#),
            ("ollama", r#""content":"hi ""#, r#""content":"hi \ud83d""#),
        ],
    },
    Row {
        name: "half a character in a text",
        want: Want::Text("h\u{fffd}i there"),
        edits: &[
            ("openai-chat", r#""hi "#, r#""h\ude00i "#),
            ("anthropic", r#""hi "#, r#""h\ude00i "#),
            ("gemini", r#""hi "#, r#""h\ude00i "#),
            ("ollama", r#""hi "#, r#""h\ude00i "#),
            ("openai-responses", r#""hi "#, r#""h\ude00i "#),
        ],
    },
    Row {
        name: "a control character in a text",
        want: Want::Text("h\ti there"),
        edits: &[
            ("openai-chat", r#""hi "#, "\"h\ti "),
            ("openai-responses", r#""hi "#, "\"h\ti "),
            ("anthropic", r#""hi "#, "\"h\ti "),
            ("gemini", r#""hi "#, "\"h\ti "),
            ("ollama", r#""hi "#, "\"h\ti "),
        ],
    },
    Row {
        name: "a field nobody needs, of any value",
        want: Want::Same,
        edits: &[
            (
                "openai-chat",
                r#""choices":[{"#,
                r#""id":{},"created":"x","system_fingerprint":NaN,"choices":[{"logprobs":7,"#,
            ),
            (
                "openai-responses",
                r#""item_id":"m""#,
                r#""item_id":7,"sequence_number":"x","logprobs":"none""#,
            ),
            ("anthropic", r#""role":"assistant""#, r#""role":7,"stop_sequence":{},"model":null"#),
            ("gemini", r#""role":"model""#, r#""role":["model"],"extra":-Infinity"#),
            (
                "ollama",
                r#""model":"m""#,
                r#""model":7,"created_at":NaN,"logprobs":"none","total_duration":"x""#,
            ),
        ],
    },
    Row {
        name: "a flag that is no flag",
        want: Want::Same,
        edits: &[
            ("ollama", r#""done":true"#, r#""done":"true""#),
            ("ollama", r#""done":true"#, r#""done":1"#),
            ("gemini", r#""text":"there""#, r#""text":"there","thought":"no""#),
            ("gemini", r#""text":"there""#, r#""text":"there","thought":0"#),
        ],
    },
    Row {
        name: "a word of another shape",
        want: Want::Same,
        edits: &[
            (
                "openai-chat",
                r#""object":"chat.completion"#,
                r#""service_tier":{"a":1},"object":"chat.completion"#,
            ),
            ("anthropic", r#""usage":{"#, r#""usage":{"service_tier":["x"],"#),
            ("gemini", r#""usageMetadata":{"#, r#""usageMetadata":{"serviceTier":{},"#),
        ],
    },
    Row {
        name: "an error that is none",
        want: Want::Same,
        edits: &[
            ("openai-chat", r#""choices":[{"#, r#""error":null,"choices":[{"#),
            ("gemini", r#""candidates":["#, r#""error":null,"candidates":["#),
            ("ollama", r#""model":"m""#, r#""model":"m","error":"""#),
            ("anthropic", r#""type":"message_stop""#, r#""type":"message_stop","error":null"#),
        ],
    },
    Row {
        name: "arguments in a text, or an object in place of the text",
        want: Want::Same,
        edits: &[
            ("anthropic", r#"{"city":"A"}"#, r#""{\"city\":\"A\"}""#),
            ("gemini", r#"{"city":"A"}"#, r#""{\"city\":\"A\"}""#),
            ("ollama", r#"{"city":"A"}"#, r#""{\"city\":\"A\"}""#),
            ("openai-chat", r#""{\"city\":\"A\"}""#, r#"{"city":"A"}"#),
            ("openai-responses", r#""{\"city\":\"A\"}""#, r#"{"city":"A"}"#),
        ],
    },
];
