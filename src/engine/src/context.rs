//! The effective context of a request: the chain's turns, then the new input (rules 9.1, 3.5).

use std::collections::HashMap;

use or_adapters::Note;
use or_protocol::{ApiError, ErrorKind, Item, ResponseStatus};

/// One earlier response of the chain: what it was given and what it made.
#[derive(Clone, Debug)]
pub struct HistoryTurn {
    /// How it ended.
    pub status: ResponseStatus,
    /// Its own input.
    pub input: Vec<Item>,
    /// Its output, sealed state included.
    pub output: Vec<Item>,
}

/// What the model will see, and what had to be left out of it.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Items in order.
    pub items: Vec<Item>,
    /// One note for each kind of omission.
    pub notes: Vec<Note>,
}

/// Joins the chain, oldest first, and the new input.
///
/// Every output must have its call before it and every call its output behind it, or the request is a 400.
/// Calls of a turn that did not complete may lack their output: they are dropped with a note.
pub fn build_context(history: Vec<HistoryTurn>, input: Vec<Item>) -> Result<Context, ApiError> {
    let mut answered: HashMap<String, usize> = HashMap::new();
    for turn in &history {
        count_outputs(&turn.input, &mut answered);
        count_outputs(&turn.output, &mut answered);
    }
    count_outputs(&input, &mut answered);

    let mut context = Context::default();
    for turn in history {
        context.items.extend(turn.input);
        let whole = turn.status == ResponseStatus::Completed;
        let output =
            if whole { turn.output } else { drop_unanswered(turn.output, &answered, &mut context.notes) };
        context.items.extend(output);
    }
    context.items.extend(input);
    check_pairs(&context.items)?;
    if context.items.is_empty() {
        let text = "Missing required parameter: 'input'.";
        return Err(ApiError::invalid("missing_required_parameter", "input", text));
    }
    Ok(context)
}

fn call_id(item: &Item) -> Option<&str> {
    match item {
        Item::FunctionCall(call) => Some(&call.call_id),
        Item::CustomToolCall(call) => Some(&call.call_id),
        Item::Message(_)
        | Item::FunctionCallOutput(_)
        | Item::CustomToolCallOutput(_)
        | Item::Reasoning(_)
        | Item::Compaction(_)
        | Item::ItemReference(_)
        | Item::Other(_) => None,
    }
}

fn output_id(item: &Item) -> Option<&str> {
    match item {
        Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => Some(&output.call_id),
        // Output of a call that the upstream ran by itself.
        Item::Other(other) if other.kind() == "function_call_output" => {
            other.0.get("call_id").and_then(serde_json::Value::as_str)
        }
        Item::Message(_)
        | Item::FunctionCall(_)
        | Item::CustomToolCall(_)
        | Item::Reasoning(_)
        | Item::Compaction(_)
        | Item::ItemReference(_)
        | Item::Other(_) => None,
    }
}

fn count_outputs(items: &[Item], answered: &mut HashMap<String, usize>) {
    for id in items.iter().filter_map(output_id) {
        *answered.entry(id.to_owned()).or_default() += 1;
    }
}

/// Removes calls nobody answered, and the thinking that led to nothing but them.
fn drop_unanswered(output: Vec<Item>, answered: &HashMap<String, usize>, notes: &mut Vec<Note>) -> Vec<Item> {
    let before = output.len();
    let mut kept: Vec<Item> =
        output.into_iter().filter(|item| call_id(item).is_none_or(|id| answered.contains_key(id))).collect();
    if kept.len() == before {
        return kept;
    }
    while matches!(kept.last(), Some(Item::Reasoning(_))) {
        kept.pop();
    }
    let field = "previous_response_id";
    if !notes.iter().any(|note| note.field == field) {
        notes.push(Note::emulated(field, "unanswered calls of an unfinished response were left out"));
    }
    kept
}

fn check_pairs(items: &[Item]) -> Result<(), ApiError> {
    // Hosts exist that use the same call id in every turn, so ids are counted and not just collected.
    let mut open: HashMap<&str, i64> = HashMap::new();
    for item in items {
        if let Some(id) = call_id(item) {
            *open.entry(id).or_default() += 1;
        }
        if let Some(id) = output_id(item) {
            match open.get_mut(id) {
                Some(count) if *count > 0 => *count -= 1,
                _ => {
                    return Err(unpaired(format!(
                        "No tool call found for function call output with call_id {id}."
                    )));
                }
            }
        }
    }
    // In order of the items, so that the message is the same every time.
    let unanswered = items.iter().filter_map(call_id).find(|id| open.get(id).is_some_and(|n| *n > 0));
    match unanswered {
        Some(id) => Err(unpaired(format!("No tool output found for function call {id}."))),
        None => Ok(()),
    }
}

fn unpaired(message: String) -> ApiError {
    ApiError::new(ErrorKind::InvalidRequest, message).with_param("input")
}
