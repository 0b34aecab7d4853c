//! What a provider of another wire is told of items that only OpenAI's knows.
//!
//! What a hosted or a local tool did is told as a call of a function and its result, or in words where the provider
//! takes no such call; never half of an exchange. Items that change the request itself were carried out before
//! ([`or_protocol::update_settings`]).

mod exchange;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use or_protocol::{
    ContentPart, CustomToolCall, Extra, FunctionCall, FunctionCallOutput, Item, ItemStatus, Message, Output,
    Role, Settings, Tool,
};

use self::exchange::{Call, answered_by, call_of, pair_id, result_of};
use super::fields::NOT_KNOWN;
use crate::note::plain_word;
use crate::{AdapterError, ModelRequest, Note, NoteList};

/// Whether a request declares a function in any form.
pub(crate) fn declares_functions(settings: &Settings) -> bool {
    settings.all_tools().any(|tool| match tool {
        Tool::Function(_) | Tool::Custom(_) => true,
        Tool::Hosted(hosted) => !hosted.tools().is_empty(),
        Tool::Mcp(_) => false,
    })
}

/// The context in items that every provider knows. `calls`: a call of a function that is not declared may be told.
///
/// # Errors
/// If an item asks for what must not be ignored and is not done.
pub(crate) fn tell<'a>(
    request: &ModelRequest<'a>,
    calls: bool,
    notes: &mut NoteList,
) -> Result<Cow<'a, [Item]>, AdapterError> {
    tell_but(request, calls, |_| false, notes)
}

/// The same for a provider that knows some of these items as its `own`, which stay as they are.
pub(crate) fn tell_but<'a>(
    request: &ModelRequest<'a>,
    calls: bool,
    own: impl Fn(&Item) -> bool,
    notes: &mut NoteList,
) -> Result<Cow<'a, [Item]>, AdapterError> {
    let context = request.context;
    let known: HashSet<&str> = request.settings.all_tools().filter_map(Tool::name).collect();
    for item in context {
        note_members(item, notes);
        let (Item::FunctionCall(FunctionCall { namespace, .. })
        | Item::CustomToolCall(CustomToolCall { namespace, .. })) = item
        else {
            continue;
        };
        if namespace.as_deref().is_some_and(|namespace| !known.contains(namespace)) {
            let field = format!("input.{}.namespace", item.kind());
            notes.push(Note::emulated(field, "not declared any more, so the call is told by its name alone"));
        }
    }
    let stays: Vec<bool> = context.iter().map(|item| is_plain(item) || own(item)).collect();
    if stays.iter().all(|stays| *stays) {
        return Ok(Cow::Borrowed(context));
    }
    let mut teller =
        Teller { calls, notes, pairs: Pairs::of(context), out: Vec::with_capacity(context.len()) };
    for (at, (item, stays)) in context.iter().zip(stays).enumerate() {
        match item {
            item if stays => teller.out.push(item.clone()),
            Item::FunctionCallOutput(output) => teller.unasked(output),
            item => teller.foreign(context, at, item)?,
        }
    }
    Ok(Cow::Owned(teller.out))
}

/// Whether every provider's translation knows the item.
fn is_plain(item: &Item) -> bool {
    match item {
        Item::Mcp(_) | Item::Other(_) => false,
        Item::FunctionCallOutput(output) => !output.call_id.is_empty(),
        Item::Message(_)
        | Item::FunctionCall(_)
        | Item::CustomToolCall(_)
        | Item::CustomToolCallOutput(_)
        | Item::Reasoning(_)
        | Item::Compaction(_)
        | Item::ItemReference(_) => true,
    }
}

/// Which result answers which call, by their places.
#[derive(Debug, Default)]
struct Pairs {
    result_of: HashMap<usize, usize>,
    call_of: HashMap<usize, usize>,
}

impl Pairs {
    /// A result answers the latest open call of its type and id.
    fn of(context: &[Item]) -> Self {
        let (mut pairs, mut open) =
            (Self::default(), HashMap::<(Cow<'_, str>, Cow<'_, str>), Vec<usize>>::new());
        for (at, item) in context.iter().enumerate() {
            let Item::Other(other) = item else { continue };
            match answered_by(other.kind()) {
                None => open.entry((other.kind().into(), pair_id(other))).or_default().push(at),
                Some(call) => {
                    if let Some(call) = open.get_mut(&(call, pair_id(other))).and_then(Vec::pop) {
                        pairs.result_of.insert(call, at);
                        pairs.call_of.insert(at, call);
                    }
                }
            }
        }
        pairs
    }
}

struct Teller<'n> {
    calls: bool,
    notes: &'n mut NoteList,
    pairs: Pairs,
    out: Vec<Item>,
}

impl Teller<'_> {
    fn foreign(&mut self, context: &[Item], at: usize, item: &Item) -> Result<(), AdapterError> {
        let kind = item.kind();
        let field = format!("input.{}", plain_word(kind));
        let note = match kind {
            "compaction_trigger" => {
                let message = "A compaction_trigger item cannot be honoured: this model's provider does not compact \
                               a conversation.";
                return Err(AdapterError::NotHonoured { param: "input".into(), message: message.into() });
            }
            "additional_tools" => Note::emulated(field, "its tools are declared with those of the request"),
            "configuration_update" => Note::emulated(field, "it holds for the whole of this turn"),
            _ if answered_by(kind).is_some() => match self.pairs.call_of.get(&at) {
                Some(call) => {
                    let call = *call;
                    self.answer(context, call, item);
                    return Ok(());
                }
                None => Note::dropped(field, "a result without the call in front of it"),
            },
            _ => {
                let answered = self.pairs.result_of.contains_key(&at);
                match call_of(item, answered) {
                    Some(call) => self.call(at, call, field, answered),
                    None if exchange::waits(kind) => Note::dropped(field, "a call without its result"),
                    None => Note::dropped(field, NOT_KNOWN),
                }
            }
        };
        self.notes.push(note);
        Ok(())
    }

    /// Tells a call, and its result if that is in the same item.
    fn call(&mut self, at: usize, call: Call, field: String, answered: bool) -> Note {
        if let Some(why) = call.left_out {
            self.notes.push(Note::dropped(format!("{field}.{}", call.name), why));
        }
        if !self.calls {
            if let Some(result) = &call.result {
                self.words(&call, result.clone());
            }
            return Note::emulated(field, "told in words: no function is declared");
        }
        let why = format!("told as a call of a function {} and its result", plain_word(&call.name));
        let call_id = told_id(at);
        self.out.push(Item::FunctionCall(FunctionCall {
            id: None,
            call_id: call_id.clone(),
            name: call.name,
            namespace: None,
            arguments: call.arguments,
            status: Some(ItemStatus::Completed),
            extra: Extra::NONE,
        }));
        if let Some(output) = call.result.filter(|_| !answered) {
            self.out.push(result_item(call_id, output));
        }
        Note::emulated(field, why)
    }

    /// Tells the result of the call at `call`.
    fn answer(&mut self, context: &[Item], call: usize, result: &Item) {
        let output = result_of(result);
        if self.calls {
            self.out.push(result_item(told_id(call), output));
        } else if let Some(call) = context.get(call).and_then(|item| call_of(item, true)) {
            self.words(&call, output);
        }
    }

    /// An exchange as a text of the user's side: the model must not take it for its own way to speak.
    fn words(&mut self, call: &Call, output: Output) {
        let told = format!(
            "[Earlier in this conversation the tool {} was used with {}. Its result:]",
            call.name, call.arguments
        );
        self.out.push(user(told, output));
    }

    /// The output of a function that answers no call of the model.
    fn unasked(&mut self, output: &FunctionCallOutput) {
        let text = |name| output.extra.text(name).map(|text| text.into_owned());
        let name: Vec<String> = [text("namespace"), text("name")].into_iter().flatten().collect();
        let of = if name.is_empty() { "a tool".to_owned() } else { format!("the tool {}", name.join(".")) };
        let why = "a result without call_id is told in a user message";
        self.notes.push(Note::emulated("input.function_call_output", why));
        self.out.push(user(format!("[Result of {of}, which was not called for it:]"), output.output.clone()));
    }
}

fn told_id(at: usize) -> String {
    format!("told_{at}")
}

fn result_item(call_id: String, output: Output) -> Item {
    let status = Some(ItemStatus::Completed);
    Item::FunctionCallOutput(FunctionCallOutput { id: None, call_id, output, status, extra: Extra::NONE })
}

fn user(head: String, output: Output) -> Item {
    let mut content = vec![ContentPart::text(head)];
    match output {
        Output::Text(text) => content.push(ContentPart::text(text)),
        Output::Parts(parts) => content.extend(parts),
    }
    Item::Message(Message {
        id: None,
        status: None,
        role: Role::User,
        content,
        phase: None,
        extra: Extra::NONE,
    })
}

/// Notes the members of an item and of its parts that have no form here. A provider of another wire gets none of them.
fn note_members(item: &Item, notes: &mut NoteList) {
    let (extra, parts): (&Extra, &[ContentPart]) = match item {
        Item::Message(item) => (&item.extra, &item.content),
        Item::FunctionCall(item) => (&item.extra, &[]),
        Item::CustomToolCall(item) => (&item.extra, &[]),
        Item::FunctionCallOutput(item) | Item::CustomToolCallOutput(item) => match &item.output {
            Output::Parts(parts) => (&item.extra, parts),
            Output::Text(_) => (&item.extra, &[]),
        },
        Item::Reasoning(item) => (&item.extra, &[]),
        Item::Compaction(item) => (&item.extra, &[]),
        // Told as a whole.
        Item::ItemReference(_) | Item::Mcp(_) | Item::Other(_) => return,
    };
    note_extra(item.kind(), extra, notes);
    for part in parts {
        note_extra("content", part.extra(), notes);
    }
}

fn note_extra(of: &str, extra: &Extra, notes: &mut NoteList) {
    for (name, value) in extra.members() {
        let field = || format!("input.{of}.{name}");
        match (&*name, of) {
            ("caller", _)
                if or_protocol::member(value, "type").is_some_and(|kind| kind.get() == r#""direct""#) => {}
            ("async", _) if value.get() == "false" => {}
            ("async", _) => notes.push(Note::dropped(field(), "this provider waits for every result")),
            ("caller", _) => notes.push(Note::dropped(field(), NOT_KNOWN)),
            // What becomes of breakpoints is for each provider to say.
            ("prompt_cache_breakpoint", "content") => {}
            // Told in words.
            ("name" | "namespace", "function_call_output") => {}
            _ => notes.push(Note::unknown(&format!("input.{of}."), &name)),
        }
    }
}
