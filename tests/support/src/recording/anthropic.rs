//! Anthropic Messages.

use serde_json::Value;

use super::super::shared::Kind;
use super::{Body, End, Expected, Usage5, Written, count, entries, parse_arguments, text};

pub(super) fn read(kind: Kind, body: &Body) -> Expected {
    if kind == Kind::Sse { read_stream(body) } else { read_message(body) }
}

/// The content of the message, whole blocks with their signatures and citations.
pub fn blocks(kind: Kind, body: &Body) -> Vec<Value> {
    if kind != Kind::Sse {
        return body.documents.iter().flat_map(|message| entries(&message["content"]).cloned()).collect();
    }
    let mut blocks: Vec<Block> = Vec::new();
    for event in &body.documents {
        match text(event, "type") {
            "content_block_start" => blocks.push(Block::new(&event["content_block"])),
            "content_block_delta" => {
                if let Some(block) = blocks.last_mut() {
                    block.add(&event["delta"]);
                }
            }
            _ => {}
        }
    }
    blocks.into_iter().map(Block::whole).collect()
}

fn read_message(body: &Body) -> Expected {
    let Some(message) = body.documents.first() else { return Expected::empty(End::Failed) };
    let mut expected = Expected::empty(End::Failed);
    for block in blocks(Kind::Json, body) {
        add_block(&mut expected, &block);
    }
    expected.usage = Some(usage(&message["usage"]));
    finish(&mut expected, message);
    expected
}

fn read_stream(body: &Body) -> Expected {
    let mut expected = Expected::empty(End::Failed);
    let mut counts = Value::Null;
    let mut last_delta = Value::Null;
    let mut stopped = false;
    for event in &body.documents {
        match text(event, "type") {
            "message_start" => counts = event["message"]["usage"].clone(),
            "message_delta" => {
                replace_counts(&mut counts, &event["usage"]);
                last_delta = event["delta"].clone();
            }
            "message_stop" => stopped = true,
            "error" => return expected,
            _ => {}
        }
    }
    for block in blocks(Kind::Sse, body) {
        add_block(&mut expected, &block);
    }
    expected.usage = counts.is_object().then(|| usage(&counts));
    if stopped {
        finish(&mut expected, &last_delta);
    }
    expected
}

/// A block under construction; blocks come strictly one after another.
struct Block {
    start: Value,
    text: String,
    json: String,
    signature: String,
    citations: Vec<Value>,
}

impl Block {
    fn new(start: &Value) -> Self {
        let text = format!("{}{}", text(start, "text"), text(start, "thinking"));
        let signature = super::text(start, "signature").to_owned();
        let citations = entries(&start["citations"]).cloned().collect();
        Self { start: start.clone(), text, json: String::new(), signature, citations }
    }

    fn add(&mut self, delta: &Value) {
        self.text.push_str(text(delta, "text"));
        self.text.push_str(text(delta, "thinking"));
        self.json.push_str(text(delta, "partial_json"));
        self.signature.push_str(text(delta, "signature"));
        if delta["citation"].is_object() {
            self.citations.push(delta["citation"].clone());
        }
    }

    /// The block as a unary answer would show it.
    fn whole(mut self) -> Value {
        match text(&self.start, "type") {
            "text" => {
                self.start["text"] = self.text.into();
                self.start["citations"] = self.citations.into();
            }
            "thinking" => {
                self.start["thinking"] = self.text.into();
                self.start["signature"] = self.signature.into();
            }
            // A tool without arguments gets one empty delta; the input of the start block stands then.
            "tool_use" | "server_tool_use" if !self.json.is_empty() => {
                self.start["input"] = parse_arguments(&self.json)
            }
            _ => {}
        }
        self.start
    }
}

/// Server-side calls and their results are not the client's business, nor is redacted thinking readable.
fn add_block(expected: &mut Expected, block: &Value) {
    match text(block, "type") {
        "text" => expected.text.push_str(text(block, "text")),
        "thinking" => expected.reasoning.push_str(text(block, "thinking")),
        "tool_use" => {
            expected.tool_calls.push((text(block, "name").to_owned(), block["input"].clone()));
            expected.written.push(Written::new(&block["id"], &Value::Null));
        }
        _ => {}
    }
}

/// `message_delta.usage` is cumulative and replaces what it names; null and absent fields leave the old
/// count.
fn replace_counts(counts: &mut Value, newer: &Value) {
    if !counts.is_object() {
        *counts = newer.clone();
        return;
    }
    for (name, value) in newer.as_object().into_iter().flatten() {
        if !value.is_null() {
            counts[name.as_str()] = value.clone();
        }
    }
}

fn usage(counts: &Value) -> Usage5 {
    let cached = count(counts, "cache_read_input_tokens");
    let input = count(counts, "input_tokens") + count(counts, "cache_creation_input_tokens") + cached;
    let output = count(counts, "output_tokens");
    let reasoning = count(&counts["output_tokens_details"], "thinking_tokens");
    Usage5 { input, output, total: input + output, cached, reasoning }
}

/// `source` is the message, or the last `message_delta.delta`: both carry `stop_reason` and `stop_details`.
fn finish(expected: &mut Expected, source: &Value) {
    expected.end = match text(source, "stop_reason") {
        "max_tokens" | "model_context_window_exceeded" => End::MAX_OUTPUT_TOKENS,
        "refusal" => {
            let explanation = source["stop_details"]["explanation"].as_str();
            expected.refusal = explanation.unwrap_or("The model declined to answer.").to_owned();
            End::CONTENT_FILTER
        }
        _ => End::Completed,
    };
}
