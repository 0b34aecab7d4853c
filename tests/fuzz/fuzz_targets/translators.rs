//! No answer of a provider makes its translator panic, and the engine makes a legal stream of what it says.
#![no_main]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a broken rule must end the run")]

use libfuzzer_sys::fuzz_target;
use or_adapters::{
    AdapterError, FrameDecoder, KINDS, ModelEvent, ModelRequest, ProviderOptions, ResponseTranslator, builtin,
};
use or_engine::{Action, Input, Output, ResponseLoop};
use serde_json::json;

use or_test_support::{Options, order};
use support::play::{NOW, spec};

#[path = "../../../src/engine/tests/support/mod.rs"]
mod support;

fuzz_target!(|data: &[u8]| {
    let [pick, size, body @ ..] = data else { return };
    let kind = KINDS[usize::from(*pick) % KINDS.len()];
    let Some(Ok(adapter)) = builtin(kind, &ProviderOptions::default()) else { return };
    let tools = json!([{"type": "function", "name": "f"}, {"type": "custom", "name": "shout"}, {"type": "web_search"}]);
    let mut engine = ResponseLoop::new(spec(json!({"tools": tools})));
    let (settings, context) = (engine.settings().clone(), engine.context().to_vec());
    let stream = pick & 0x80 == 0;
    let request = ModelRequest { model: "model", context: &context, settings: &settings, stream };
    let mut translator = adapter.translator(&request);
    let mut events = Vec::new();
    let result = if stream {
        let mut decoder = FrameDecoder::new(adapter.framing());
        feed(&mut decoder, translator.as_mut(), body, *size, &mut events)
    } else {
        translator.unary(body, &mut events)
    };

    let mut inputs = vec![Input::Start];
    inputs.extend(events.into_iter().map(Input::Model));
    inputs.extend(result.err().map(|error| Input::Failed(error.to_api(false))));
    // A pause, or a translator that forgot to finish.
    inputs.push(Input::Cancel);
    let mut out = Output::default();
    let mut ends = 0;
    for input in inputs {
        out.next = None;
        engine.handle(input, NOW, &mut out);
        ends += u32::from(matches!(out.next, Some(Action::End(_))));
    }
    assert_eq!(ends, 1);
    let events = match order::parse_sse(&out.frames) {
        Ok(events) => events,
        Err(error) => panic!("{kind}: {error}"),
    };
    if let Err(findings) = order::check_events_with(&events, Options::HOSTED) {
        panic!("{kind}: {findings:#?}");
    }
});

fn feed(
    decoder: &mut FrameDecoder,
    translator: &mut dyn ResponseTranslator,
    body: &[u8],
    size: u8,
    out: &mut Vec<ModelEvent>,
) -> Result<(), AdapterError> {
    for piece in body.chunks(usize::from(size).max(1)) {
        decoder.feed(piece);
        while let Some(frame) = decoder.next()? {
            translator.push(frame, out)?;
        }
    }
    decoder.close();
    while let Some(frame) = decoder.next()? {
        translator.push(frame, out)?;
    }
    translator.finish(decoder.stray(), out)
}
