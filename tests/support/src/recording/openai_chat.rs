//! OpenAI Chat Completions and the hosts that speak it.

use serde_json::{Value, json};

use super::super::shared::Kind;
use super::{Body, End, Expected, Usage5, Written, count, entries, parse_arguments, text};

pub(super) fn read(kind: Kind, body: &Body) -> Expected {
    // Perplexity sends `delta` and `message` side by side; the framing says which one counts.
    let part = if kind == Kind::Sse { "delta" } else { "message" };
    let mut answer = Answer::default();
    for document in &body.documents {
        answer.add(document, part);
    }
    answer.whole(kind == Kind::Json || body.done)
}

/// The first choice of an answer, put together from one document or many.
#[derive(Default)]
struct Answer {
    text: String,
    reasoning: String,
    refusal: String,
    calls: Vec<Call>,
    /// Running values: the last one counts, they are never summed.
    usage: Option<Usage5>,
    finish_reason: Option<String>,
    failed: bool,
}

/// One call; fragments are joined by `index`.
#[derive(Default)]
struct Call {
    index: Option<u64>,
    id: String,
    name: String,
    arguments: String,
    /// Custom tools take free text, which must not be read as JSON.
    custom: bool,
}

impl Answer {
    fn add(&mut self, document: &Value, part: &str) {
        self.failed |= !document["error"].is_null();
        // Moonshot is reported to put usage into the choice, Groq's compound models into `x_groq`.
        let usages =
            [&document["usage"], &document["x_groq"]["usage"], &document["choices"][0]["usage"]].map(usage);
        self.usage = usages.into_iter().flatten().next().or(self.usage);
        for choice in entries(&document["choices"]).filter(|choice| count(choice, "index") == 0) {
            self.add_message(&choice[part], part);
            if let Some(reason) = choice["finish_reason"].as_str() {
                self.finish_reason = Some(reason.to_owned());
            }
        }
    }

    fn add_message(&mut self, message: &Value, part: &str) {
        self.reasoning.push_str(&reasoning(message));
        self.refusal.push_str(text(message, "refusal"));
        match &message["content"] {
            Value::String(text) => self.text.push_str(text),
            // Mistral turns the content into a list of thinking and text parts.
            list => entries(list).for_each(|part| self.add_part(part)),
        }
        entries(&message["tool_calls"]).enumerate().for_each(|(at, call)| self.add_call(at, call, part));
        let old_call = &message["function_call"];
        // Snowflake fills the old field with empty strings.
        if !text(old_call, "name").is_empty() {
            self.add_function(Some(0), old_call);
        }
    }

    fn add_part(&mut self, part: &Value) {
        match text(part, "type") {
            "thinking" => {
                self.reasoning.extend(entries(&part["thinking"]).map(|piece| text(piece, "text")));
            }
            "text" => self.text.push_str(text(part, "text")),
            _ => {}
        }
    }

    fn add_call(&mut self, at: usize, call: &Value, part: &str) {
        // The entries of a unary answer are whole calls; Ollama gives all of them the index 0.
        let given = call["index"].as_u64().filter(|_| part == "delta");
        let index = given.or_else(|| u64::try_from(at).ok());
        self.call(index).id.push_str(text(call, "id"));
        if text(call, "type") == "custom" {
            let target = self.call(index);
            target.custom = true;
            target.name.push_str(text(&call["custom"], "name"));
            target.arguments.push_str(text(&call["custom"], "input"));
        } else {
            self.add_function(index, &call["function"]);
        }
    }

    fn add_function(&mut self, index: Option<u64>, function: &Value) {
        let target = self.call(index);
        // Some hosts repeat the name, or an empty one, on later fragments.
        if target.name.is_empty() {
            text(function, "name").clone_into(&mut target.name);
        }
        match &function["arguments"] {
            Value::String(text) => target.arguments.push_str(text),
            Value::Null => {}
            object => target.arguments.push_str(&object.to_string()),
        }
    }

    fn call(&mut self, index: Option<u64>) -> &mut Call {
        let at = self.calls.iter().position(|call| call.index == index).unwrap_or_else(|| {
            self.calls.push(Call { index, ..Call::default() });
            self.calls.len() - 1
        });
        &mut self.calls[at]
    }

    /// `closed` says that the body came to its end: JSON is whole, a stream had `[DONE]`.
    fn whole(self, closed: bool) -> Expected {
        let end = match self.finish_reason.as_deref() {
            _ if self.failed => End::Failed,
            Some("length" | "model_context_window_exceeded") => End::MAX_OUTPUT_TOKENS,
            Some("content_filter") => End::CONTENT_FILTER,
            Some(_) => End::Completed,
            // Snowflake never sends a reason; `[DONE]` is its only end mark.
            None if closed => End::Completed,
            None => End::Failed,
        };
        Expected {
            text: self.text,
            reasoning: self.reasoning,
            refusal: self.refusal,
            written: self.calls.iter().map(Call::written).collect(),
            tool_calls: self.calls.into_iter().map(Call::whole).collect(),
            usage: self.usage,
            end,
        }
    }
}

impl Call {
    fn written(&self) -> Written {
        Written::new(&json!(self.id), &json!(self.arguments))
    }

    fn whole(self) -> (String, Value) {
        let arguments =
            if self.custom { Value::String(self.arguments) } else { parse_arguments(&self.arguments) };
        (self.name, arguments)
    }
}

/// The thinking has three names; a host that sends two of them repeats the same text, so one is taken.
fn reasoning(message: &Value) -> String {
    for name in ["reasoning_content", "reasoning"] {
        if !text(message, name).is_empty() {
            return text(message, name).to_owned();
        }
    }
    // `reasoning.encrypted` details carry no text.
    entries(&message["reasoning_details"])
        .map(|detail| format!("{}{}", text(detail, "text"), text(detail, "summary")))
        .collect()
}

fn usage(counts: &Value) -> Option<Usage5> {
    if counts["prompt_tokens"].is_null() && counts["completion_tokens"].is_null() {
        return None;
    }
    let input = count(counts, "prompt_tokens");
    let given = count(counts, "completion_tokens");
    let total = counts["total_tokens"].as_u64().unwrap_or(input + given);
    let cached = ["prompt_cache_hit_tokens", "cached_tokens"].map(|name| count(counts, name));
    let details = count(&counts["prompt_tokens_details"], "cached_tokens");
    let apart = count(counts, "reasoning_tokens");
    let reasoning = count(&counts["completion_tokens_details"], "reasoning_tokens").max(apart);
    // xAI leaves reasoning out of `completion_tokens`; its total tells.
    let output = if total == input + given + reasoning { given + reasoning } else { given };
    Some(Usage5 {
        input,
        output,
        total,
        cached: cached.into_iter().max().unwrap_or(0).max(details),
        reasoning,
    })
}
