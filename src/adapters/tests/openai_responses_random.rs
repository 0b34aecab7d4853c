//! No bytes of a provider make the translator panic.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail loudly")]

use or_adapters::openai_responses::OpenAiResponses;
use or_adapters::{Adapter, Frame, ModelEvent, ModelRequest, ProviderOptions};
use or_protocol::Settings;
use proptest::prelude::*;
use serde_json::{Value, json};

const TYPES: &[&str] = &[
    "response.output_text.delta",
    "response.output_text.done",
    "response.refusal.delta",
    "response.reasoning_text.delta",
    "response.reasoning_summary_text.delta",
    "response.reasoning_summary_part.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.custom_tool_call_input.delta",
    "response.content_part.done",
    "response.output_text.annotation.added",
    "response.output_item.added",
    "response.output_item.done",
    "response.web_search_call.searching",
    "response.completed",
    "response.incomplete",
    "response.failed",
    "error",
    "",
];

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-zß\"{\\\\]{0,6}".prop_map(Value::from),
        Just(json!("message")),
        Just(json!("reasoning")),
        Just(json!("function_call")),
        Just(json!("output_text")),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let key = prop_oneof![
        Just("type"),
        Just("text"),
        Just("content"),
        Just("summary"),
        Just("name"),
        Just("call_id"),
        Just("arguments"),
        Just("annotations"),
        Just("output"),
        Just("status"),
        Just("encrypted_content"),
    ];
    leaf().prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..5).prop_map(|pairs| pairs
                .into_iter()
                .map(|(k, v)| (k.to_owned(), v))
                .collect::<serde_json::Map<_, _>>()
                .into()),
        ]
    })
}

fn event() -> impl Strategy<Value = String> {
    const MEMBERS: &[&str] =
        &["delta", "text", "item", "part", "response", "annotation", "arguments", "logprobs", "error"];
    (
        prop::sample::select(TYPES),
        0..3u32,
        0..3u32,
        prop::collection::vec((prop::sample::select(MEMBERS), value()), 0..4),
    )
        .prop_map(|(kind, output, content, rest)| {
            let mut event = json!({"type": kind, "output_index": output, "content_index": content});
            for (key, value) in rest {
                event[key] = value;
            }
            event.to_string()
        })
}

/// Feeds frames on after errors too, as a careless driver would.
fn feed(frames: &[String]) -> Vec<ModelEvent> {
    let settings = Settings { top_logprobs: Some(1), ..Settings::default() };
    let request = ModelRequest { model: "m", context: &[], settings: &settings, stream: true };
    let mut translator = OpenAiResponses::new(&ProviderOptions::default()).unwrap().translator(&request);
    let mut out = Vec::new();
    for data in frames {
        let _ = translator.push(Frame { event: "", data }, &mut out);
    }
    let _ = translator.finish(b"{\"error\":", &mut out);
    out
}

proptest! {
    #[test]
    fn random_text_never_panics(frames in prop::collection::vec(".{0,60}", 0..6), body in prop::collection::vec(any::<u8>(), 0..80)) {
        feed(&frames);
        let adapter = OpenAiResponses::new(&ProviderOptions::default()).unwrap();
        adapter.error(500, None, &body);
    }

    #[test]
    fn random_events_never_panic_and_finish_at_most_once(frames in prop::collection::vec(event(), 0..20)) {
        let out = feed(&frames);
        let ends = out.iter().filter(|e| matches!(e, ModelEvent::Finished { .. })).count();
        prop_assert!(ends <= 1);
    }
}
