//! The items of one turn, as its events make them; and events, as items want them.

use or_adapters::{CallKind, FinishReason, ModelEvent};
use or_protocol::{
    ContentPart, CustomToolCall, Extra, FunctionCall, Item, Message, Reasoning, ReasoningPart, ResponseId,
    Role, SummaryPart, Usage,
};
use serde_json::{Map, Value};

use crate::Halt;

/// What came of the events of one read.
#[derive(Debug, Default)]
pub struct Passed {
    /// For the engine.
    pub events: Vec<ModelEvent>,
    /// The end of the turn; it is for the engine once [`after_sample`](crate::Run::after_sample) has passed.
    pub last: Option<FinishReason>,
    /// The response ends behind `events`.
    pub halt: Option<Halt>,
}

/// One item in the making.
struct Draft {
    block: u32,
    item: Item,
    /// Whether more text belongs to the last part.
    open: bool,
    /// What made it, if that is held back.
    events: Vec<ModelEvent>,
}

/// One turn in the making.
pub(crate) struct Gather {
    drafts: Vec<Draft>,
    usage: Option<Usage>,
    holds: bool,
}

impl Gather {
    /// `holds`: nothing of an item goes on before the end of the turn.
    pub(crate) fn new(holds: bool) -> Self {
        Self { drafts: Vec::new(), usage: None, holds }
    }

    /// The turn broke off and goes on elsewhere, where blocks have other numbers.
    pub(crate) fn goes_on(mut self) -> Self {
        for draft in &mut self.drafts {
            // No adapter has so many.
            (draft.block, draft.open) = (u32::MAX, false);
        }
        self
    }

    /// Looks at events. The end of the turn is taken out, and with it what comes behind, which is nothing.
    pub(crate) fn take_in(&mut self, events: Vec<ModelEvent>) -> Passed {
        let mut passed = Passed { events: Vec::with_capacity(events.len()), ..Passed::default() };
        for event in events {
            match event {
                ModelEvent::Finished { reason } => {
                    passed.last = Some(reason);
                    return passed;
                }
                ModelEvent::Usage(usage) => {
                    self.usage = Some(usage);
                    passed.events.push(ModelEvent::Usage(usage));
                }
                ModelEvent::ServiceTier(_) | ModelEvent::ResponseMember { .. } | ModelEvent::Note(_) => {
                    passed.events.push(event);
                }
                event => match self.add(&event) {
                    Some(draft) if self.holds => {
                        if let Some(draft) = self.drafts.get_mut(draft) {
                            draft.events.push(event);
                        }
                    }
                    Some(_) | None => passed.events.push(event),
                },
            }
        }
        passed
    }

    /// The items so far.
    pub(crate) fn items(&self) -> Vec<Item> {
        self.drafts.iter().map(|draft| draft.item.clone()).collect()
    }

    /// Tokens of the turn.
    pub(crate) fn usage(&self) -> Option<Usage> {
        self.usage
    }

    /// The events that were held back, where `items` are what they shall make.
    pub(crate) fn give(self, items: &[Item], id: &ResponseId) -> Vec<ModelEvent> {
        let same = self.drafts.len() == items.len()
            && self.drafts.iter().zip(items).all(|(draft, item)| draft.item == *item);
        if !self.holds {
            if !same {
                let text =
                    "a middleware changed items that were shown by then; it has to gather to change them";
                tracing::error!(response_id = %id, "{text}");
            }
            return Vec::new();
        }
        let mut next = self.drafts.iter().map(|draft| draft.block + 1).max().unwrap_or(0);
        let mut events = Vec::new();
        let mut drafts = self.drafts.into_iter();
        for item in items {
            match drafts.next() {
                Some(draft) if draft.item == *item => events.extend(draft.events),
                Some(_) | None => {
                    write(next, item, &mut events);
                    next += 1;
                }
            }
        }
        events
    }

    /// Takes an event into its item; `None` if it belongs to none.
    fn add(&mut self, event: &ModelEvent) -> Option<usize> {
        let block = block(event)?;
        // Most events are of the last one.
        let known = self.drafts.iter().rposition(|draft| draft.block == block);
        let at = match known {
            Some(at) => at,
            None => {
                self.drafts.push(Draft { block, item: begun(event), open: false, events: Vec::new() });
                self.drafts.len() - 1
            }
        };
        if let Some(draft) = self.drafts.get_mut(at) {
            draft.grow(event);
        }
        Some(at)
    }
}

fn block(event: &ModelEvent) -> Option<u32> {
    match event {
        ModelEvent::MessageStart { block, .. }
        | ModelEvent::TextDelta { block, .. }
        | ModelEvent::RefusalDelta { block, .. }
        | ModelEvent::Annotation { block, .. }
        | ModelEvent::ReasoningDelta { block, .. }
        | ModelEvent::SummaryDelta { block, .. }
        | ModelEvent::ReasoningSealed { block, .. }
        | ModelEvent::ToolCallStart { block, .. }
        | ModelEvent::ToolArgsDelta { block, .. }
        | ModelEvent::HostedItem { block, .. }
        | ModelEvent::HostedEvent { block, .. }
        | ModelEvent::PartDone { block }
        | ModelEvent::BlockDone { block, .. } => Some(*block),
        ModelEvent::Usage(_)
        | ModelEvent::ServiceTier(_)
        | ModelEvent::ResponseMember { .. }
        | ModelEvent::Note(_)
        | ModelEvent::Finished { .. } => None,
    }
}

/// The item that an event opens.
fn begun(event: &ModelEvent) -> Item {
    match event {
        ModelEvent::ReasoningDelta { .. }
        | ModelEvent::SummaryDelta { .. }
        | ModelEvent::ReasoningSealed { .. } => Item::Reasoning(Reasoning::default()),
        ModelEvent::ToolCallStart { call_id, name, namespace, kind, extra, .. } => {
            let (call_id, name, namespace) =
                (call_id.clone().unwrap_or_default(), name.clone(), namespace.clone());
            let (id, status, extra) = (None, None, extra.clone());
            match kind {
                CallKind::Function => {
                    let arguments = String::new();
                    Item::FunctionCall(FunctionCall {
                        id,
                        call_id,
                        name,
                        namespace,
                        arguments,
                        status,
                        extra,
                    })
                }
                CallKind::Custom => {
                    let input = String::new();
                    Item::CustomToolCall(CustomToolCall {
                        id,
                        call_id,
                        name,
                        namespace,
                        input,
                        status,
                        extra,
                    })
                }
            }
        }
        ModelEvent::HostedItem { item, .. } => Item::foreign(item.clone().into()),
        event => Item::Message(Message {
            id: None,
            status: None,
            role: Role::Assistant,
            content: Vec::new(),
            phase: if let ModelEvent::MessageStart { phase, .. } = event { *phase } else { None },
            extra: Extra::default(),
        }),
    }
}

impl Draft {
    fn grow(&mut self, event: &ModelEvent) {
        let was_open = std::mem::replace(&mut self.open, true);
        match (&mut self.item, event) {
            (Item::Message(message), ModelEvent::TextDelta { text, logprobs, .. }) => {
                let probs = (!logprobs.is_empty()).then_some(logprobs);
                match message.content.last_mut() {
                    Some(ContentPart::OutputText { text: all, logprobs: known, .. }) if was_open => {
                        all.push_str(text);
                        if let Some(probs) = probs {
                            known.get_or_insert_default().extend_from_slice(probs);
                        }
                    }
                    _ => message.content.push(output_text(text.clone(), probs.cloned())),
                }
            }
            (Item::Message(message), ModelEvent::RefusalDelta { text, .. }) => {
                match message.content.last_mut() {
                    Some(ContentPart::Refusal { refusal, .. }) if was_open => refusal.push_str(text),
                    _ => message
                        .content
                        .push(ContentPart::Refusal { refusal: text.clone(), extra: Extra::default() }),
                }
            }
            (Item::Message(message), ModelEvent::Annotation { annotation, .. }) => {
                if !matches!(message.content.last(), Some(ContentPart::OutputText { .. })) {
                    message.content.push(output_text(String::new(), None));
                }
                if let Some(ContentPart::OutputText { annotations, .. }) = message.content.last_mut() {
                    annotations.push(annotation.clone());
                }
            }
            (Item::Reasoning(reasoning), ModelEvent::ReasoningDelta { text, .. }) => {
                match reasoning.content.last_mut() {
                    Some(part) if was_open => part.text.push_str(text),
                    Some(_) | None => reasoning.content.push(ReasoningPart { text: text.clone() }),
                }
            }
            (Item::Reasoning(reasoning), ModelEvent::SummaryDelta { text, .. }) => {
                match reasoning.summary.last_mut() {
                    Some(part) if was_open => part.text.push_str(text),
                    Some(_) | None => reasoning.summary.push(SummaryPart { text: text.clone() }),
                }
            }
            (Item::Reasoning(reasoning), ModelEvent::ReasoningSealed { encrypted_content, .. }) => {
                reasoning.encrypted_content = Some(encrypted_content.clone());
            }
            (
                Item::FunctionCall(FunctionCall { arguments: all, .. }),
                ModelEvent::ToolArgsDelta { delta, .. },
            )
            | (
                Item::CustomToolCall(CustomToolCall { input: all, .. }),
                ModelEvent::ToolArgsDelta { delta, .. },
            ) => {
                all.push_str(delta);
            }
            (item, ModelEvent::HostedItem { item: now, .. }) => *item = Item::foreign(now.clone().into()),
            (_, ModelEvent::PartDone { .. } | ModelEvent::BlockDone { .. }) => self.open = false,
            // What does not fit its item is the engine's to refuse.
            _ => {}
        }
    }
}

fn output_text(text: String, logprobs: Option<Vec<or_protocol::LogProb>>) -> ContentPart {
    ContentPart::OutputText { text, annotations: Vec::new(), logprobs, extra: Extra::default() }
}

/// The events that make an item.
fn write(block: u32, item: &Item, out: &mut Vec<ModelEvent>) {
    match item {
        Item::Message(message) => {
            out.push(ModelEvent::MessageStart { block, phase: message.phase });
            for part in &message.content {
                match part {
                    ContentPart::OutputText { text, annotations, logprobs, .. } => {
                        let (text, logprobs) = (text.clone(), logprobs.clone().unwrap_or_default());
                        out.push(ModelEvent::TextDelta { block, text, logprobs });
                        let annotations = annotations.iter().cloned();
                        out.extend(
                            annotations.map(|annotation| ModelEvent::Annotation { block, annotation }),
                        );
                    }
                    ContentPart::Refusal { refusal, .. } => {
                        out.push(ModelEvent::RefusalDelta { block, text: refusal.clone() });
                    }
                    // No model makes them.
                    ContentPart::InputText { .. }
                    | ContentPart::InputImage { .. }
                    | ContentPart::InputFile { .. }
                    | ContentPart::InputVideo { .. }
                    | ContentPart::InputAudio { .. } => continue,
                }
                out.push(ModelEvent::PartDone { block });
            }
        }
        Item::Reasoning(reasoning) => {
            for part in &reasoning.summary {
                out.push(ModelEvent::SummaryDelta { block, text: part.text.clone() });
                out.push(ModelEvent::PartDone { block });
            }
            for part in &reasoning.content {
                out.push(ModelEvent::ReasoningDelta { block, text: part.text.clone() });
                out.push(ModelEvent::PartDone { block });
            }
            if let Some(encrypted_content) = reasoning.encrypted_content.clone() {
                out.push(ModelEvent::ReasoningSealed { block, encrypted_content });
            }
        }
        Item::FunctionCall(call) => {
            let (name, namespace) = (call.name.clone(), call.namespace.clone());
            let (kind, extra) = (CallKind::Function, call.extra.clone());
            out.push(start(block, &call.call_id, name, namespace, kind, extra));
            out.push(ModelEvent::ToolArgsDelta { block, delta: call.arguments.clone() });
        }
        Item::CustomToolCall(call) => {
            let (name, namespace) = (call.name.clone(), call.namespace.clone());
            let (kind, extra) = (CallKind::Custom, call.extra.clone());
            out.push(start(block, &call.call_id, name, namespace, kind, extra));
            out.push(ModelEvent::ToolArgsDelta { block, delta: call.input.clone() });
        }
        Item::FunctionCallOutput(_)
        | Item::CustomToolCallOutput(_)
        | Item::Compaction(_)
        | Item::ItemReference(_)
        | Item::Mcp(_)
        | Item::Other(_) => {
            let members = match serde_json::to_value(item) {
                Ok(Value::Object(members)) => members,
                Ok(_) | Err(_) => Map::new(),
            };
            out.push(ModelEvent::HostedItem { block, item: members, done: true });
        }
    }
    out.push(ModelEvent::BlockDone { block, complete: true });
}

fn start(
    block: u32,
    call_id: &str,
    name: String,
    namespace: Option<String>,
    kind: CallKind,
    extra: Extra,
) -> ModelEvent {
    let call_id = (!call_id.is_empty()).then(|| call_id.to_owned());
    ModelEvent::ToolCallStart { block, call_id, name, namespace, kind, extra }
}
