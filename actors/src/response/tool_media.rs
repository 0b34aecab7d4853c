//! Media in the results of tools that the provider of a turn does not take.
//!
//! The client is not to blame for what a tool gave, so it must not cost the response: the model is told in words.

use or_adapters::{Adapter, AdapterError, ModelRequest, Note, UpstreamCall};
use or_protocol::{
    ContentPart, Extra, FunctionCall, FunctionCallOutput, Item, ItemId, Message, Output, Role, Settings,
};

/// What ids of the calls of MCP servers begin with, as the model knows them.
const OF_MCP: &str = "mcp_";

/// The call for a turn. If the adapter refuses it for media in results of tools of this server, it is made from a
/// context with words in their place, which is given back.
pub(crate) fn translate(
    adapter: &dyn Adapter,
    request: &ModelRequest<'_>,
) -> (Result<UpstreamCall, AdapterError>, Option<Vec<Item>>) {
    let translated = adapter.request(request);
    if refusal(&translated).is_none() {
        return (translated, None);
    }
    let Some(context) = in_words(adapter, request) else { return (translated, None) };
    let mut translated = adapter.request(&ModelRequest { context: &context, ..*request });
    if let Ok(call) = &mut translated {
        let why = "media of a tool's result that the provider does not take were named in words";
        call.notes.push(Note::emulated("input.function_call_output", why));
    }
    (translated, Some(context))
}

/// The request's context with words in place of the media that this provider refuses; `None` if there are none.
fn in_words(adapter: &dyn Adapter, request: &ModelRequest<'_>) -> Option<Vec<Item>> {
    let mut context = request.context.to_vec();
    let mut changed = false;
    // Each part is tried for itself. The request's tools have nothing to do with it, and would be translated each time.
    let plain = Settings::default();
    let request = &ModelRequest { settings: &plain, ..*request };
    for item in &mut context {
        let Item::FunctionCallOutput(output) = item else { continue };
        if !is_of_tool(output) {
            continue;
        }
        let Output::Parts(parts) = &mut output.output else { continue };
        for part in parts {
            if let Some(what) = name(part)
                && let Some(why) = refusal(&alone(adapter, request, part))
            {
                let text = format!("[{what} is part of this result. It cannot be shown to you: {why}]");
                *part = ContentPart::text(text);
                changed = true;
            }
        }
    }
    changed.then_some(context)
}

/// Whether a tool of this server made it, in this response or an earlier one.
fn is_of_tool(output: &FunctionCallOutput) -> bool {
    output.call_id.starts_with(OF_MCP) || output.id.as_deref().is_some_and(ItemId::is_output)
}

/// Why something cannot be expressed. What else may be wrong is not the media's fault.
fn refusal(translated: &Result<UpstreamCall, AdapterError>) -> Option<&str> {
    match translated {
        Err(AdapterError::Unsupported { message, .. }) => Some(message),
        Ok(_) | Err(_) => None,
    }
}

/// The translation of a part as the only result of a tool.
fn alone(
    adapter: &dyn Adapter,
    request: &ModelRequest<'_>,
    part: &ContentPart,
) -> Result<UpstreamCall, AdapterError> {
    let call_id = OF_MCP.to_owned();
    let question = ContentPart::text("?");
    let question = Message {
        id: None,
        status: None,
        role: Role::User,
        content: vec![question],
        phase: None,
        extra: Extra::NONE,
    };
    let call = FunctionCall {
        id: None,
        call_id: call_id.clone(),
        name: "tool".into(),
        namespace: None,
        arguments: "{}".into(),
        status: None,
        extra: Extra::NONE,
    };
    let output = Output::Parts(vec![part.clone()]);
    let output = FunctionCallOutput { id: None, call_id, output, status: None, extra: Extra::NONE };
    let context = [Item::Message(question), Item::FunctionCall(call), Item::FunctionCallOutput(output)];
    adapter.request(&ModelRequest { context: &context, ..*request })
}

/// What a part is, if it is no text.
fn name(part: &ContentPart) -> Option<String> {
    let type_of = |url: &Option<String>| {
        let kind = url.as_deref().and_then(|url| url.strip_prefix("data:")?.split([';', ',']).next());
        kind.filter(|kind| !kind.is_empty()).map(|kind| format!(" of the type {kind}")).unwrap_or_default()
    };
    Some(match part {
        ContentPart::InputText { .. } | ContentPart::OutputText { .. } | ContentPart::Refusal { .. } => {
            return None;
        }
        ContentPart::InputImage { image_url, .. } => format!("An image{}", type_of(image_url)),
        ContentPart::InputFile { filename, file_data, .. } => {
            let name = filename.as_ref().map(|name| format!(" '{name}'")).unwrap_or_default();
            format!("A file{name}{}", type_of(file_data))
        }
        ContentPart::InputVideo { .. } => "A video".into(),
        ContentPart::InputAudio { input_audio, .. } => format!("Audio of the format {}", input_audio.format),
    })
}
