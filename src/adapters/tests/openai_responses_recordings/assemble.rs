//! Items out of events.

use std::collections::BTreeMap;

use or_adapters::{CallKind, ModelEvent};
use or_protocol::{CustomToolCall, FunctionCall, Item, Message, Reasoning, ReasoningPart, Role, SummaryPart};

/// A small assembler: items out of events, in order of their blocks.
pub(crate) fn assemble(events: &[ModelEvent]) -> Vec<Item> {
    let mut items: BTreeMap<u32, Item> = Default::default();
    for event in events {
        match event.clone() {
            ModelEvent::MessageStart { block, phase } => {
                let message =
                    Message { id: None, status: None, role: Role::Assistant, content: vec![], phase };
                assert!(items.insert(block, Item::Message(message)).is_none(), "opened twice");
            }
            ModelEvent::TextDelta { block, text, .. } => {
                assert!(!text.is_empty(), "an empty delta");
                content(&mut items, block, "output_text", &text, None);
            }
            ModelEvent::RefusalDelta { block, text } => content(&mut items, block, "refusal", &text, None),
            ModelEvent::Annotation { block, annotation } => {
                content(&mut items, block, "output_text", "", Some(annotation));
            }
            ModelEvent::SummaryDelta { block, text } => {
                let reasoning = reasoning(&mut items, block);
                match reasoning.summary.last_mut() {
                    Some(part) => part.text.push_str(&text),
                    None => reasoning.summary.push(SummaryPart { text }),
                }
            }
            ModelEvent::ReasoningDelta { block, text } => {
                let reasoning = reasoning(&mut items, block);
                match reasoning.content.last_mut() {
                    Some(part) => part.text.push_str(&text),
                    None => reasoning.content.push(ReasoningPart { text }),
                }
            }
            ModelEvent::ReasoningSealed { block, encrypted_content } => {
                reasoning(&mut items, block).encrypted_content = Some(encrypted_content);
            }
            ModelEvent::ToolCallStart { block, call_id, name, namespace, kind } => {
                let call_id = call_id.unwrap_or_else(|| format!("call_{block}"));
                let item = match kind {
                    CallKind::Function => Item::FunctionCall(FunctionCall {
                        id: None,
                        call_id,
                        name,
                        namespace,
                        arguments: String::new(),
                        status: None,
                    }),
                    CallKind::Custom => Item::CustomToolCall(CustomToolCall {
                        id: None,
                        call_id,
                        name,
                        input: String::new(),
                        status: None,
                    }),
                };
                assert!(items.insert(block, item).is_none(), "opened twice");
            }
            ModelEvent::ToolArgsDelta { block, delta } => match items.get_mut(&block) {
                Some(Item::FunctionCall(call)) => call.arguments.push_str(&delta),
                Some(Item::CustomToolCall(call)) => call.input.push_str(&delta),
                other => panic!("arguments for {other:?}"),
            },
            ModelEvent::HostedItem { block, item, .. } => {
                items.insert(block, Item::foreign(item));
            }
            _ => {}
        }
    }
    items.into_values().collect()
}

fn content(
    items: &mut BTreeMap<u32, Item>,
    block: u32,
    kind: &str,
    text: &str,
    note: Option<or_protocol::Annotation>,
) {
    use or_protocol::ContentPart::{OutputText, Refusal};
    let Some(Item::Message(message)) = items.get_mut(&block) else { panic!("text without a message") };
    if message.content.is_empty() {
        message.content.push(match kind {
            "refusal" => Refusal { refusal: String::new() },
            _ => OutputText { text: String::new(), annotations: Vec::new(), logprobs: None },
        });
    }
    match message.content.last_mut() {
        Some(OutputText { text: all, annotations, .. }) => {
            all.push_str(text);
            annotations.extend(note);
        }
        Some(Refusal { refusal }) => refusal.push_str(text),
        other => panic!("{other:?}"),
    }
}

fn reasoning(items: &mut BTreeMap<u32, Item>, block: u32) -> &mut Reasoning {
    match items.entry(block).or_insert_with(|| Item::Reasoning(Reasoning::default())) {
        Item::Reasoning(reasoning) => reasoning,
        other => panic!("reasoning in {other:?}"),
    }
}
