//! Events of one answer to items.

use or_adapters::ModelEvent;
use or_protocol::{Annotation, ContentPart, FunctionCall, Item, Message, Reasoning, Role, SummaryPart};

/// Items that are being put together: block, item, closed.
#[derive(Default)]
struct Assembler(Vec<(u32, Item, bool)>);

impl Assembler {
    fn item(&mut self, block: u32, new: impl Fn() -> Item) -> &mut Item {
        if !self.0.iter().any(|(known, ..)| *known == block) {
            assert!(self.0.iter().all(|(.., done)| *done), "blocks overlap");
            self.0.push((block, new(), false));
        }
        let (_, item, done) = self.0.iter_mut().find(|(known, ..)| *known == block).unwrap();
        assert!(!*done, "an event behind BlockDone");
        item
    }

    fn text(&mut self, block: u32) -> (&mut String, &mut Vec<Annotation>) {
        let part = || ContentPart::OutputText { text: String::new(), annotations: vec![], logprobs: None };
        let new = || {
            let content = vec![part()];
            Item::Message(Message { id: None, status: None, role: Role::Assistant, content, phase: None })
        };
        let Item::Message(message) = self.item(block, new) else { panic!("not a message") };
        let ContentPart::OutputText { text, annotations, .. } = &mut message.content[0] else { panic!() };
        (text, annotations)
    }

    fn reasoning(&mut self, block: u32) -> &mut Reasoning {
        let Item::Reasoning(reasoning) = self.item(block, || Item::Reasoning(Reasoning::default())) else {
            panic!("not reasoning")
        };
        reasoning
    }

    fn call(&mut self, block: u32) -> &mut FunctionCall {
        let new = || {
            Item::FunctionCall(FunctionCall {
                id: None,
                call_id: String::new(),
                name: String::new(),
                namespace: None,
                arguments: String::new(),
                status: None,
            })
        };
        let Item::FunctionCall(call) = self.item(block, new) else { panic!("not a call") };
        call
    }
}

/// Puts items together as the engine does, and checks the order of events.
pub(crate) fn assemble(events: &[ModelEvent]) -> Vec<Item> {
    let mut all = Assembler::default();
    for event in events {
        match event {
            ModelEvent::TextDelta { block, text, .. } => {
                assert_ne!(text, "", "an empty delta");
                all.text(*block).0.push_str(text);
            }
            ModelEvent::RefusalDelta { block, text } => all.text(*block).0.push_str(text),
            ModelEvent::Annotation { block, annotation } => all.text(*block).1.push(annotation.clone()),
            ModelEvent::SummaryDelta { block, text } => {
                all.reasoning(*block).summary.push(SummaryPart { text: text.clone() });
            }
            ModelEvent::ReasoningSealed { block, encrypted_content } => {
                all.reasoning(*block).encrypted_content = Some(encrypted_content.clone());
            }
            ModelEvent::ToolCallStart { block, call_id, name, .. } => {
                let call = all.call(*block);
                (call.call_id, call.name) = (call_id.clone().expect("an id"), name.clone());
            }
            ModelEvent::ToolArgsDelta { block, delta } => all.call(*block).arguments.push_str(delta),
            ModelEvent::BlockDone { block, .. } => {
                let open = all.0.iter_mut().find(|(known, ..)| known == block).expect("an open item");
                assert!(!std::mem::replace(&mut open.2, true), "closed twice");
            }
            _ => {}
        }
    }
    assert!(all.0.iter().all(|(.., done)| *done), "an item was left open");
    all.0.into_iter().map(|(_, item, _)| item).collect()
}
