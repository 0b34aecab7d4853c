//! Where a host takes which role: system messages in front, neighbours of one role as one.

use super::quirks::Quirks;
use super::wire::body::{ChatMessage, Content, Part};
use crate::{Note, NoteList};

/// Brings the messages into the order and number that the host takes. `leading`: how many system messages stand
/// before all others; `front`: those that are to stand behind them.
pub(super) fn settle<'a>(
    quirks: &Quirks,
    messages: &mut Vec<ChatMessage<'a>>,
    leading: usize,
    front: Vec<ChatMessage<'a>>,
    notes: &mut NoteList,
) {
    let behind = messages.split_off(leading.min(messages.len()));
    messages.extend(front);
    if quirks.merge_system && messages.len() > 1 {
        let mut all = std::mem::take(messages).into_iter();
        messages.extend(all.next());
        if let Some(first) = messages.first_mut() {
            all.for_each(|message| join(first, message));
        }
        notes.push(Note::emulated("input.role", "system messages were joined into one"));
    }
    if quirks.alternate_roles {
        messages.extend(merged(behind));
    } else {
        messages.extend(behind);
    }
}

/// Makes a user message of a system message; the marks tell the model whose words these are.
pub(super) fn mark_as_user(message: &mut ChatMessage<'_>) {
    message.role = "user";
    let wrapped = |text: &str| format!("<system>\n{text}\n</system>").into();
    match &mut message.content {
        Some(Content::Text(text)) => *text = wrapped(text),
        // Those that are marked for the cache.
        Some(Content::Parts(parts)) => parts.iter_mut().for_each(|part| {
            if let Part::Text { text, .. } = part {
                *text = wrapped(text);
            }
        }),
        None => {}
    }
}

/// Joins neighbours of one role.
fn merged(messages: Vec<ChatMessage<'_>>) -> Vec<ChatMessage<'_>> {
    let mut out: Vec<ChatMessage<'_>> = Vec::with_capacity(messages.len());
    for message in messages {
        let joins = matches!(message.role, "user" | "assistant");
        match out.last_mut() {
            Some(last) if joins && last.role == message.role && last.tool_calls.is_empty() => {
                join(last, message);
            }
            _ => out.push(message),
        }
    }
    out
}

fn join<'a>(last: &mut ChatMessage<'a>, next: ChatMessage<'a>) {
    last.content = match (last.content.take(), next.content) {
        (None, content) | (content, None) => content,
        (Some(Content::Text(a)), Some(Content::Text(b))) if a.is_empty() || b.is_empty() => {
            Some(Content::Text(if a.is_empty() { b } else { a }))
        }
        (Some(Content::Text(mut a)), Some(Content::Text(b))) => {
            let text = a.to_mut();
            text.push_str("\n\n");
            text.push_str(&b);
            Some(Content::Text(a))
        }
        (Some(a), Some(b)) => {
            let list = |content| match content {
                Content::Text(text) => vec![Part::text(text)],
                Content::Parts(parts) => parts,
            };
            let mut parts = list(a);
            parts.extend(list(b));
            Some(Content::Parts(parts))
        }
    };
    last.tool_calls = next.tool_calls;
    last.refusal = last.refusal.take().or(next.refusal);
    last.reasoning_content = last.reasoning_content.take().or(next.reasoning_content);
    last.reasoning = last.reasoning.take().or(next.reasoning);
    last.reasoning_details = last.reasoning_details.take().or(next.reasoning_details);
}
