//! Context items as input items. No id of ours goes out, and no status.

use std::borrow::Cow;
use std::collections::HashSet;

use or_protocol::{
    CustomToolCall, Envelope, EnvelopeError, Extra, FunctionCall, FunctionCallOutput, Item, ItemStatus,
    Message, Output, RawJson, Reasoning, Role,
};

use super::media::{self, joined};
use super::quirks::Quirks;
use super::wire::body::{Content, InputItem};
use super::wire::{Extended, KIND};
use crate::shared::arguments::{WRAPPED, object_text};
use crate::shared::flat_tools::Namespaces;
use crate::shared::quirks::DeveloperRole;
use crate::{AdapterError, Note, NoteList, custom_arguments};

/// Types of hosted items that OpenAI knows, and the id prefix of those whose `id` its types require. Its
/// API takes most of them without, but not all hosts do; an id under the right prefix is accepted by all.
const HOSTED: &[(&str, Option<&str>)] = &[
    ("file_search_call", Some("fs")),
    ("web_search_call", Some("ws")),
    ("computer_call", Some("cu")),
    ("computer_call_output", None),
    ("image_generation_call", Some("ig")),
    ("code_interpreter_call", Some("ci")),
    ("local_shell_call", Some("lsh")),
    ("local_shell_call_output", Some("lsho")),
    ("shell_call", None),
    ("shell_call_output", None),
    ("apply_patch_call", None),
    ("apply_patch_call_output", None),
    ("mcp_list_tools", Some("mcpl")),
    ("mcp_call", Some("mcp")),
    ("mcp_approval_request", Some("mcpr")),
    ("mcp_approval_response", None),
    ("tool_search_call", None),
    ("tool_search_output", None),
    ("additional_tools", None),
    ("program", Some("cm")),
    ("program_output", Some("cmo")),
    ("configuration_update", None),
    ("function_call_output", None),
    ("compaction", None),
    ("compaction_trigger", None),
];

/// Translates the context of one turn.
pub(super) struct History<'q, 'n> {
    model: &'q str,
    pub(super) quirks: &'q Quirks,
    flat: Option<&'q Namespaces>,
    notes: &'n mut NoteList,
}

impl<'q, 'n> History<'q, 'n> {
    pub(super) fn new(
        model: &'q str,
        quirks: &'q Quirks,
        flat: Option<&'q Namespaces>,
        notes: &'n mut NoteList,
    ) -> Self {
        Self { model, quirks, flat, notes }
    }

    pub(super) fn translate<'a>(&mut self, context: &'a [Item]) -> Result<Vec<InputItem<'a>>, AdapterError>
    where
        'q: 'a,
    {
        let mut input = Vec::with_capacity(context.len());
        let answered: HashSet<&str> = context
            .iter()
            .filter_map(|item| match item {
                Item::FunctionCallOutput(o) | Item::CustomToolCallOutput(o) => Some(o.call_id.as_str()),
                _ => None,
            })
            .collect();
        for (index, item) in context.iter().enumerate() {
            let sent = match item {
                Item::FunctionCall(FunctionCall { call_id, status, .. })
                | Item::CustomToolCall(CustomToolCall { call_id, status, .. })
                    if *status == Some(ItemStatus::Incomplete) && !answered.contains(call_id.as_str()) =>
                {
                    let why = "a call that was cut off and has no result";
                    self.note(Note::dropped("input.function_call", why));
                    None
                }
                Item::Message(message) => self.message(message)?,
                Item::FunctionCall(call) => Some(self.function_call(call)),
                Item::FunctionCallOutput(output) => Some(InputItem::FunctionCallOutput {
                    call_id: &output.call_id,
                    output: self.output(output)?,
                    extra: self.extra("function_call_output", &output.extra),
                }),
                Item::CustomToolCall(call) => Some(self.custom_call(call)),
                Item::CustomToolCallOutput(output) => {
                    let extra = self.extra("custom_tool_call_output", &output.extra);
                    let (call_id, output) = (output.call_id.as_str(), self.output(output)?);
                    Some(match self.flat {
                        None => InputItem::CustomToolCallOutput { call_id, output, extra },
                        Some(_) => InputItem::FunctionCallOutput { call_id, output, extra },
                    })
                }
                Item::Reasoning(reasoning) => {
                    self.reasoning(reasoning, context.get(index + 1..).unwrap_or_default())
                }
                Item::Compaction(compaction) => {
                    let extra = self.extra("compaction", &compaction.extra);
                    self.compaction(&compaction.encrypted_content)
                        .map(|encrypted_content| InputItem::Compaction { encrypted_content, extra })
                }
                Item::ItemReference(_) => {
                    return Err(AdapterError::unsupported(
                        "input",
                        "An item reference could not be resolved.",
                    ));
                }
                Item::Mcp(mcp) => self.other(mcp.kind(), &mcp.members()),
                Item::Other(other) => self.other(other.kind(), &other.members()),
            };
            input.extend(sent);
        }
        Ok(input)
    }

    fn extra<'a>(&mut self, of: &str, extra: &'a Extra) -> &'a Extra {
        media::extra(self.quirks, of, extra, self.notes)
    }

    /// One note per field, however many items it befalls.
    pub(super) fn note(&mut self, note: Note) {
        self.notes.push(note);
    }

    fn message<'a>(&mut self, message: &'a Message) -> Result<Option<InputItem<'a>>, AdapterError> {
        let role = match message.role {
            Role::Developer if self.quirks.developer_role == DeveloperRole::System => {
                self.note(Note::emulated("input.role", "developer messages are sent as system messages"));
                Role::System
            }
            role => role,
        };
        let phase = message.phase.filter(|_| self.quirks.phase);
        if message.phase.is_some() && phase.is_none() {
            self.note(Note::dropped("input.phase", "this provider does not know the phase of a message"));
        }
        let content = if role == Role::Assistant && self.quirks.content_strings {
            match joined(&message.content) {
                Some(text) => Content::Text(text),
                None => Content::Parts(media::parts(self.quirks, self.notes, &message.content)?),
            }
        } else {
            Content::Parts(media::parts(self.quirks, self.notes, &message.content)?)
        };
        // An assistant message that said nothing is refused by many and tells the model nothing.
        if role == Role::Assistant && message.content.is_empty() {
            return Ok(None);
        }
        let extra = self.extra("message", &message.extra);
        Ok(Some(InputItem::Message { role, content, phase, extra }))
    }

    fn function_call<'a>(&mut self, call: &'a FunctionCall) -> InputItem<'a>
    where
        'q: 'a,
    {
        let (mut name, mut namespace) = (call.name.as_str(), call.namespace.as_deref());
        if let Some(flat) = self.flat {
            name = flat.get(namespace.take(), name).unwrap_or(name);
        }
        let (arguments, wrapped) = object_text(&call.arguments);
        if wrapped {
            self.note(Note::emulated("input.arguments", WRAPPED));
        }
        let extra = self.extra("function_call", &call.extra);
        InputItem::FunctionCall { call_id: &call.call_id, name, namespace, arguments, extra }
    }

    fn custom_call<'a>(&mut self, call: &'a CustomToolCall) -> InputItem<'a>
    where
        'q: 'a,
    {
        let extra = self.extra("custom_tool_call", &call.extra);
        let (call_id, name, namespace) =
            (call.call_id.as_str(), call.name.as_str(), call.namespace.as_deref());
        match self.flat {
            None => InputItem::CustomToolCall { call_id, name, namespace, input: &call.input, extra },
            Some(flat) => InputItem::FunctionCall {
                call_id,
                name: flat.get(namespace, name).unwrap_or(name),
                namespace: None,
                arguments: Cow::Owned(custom_arguments(&call.input)),
                extra,
            },
        }
    }

    fn output<'a>(&mut self, output: &'a FunctionCallOutput) -> Result<Content<'a>, AdapterError> {
        Ok(match &output.output {
            Output::Text(text) => Content::Text(Cow::Borrowed(text)),
            Output::Parts(parts) => Content::Parts(media::parts(self.quirks, self.notes, parts)?),
        })
    }

    /// Reasoning with its state in the provider's own form. `rest` is what follows it.
    fn reasoning<'a>(&mut self, item: &'a Reasoning, rest: &'a [Item]) -> Option<InputItem<'a>> {
        let blob = item.encrypted_content.as_deref().and_then(|text| self.open(text));
        let text = !item.summary.is_empty() || !item.content.is_empty();
        if blob.is_none() && !(text && self.quirks.reasoning_text) {
            if text {
                let why = "reasoning without encrypted content cannot be sent back to this provider";
                self.note(Note::dropped("input.reasoning", why));
            }
            return None;
        }
        // OpenAI refuses reasoning that led to nothing, such as that of a turn cut off by its budget.
        if !self.quirks.reasoning_text && !leads_on(rest) {
            self.note(Note::dropped("input.reasoning", "reasoning without the item it led to"));
            return None;
        }
        let content = if self.quirks.reasoning_text { item.content.as_slice() } else { &[] };
        let (mut encrypted_content, mut format, mut signature) = (blob, None, None);
        if let Some(text) = encrypted_content.take_if(|b| b.starts_with('{')) {
            match serde_json::from_str::<Extended<'_>>(&text) {
                Ok(state) => {
                    format = state.format.map(ToOwned::to_owned);
                    signature = state.signature.map(ToOwned::to_owned);
                    encrypted_content =
                        state.encrypted_content.and_then(|raw| serde_json::from_str(raw.get()).ok());
                }
                Err(_) => encrypted_content = Some(text),
            }
        }
        let extra = self.extra("reasoning", &item.extra);
        let summary = &item.summary;
        Some(InputItem::Reasoning { summary, content, encrypted_content, format, signature, extra })
    }

    /// The provider's blob. One that is not of this server goes as it is: a client brought it from there.
    fn open(&mut self, text: &str) -> Option<String> {
        let why = match Envelope::open(text) {
            Ok(state) if state.kind != KIND => "reasoning of another provider cannot be sent to this one",
            Ok(state) if !self.quirks.reasoning_across_models && state.model != self.model => {
                "reasoning of another model cannot be sent to this one"
            }
            Ok(state) => return Some(state.blob),
            Err(EnvelopeError::Foreign) => return Some(text.to_owned()).filter(|t| !t.is_empty()),
            Err(EnvelopeError::Damaged) => "the encrypted content is damaged",
        };
        self.note(Note::dropped("input.reasoning.encrypted_content", why));
        None
    }

    /// The provider's blob of a compaction; one that it cannot read is left out.
    fn compaction(&mut self, text: &str) -> Option<String> {
        let why = match Envelope::open(text) {
            Ok(state) if state.kind == KIND => return Some(state.blob),
            Err(EnvelopeError::Foreign) => return Some(text.to_owned()),
            Ok(_) => "it was made by another provider and cannot be read by this one",
            Err(EnvelopeError::Damaged) => "its encrypted content is damaged",
        };
        self.note(Note::dropped("input.compaction", why));
        None
    }

    /// A hosted item goes back with every member but ours, and one that we do not know as it is.
    fn other<'a>(&mut self, kind: &str, item: &RawJson) -> Option<InputItem<'a>> {
        if self.flat.is_some() && kind == "additional_tools" {
            let why = "its tools are declared with those of the request";
            self.note(Note::emulated("input.additional_tools", why));
            return None;
        }
        let Some((kind, prefix)) = HOSTED.iter().find(|(known, _)| *known == kind) else {
            if !kind.contains(':') {
                return Some(InputItem::Other(item.clone()));
            }
            let kind: String = kind.chars().filter(char::is_ascii_graphic).take(64).collect();
            self.note(Note::dropped(format!("input.{kind}"), "this provider does not know the item"));
            return None;
        };
        let id = item.text("id").zip(*prefix).map(|(id, prefix)| with_prefix(&id, prefix));
        let request = item.text("approval_request_id").map(|id| with_prefix(&id, "mcpr"));
        let state = match item.text("encrypted_content") {
            Some(blob) if *kind == "compaction" => Some(self.compaction(&blob)?),
            Some(blob) => self.open(&blob),
            None => None,
        };
        let changes = [("id", id), ("approval_request_id", request), ("encrypted_content", state)];
        Some(InputItem::Other(item.with_texts(&changes, &["encrypted_content", "id"])))
    }
}

/// Whether reasoning is followed by something the model made, further reasoning apart.
fn leads_on(rest: &[Item]) -> bool {
    match rest.iter().find(|item| !matches!(item, Item::Reasoning(_))) {
        Some(Item::Message(message)) => message.role == Role::Assistant && !message.content.is_empty(),
        Some(Item::FunctionCall(_) | Item::CustomToolCall(_) | Item::Mcp(_) | Item::Other(_)) => true,
        _ => false,
    }
}

/// The id under the prefix that OpenAI expects; the same id always gives the same.
fn with_prefix(id: &str, prefix: &str) -> String {
    match id.split_once('_') {
        Some((front, _)) if front == prefix => id.to_owned(),
        Some((_, tail)) => format!("{prefix}_{tail}"),
        None => format!("{prefix}_{id}"),
    }
}
