//! Gemini `generateContent`.

use serde_json::{Value, json};

use super::{INPUT_TOKENS, OUTPUT_TOKENS, Turn};

pub(super) fn chunk(texts: &[&str], turn: &Turn, last: bool) -> Value {
    let mut parts = Vec::new();
    if last && texts.len() == 1 && !turn.thinking.is_empty() {
        parts.push(json!({"text": turn.thinking, "thought": true}));
    }
    parts.extend(texts.iter().filter(|text| !text.is_empty()).map(|text| json!({"text": text})));
    if last && let Some((id, name, arguments)) = turn.call {
        let args: Value = serde_json::from_str(arguments).unwrap();
        parts.push(json!({"functionCall": {"id": id, "name": name, "args": args},
                          "thoughtSignature": "c2lnLW9mLWdlbWluaQ=="}));
    }
    let mut candidate = json!({"content": {"role": "model", "parts": parts}, "index": 0});
    if last {
        candidate["finishReason"] = json!(if turn.cut { "MAX_TOKENS" } else { "STOP" });
    }
    json!({"candidates": [candidate], "modelVersion": "m",
           "usageMetadata": {"promptTokenCount": INPUT_TOKENS, "candidatesTokenCount": OUTPUT_TOKENS,
                             "totalTokenCount": 18}})
}

/// Google ends its lines with CR LF.
fn data(chunk: &Value) -> String {
    format!("data: {chunk}\r\n\r\n")
}

pub(super) fn frames(turn: &Turn) -> Vec<String> {
    let mut frames = Vec::new();
    if !turn.thinking.is_empty() {
        let mut chunk = chunk(&[turn.thinking], turn, false);
        chunk["candidates"][0]["content"]["parts"][0]["thought"] = json!(true);
        frames.push(data(&chunk));
    }
    frames.extend(turn.text.iter().map(|text| data(&chunk(&[text], turn, false))));
    frames.push(data(&chunk(&[], turn, true)));
    frames
}
