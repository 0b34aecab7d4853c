//! The simple reading of an answer: no blocks, no order, only sums over `serde_json::Value`.

use serde_json::Value;

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Sums {
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
    pub(crate) calls: Vec<(String, String, String)>,
    /// Prompt, completion, total.
    pub(crate) usage: Option<(u64, u64, u64)>,
    pub(crate) reason: String,
}

pub(crate) fn expected(body: &[u8], stream: bool) -> Sums {
    let text = String::from_utf8_lossy(body);
    let mut sums = Sums::default();
    if stream {
        for line in text.lines().filter_map(|l| l.strip_prefix("data:")).filter(|l| l.trim() != "[DONE]") {
            sums.take(&serde_json::from_str(line).unwrap(), "delta");
        }
    } else {
        sums.take(&serde_json::from_str(&text).unwrap(), "message");
    }
    sums
}

impl Sums {
    fn take(&mut self, json: &Value, member: &str) {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        for choice in json["choices"].as_array().into_iter().flatten().filter(|c| c["index"] == 0) {
            let delta = &choice[member];
            self.text += &text(&delta["content"]);
            for part in delta["content"].as_array().into_iter().flatten() {
                self.text += &text(&part["text"]);
                for thought in part["thinking"].as_array().into_iter().flatten() {
                    self.reasoning += &text(&thought["text"]);
                }
            }
            self.refusal += &text(&delta["refusal"]);
            let mut thought = text(&delta["reasoning_content"]) + &text(&delta["reasoning"]);
            if thought.is_empty() {
                for detail in delta["reasoning_details"].as_array().into_iter().flatten() {
                    thought += &(text(&detail["text"]) + &text(&detail["summary"]));
                }
            }
            self.reasoning += &thought;
            for (at, call) in delta["tool_calls"].as_array().into_iter().flatten().enumerate() {
                // In a whole message some hosts number every call 0.
                let index = call["index"].as_u64().filter(|_| member == "delta");
                let index = index.map_or(at, |i| usize::try_from(i).unwrap());
                while self.calls.len() <= index {
                    self.calls.push(Default::default());
                }
                self.calls[index].0 += &text(&call["id"]);
                self.calls[index].1 += &text(&call["function"]["name"]);
                self.calls[index].2 += &text(&call["function"]["arguments"]);
            }
            if let Some(reason) = choice["finish_reason"].as_str().filter(|r| !r.is_empty()) {
                self.reason = reason.to_owned();
            }
        }
        for usage in [&json["usage"], &json["x_groq"]["usage"]] {
            if let Some(input) = usage["prompt_tokens"].as_u64() {
                let (output, total) = (&usage["completion_tokens"], &usage["total_tokens"]);
                self.usage = Some((input, output.as_u64().unwrap(), total.as_u64().unwrap()));
                break;
            }
        }
    }
}
