//! What the model answers, event by event.

use std::collections::HashMap;

use or_adapters::ModelEvent;
use or_protocol::{Annotation, LogProb};
use serde_json::{Map, Value};

use super::note;
use super::rules::{Filtered, GrowingText, Rules};

/// Members of items that providers make, whose texts come from a model or a tool.
const TEXTS: [&str; 9] =
    ["arguments", "code", "content", "input", "logs", "output", "query", "queries", "text"];

/// Which text of an item grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Text,
    Refusal,
    Reasoning,
    Summary,
    /// JSON, or free text of a custom tool.
    Arguments,
}

/// A part that grows.
struct Part {
    kind: Kind,
    text: GrowingText,
    /// Of tokens that were not shown whole.
    logprobs: Vec<LogProb>,
    /// Whether something of those tokens was redacted.
    redacted: bool,
    /// What was redacted so far: from, to, and the length of what stands there, in characters.
    places: Vec<[u64; 3]>,
}

/// The filter of one turn.
#[derive(Default)]
pub(super) struct OutputFilter {
    /// By block.
    parts: HashMap<u32, Part>,
    /// Rules that were told of.
    noted: Vec<String>,
}

impl OutputFilter {
    /// Takes an event in, and gives what may be shown.
    ///
    /// # Errors
    /// The rule that denies the rest.
    pub(super) fn pass(
        &mut self,
        rules: &Rules,
        event: ModelEvent,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), String> {
        match event {
            ModelEvent::TextDelta { block, text, logprobs } => {
                self.grow(rules, (block, Kind::Text), &text, logprobs, out)
            }
            ModelEvent::RefusalDelta { block, text } => {
                self.grow(rules, (block, Kind::Refusal), &text, vec![], out)
            }
            ModelEvent::ReasoningDelta { block, text } => {
                self.grow(rules, (block, Kind::Reasoning), &text, vec![], out)
            }
            ModelEvent::SummaryDelta { block, text } => {
                self.grow(rules, (block, Kind::Summary), &text, vec![], out)
            }
            ModelEvent::ToolArgsDelta { block, delta } => {
                self.grow(rules, (block, Kind::Arguments), &delta, vec![], out)
            }
            ModelEvent::Annotation { block, annotation } => {
                let places = self.parts.get(&block).map_or(&[][..], |part| &part.places);
                out.push(ModelEvent::Annotation { block, annotation: moved(annotation, places) });
                Ok(())
            }
            ModelEvent::PartDone { block } | ModelEvent::BlockDone { block, .. } => {
                self.end(rules, block, out)?;
                out.push(event);
                Ok(())
            }
            ModelEvent::Finished { .. } => {
                let mut blocks: Vec<_> = self.parts.keys().copied().collect();
                blocks.sort_unstable();
                blocks.into_iter().try_for_each(|block| self.end(rules, block, out))?;
                out.push(event);
                Ok(())
            }
            ModelEvent::HostedItem { block, mut item, done } => {
                self.members(rules, &mut item, out)?;
                out.push(ModelEvent::HostedItem { block, item, done });
                Ok(())
            }
            // A piece of a text whose whole comes with the item.
            ModelEvent::HostedEvent { ref event, .. } if event.contains_key("delta") => Ok(()),
            ModelEvent::HostedEvent { block, mut event } => {
                self.members(rules, &mut event, out)?;
                out.push(ModelEvent::HostedEvent { block, event });
                Ok(())
            }
            ModelEvent::MessageStart { .. }
            | ModelEvent::ReasoningSealed { .. }
            | ModelEvent::ToolCallStart { .. }
            | ModelEvent::Usage(_)
            | ModelEvent::ServiceTier(_)
            | ModelEvent::ResponseMember { .. }
            | ModelEvent::Note(_) => {
                out.push(event);
                Ok(())
            }
        }
    }

    fn grow(
        &mut self,
        rules: &Rules,
        (block, kind): (u32, Kind),
        text: &str,
        logprobs: Vec<LogProb>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), String> {
        if self.parts.get(&block).is_some_and(|part| part.kind != kind) {
            self.end(rules, block, out)?;
        }
        let part = self.parts.entry(block).or_insert_with(|| Part {
            kind,
            text: GrowingText::default(),
            logprobs: Vec::new(),
            redacted: false,
            places: Vec::new(),
        });
        part.text.push(text);
        part.logprobs.extend(logprobs);
        let filtered = part.text.take(rules, false);
        let shown = part.show(block, filtered, out);
        self.told(shown, out)
    }

    /// The part is whole.
    fn end(&mut self, rules: &Rules, block: u32, out: &mut Vec<ModelEvent>) -> Result<(), String> {
        let Some(mut part) = self.parts.remove(&block) else { return Ok(()) };
        let filtered = part.text.take(rules, true);
        let shown = part.show(block, filtered, out);
        self.told(shown, out)
    }

    fn told(
        &mut self,
        (redacted, denied): (Vec<String>, Option<String>),
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), String> {
        for rule in redacted {
            if !self.noted.contains(&rule) {
                out.push(ModelEvent::Note(note("output", &rule)));
                self.noted.push(rule);
            }
        }
        denied.map_or(Ok(()), Err)
    }

    /// Texts in an item that a provider's own tool made.
    fn members(
        &mut self,
        rules: &Rules,
        item: &mut Map<String, Value>,
        out: &mut Vec<ModelEvent>,
    ) -> Result<(), String> {
        let mut found = (Vec::new(), None);
        for (_, value) in item.iter_mut().filter(|(name, _)| TEXTS.contains(&name.as_str())) {
            each_text(value, &mut |text| {
                let filtered = rules.whole(text);
                if !filtered.redacted.is_empty() {
                    *text = filtered.text;
                }
                found.0.extend(filtered.redacted.into_iter().map(|(rule, _)| rule));
                found.1 = found.1.take().or(filtered.denied);
            });
        }
        self.told(found, out)
    }
}

impl Part {
    /// Puts what may be shown into an event. Gives the rules that redacted, and the one that denies the rest.
    fn show(
        &mut self,
        block: u32,
        filtered: Filtered,
        out: &mut Vec<ModelEvent>,
    ) -> (Vec<String>, Option<String>) {
        let Filtered { text, redacted, denied } = filtered;
        self.redacted |= !redacted.is_empty();
        self.places.extend(redacted.iter().map(|(_, place)| *place));
        // Probabilities are told with the last of their tokens, and never of what was redacted.
        let logprobs = if self.text.is_empty() {
            let all = std::mem::take(&mut self.logprobs);
            if std::mem::take(&mut self.redacted) { Vec::new() } else { all }
        } else {
            Vec::new()
        };
        if !text.is_empty() {
            out.push(match self.kind {
                Kind::Text => ModelEvent::TextDelta { block, text, logprobs },
                Kind::Refusal => ModelEvent::RefusalDelta { block, text },
                Kind::Reasoning => ModelEvent::ReasoningDelta { block, text },
                Kind::Summary => ModelEvent::SummaryDelta { block, text },
                Kind::Arguments => ModelEvent::ToolArgsDelta { block, delta: text },
            });
        }
        (redacted.into_iter().map(|(rule, _)| rule).collect(), denied)
    }
}

fn each_text(value: &mut Value, look: &mut impl FnMut(&mut String)) {
    // Items of providers are nested as deep as their wire is read, which is bounded.
    match value {
        Value::String(text) => look(text),
        Value::Array(all) => all.iter_mut().for_each(|value| each_text(value, look)),
        Value::Object(members) => {
            let texts = members.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "id" | "type"));
            texts.for_each(|(_, value)| each_text(value, look));
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// An annotation whose place is given in characters of the text as the model wrote it, in the text as it is shown.
fn moved(annotation: Annotation, places: &[[u64; 3]]) -> Annotation {
    let at = |index: u64| {
        let mut now = index;
        for [from, to, length] in places {
            if index >= *to {
                now = (now + length).saturating_sub(to - from);
            } else if index > *from {
                // Inside of what was redacted.
                return (now + length).saturating_sub(index - from);
            }
        }
        now
    };
    match annotation {
        Annotation::UrlCitation { url, title, start_index, end_index } => {
            Annotation::UrlCitation { url, title, start_index: at(start_index), end_index: at(end_index) }
        }
        Annotation::Other(other) => Annotation::Other(other),
    }
}
