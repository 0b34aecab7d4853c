//! Which tools the demo model calls, and with what.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::sample::sample;
use crate::words::{Topic, keywords};
use or_adapters::demo::wire::{DemoRequest, WireMode, WireTool};

/// A word in the tool's name counts as much as this many in its description.
const NAME_WEIGHT: usize = 3;
/// With `auto`, a tool is called from this score on: one word of its name or two of its description.
const ENOUGH: usize = 2;

/// Most calls of one answer.
const MAX_CALLS: usize = 16;

/// A call to make.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: String,
}

/// The calls for a text; empty for an answer in words.
pub(crate) fn choose(request: &DemoRequest<'_>, topic: &Topic, text: &str) -> Vec<Call> {
    let choice = &request.tool_choice;
    if choice.mode == WireMode::None {
        return Vec::new();
    }
    let asked = keywords(text).into_iter().collect();
    let mut best: Option<(&WireTool<'_>, usize)> = None;
    for tool in &request.tools {
        let allowed = choice.only.as_ref().is_none_or(|only| only.iter().any(|name| *name == tool.name));
        let score = score(tool, &asked);
        if allowed && best.is_none_or(|(_, most)| score > most) {
            best = Some((tool, score));
        }
    }
    match best {
        Some((tool, score)) if score >= ENOUGH || choice.mode == WireMode::Required => {
            calls_of(tool, topic, request.parallel)
        }
        _ => Vec::new(),
    }
}

fn score(tool: &WireTool<'_>, asked: &HashSet<String>) -> usize {
    let shared = |text: &str| {
        let mut words = keywords(text);
        words.sort_unstable();
        words.dedup();
        words.iter().filter(|word| asked.contains(*word)).count()
    };
    shared(&tool.name) * NAME_WEIGHT + shared(&tool.description)
}

/// One call, or one for each name of a list where that makes a difference.
fn calls_of(tool: &WireTool<'_>, topic: &Topic, parallel: bool) -> Vec<Call> {
    let schema = tool.parameters.value();
    let call = |topic: &Topic| {
        let value = sample(&schema, topic).filter(Value::is_object);
        let arguments = value.unwrap_or_else(|| Value::Object(Map::new())).to_string();
        Call { name: tool.name.clone().into_owned(), arguments }
    };
    let whole = call(topic);
    // A tool that takes the list as it is gets it in one call.
    let takes_list =
        topic.list.len() > 1 && topic.list.iter().all(|name| whole.arguments.contains(name.as_str()));
    if !parallel || topic.list.len() < 2 || takes_list {
        return vec![whole];
    }
    let mut calls: Vec<Call> = Vec::new();
    for name in topic.list.iter().take(MAX_CALLS) {
        let topic = Topic { subject: Some(name.clone()), list: Vec::new(), ..topic.clone() };
        let call = call(&topic);
        if !calls.contains(&call) {
            calls.push(call);
        }
    }
    calls
}
