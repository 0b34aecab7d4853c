//! The context as `contents`: one content per turn, results directly behind their calls.

mod arguments;
pub(super) mod images;
mod server;

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};

use or_protocol::{
    ContentPart, CustomToolCall, Envelope, EnvelopeError, FunctionCall as Call, FunctionCallOutput, Item,
    Message, Output, Reasoning, Role,
};
use serde_json::value::RawValue;

use self::arguments::{arguments, empty};
use super::media::Media;
use super::models::Traits;
use super::seal::{CallState, PLACEHOLDER, State, is_made};
use super::wire::body::{Content, FunctionCall, FunctionResponse, Part, ResponseObject, Speaker};
use super::wire::{KIND, NAMES};
use crate::note::Notes;
use crate::shared::flat_tools::Namespaces;
use crate::shared::names::Names;
use crate::{AdapterError, custom_arguments};

/// What the context became.
pub(super) struct Translated<'a> {
    pub(super) contents: Vec<Content<'a>>,
    /// Leading system texts.
    pub(super) system: Vec<Part<'a>>,
}

/// What the translation needs to know beside the items.
pub(super) struct Setting<'a> {
    pub(super) traits: &'a Traits,
    pub(super) namespaces: &'a Namespaces,
    pub(super) names: &'a Names,
    pub(super) base_url: &'a str,
}

/// A call whose result has not been written yet.
struct Pending<'a> {
    call_id: &'a str,
    name: Cow<'a, str>,
    id: Option<Cow<'a, str>>,
}

struct Builder<'a, 'n> {
    setting: &'a Setting<'a>,
    notes: &'n mut Notes,
    contents: Vec<Content<'a>>,
    system: Vec<Part<'a>>,
    /// State of calls, by `call_id`.
    calls: HashMap<String, CallState>,
    outputs: HashMap<&'a str, VecDeque<&'a FunctionCallOutput>>,
    pending: Vec<Pending<'a>>,
    /// Calls of this step carry Gemini's ids.
    ids: bool,
}

/// Translates the context.
pub(super) fn translate<'a>(
    context: &'a [Item],
    setting: &'a Setting<'a>,
    notes: &mut Notes,
) -> Result<Translated<'a>, AdapterError> {
    let mut states: Vec<Option<State>> = context.iter().map(|item| state(item, notes)).collect();
    let mut calls = HashMap::new();
    for call in states.iter_mut().flatten().flat_map(|s| std::mem::take(&mut s.calls)) {
        calls.insert(call.call.clone(), call);
    }
    let mut outputs: HashMap<&str, VecDeque<_>> = HashMap::new();
    for item in context {
        if let Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) = item {
            outputs.entry(&output.call_id).or_default().push_back(output);
        }
    }
    let mut builder = Builder {
        setting,
        notes,
        contents: Vec::new(),
        system: Vec::new(),
        calls,
        outputs,
        pending: Vec::new(),
        ids: false,
    };
    let mut next = State::default();
    for (at, item) in context.iter().enumerate() {
        if let Some(state) = states.get_mut(at).and_then(Option::take) {
            builder.reasoning(&state);
            if let Some(image) = &state.image
                && let Some(part) = images::part(item, image)
            {
                builder.push(Speaker::Model, part);
            }
            next = state;
            continue;
        }
        let behind = states.get_mut(at + 1).and_then(Option::as_mut);
        let before = std::mem::take(&mut next);
        builder.item(item, before, behind)?;
    }
    builder.flush()?;
    if builder.outputs.values().any(|list| !list.is_empty()) {
        builder.notes.dropped("input.function_call_output", "a second result of the same call is not sent");
    }
    builder.sign_steps();
    Ok(Translated { contents: builder.contents, system: builder.system })
}

/// The state in a reasoning item of ours; other thinking cannot be carried over.
fn state(item: &Item, notes: &mut Notes) -> Option<State> {
    let sealed = match item {
        Item::Reasoning(Reasoning { encrypted_content, .. }) => {
            encrypted_content.as_deref().map(Cow::Borrowed)
        }
        // A call of a tool of the provider's; those of others were told before.
        Item::Other(other) => Some(other.state()?),
        _ => return None,
    };
    let why = match sealed.as_deref().map(Envelope::open) {
        Some(Ok(envelope)) if envelope.kind == KIND => match serde_json::from_str(&envelope.blob) {
            Ok(state) => return Some(state),
            Err(_) => "the encrypted content is not of this version",
        },
        Some(Ok(_) | Err(EnvelopeError::Foreign)) => "the thinking of another provider cannot be sent",
        Some(Err(EnvelopeError::Damaged)) => "the encrypted content is damaged",
        None => "thinking without encrypted content cannot be sent",
    };
    notes.dropped("input.reasoning", why);
    None
}

impl<'a> Builder<'a, '_> {
    fn item(
        &mut self,
        item: &'a Item,
        before: State,
        behind: Option<&mut State>,
    ) -> Result<(), AdapterError> {
        match item {
            Item::Message(message) => self.message(message, before, behind),
            Item::FunctionCall(call) => {
                self.function_call(call);
                Ok(())
            }
            Item::CustomToolCall(call) => {
                self.custom_call(call);
                Ok(())
            }
            Item::FunctionCallOutput(_) | Item::CustomToolCallOutput(_) => self.flush(),
            Item::Reasoning(_) => Ok(()),
            Item::Compaction(_) => {
                self.notes.dropped(
                    "input.compaction",
                    "it was made by another provider and cannot be read by this one",
                );
                Ok(())
            }
            Item::ItemReference(_) => {
                Err(AdapterError::unsupported("input", "An item reference could not be resolved."))
            }
            Item::Mcp(_) | Item::Other(_) => {
                let field = format!("input.{}", item.kind());
                self.notes.dropped(&field, "items of this type cannot be sent to this provider");
                Ok(())
            }
        }
    }

    /// Signed parts that belong to no message; ids of the step.
    fn reasoning(&mut self, state: &State) {
        self.ids |= state.ids;
        for signed in &state.parts {
            let part = Part {
                thought: signed.thought,
                thought_signature: Some(Cow::Owned(signed.sig.clone())),
                ..Part::text(signed.text.clone())
            };
            self.push(Speaker::Model, part);
        }
        state.server.iter().for_each(|part| self.push(Speaker::Model, server::part(part)));
    }

    fn message(
        &mut self,
        message: &'a Message,
        before: State,
        behind: Option<&mut State>,
    ) -> Result<(), AdapterError> {
        if message.phase.is_some() {
            self.notes.dropped("input.phase", "phases are unknown to this provider");
        }
        match message.role {
            Role::Assistant => {
                let behind = behind.map(|s| std::mem::take(&mut s.prev)).unwrap_or_default();
                self.answer(message, [before.next, behind].concat())
            }
            Role::System | Role::Developer if self.contents.is_empty() && self.pending.is_empty() => {
                if !message.content.iter().all(is_text) {
                    return Err(AdapterError::unsupported("input", "A system message may only hold text."));
                }
                self.system.extend(texts(&message.content));
                Ok(())
            }
            Role::System | Role::Developer => {
                self.notes
                    .emulated("input.role", "a system text inside the conversation is sent as user text");
                self.user(message)
            }
            Role::User => self.user(message),
        }
    }

    fn user(&mut self, message: &'a Message) -> Result<(), AdapterError> {
        self.flush()?;
        let media = Media { traits: self.setting.traits, base_url: self.setting.base_url };
        for part in &message.content {
            match media.part(part, self.notes)? {
                Some(part) => self.push(Speaker::User, part),
                None => texts(std::slice::from_ref(part)).for_each(|p| self.push(Speaker::User, p)),
            }
        }
        Ok(())
    }

    /// The model's own words, cut where signed parts were.
    fn answer(
        &mut self,
        message: &'a Message,
        mut spans: Vec<super::seal::Span>,
    ) -> Result<(), AdapterError> {
        if !message.content.iter().all(is_text) {
            return Err(AdapterError::unsupported("input", "An assistant message may only hold text."));
        }
        if spans.is_empty() {
            texts(&message.content).for_each(|p| self.push(Speaker::Model, p));
            return Ok(());
        }
        let whole: String = texts(&message.content).filter_map(|p| p.text).collect();
        spans.sort_by_key(|s| s.at);
        let mut at = 0;
        for span in spans {
            let Some(text) = span.find(&whole).filter(|_| span.at >= at) else {
                self.notes.dropped("input.reasoning", "a signature does not fit its text any more");
                continue;
            };
            if let Some(plain) = whole.get(at..span.at).filter(|t| !t.is_empty()) {
                self.push(Speaker::Model, Part::text(plain.to_owned()));
            }
            let part = Part { thought_signature: Some(Cow::Owned(span.sig)), ..Part::text(text.to_owned()) };
            at = span.at + span.len;
            self.push(Speaker::Model, part);
        }
        if let Some(rest) = whole.get(at..).filter(|t| !t.is_empty()) {
            self.push(Speaker::Model, Part::text(rest.to_owned()));
        }
        Ok(())
    }

    fn function_call(&mut self, call: &'a Call) {
        let flat = self.setting.namespaces.get(call.namespace.as_deref(), &call.name);
        let name = flat.unwrap_or(&call.name);
        let args = arguments(&call.arguments, self.notes);
        self.call(&call.call_id, name, args);
    }

    fn custom_call(&mut self, call: &'a CustomToolCall) {
        let args = RawValue::from_string(custom_arguments(&call.input)).map_or_else(|_| empty(), Cow::Owned);
        let flat = self.setting.namespaces.get(call.namespace.as_deref(), &call.name);
        self.call(&call.call_id, flat.unwrap_or(&call.name), args);
    }

    fn call(&mut self, call_id: &'a str, name: &'a str, args: Cow<'a, RawValue>) {
        let state = self.calls.get(call_id);
        let id = match state.and_then(|s| s.id.clone()) {
            Some(id) => Some(Cow::Owned(id)),
            None if self.ids && !is_made(call_id) => Some(Cow::Borrowed(call_id)),
            None => None,
        };
        let thought_signature = state.and_then(|s| s.sig.clone()).map(Cow::Owned);
        let name = self.setting.names.to_wire(name, &NAMES);
        self.pending.push(Pending { call_id, name: name.clone(), id: id.clone() });
        let function_call = Some(FunctionCall { name, args, id });
        self.push(Speaker::Model, Part { function_call, thought_signature, ..Part::default() });
    }

    /// Writes the results of the calls so far, in the order of the calls.
    fn flush(&mut self) -> Result<(), AdapterError> {
        self.ids = false;
        let mut extra = Vec::new();
        for (number, call) in (1_usize..).zip(std::mem::take(&mut self.pending)) {
            let Some(output) = self.outputs.get_mut(call.call_id).and_then(VecDeque::pop_front) else {
                let message = format!("No tool output found for function call {}.", call.call_id);
                return Err(AdapterError::unsupported("input", message));
            };
            let (output, parts) = self.output(&output.output)?;
            let inside = self.setting.traits.signed_calls;
            let (inside, outside) = if inside { (parts, Vec::new()) } else { (Vec::new(), parts) };
            if !outside.is_empty() {
                // Calls need not have ids here, and several can be of one tool.
                let label = format!("Attached to the result of call {number} ({}):", call.name);
                extra.push(Part::text(label));
                extra.extend(outside);
            }
            let response = ResponseObject { output };
            let function_response =
                Some(FunctionResponse { name: call.name, response, id: call.id, parts: inside });
            self.push(Speaker::User, Part { function_response, ..Part::default() });
        }
        if !extra.is_empty() {
            self.notes.emulated("input.output", "media of a tool's output is sent beside the result");
        }
        extra.into_iter().for_each(|part| self.push(Speaker::User, part));
        Ok(())
    }

    /// Text and media of a result.
    fn output(&mut self, output: &'a Output) -> Result<(Cow<'a, str>, Vec<Part<'a>>), AdapterError> {
        let parts = match output {
            Output::Text(text) => return Ok((Cow::Borrowed(text), Vec::new())),
            Output::Parts(parts) => parts,
        };
        let media = Media { traits: self.setting.traits, base_url: self.setting.base_url };
        let mut files = Vec::new();
        for part in parts {
            files.extend(media.part(part, self.notes)?);
        }
        let mut words = texts(parts).filter_map(|p| p.text);
        let mut text = words.next().unwrap_or_default();
        for more in words {
            let text = text.to_mut();
            text.push('\n');
            text.push_str(&more);
        }
        Ok((text, files))
    }

    /// Adds a part to the turn of its speaker.
    fn push(&mut self, role: Speaker, part: Part<'a>) {
        match self.contents.last_mut() {
            Some(last) if last.role == Some(role) => last.parts.push(part),
            _ => self.contents.push(Content { role: Some(role), parts: vec![part] }),
        }
    }

    /// The first call of every step must be signed; what has no signature gets the documented placeholder.
    fn sign_steps(&mut self) {
        if !self.setting.traits.signed_calls {
            return;
        }
        for content in &mut self.contents {
            let first = content.parts.iter_mut().find(|p| p.function_call.is_some());
            if let Some(first) = first.filter(|p| p.thought_signature.is_none()) {
                first.thought_signature = Some(Cow::Borrowed(PLACEHOLDER));
                self.notes
                    .emulated("input.function_call", "a call without a signature is sent with a placeholder");
            }
        }
    }
}

fn is_text(part: &ContentPart) -> bool {
    matches!(
        part,
        ContentPart::InputText { .. } | ContentPart::OutputText { .. } | ContentPart::Refusal { .. }
    )
}

/// Texts that are not empty, which Gemini refuses.
fn texts(parts: &[ContentPart]) -> impl Iterator<Item = Part<'_>> {
    parts
        .iter()
        .filter_map(|part| match part {
            ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => Some(text),
            ContentPart::Refusal { refusal, .. } => Some(refusal),
            ContentPart::InputImage { .. }
            | ContentPart::InputFile { .. }
            | ContentPart::InputVideo { .. }
            | ContentPart::InputAudio { .. } => None,
        })
        .filter(|text| !text.is_empty())
        .map(|text| Part::text(text.as_str()))
}
