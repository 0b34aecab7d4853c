//! The context as messages: runs of the assistant's items become one message, results stand right behind.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use or_protocol::{ContentPart, FunctionCallOutput, Item, ItemStatus, Message, Output, Reasoning, Role};
use serde_json::value::RawValue;

use super::call_ids::CallIds;
use super::media;
use super::quirks::{Quirks, ReasoningEcho};
use super::reasoning::{self, Opened};
use super::roles;
use super::wire::body::{Call, ChatMessage, Content, Function, Part, ThinkingText};
use crate::shared::arguments::{WRAPPED, object_text};
use crate::shared::flat_tools::Namespaces;
use crate::shared::quirks::{DeveloperRole, LaterSystem};
use crate::{AdapterError, Note, NoteList, custom_arguments};

/// Translates the context. `head` is the text of the leading system message: instructions and hints.
pub(super) fn translate<'a>(
    quirks: &Quirks,
    head: Option<Cow<'a, str>>,
    namespaces: &'a Namespaces,
    context: &'a [Item],
    notes: &mut NoteList,
) -> Result<Vec<ChatMessage<'a>>, AdapterError> {
    let mut outputs: HashMap<&str, VecDeque<usize>> = HashMap::new();
    for (at, item) in context.iter().enumerate() {
        if let Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) = item {
            outputs.entry(&output.call_id).or_default().push_back(at);
        }
    }
    let ids = context.iter().filter_map(|item| match item {
        Item::FunctionCall(call) => Some(call.call_id.as_str()),
        Item::CustomToolCall(call) => Some(call.call_id.as_str()),
        Item::FunctionCallOutput(o) | Item::CustomToolCallOutput(o) => Some(o.call_id.as_str()),
        _ => None,
    });
    let mut builder = Builder {
        quirks,
        namespaces,
        ids: CallIds::new(quirks.tool_call_id, ids),
        context,
        outputs,
        used: vec![false; context.len()],
        turn: Turn::default(),
        out: Vec::with_capacity(context.len() + 1),
        leading: 0,
        front: Vec::new(),
        notes,
    };
    if let Some(head) = head {
        let role = builder.role(Role::Developer);
        builder.system(ChatMessage::text(role, head));
    }
    for (at, item) in context.iter().enumerate() {
        builder.item(at, item)?;
    }
    builder.flush()?;
    let Builder { mut out, leading, front, notes, .. } = builder;
    roles::settle(quirks, &mut out, leading, front, notes);
    Ok(out)
}

struct Builder<'a, 'b> {
    quirks: &'b Quirks,
    namespaces: &'a Namespaces,
    ids: CallIds,
    context: &'a [Item],
    /// Places of the results of each call id.
    outputs: HashMap<&'a str, VecDeque<usize>>,
    used: Vec<bool>,
    turn: Turn<'a>,
    out: Vec<ChatMessage<'a>>,
    /// How many system messages stand before all others.
    leading: usize,
    /// Later ones that belong there.
    front: Vec<ChatMessage<'a>>,
    notes: &'b mut NoteList,
}

/// A run of the assistant's items.
#[derive(Default)]
struct Turn<'a> {
    text: Option<Cow<'a, str>>,
    refusal: String,
    reasoning: String,
    details: Option<Box<RawValue>>,
    reasoned: bool,
    calls: Vec<(&'a str, &'a str, Cow<'a, str>)>,
}

impl<'a> Builder<'a, '_> {
    fn drop(&mut self, field: impl Into<String>, why: &str) {
        self.notes.push(Note::dropped(field, why));
    }

    fn role(&self, role: Role) -> &'static str {
        match (role, self.quirks.developer_role) {
            (Role::User, _) => "user",
            (Role::Assistant, _) => "assistant",
            (Role::Developer, DeveloperRole::Developer) => "developer",
            (Role::System, _) | (Role::Developer, DeveloperRole::System) => "system",
        }
    }

    fn item(&mut self, at: usize, item: &'a Item) -> Result<(), AdapterError> {
        match item {
            Item::Message(message) if message.role == Role::Assistant => self.assistant(message),
            Item::Message(message) => {
                self.flush()?;
                let parts = media::translate(self.quirks, &message.content)?;
                match message.role {
                    // Standing orders are text everywhere.
                    Role::System | Role::Developer => {
                        if parts.iter().any(|p| !matches!(p, Part::Text { .. })) {
                            let why = "System messages can only hold text on this provider.";
                            return Err(AdapterError::unsupported("input", why));
                        }
                        let role = self.role(message.role);
                        self.system(ChatMessage::new(role, media::content(parts, true)));
                    }
                    Role::User | Role::Assistant => {
                        let content = media::content(parts, self.quirks.content_strings);
                        self.out.push(ChatMessage::new(self.role(message.role), content));
                    }
                }
            }
            Item::FunctionCall(call) => {
                let (arguments, wrapped) = object_text(&call.arguments);
                let flat = self.namespaces.get(call.namespace.as_deref(), &call.name);
                let sent = self.call(&call.call_id, flat.unwrap_or(&call.name), arguments, call.status);
                if sent && wrapped {
                    self.notes.push(Note::emulated("input.arguments", WRAPPED));
                }
            }
            Item::CustomToolCall(call) => {
                let flat = self.namespaces.get(call.namespace.as_deref(), &call.name);
                let name = flat.unwrap_or(&call.name);
                self.call(&call.call_id, name, custom_arguments(&call.input).into(), call.status);
            }
            Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => {
                if self.used.get(at).is_some_and(|used| !used) {
                    self.flush()?;
                }
                // Without its call in front it still is what the host has to judge.
                if self.used.get(at).is_some_and(|used| !used) {
                    let mut attached = Vec::new();
                    self.output(at, output, &mut attached)?;
                    self.attach(attached);
                }
            }
            Item::Reasoning(reasoning) => self.reasoning(reasoning),
            Item::Compaction(_) => {
                self.drop(
                    "input.compaction",
                    "it was made by another provider and cannot be read by this one",
                );
            }
            Item::ItemReference(_) => {
                return Err(AdapterError::unsupported("input", "An item reference was not resolved."));
            }
            Item::Mcp(_) | Item::Other(_) => {
                let field = format!("input.{}", item.kind());
                self.drop(field, "items of hosted tools are not known to this provider");
            }
        }
        Ok(())
    }

    /// A system message, where the host's template takes one.
    fn system(&mut self, mut message: ChatMessage<'a>) {
        if self.leading == self.out.len() {
            self.leading += 1;
            return self.out.push(message);
        }
        let why = match self.quirks.later_system {
            LaterSystem::System => return self.out.push(message),
            LaterSystem::Front => {
                self.front.push(message);
                "a later system message was moved to the front"
            }
            LaterSystem::User => {
                roles::mark_as_user(&mut message);
                self.out.push(message);
                "a later system message was sent as marked user text"
            }
        };
        self.notes.push(Note::emulated("input.role", why));
    }

    fn assistant(&mut self, message: &'a Message) {
        if message.phase.is_some() {
            self.drop("input.phase", "chat completions has no phases");
        }
        let mut fresh = true;
        for part in &message.content {
            match part {
                ContentPart::OutputText { text, .. } | ContentPart::InputText { text, .. } => {
                    if text.is_empty() {
                        continue;
                    }
                    self.turn.text = Some(match self.turn.text.take() {
                        None => text.into(),
                        // Parts of one message are pieces of one text; messages are not.
                        Some(before) if fresh => format!("{before}\n\n{text}").into(),
                        Some(before) => format!("{before}{text}").into(),
                    });
                    fresh = false;
                }
                ContentPart::Refusal { refusal, .. } => self.turn.refusal.push_str(refusal),
                _ => self.drop("input.content", "an assistant message can only hold text"),
            }
        }
    }

    /// False for a call that cannot be sent.
    fn call(
        &mut self,
        id: &'a str,
        name: &'a str,
        arguments: Cow<'a, str>,
        status: Option<ItemStatus>,
    ) -> bool {
        let answered = self.outputs.get(id).is_some_and(|list| !list.is_empty());
        let sent = status != Some(ItemStatus::Incomplete) || answered;
        if sent {
            self.turn.calls.push((id, name, arguments));
        } else {
            self.drop("input.function_call", "a call that was cut off and has no result");
        }
        sent
    }

    fn reasoning(&mut self, item: &'a Reasoning) {
        self.turn.reasoned = true;
        let opened =
            item.encrypted_content.as_deref().map(|sealed| reasoning::open(sealed, &self.quirks.host));
        let digest = item.content.is_empty() && matches!(opened, Some(Opened::Foreign | Opened::Damaged));
        for text in item.trace().into_iter().filter(|_| !digest) {
            self.turn.reasoning.push_str(text);
        }
        match opened {
            None => {}
            Some(Opened::Own(details)) => self.turn.details = Some(details),
            Some(Opened::Foreign) => {
                self.drop("input.reasoning.encrypted_content", "made by another provider")
            }
            Some(Opened::Damaged) => self.drop("input.reasoning.encrypted_content", "damaged"),
        }
    }

    /// Ends the run: its message, the results of its calls, and what these could not hold.
    fn flush(&mut self) -> Result<(), AdapterError> {
        let mut turn = std::mem::take(&mut self.turn);
        let mut message = ChatMessage { role: "assistant", ..ChatMessage::default() };
        if !turn.refusal.is_empty() {
            if self.quirks.refusal_field {
                message.refusal = Some(turn.refusal);
            } else {
                let text = turn.text.take().map(|t| format!("{t}\n\n{}", turn.refusal));
                turn.text = Some(text.unwrap_or(turn.refusal).into());
            }
        }
        if turn.text.is_none() && turn.calls.is_empty() && message.refusal.is_none() {
            if turn.reasoned {
                self.drop("input.reasoning", "reasoning without an answer cannot be sent");
            }
            return Ok(());
        }
        let echo = Echo {
            text: std::mem::take(&mut turn.reasoning),
            details: turn.details.take(),
            reasoned: turn.reasoned,
            calls: !turn.calls.is_empty(),
        };
        message.content = turn.text.take().map(Content::Text);
        self.echo(echo, &mut message);
        let calls = std::mem::take(&mut turn.calls);
        for (id, name, arguments) in &calls {
            let function = Function { name, arguments: arguments.clone() };
            message.tool_calls.push(Call { id: self.ids.get(id), kind: "function", function });
        }
        // The key must be there: some hosts refuse a message without it, and none refuses an empty text.
        message.content.get_or_insert(Content::Text("".into()));
        self.out.push(message);
        let mut attached = Vec::new();
        for (id, ..) in calls {
            let Some(at) = self.outputs.get_mut(id).and_then(VecDeque::pop_front) else { continue };
            if let Some(Item::FunctionCallOutput(o) | Item::CustomToolCallOutput(o)) = self.context.get(at) {
                self.output(at, o, &mut attached)?;
            }
        }
        self.attach(attached);
        Ok(())
    }

    fn echo(&mut self, echo: Echo, message: &mut ChatMessage<'a>) {
        let form = self.quirks.reasoning_echo;
        let keeps = matches!(form, ReasoningEcho::Sealed | ReasoningEcho::ReasoningDetails);
        let text = Some(echo.text).filter(|t| !t.is_empty());
        if let Some(details) = echo.details {
            if keeps {
                message.reasoning_details = Some(details);
                return;
            }
            self.drop("input.reasoning.encrypted_content", "this provider takes no sealed reasoning back");
        }
        let empty = || (self.quirks.echo_empty && echo.calls).then(String::new);
        match (form, text) {
            (ReasoningEcho::ReasoningContent, text) => message.reasoning_content = text.or_else(empty),
            (ReasoningEcho::Reasoning, text) => message.reasoning = text.or_else(empty),
            (ReasoningEcho::ReasoningDetails, text) => message.reasoning = text,
            (ReasoningEcho::ThinkTags, Some(text)) => {
                let rest = match message.content.take() {
                    Some(Content::Text(rest)) => rest,
                    _ => Cow::Borrowed(""),
                };
                message.content = Some(Content::Text(format!("<think>\n{text}\n</think>\n{rest}").into()));
            }
            (ReasoningEcho::ThinkParts, Some(text)) => {
                let thinking = vec![ThinkingText { kind: "text", text }];
                let mut parts = vec![Part::Thinking { thinking }];
                if let Some(Content::Text(text)) = message.content.take() {
                    parts.push(Part::text(text));
                }
                message.content = Some(Content::Parts(parts));
            }
            (ReasoningEcho::None | ReasoningEcho::Sealed, _) | (_, None) => {}
        }
        let sent = message.reasoning_content.is_some()
            || message.reasoning.is_some()
            || matches!(form, ReasoningEcho::ThinkTags | ReasoningEcho::ThinkParts);
        if echo.reasoned && !sent {
            self.drop("input.reasoning", "this provider takes no reasoning back");
        }
    }

    fn output(
        &mut self,
        at: usize,
        output: &'a FunctionCallOutput,
        attached: &mut Vec<Part<'a>>,
    ) -> Result<(), AdapterError> {
        if let Some(used) = self.used.get_mut(at) {
            *used = true;
        }
        let content = match &output.output {
            Output::Text(text) => Content::Text(text.into()),
            Output::Parts(list) => {
                let list = media::translate(self.quirks, list)?;
                let (texts, others): (Vec<_>, Vec<_>) = list
                    .into_iter()
                    .partition(|p| self.quirks.image_in_tool || matches!(p, Part::Text { .. }));
                if others.is_empty() {
                    media::content(texts, self.quirks.content_strings)
                } else {
                    let why = "media of a tool result sent in a user message behind it";
                    self.notes.push(Note::emulated("input.function_call_output", why));
                    let id = self.ids.get(&output.call_id);
                    attached.push(Part::text(format!("Attached to the result of tool call {id}:")));
                    attached.extend(others);
                    media::content(vec![media::joined(texts, "(see attached)")], true)
                }
            }
        };
        let mut message = ChatMessage::new("tool", content);
        message.tool_call_id = Some(self.ids.get(&output.call_id));
        self.out.push(message);
        Ok(())
    }

    fn attach(&mut self, attached: Vec<Part<'a>>) {
        if !attached.is_empty() {
            self.out.push(ChatMessage::new("user", Content::Parts(attached)));
        }
    }
}

struct Echo {
    text: String,
    details: Option<Box<RawValue>>,
    reasoned: bool,
    calls: bool,
}
