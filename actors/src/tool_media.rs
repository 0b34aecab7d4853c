//! Media in the results of tools that the provider of a turn does not take.
//!
//! The client is not to blame for what a tool gave, so it must not cost the response: the model is told in words.

use or_adapters::{Adapter, AdapterError, ModelRequest, Note, UpstreamCall};
use or_protocol::{ContentPart, FunctionCall, FunctionCallOutput, Item, ItemId, Output, Path, ResponseId};
use serde_json::json;

/// What ids of the calls of MCP servers begin with, as the model knows them.
const OF_MCP: &str = "mcp_";

/// The call for a turn. If the adapter refuses it for media in results of tools of this server, it is made from a
/// context with words in their place, which is given back. `response`: whose own outputs are such results.
pub(crate) fn translate(
    adapter: &dyn Adapter,
    request: &ModelRequest<'_>,
    response: &ResponseId,
) -> (Result<UpstreamCall, AdapterError>, Option<Vec<Item>>) {
    let translated = adapter.request(request);
    if !matches!(translated, Err(AdapterError::Unsupported { .. })) {
        return (translated, None);
    }
    let Some(context) = in_words(adapter, request, response) else { return (translated, None) };
    let mut translated = adapter.request(&ModelRequest { context: &context, ..*request });
    if let Ok(call) = &mut translated {
        let why = "media of a tool's result that the provider does not take were named in words";
        call.notes.push(Note::emulated("input.function_call_output", why));
    }
    (translated, Some(context))
}

/// The request's context with words in place of the media that this provider refuses; `None` if there are none.
fn in_words(adapter: &dyn Adapter, request: &ModelRequest<'_>, response: &ResponseId) -> Option<Vec<Item>> {
    let mut context = request.context.to_vec();
    let mut changed = false;
    for item in &mut context {
        let Item::FunctionCallOutput(output) = item else { continue };
        if !is_of_tool(output, response) {
            continue;
        }
        let Output::Parts(parts) = &mut output.output else { continue };
        for part in parts {
            if let Some(words) = words(part)
                && !takes(adapter, request, part)
            {
                *part = ContentPart::InputText { text: words };
                changed = true;
            }
        }
    }
    changed.then_some(context)
}

fn is_of_tool(output: &FunctionCallOutput, response: &ResponseId) -> bool {
    let own = || output.id.as_deref().and_then(ItemId::response_of).as_ref() == Some(response);
    output.call_id.starts_with(OF_MCP) || own()
}

/// Whether the provider takes a part as the result of a tool, by itself.
fn takes(adapter: &dyn Adapter, request: &ModelRequest<'_>, part: &ContentPart) -> bool {
    let call_id = OF_MCP.to_owned();
    let question = json!({"type": "message", "role": "user", "content": "?"});
    let Ok(question) = or_protocol::decode_item(question, Path::Root) else { return true };
    let call = FunctionCall {
        id: None,
        call_id: call_id.clone(),
        name: "tool".into(),
        namespace: None,
        arguments: "{}".into(),
        status: None,
    };
    let output = Output::Parts(vec![part.clone()]);
    let output = FunctionCallOutput { id: None, call_id, output, status: None };
    let context = [question, Item::FunctionCall(call), Item::FunctionCallOutput(output)];
    let alone = ModelRequest { context: &context, ..*request };
    !matches!(adapter.request(&alone), Err(AdapterError::Unsupported { .. }))
}

/// What the model is told of a part that is no text.
fn words(part: &ContentPart) -> Option<String> {
    let type_of = |url: &Option<String>| {
        let kind = url.as_deref().and_then(|url| url.strip_prefix("data:")?.split([';', ',']).next());
        kind.filter(|kind| !kind.is_empty()).map(|kind| format!(" of the type {kind}")).unwrap_or_default()
    };
    let what = match part {
        ContentPart::InputText { .. } | ContentPart::OutputText { .. } | ContentPart::Refusal { .. } => {
            return None;
        }
        ContentPart::InputImage { image_url, .. } => format!("An image{}", type_of(image_url)),
        ContentPart::InputFile { filename, file_data, .. } => {
            let name = filename.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
            format!("A file{name}{}", type_of(file_data))
        }
        ContentPart::InputVideo { .. } => "A video".into(),
        ContentPart::InputAudio { input_audio } => format!("Audio of the format {}", input_audio.format),
    };
    Some(format!("[{what} is part of this result. It cannot be shown to you.]"))
}
