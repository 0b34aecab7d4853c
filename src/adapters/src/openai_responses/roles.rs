//! System messages where a host's template takes only one, in front.

use std::borrow::Cow;

use or_protocol::{ContentPart, Extra, Item, Message, Role};

use super::quirks::Quirks;
use crate::shared::quirks::LaterSystem;
use crate::{ModelRequest, Note, NoteList};

/// The context with its system messages where the host takes them, and the instructions with those that join them.
pub(super) struct Settled<'a> {
    pub(super) context: Cow<'a, [Item]>,
    pub(super) instructions: Option<Cow<'a, str>>,
}

/// Joins the leading system messages to the instructions, which a host puts in front as a system message of its own,
/// and marks or moves later ones. A message that is not mere text stays as it is.
pub(super) fn settle<'a>(quirks: &Quirks, request: &ModelRequest<'a>, notes: &mut NoteList) -> Settled<'a> {
    let given = request.settings.instructions.as_deref();
    if !quirks.merge_system && quirks.later_system == LaterSystem::System {
        return Settled { context: request.context.into(), instructions: given.map(Cow::Borrowed) };
    }
    let mut context = Vec::with_capacity(request.context.len());
    let mut head: Vec<Cow<'_, str>> = given.into_iter().map(Cow::Borrowed).collect();
    let mut leading = true;
    for item in request.context {
        let order = order(item);
        leading &= order.is_some() || matches!(item, Item::Other(_));
        let Some(text) = order else {
            context.push(item.clone());
            continue;
        };
        let why = match (leading, quirks.later_system) {
            (true, _) if quirks.merge_system => {
                head.push(text.into());
                "system messages were joined into one"
            }
            (true, _) | (false, LaterSystem::System) => {
                context.push(item.clone());
                continue;
            }
            (false, LaterSystem::Front) => {
                head.push(text.into());
                "a later system message was moved to the front"
            }
            (false, LaterSystem::User) => {
                context.push(marked(&text));
                "a later system message was sent as marked user text"
            }
        };
        notes.push(Note::emulated("input.role", why));
    }
    let instructions = (!head.is_empty()).then(|| match <[_; 1]>::try_from(head) {
        Ok([only]) => only,
        Err(several) => several.join("\n\n").into(),
    });
    Settled { context: context.into(), instructions }
}

/// The text of a system or developer message.
fn order(item: &Item) -> Option<String> {
    let Item::Message(Message { role: Role::System | Role::Developer, content, .. }) = item else {
        return None;
    };
    let texts = content.iter().map(|part| match part {
        ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => Some(text.as_str()),
        ContentPart::Refusal { .. }
        | ContentPart::InputImage { .. }
        | ContentPart::InputFile { .. }
        | ContentPart::InputVideo { .. }
        | ContentPart::InputAudio { .. } => None,
    });
    Some(texts.collect::<Option<Vec<_>>>()?.join("\n\n"))
}

/// As a user message; the marks tell the model whose words these are.
fn marked(text: &str) -> Item {
    Item::Message(Message {
        id: None,
        status: None,
        role: Role::User,
        content: vec![ContentPart::text(format!("<system>\n{text}\n</system>"))],
        phase: None,
        extra: Extra::NONE,
    })
}
