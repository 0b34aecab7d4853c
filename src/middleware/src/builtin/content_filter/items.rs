//! Whole texts: those of items, and results of tools.

use or_protocol::{ContentPart, Item, Output};

use super::rules::Rules;

/// What was found in some texts.
#[derive(Default)]
pub(super) struct Found {
    /// Rules that redacted, each once.
    pub(super) rules: Vec<String>,
    /// The first rule that denies.
    pub(super) denied: Option<String>,
}

impl Found {
    fn look(&mut self, text: &mut String, rules: &Rules) {
        let found = rules.whole(text);
        if self.denied.is_none() {
            self.denied = found.denied;
        }
        if !found.redacted.is_empty() {
            *text = found.text;
            for (rule, _) in found.redacted {
                if !self.rules.contains(&rule) {
                    self.rules.push(rule);
                }
            }
        }
    }
}

/// What became of a context.
pub(super) struct Changed {
    /// By their places.
    pub(super) items: Vec<(usize, Item)>,
    pub(super) rules: Vec<String>,
    pub(super) denied: Option<String>,
}

/// Items of a context whose texts are redacted.
pub(super) fn filtered(rules: &Rules, context: &[Item]) -> Changed {
    let mut items = Vec::new();
    let mut all = Found::default();
    for (at, item) in context.iter().enumerate() {
        let mut found = Found::default();
        let mut copy = item.clone();
        each_text(&mut copy, &mut |text| found.look(text, rules));
        if !found.rules.is_empty() {
            items.push((at, copy));
        }
        for rule in found.rules {
            if !all.rules.contains(&rule) {
                all.rules.push(rule);
            }
        }
        if found.denied.is_some() {
            all.denied = found.denied;
            break;
        }
    }
    Changed { items, rules: all.rules, denied: all.denied }
}

/// The result of a tool.
pub(super) fn output(output: &mut Output, rules: &Rules, found: &mut Found) {
    output_texts(output, &mut |text| found.look(text, rules));
}

/// Roughly how much text an item has.
pub(super) fn bytes(item: &Item) -> usize {
    match item {
        Item::Message(message) => message.content.iter().map(part_bytes).sum(),
        Item::FunctionCall(call) => call.arguments.len(),
        Item::CustomToolCall(call) => call.input.len(),
        Item::FunctionCallOutput(item) | Item::CustomToolCallOutput(item) => match &item.output {
            Output::Text(text) => text.len(),
            Output::Parts(parts) => parts.iter().map(part_bytes).sum(),
        },
        Item::Reasoning(reasoning) => {
            let summary = reasoning.summary.iter().map(|part| part.text.len());
            summary.chain(reasoning.content.iter().map(|part| part.text.len())).sum()
        }
        Item::Compaction(_) | Item::ItemReference(_) | Item::Mcp(_) | Item::Other(_) => 0,
    }
}

fn part_bytes(part: &ContentPart) -> usize {
    match part {
        ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => text.len(),
        ContentPart::Refusal { refusal, .. } => refusal.len(),
        ContentPart::InputImage { .. }
        | ContentPart::InputFile { .. }
        | ContentPart::InputVideo { .. }
        | ContentPart::InputAudio { .. } => 0,
    }
}

/// The texts that a model reads. Calls of MCP servers are function calls by then; what is opaque, or of a tool that the
/// provider runs, has none.
fn each_text(item: &mut Item, look: &mut impl FnMut(&mut String)) {
    match item {
        Item::Message(message) => message.content.iter_mut().for_each(|part| part_text(part, look)),
        Item::FunctionCall(call) => look(&mut call.arguments),
        Item::CustomToolCall(call) => look(&mut call.input),
        Item::FunctionCallOutput(item) | Item::CustomToolCallOutput(item) => {
            output_texts(&mut item.output, look)
        }
        Item::Reasoning(reasoning) => {
            reasoning.summary.iter_mut().for_each(|part| look(&mut part.text));
            reasoning.content.iter_mut().for_each(|part| look(&mut part.text));
        }
        Item::Compaction(_) | Item::ItemReference(_) | Item::Mcp(_) | Item::Other(_) => {}
    }
}

fn output_texts(output: &mut Output, look: &mut impl FnMut(&mut String)) {
    match output {
        Output::Text(text) => look(text),
        Output::Parts(parts) => parts.iter_mut().for_each(|part| part_text(part, look)),
    }
}

fn part_text(part: &mut ContentPart, look: &mut impl FnMut(&mut String)) {
    match part {
        ContentPart::InputText { text, .. } | ContentPart::OutputText { text, .. } => look(text),
        ContentPart::Refusal { refusal, .. } => look(refusal),
        ContentPart::InputImage { .. }
        | ContentPart::InputFile { .. }
        | ContentPart::InputVideo { .. }
        | ContentPart::InputAudio { .. } => {}
    }
}
