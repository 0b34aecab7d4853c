//! What a translator may say, and in which order: the engine relies on it and does not check it.

use std::collections::BTreeMap;

use or_adapters::ModelEvent;
use or_protocol::Annotation;

use crate::replay::Translated;

/// A block of an answer, from its first event on.
#[derive(Default)]
struct Block {
    is_call: bool,
    is_hosted: bool,
    /// Code points of its text so far.
    points: u64,
    done: bool,
}

/// The first thing that is out of order, if any. `provider` is the recordings' name of the wire.
pub(super) fn disorder(provider: &str, translated: &Translated) -> Option<String> {
    let mut blocks: BTreeMap<u32, Block> = BTreeMap::new();
    let mut finished = false;
    for (at, event) in translated.events.iter().enumerate() {
        let wrong = |what: &str| Some(format!("event {at} {what}: {event:?}"));
        if finished {
            return wrong("comes after the end");
        }
        if !is_expected(provider, event) {
            return wrong("is not of this provider");
        }
        if delta(event).is_some_and(str::is_empty) {
            return wrong("is empty");
        }
        finished = matches!(event, ModelEvent::Finished { .. });
        let Some((number, ends)) = block_of(event) else { continue };
        let opens = !blocks.contains_key(&number);
        // These two wires send one block after the other, but may run several of their own tools at a time; and we make
        // their annotations ourselves.
        let in_turn = matches!(provider, "anthropic" | "gemini");
        if opens && in_turn && blocks.values().any(|block| !block.done && !block.is_hosted) {
            return wrong("opens a block inside of another");
        }
        let block = blocks.entry(number).or_default();
        if block.done {
            return wrong("comes after the end of its block");
        }
        match event {
            ModelEvent::MessageStart { .. } | ModelEvent::ToolCallStart { .. } if !opens => {
                return wrong("opens its block again");
            }
            ModelEvent::ToolCallStart { .. } => block.is_call = true,
            ModelEvent::HostedItem { .. } => block.is_hosted = true,
            ModelEvent::ToolArgsDelta { .. } if !block.is_call => return wrong("has no call"),
            ModelEvent::TextDelta { text, .. } => {
                block.points += u64::try_from(text.chars().count()).unwrap_or_default();
            }
            ModelEvent::Annotation { annotation, .. } if in_turn && !fits(annotation, block.points) => {
                return wrong("is not about text that was said");
            }
            _ => {}
        }
        block.done = ends;
    }
    let open = blocks.iter().find(|(_, block)| !block.done);
    match (&translated.end, open) {
        (Err(_), _) => finished.then(|| "it ended and failed".to_owned()),
        (Ok(()), Some((number, _))) => Some(format!("block {number} was left open")),
        (Ok(()), None) => (!finished).then(|| "there is no end".to_owned()),
    }
}

fn fits(annotation: &Annotation, points: u64) -> bool {
    match annotation {
        Annotation::UrlCitation { start_index, end_index, .. } => {
            start_index < end_index && *end_index <= points
        }
        Annotation::Other(_) => true,
    }
}

/// Hosted items are told of by three wires; Ollama's answers are taken whole, without a note.
fn is_expected(provider: &str, event: &ModelEvent) -> bool {
    match event {
        ModelEvent::HostedItem { .. } | ModelEvent::HostedEvent { .. } => {
            matches!(provider, "anthropic" | "gemini" | "openai-responses")
        }
        ModelEvent::Note(_) => provider != "ollama",
        _ => true,
    }
}

fn delta(event: &ModelEvent) -> Option<&str> {
    match event {
        ModelEvent::TextDelta { text, .. }
        | ModelEvent::RefusalDelta { text, .. }
        | ModelEvent::SummaryDelta { text, .. }
        | ModelEvent::ReasoningDelta { text, .. } => Some(text),
        ModelEvent::ToolArgsDelta { delta, .. } => Some(delta),
        _ => None,
    }
}

/// The block that an event is of, and whether it ends it.
fn block_of(event: &ModelEvent) -> Option<(u32, bool)> {
    match event {
        ModelEvent::BlockDone { block, .. } => Some((*block, true)),
        ModelEvent::HostedItem { block, done, .. } => Some((*block, *done)),
        ModelEvent::MessageStart { block, .. }
        | ModelEvent::TextDelta { block, .. }
        | ModelEvent::RefusalDelta { block, .. }
        | ModelEvent::Annotation { block, .. }
        | ModelEvent::ReasoningDelta { block, .. }
        | ModelEvent::SummaryDelta { block, .. }
        | ModelEvent::ReasoningSealed { block, .. }
        | ModelEvent::ToolCallStart { block, .. }
        | ModelEvent::ToolArgsDelta { block, .. }
        | ModelEvent::HostedEvent { block, .. }
        | ModelEvent::PartDone { block } => Some((*block, false)),
        _ => None,
    }
}

#[test]
fn disorder_is_found() {
    let text =
        |block: u32, text: &str| ModelEvent::TextDelta { block, text: text.into(), logprobs: Vec::new() };
    let done = |block: u32| ModelEvent::BlockDone { block, complete: true };
    let end = ModelEvent::Finished { reason: or_adapters::FinishReason::Stop };
    let check = |events: &[ModelEvent], want: Option<&str>| {
        let found = disorder("anthropic", &Translated { events: events.to_vec(), end: Ok(()) });
        let fits = match (want, &found) {
            (Some(want), Some(found)) => found.contains(want),
            (want, found) => want.is_none() && found.is_none(),
        };
        assert!(fits, "{found:?} is not {want:?}");
    };
    check(&[text(0, "a"), done(0), end.clone()], None);
    check(&[text(0, "a"), done(0)], Some("there is no end"));
    check(&[text(0, "a"), end.clone()], Some("block 0 was left open"));
    check(&[text(0, ""), done(0), end.clone()], Some("event 0 is empty"));
    check(
        &[text(0, "a"), done(0), text(0, "b"), end.clone()],
        Some("event 2 comes after the end of its block"),
    );
    check(&[text(0, "a"), text(1, "b"), end.clone()], Some("event 1 opens a block inside of another"));
    check(&[end.clone(), end.clone()], Some("event 1 comes after the end"));
    check(&[ModelEvent::ToolArgsDelta { block: 0, delta: "{}".into() }], Some("has no call"));
}
