//! Ollama `/api/chat`.

use serde_json::{Value, json};

use super::{INPUT_TOKENS, OUTPUT_TOKENS, Turn};

pub(super) fn line(text: &str, turn: &Turn, done: bool) -> Value {
    let mut line = json!({"model": "m", "created_at": "2026-01-01T00:00:00Z", "done": done,
                          "message": {"role": "assistant", "content": text}});
    if done {
        line["done_reason"] = json!(if turn.cut { "length" } else { "stop" });
        line["prompt_eval_count"] = json!(INPUT_TOKENS);
        line["eval_count"] = json!(OUTPUT_TOKENS);
        if !turn.thinking.is_empty() {
            line["message"]["thinking"] = json!(turn.thinking);
        }
        if let Some((id, name, arguments)) = turn.call {
            let arguments: Value = serde_json::from_str(arguments).unwrap();
            line["message"]["tool_calls"] =
                json!([{"id": id, "function": {"name": name, "arguments": arguments}}]);
        }
    }
    line
}

pub(super) fn frames(turn: &Turn) -> Vec<String> {
    let mut lines = Vec::new();
    if !turn.thinking.is_empty() {
        let mut line = line("", turn, false);
        line["message"]["thinking"] = json!(turn.thinking);
        lines.push(line);
    }
    lines.extend(turn.text.iter().map(|text| line(text, turn, false)));
    let thought = Turn { thinking: "", ..*turn };
    lines.push(line("", &thought, true));
    lines.into_iter().map(|line| format!("{line}\n")).collect()
}
