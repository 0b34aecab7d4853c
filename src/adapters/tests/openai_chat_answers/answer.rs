//! Feeds an answer to the translator, and tells its events in short.

use or_adapters::openai_chat::OpenAiChat;
use or_adapters::{
    Adapter, AdapterError, Frame, ModelEvent, ModelRequest, NoteKind, ProviderOptions,
    UpstreamErrorKind as Kind,
};
use or_protocol::{Annotation, Envelope, Include, Settings, Tool};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

fn adapter() -> OpenAiChat {
    let base_url = "http://host.example/v1".to_owned();
    OpenAiChat::new(&ProviderOptions { base_url, ..ProviderOptions::default() }).unwrap()
}

pub(crate) fn with_translator<T>(run: impl FnOnce(&mut dyn or_adapters::ResponseTranslator) -> T) -> T {
    with_tools(Vec::new(), run)
}

pub(crate) fn with_tools<T>(
    tools: Vec<Tool>,
    run: impl FnOnce(&mut dyn or_adapters::ResponseTranslator) -> T,
) -> T {
    let settings = Settings { include: vec![Include::OutputTextLogprobs], tools, ..Settings::default() };
    let request = ModelRequest { model: "m", context: &[], settings: &settings, stream: true };
    run(&mut *adapter().translator(&request))
}

/// Feeds `data:` payloads, one a line; a line `event: x` names the next one's event.
pub(crate) fn stream(lines: &str) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
    with_translator(|translator| {
        let (mut out, mut event) = (Vec::new(), "");
        for line in lines.lines().map(str::trim).filter(|l| !l.is_empty()) {
            if let Some(name) = line.strip_prefix("event: ") {
                event = name;
            } else if let Err(e) = translator.push(Frame { event, data: line }, &mut out) {
                return (out, Err(e));
            }
        }
        let result = translator.finish(b"", &mut out);
        (out, result)
    })
}

fn unary(body: &Value) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
    with_translator(|translator| {
        let mut out = Vec::new();
        let result = translator.unary(body.to_string().as_bytes(), &mut out);
        (out, result)
    })
}

/// The events of a whole body, in short.
pub(crate) fn told(translator: &mut dyn or_adapters::ResponseTranslator, body: &Value) -> Vec<String> {
    let mut out = Vec::new();
    assert_eq!(translator.unary(body.to_string().as_bytes(), &mut out), Ok(()));
    out.iter().map(short).collect()
}

/// Events in short: `T0 hi` is text of block 0, `)0` its end, `)0!` an end that was cut off.
fn short(event: &ModelEvent) -> String {
    match event {
        ModelEvent::TextDelta { block, text, logprobs } => {
            let tokens: Vec<&str> = logprobs.iter().map(|p| p.token.as_str()).collect();
            let tokens = if tokens.is_empty() { String::new() } else { format!(" {tokens:?}") };
            format!("T{block} {text}{tokens}")
        }
        ModelEvent::RefusalDelta { block, text } => format!("No{block} {text}"),
        ModelEvent::ReasoningDelta { block, text } => format!("R{block} {text}"),
        ModelEvent::SummaryDelta { block, text } => format!("S{block} {text}"),
        ModelEvent::ReasoningSealed { block, encrypted_content } => {
            let open = Envelope::open(encrypted_content).unwrap();
            assert_eq!((open.kind.as_str(), open.model.as_str()), ("openai-chat", "m"));
            format!("Seal{block} {}", open.blob.strip_prefix("host.example\n").unwrap())
        }
        ModelEvent::ToolCallStart { block, call_id, name, kind, .. } => {
            format!("C{block} {} {name} {kind:?}", call_id.as_deref().unwrap_or("-"))
        }
        ModelEvent::ToolArgsDelta { block, delta } => format!("A{block} {delta}"),
        ModelEvent::Annotation {
            block,
            annotation: Annotation::UrlCitation { url, title, start_index, end_index },
        } => {
            format!("Note{block} {url} {title} {start_index}..{end_index}")
        }
        ModelEvent::HostedItem { block, item, done } => {
            let item = serde_json::Value::Object(item.clone());
            format!("H{block} {item} {done}")
        }
        ModelEvent::PartDone { block } => format!("|{block}"),
        ModelEvent::BlockDone { block, complete } => format!("){block}{}", if *complete { "" } else { "!" }),
        ModelEvent::Usage(u) => format!(
            "U {} {} {} {} {}",
            u.input_tokens,
            u.input_tokens_details.cached_tokens,
            u.output_tokens,
            u.output_tokens_details.reasoning_tokens,
            u.total_tokens
        ),
        ModelEvent::ServiceTier(tier) => format!("Tier {tier}"),
        ModelEvent::Note(note) => {
            let kind = if note.kind == NoteKind::Dropped { "dropped" } else { "emulated" };
            format!("{kind} {}", note.field)
        }
        ModelEvent::Finished { reason } => format!("End {reason:?}"),
        other => format!("{other:?}"),
    }
}

/// Deltas, each put into a chunk, then the finish reason `stop` and `[DONE]`.
#[track_caller]
pub(crate) fn check(deltas: &[Value], want: &[&str]) {
    let mut lines = String::new();
    for delta in deltas {
        lines += &json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": null }] }).to_string();
        lines += "\n";
    }
    lines += "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n[DONE]";
    check_lines(&lines, want);
}

#[track_caller]
pub(crate) fn check_lines(lines: &str, want: &[&str]) {
    let (events, result) = stream(lines);
    assert_eq!(result, Ok(()));
    assert_eq!(events.iter().map(short).collect::<Vec<_>>(), want);
}

#[track_caller]
pub(crate) fn check_message(message: Value, want: &[&str]) {
    let (events, result) = unary(&json!({ "choices": [{ "message": message, "finish_reason": "stop" }] }));
    assert_eq!(result, Ok(()));
    assert_eq!(events.iter().map(short).collect::<Vec<_>>(), want);
}

#[track_caller]
pub(crate) fn check_failure(lines: &str, want: Kind, code: Option<&str>) {
    let (_, result) = stream(lines);
    let Err(AdapterError::Upstream(error)) = result else { panic!("{result:?}") };
    assert_eq!((error.kind, error.code.as_deref(), error.status), (want, code, None));
}

pub(crate) fn call(index: Value, id: Value, name: Value, arguments: &str) -> Value {
    json!({ "tool_calls": [{ "index": index, "id": id, "function": { "name": name, "arguments": arguments } }] })
}
