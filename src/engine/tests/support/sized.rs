//! Requests and deltas of an ordinary size, for the bench and the count of allocations.

use or_adapters::ModelEvent;
use or_engine::{LoopSpec, ReasoningEvents};
use or_protocol::{CreateResponseBody, ResponseId};
use serde_json::{Value, json};

/// A loop of an ordinary request: instructions, one tool, a short question.
pub(crate) fn spec(mut request: Value) -> LoopSpec {
    request["model"] = json!("gpt-4o-mini");
    request["input"] = json!("What is the weather like in Oslo today, and should I take an umbrella?");
    request["instructions"] = json!("You are a helpful assistant. Answer in one or two sentences.");
    request["tools"] = json!([{
        "type": "function", "name": "get_weather", "description": "Current weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    }]);
    let body = CreateResponseBody::from_value(request).unwrap();
    LoopSpec {
        id: ResponseId::new(),
        created_at: 1_770_000_000,
        model: "gpt-4o-mini".into(),
        previous_response_id: None,
        store: false,
        background: false,
        stream: body.stream,
        settings: body.settings,
        context: body.input,
        reasoning_events: ReasoningEvents::Spec,
        server_tools: Default::default(),
        mcp: Default::default(),
        seal: Default::default(),
        prompt_cache_diagnostics: None,
        limits: Default::default(),
    }
}

/// The text of a delta: a word and a blank, as models send them.
pub(crate) fn words(at: usize) -> &'static str {
    ["The ", "umbrella ", "is ", "not ", "needed, ", "\"dry\" ", "til ", "kl. ", "åtte.\n"][at % 9]
}

/// One text delta.
pub(crate) fn delta(at: usize) -> ModelEvent {
    ModelEvent::TextDelta { block: 0, text: words(at).into(), logprobs: Vec::new() }
}
