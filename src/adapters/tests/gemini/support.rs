//! Feeds answers to the adapter and puts its events together to items.

use std::collections::HashMap;

use or_adapters::gemini::Gemini;
use or_adapters::{
    Adapter, AdapterError, FinishReason, FrameDecoder, Framing, ModelEvent, ModelRequest, Note,
    ProviderOptions, ResponseTranslator,
};
use or_protocol::{
    Annotation, ContentPart, Extra, FunctionCall, Item, Message, Reasoning, Role, Settings, SummaryPart,
    Usage,
};
use serde_json::{Map, Value};

pub(crate) fn gemini(vertex: bool) -> Gemini {
    let host = if vertex { "aiplatform.googleapis.com/v1/publishers/google" } else { "g.test/v1beta" };
    Gemini::new(&ProviderOptions {
        name: "gemini".into(),
        base_url: format!("https://{host}"),
        quirks: Map::new(),
    })
    .unwrap()
}

pub(crate) fn translator(model: &str, context: &[Item], settings: &Settings) -> Box<dyn ResponseTranslator> {
    gemini(false).translator(&ModelRequest { model, context, settings, stream: true })
}

/// Streams the pieces; the events so far and how it ended.
pub(crate) fn stream<'a>(
    mut translator: Box<dyn ResponseTranslator>,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> (Vec<ModelEvent>, Result<(), AdapterError>) {
    let mut decoder = FrameDecoder::new(Framing::Sse);
    let mut out = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        while let Some(frame) = decoder.next().unwrap() {
            if let Err(error) = translator.push(frame, &mut out) {
                return (out, Err(error));
            }
        }
    }
    decoder.close();
    while let Some(frame) = decoder.next().unwrap() {
        if let Err(error) = translator.push(frame, &mut out) {
            return (out, Err(error));
        }
    }
    let end = translator.finish(decoder.stray(), &mut out);
    (out, end)
}

/// An answer put together.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) items: Vec<Item>,
    pub(crate) text: String,
    pub(crate) thoughts: String,
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) usage: Option<Usage>,
    pub(crate) tier: Option<String>,
    pub(crate) notes: Vec<Note>,
    pub(crate) finished: Option<FinishReason>,
    pub(crate) cut_off: usize,
}

/// Puts events together; fails on any order an engine could not take.
pub(crate) fn assemble(events: &[ModelEvent]) -> Answer {
    let mut answer = Answer::default();
    let mut blocks: HashMap<u32, (usize, bool)> = HashMap::new();
    for event in events {
        assert!(answer.finished.is_none(), "an event after Finished: {event:?}");
        match event {
            ModelEvent::TextDelta { block, text, .. } => {
                assert!(!text.is_empty());
                answer.text.push_str(text);
                if let ContentPart::OutputText { text: all, .. } = message(&mut answer, &mut blocks, *block) {
                    all.push_str(text);
                }
            }
            ModelEvent::Annotation { block, annotation } => {
                if let ContentPart::OutputText { text, annotations, .. } =
                    message(&mut answer, &mut blocks, *block)
                {
                    if let Annotation::UrlCitation { start_index, end_index, .. } = annotation {
                        let points = text.chars().count() as u64;
                        assert!(start_index < end_index && *end_index <= points);
                    }
                    annotations.push(annotation.clone());
                }
            }
            ModelEvent::SummaryDelta { block, text } => {
                assert!(!text.is_empty());
                answer.thoughts.push_str(text);
                reasoning(&mut answer, &mut blocks, *block).summary.push(SummaryPart { text: text.clone() });
            }
            ModelEvent::ReasoningSealed { block, encrypted_content } => {
                reasoning(&mut answer, &mut blocks, *block).encrypted_content =
                    Some(encrypted_content.clone());
            }
            ModelEvent::ToolCallStart { block, call_id, name, .. } => {
                let call = Item::FunctionCall(FunctionCall {
                    id: None,
                    call_id: call_id.clone().unwrap_or_default(),
                    name: name.clone(),
                    namespace: None,
                    arguments: String::new(),
                    status: None,
                    extra: Extra::NONE,
                });
                open(&mut answer, &mut blocks, *block, call);
            }
            ModelEvent::ToolArgsDelta { block, delta } => {
                assert!(!delta.is_empty());
                let at = blocks[block].0;
                match &mut answer.items[at] {
                    Item::FunctionCall(call) => call.arguments.push_str(delta),
                    other => panic!("arguments for {other:?}"),
                }
            }
            ModelEvent::BlockDone { block, complete } => {
                let state = blocks.get_mut(block).unwrap();
                assert!(state.1, "block {block} ended twice");
                state.1 = false;
                answer.cut_off += usize::from(!complete);
            }
            ModelEvent::Usage(usage) => answer.usage = Some(*usage),
            ModelEvent::ServiceTier(tier) => answer.tier = Some(tier.clone()),
            ModelEvent::Note(note) => answer.notes.push(note.clone()),
            ModelEvent::Finished { reason } => answer.finished = Some(*reason),
            other => panic!("not expected of Gemini: {other:?}"),
        }
        let still = blocks.values().filter(|b| b.1).count();
        assert!(still <= 1, "blocks do not interleave");
    }
    answer.calls = answer
        .items
        .iter()
        .filter_map(|item| match item {
            Item::FunctionCall(c) => Some((c.call_id.clone(), c.name.clone(), c.arguments.clone())),
            _ => None,
        })
        .collect();
    answer
}

fn open(answer: &mut Answer, blocks: &mut HashMap<u32, (usize, bool)>, block: u32, item: Item) -> usize {
    let (at, is_open) = *blocks.entry(block).or_insert_with(|| {
        answer.items.push(item);
        (answer.items.len() - 1, true)
    });
    assert!(is_open, "block {block} is closed");
    at
}

fn message<'a>(
    answer: &'a mut Answer,
    blocks: &mut HashMap<u32, (usize, bool)>,
    block: u32,
) -> &'a mut ContentPart {
    let part = ContentPart::OutputText {
        text: String::new(),
        annotations: Vec::new(),
        logprobs: None,
        extra: Extra::NONE,
    };
    let item = Message {
        id: None,
        status: None,
        role: Role::Assistant,
        content: vec![part],
        phase: None,
        extra: Extra::NONE,
    };
    let at = open(answer, blocks, block, Item::Message(item));
    match &mut answer.items[at] {
        Item::Message(message) => &mut message.content[0],
        other => panic!("text for {other:?}"),
    }
}

fn reasoning<'a>(
    answer: &'a mut Answer,
    blocks: &mut HashMap<u32, (usize, bool)>,
    block: u32,
) -> &'a mut Reasoning {
    let at = open(answer, blocks, block, Item::Reasoning(Reasoning::default()));
    match &mut answer.items[at] {
        Item::Reasoning(reasoning) => reasoning,
        other => panic!("thinking for {other:?}"),
    }
}

pub(crate) fn user(text: &str) -> Item {
    Item::Message(Message {
        id: None,
        status: None,
        role: Role::User,
        content: vec![ContentPart::text(text)],
        phase: None,
        extra: Extra::NONE,
    })
}

/// The body of the request that would be sent, and its notes.
pub(crate) fn body(
    model: &str,
    context: &[Item],
    settings: &Settings,
) -> Result<(Value, Vec<Note>), AdapterError> {
    let call = gemini(false).request(&ModelRequest { model, context, settings, stream: true })?;
    Ok((serde_json::from_slice(&call.body).unwrap(), call.notes))
}
