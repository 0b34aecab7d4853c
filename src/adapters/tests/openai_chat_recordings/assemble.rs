//! Puts events together to items, as simply as possible, and checks that their order is legal.

use std::collections::BTreeMap;

use or_adapters::{FinishReason, ModelEvent};
use or_protocol::{
    ContentPart, FunctionCall, Item, Message, Reasoning, ReasoningPart, Role, SummaryPart, Usage,
};

/// What came of some events.
#[derive(Debug, Default)]
pub(crate) struct Assembled {
    pub(crate) items: Vec<Item>,
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) reasoning: String,
    pub(crate) summary: String,
    pub(crate) calls: Vec<(String, String, String)>,
    pub(crate) usage: Option<Usage>,
    pub(crate) finished: Vec<FinishReason>,
}

#[derive(Debug, Default)]
struct Block {
    text: String,
    refusal: String,
    reasoning: String,
    summary: String,
    sealed: Option<String>,
    call: Option<(String, String, String)>,
    thought: bool,
    done: bool,
}

pub(crate) fn assemble(events: &[ModelEvent]) -> Assembled {
    let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
    let mut order: Vec<u32> = Vec::new();
    let mut out = Assembled::default();
    for event in events {
        assert!(out.finished.is_empty(), "{event:?} after the end");
        match event {
            ModelEvent::Usage(usage) => out.usage = Some(*usage),
            ModelEvent::Finished { reason } => out.finished.push(*reason),
            ModelEvent::ServiceTier(_) | ModelEvent::Note(_) => {}
            _ => grow(entry(&mut blocks, &mut order, event), event),
        }
    }
    for at in order {
        let Some(block) = blocks.remove(&at) else { continue };
        assert!(block.done, "block {at} was left open");
        out.text += &block.text;
        out.refusal += &block.refusal;
        out.reasoning += &block.reasoning;
        out.summary += &block.summary;
        out.calls.extend(block.call.clone());
        out.items.push(item(block));
    }
    out
}

fn entry<'a>(
    blocks: &'a mut BTreeMap<u32, Block>,
    order: &mut Vec<u32>,
    event: &ModelEvent,
) -> &'a mut Block {
    let at = match event {
        ModelEvent::MessageStart { block, .. }
        | ModelEvent::TextDelta { block, .. }
        | ModelEvent::RefusalDelta { block, .. }
        | ModelEvent::Annotation { block, .. }
        | ModelEvent::ReasoningDelta { block, .. }
        | ModelEvent::SummaryDelta { block, .. }
        | ModelEvent::ReasoningSealed { block, .. }
        | ModelEvent::ToolCallStart { block, .. }
        | ModelEvent::ToolArgsDelta { block, .. }
        | ModelEvent::PartDone { block }
        | ModelEvent::BlockDone { block, .. } => *block,
        other => panic!("unexpected {other:?}"),
    };
    if !order.contains(&at) {
        order.push(at);
    }
    let block = blocks.entry(at).or_default();
    assert!(!block.done, "{event:?} after its block was done");
    block
}

fn grow(block: &mut Block, event: &ModelEvent) {
    let more = |into: &mut String, text: &str| {
        assert!(!text.is_empty(), "an empty delta");
        into.push_str(text);
    };
    match event {
        ModelEvent::TextDelta { text, .. } => more(&mut block.text, text),
        ModelEvent::RefusalDelta { text, .. } => more(&mut block.refusal, text),
        ModelEvent::ReasoningDelta { text, .. } => {
            block.thought = true;
            more(&mut block.reasoning, text);
        }
        ModelEvent::SummaryDelta { text, .. } => {
            block.thought = true;
            more(&mut block.summary, text);
        }
        ModelEvent::ReasoningSealed { encrypted_content, .. } => {
            block.thought = true;
            block.sealed = Some(encrypted_content.clone());
        }
        ModelEvent::ToolCallStart { block: at, call_id, name, .. } => {
            assert!(block.call.is_none(), "a call was opened twice");
            let call_id = call_id.clone().unwrap_or_else(|| format!("call_{at}"));
            block.call = Some((call_id, name.clone(), String::new()));
        }
        ModelEvent::ToolArgsDelta { delta, .. } => {
            let call = block.call.as_mut().expect("arguments before their call");
            more(&mut call.2, delta);
        }
        ModelEvent::BlockDone { .. } => block.done = true,
        _ => {}
    }
}

fn item(block: Block) -> Item {
    if let Some((call_id, name, arguments)) = block.call {
        return Item::FunctionCall(FunctionCall {
            id: None,
            call_id,
            name,
            namespace: None,
            arguments,
            status: None,
        });
    }
    if block.thought {
        let part = |text: String| (!text.is_empty()).then_some(text);
        return Item::Reasoning(Reasoning {
            summary: part(block.summary).map(|text| SummaryPart { text }).into_iter().collect(),
            content: part(block.reasoning).map(|text| ReasoningPart { text }).into_iter().collect(),
            encrypted_content: block.sealed,
            ..Reasoning::default()
        });
    }
    let mut content = Vec::new();
    if !block.text.is_empty() {
        content.push(ContentPart::OutputText { text: block.text, annotations: Vec::new(), logprobs: None });
    }
    if !block.refusal.is_empty() {
        content.push(ContentPart::Refusal { refusal: block.refusal });
    }
    Item::Message(Message { id: None, status: None, role: Role::Assistant, content, phase: None })
}
