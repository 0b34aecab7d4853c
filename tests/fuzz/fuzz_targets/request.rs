//! No body of a client makes the decoder, the context or an adapter panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use or_adapters::{KINDS, ModelRequest, ProviderOptions, builtin};
use or_engine::build_context;
use or_protocol::CreateResponseBody;

fuzz_target!(|data: &[u8]| {
    let Ok(body) = CreateResponseBody::from_json(data) else { return };
    let Ok(context) = build_context(Vec::new(), body.input) else { return };
    for kind in KINDS {
        let Some(Ok(adapter)) = builtin(kind, &ProviderOptions::default()) else { continue };
        let request = ModelRequest {
            model: body.model.as_deref().unwrap_or("model"),
            context: &context.items,
            settings: &body.settings,
            stream: body.stream,
        };
        if let Ok(call) = adapter.request(&request) {
            let json: Result<serde_json::Value, _> = serde_json::from_slice(&call.body);
            assert!(json.is_ok(), "{kind} wrote a body that is not JSON");
        }
    }
});
