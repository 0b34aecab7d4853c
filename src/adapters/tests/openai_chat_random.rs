//! Whatever a host sends, the translator does not panic and ends at most once.
#![expect(clippy::unwrap_used, reason = "a helper of tests")]

use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{Adapter, Frame, ModelEvent, ModelRequest, ProviderOptions};
use or_protocol::{Include, Settings};
use proptest::prelude::*;

fn adapter() -> OpenAiChat {
    let options = ProviderOptions { base_url: "http://localhost:9/v1".into(), ..ProviderOptions::default() };
    OpenAiChat::new(&options).unwrap()
}

fn settings() -> Settings {
    Settings { include: vec![Include::OutputTextLogprobs], ..Settings::default() }
}

proptest! {
    #[test]
    fn no_frame_makes_the_translator_panic(
        frames in prop::collection::vec(("(error)?", ".*"), 0..8),
        body in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let settings = settings();
        let request = ModelRequest { model: "m", context: &[], settings: &settings, stream: true };
        let adapter = adapter();
        let mut translator = adapter.translator(&request);
        let mut out = Vec::new();
        for (event, data) in &frames {
            let _ = translator.push(Frame { event, data }, &mut out);
        }
        let _ = translator.finish(&body, &mut out);
        let _ = adapter.translator(&request).unary(&body, &mut out);
        let _ = adapter.error(500, None, &body);
    }

    #[test]
    fn no_chunk_of_odd_members_makes_the_translator_panic(
        picks in prop::collection::vec((0..MEMBERS.len(), 0..VALUES.len()), 0..12),
    ) {
        let settings = settings();
        let request = ModelRequest { model: "m", context: &[], settings: &settings, stream: true };
        let mut translator = adapter().translator(&request);
        let mut out = Vec::new();
        for (member, value) in picks {
            let data = MEMBERS[member].replace('$', VALUES[value]);
            let _ = translator.push(Frame { event: "", data: &data }, &mut out);
        }
        let _ = translator.finish(b"", &mut out);
        let ends = out.iter().filter(|e| matches!(e, ModelEvent::Finished { .. })).count();
        prop_assert!(ends <= 1);
    }
}

const MEMBERS: &[&str] = &[
    r#"{"choices":$}"#,
    r#"{"choices":[{"index":0,"delta":$}]}"#,
    r#"{"choices":[{"index":0,"delta":{"content":$}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"reasoning_details":$}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"reasoning":$}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"annotations":$}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":$,"function":{"name":"f","arguments":$}}]}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"tool_calls":[{"function":{"arguments":$}}]}}]}"#,
    r#"{"choices":[{"index":0,"delta":{"function_call":{"name":$,"arguments":$}}}]}"#,
    r#"{"choices":[{"index":0,"message":$}]}"#,
    r#"{"choices":[{"index":0,"delta":{},"finish_reason":$}]}"#,
    r#"{"usage":$}"#,
    r#"{"error":$}"#,
    "[DONE]",
];

const VALUES: &[&str] = &[
    "null",
    "\"\"",
    "\"x\"",
    "7",
    "-1.5",
    "true",
    "[]",
    "{}",
    r#"[{"type":"text","text":"a"}]"#,
    r#"[{"type":"reasoning.text","text":"a","signature":"s","index":1}]"#,
    r#"[{"type":"url_citation","url_citation":{"url":"u","start_index":9,"end_index":3}}]"#,
    r#"{"a":{"b":[1]}}"#,
    "\"{}\"",
    "\"stop\"",
];
