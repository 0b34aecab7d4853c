//! The context as the provider's messages.
//!
//! The provider wants the results of all calls of an assistant turn in the very next user message, before
//! any other content, so results are taken from wherever they stand in the context.

mod server;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet, VecDeque};

use or_protocol::{
    ContentPart, Detail, Envelope, EnvelopeError, FunctionCallOutput, Item, Message as MessageItem, Output,
    Reasoning, Role,
};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::media;
use super::wire::body::{Block, Message, ResultContent, WireRole};
use super::wire::{KIND, NAMES, wire_id};
use crate::shared::flat_tools::Namespaces;
use crate::{AdapterError, Note, NoteList, custom_arguments};

/// What the translation of the context depends on.
#[derive(Debug)]
pub(super) struct Setting<'a> {
    pub(super) model: &'a str,
    /// Fingerprint of system prompt and tools, where thinking is bound to them.
    pub(super) mark: Option<&'a str>,
    pub(super) system_role: bool,
    /// Whether the request declares a tool that the provider runs itself, without which it takes none of its blocks.
    pub(super) server_tools: bool,
    pub(super) namespaces: &'a Namespaces,
}

/// The messages, and whether they name stored files.
#[derive(Debug, Default)]
pub(super) struct History<'a> {
    pub(super) messages: Vec<Message<'a>>,
    pub(super) stored_files: bool,
}

/// Translates the context behind its leading system items.
pub(super) fn translate<'a>(
    context: &'a [Item],
    setting: &Setting<'_>,
    notes: &mut NoteList,
) -> Result<History<'a>, AdapterError> {
    let mut builder = Builder {
        setting,
        notes,
        history: History::default(),
        outputs: HashMap::new(),
        claimed: HashSet::new(),
        ids: HashMap::new(),
        orders: None,
        pending: Vec::new(),
    };
    for (index, item) in context.iter().enumerate() {
        if let Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) = item {
            builder.outputs.entry(&output.call_id).or_default().push_back((index, output));
        }
    }
    for (index, item) in context.iter().enumerate() {
        builder.item(index, item, context.get(index + 1..).unwrap_or_default())?;
    }
    builder.answer_calls()?;
    builder.trim_assistant();
    if server::pair(&mut builder.history.messages) {
        builder.note("input", "half an exchange with a tool of the provider's was left out");
    }
    Ok(builder.history)
}

/// A result that waits for its user message: wire id and output.
type Pending<'a> = (Cow<'a, str>, &'a Output);

struct Builder<'a, 'f> {
    setting: &'f Setting<'f>,
    notes: &'f mut NoteList,
    history: History<'a>,
    /// Outputs not yet taken, by call id, in order.
    outputs: HashMap<&'a str, VecDeque<(usize, &'a FunctionCallOutput)>>,
    /// Places of outputs that found their call.
    claimed: HashSet<usize>,
    /// Wire ids in use, and the next suffix: the provider refuses a second use.
    ids: HashMap<Cow<'a, str>, u64>,
    /// The current run of orders in the middle: its end, and whether they may have a role of their own.
    orders: Option<(usize, bool)>,
    /// Results of the calls of the assistant message at the end.
    pending: Vec<Pending<'a>>,
}

impl<'a> Builder<'a, '_> {
    fn item(&mut self, index: usize, item: &'a Item, rest: &[Item]) -> Result<(), AdapterError> {
        match item {
            Item::Message(message) => self.message(index, message, rest)?,
            Item::FunctionCall(call) => {
                let name = self.flat_name(call.namespace.as_deref(), &call.name);
                self.call(index, &call.call_id, name, Cow::Borrowed(&call.arguments));
            }
            Item::CustomToolCall(call) => {
                let arguments = custom_arguments(&call.input);
                let name = self.flat_name(call.namespace.as_deref(), &call.name);
                self.call(index, &call.call_id, name, Cow::Owned(arguments));
            }
            Item::FunctionCallOutput(_) | Item::CustomToolCallOutput(_) => {
                self.answer_calls()?;
                if !self.claimed.contains(&index) {
                    self.note("input", "an output without its call was left out");
                }
            }
            Item::Reasoning(reasoning) => self.reasoning(reasoning),
            Item::Compaction(_) => {
                self.note(
                    "input.compaction",
                    "it was made by another provider and cannot be read by this one",
                );
            }
            Item::ItemReference(_) => self.note("input", "an unresolved item reference was left out"),
            Item::Other(other) if self.server_item(other) => {}
            Item::Mcp(_) | Item::Other(_) => {
                let kind: String = item.kind().chars().filter(|c| c.is_ascii_graphic()).take(64).collect();
                self.note("input", &format!("items of type {kind} cannot be sent to this provider"));
            }
        }
        Ok(())
    }

    fn message(&mut self, index: usize, message: &'a MessageItem, rest: &[Item]) -> Result<(), AdapterError> {
        match message.role {
            Role::User => {
                for part in &message.content {
                    self.detail(part);
                    if let Some(block) = media::block(part)? {
                        self.user(block)?;
                    }
                }
            }
            Role::Assistant => {
                if message.phase.is_some() {
                    self.note("input.phase", "the provider knows no phases");
                }
                // What a refusal cut off would only be refused again.
                let declined = message.content.iter().any(|part| matches!(part, ContentPart::Refusal { .. }));
                for part in &message.content {
                    let Some(block) = media::block(part)? else { continue };
                    if declined && !matches!(part, ContentPart::Refusal { .. }) {
                        self.note("input", "text that a refusal cut off was left out");
                        continue;
                    }
                    self.assistant(block);
                }
            }
            Role::System | Role::Developer => self.system(index, message, rest)?,
        }
        Ok(())
    }

    /// Orders in the middle of the conversation.
    fn system(&mut self, index: usize, message: &'a MessageItem, rest: &[Item]) -> Result<(), AdapterError> {
        let own_role = match self.orders {
            Some((end, known)) if index < end => known,
            _ => {
                let is_order = |item: &Item| matches!(item, Item::Message(m) if is_order(m.role));
                let run = rest.iter().take_while(|item| is_order(item)).count();
                let known = self.setting.system_role && self.may_stand_here(rest.get(run));
                self.orders = Some((index + run + 1, known));
                known
            }
        };
        let mut wrapped = false;
        for part in &message.content {
            let Some(block) = media::block(part)? else { continue };
            let Block::Text { text, cache_control } = block else { continue };
            if own_role {
                self.push(WireRole::System, Block::Text { text, cache_control });
            } else {
                wrapped = true;
                let text = format!("<system>\n{text}\n</system>").into();
                self.user(Block::Text { text, cache_control })?;
            }
        }
        if wrapped {
            self.note_kind(Note::emulated("input", "a later system message was sent as marked user text"));
        }
        Ok(())
    }

    /// The provider takes a system message behind a user turn, at the end or right before an assistant turn.
    fn may_stand_here(&self, next: Option<&Item>) -> bool {
        let before_assistant = match next {
            None => true,
            Some(Item::Message(m)) => m.role == Role::Assistant,
            Some(Item::FunctionCall(_) | Item::CustomToolCall(_) | Item::Reasoning(_)) => true,
            Some(_) => false,
        };
        let behind_user = self.history.messages.last().is_some_and(|m| m.role == WireRole::User);
        before_assistant && behind_user && self.pending.is_empty()
    }

    fn call(&mut self, index: usize, call_id: &'a str, name: Cow<'a, str>, arguments: Cow<'a, str>) {
        let waiting = self.outputs.get_mut(call_id);
        let found = waiting.and_then(|list| {
            // An output that stands before its call answers nobody.
            while list.front().is_some_and(|(at, _)| *at < index) {
                list.pop_front();
            }
            list.pop_front()
        });
        let Some((at, output)) = found else {
            self.note("input", "a call without its output was left out");
            return;
        };
        self.claimed.insert(at);
        let id = self.unused(wire_id(call_id));
        let input = self.arguments(arguments);
        self.assistant(Block::ToolUse { id: id.clone(), name, input });
        self.pending.push((id, &output.output));
    }

    /// Some providers number their calls anew in every turn.
    fn unused(&mut self, id: Cow<'a, str>) -> Cow<'a, str> {
        let Some(mut next) = self.ids.get(&id).copied() else {
            self.ids.insert(id.clone(), 2);
            return id;
        };
        loop {
            let out: Cow<'a, str> = Cow::Owned(format!("{id}_{next}"));
            next += 1;
            if !self.ids.contains_key(&out) {
                self.ids.insert(out.clone(), 2);
                self.ids.insert(id, next);
                return out;
            }
        }
    }

    fn arguments(&mut self, text: Cow<'a, str>) -> Cow<'a, RawValue> {
        if text.trim().is_empty() {
            return Cow::Owned(raw("{}".into()));
        }
        let parsed = match &text {
            Cow::Borrowed(text) => serde_json::from_str::<&'a RawValue>(text).ok().map(Cow::Borrowed),
            Cow::Owned(text) => RawValue::from_string(text.clone()).ok().map(Cow::Owned),
        };
        match parsed {
            Some(json) if json.get().starts_with('{') => json,
            _ => {
                self.note_kind(Note::emulated(
                    "input.arguments",
                    "arguments that are no JSON object were sent as text",
                ));
                Cow::Owned(raw(json!({ "_invalid_arguments": text }).to_string()))
            }
        }
    }

    fn flat_name(&self, namespace: Option<&str>, name: &'a str) -> Cow<'a, str> {
        match self.setting.namespaces.get(namespace, name) {
            Some(flat) => Cow::Owned(NAMES.fit(flat).into_owned()),
            None => NAMES.fit(name),
        }
    }

    /// Thinking goes back only to where it came from, and there unchanged.
    fn reasoning(&mut self, item: &'a Reasoning) {
        let Some(sealed) = &item.encrypted_content else {
            return self.note("input.reasoning", "thinking without its signature was left out");
        };
        let envelope = match Envelope::open(sealed) {
            Ok(envelope) if envelope.kind == KIND => envelope,
            Ok(_) | Err(EnvelopeError::Foreign) => {
                return self.note("input.reasoning", "thinking of another provider was left out");
            }
            Err(EnvelopeError::Damaged) => {
                return self.note("input.reasoning", "damaged encrypted content was left out");
            }
        };
        if envelope.blob.starts_with('[') {
            return self.server_blocks(&envelope.blob);
        }
        let (mark, json) = match envelope.blob.split_once(':') {
            Some((mark, json)) if !envelope.blob.starts_with('{') => (Some(mark), json),
            _ => (None, envelope.blob.as_str()),
        };
        let bound = self.setting.mark.is_some();
        if bound && (mark != self.setting.mark || envelope.model != self.setting.model) {
            return self.note("input.reasoning", "thinking is bound to another model, instructions or tools");
        }
        match thinking_block(json) {
            Some(block) => self.assistant(Block::Thinking(block)),
            None => self.note("input.reasoning", "damaged encrypted content was left out"),
        }
    }

    fn detail(&mut self, part: &ContentPart) {
        if let ContentPart::InputImage { detail, .. } = part
            && *detail != Detail::Auto
        {
            self.note("input.detail", "the provider has one resolution for images");
        }
    }

    fn user(&mut self, block: Block<'a>) -> Result<(), AdapterError> {
        self.answer_calls()?;
        self.push(WireRole::User, block);
        Ok(())
    }

    fn assistant(&mut self, block: Block<'a>) {
        self.push(WireRole::Assistant, block);
    }

    /// Puts the results of the last assistant message's calls behind it.
    fn answer_calls(&mut self) -> Result<(), AdapterError> {
        for (id, output) in std::mem::take(&mut self.pending) {
            let mut cache_control = None;
            let content = match output {
                Output::Text(text) => ResultContent::Text(text),
                Output::Parts(parts) => {
                    let mut blocks = Vec::with_capacity(parts.len());
                    for part in parts {
                        self.detail(part);
                        blocks.extend(media::block(part)?);
                    }
                    self.history.stored_files |= blocks.iter().any(media::is_stored_file);
                    // What is inside a result cannot be marked, only the whole.
                    let marks = blocks.iter_mut().filter_map(Block::mark);
                    cache_control = marks.filter_map(Option::take).last();
                    // An empty list is refused, an empty text is not.
                    if blocks.is_empty() { ResultContent::Text("") } else { ResultContent::Blocks(blocks) }
                }
            };
            self.push(WireRole::User, Block::ToolResult { tool_use_id: id, content, cache_control });
        }
        Ok(())
    }

    /// An assistant message must not end in thinking; it does when what followed could not be sent.
    fn trim_assistant(&mut self) {
        let Some(last) = self.history.messages.last_mut().filter(|m| m.role == WireRole::Assistant) else {
            return;
        };
        let before = last.content.len();
        while matches!(last.content.last(), Some(Block::Thinking(_))) {
            last.content.pop();
        }
        let (after, empty) = (last.content.len(), last.content.is_empty());
        if empty {
            self.history.messages.pop();
        }
        if after != before {
            self.note("input.reasoning", "thinking that nothing follows was left out");
        }
    }

    fn push(&mut self, role: WireRole, block: Block<'a>) {
        if role != WireRole::Assistant {
            self.trim_assistant();
        }
        self.history.stored_files |= media::is_stored_file(&block);
        match self.history.messages.last_mut() {
            Some(last) if last.role == role => last.content.push(block),
            _ => self.history.messages.push(Message { role, content: vec![block] }),
        }
    }

    fn note(&mut self, field: &str, why: &str) {
        self.note_kind(Note::dropped(field, why));
    }

    fn note_kind(&mut self, note: Note) {
        self.notes.push(note);
    }
}

fn is_order(role: Role) -> bool {
    matches!(role, Role::System | Role::Developer)
}

/// The block of an envelope, if it is one of thinking.
fn thinking_block(json: &str) -> Option<Box<RawValue>> {
    let value: Value = serde_json::from_str(json).ok()?;
    let kind = value.get("type")?.as_str()?;
    if !matches!(kind, "thinking" | "redacted_thinking") {
        return None;
    }
    RawValue::from_string(json.to_owned()).ok()
}

fn raw(json: String) -> Box<RawValue> {
    // What is passed here is always JSON.
    RawValue::from_string(json).unwrap_or_else(|_| RawValue::NULL.to_owned())
}
