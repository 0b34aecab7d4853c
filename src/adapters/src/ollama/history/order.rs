//! The order of items.

use std::collections::{HashMap, VecDeque};

use or_protocol::{Item, Role};

/// The items with each step's results right behind its calls and in their order, whatever else came between.
pub(super) fn results_behind_calls(context: &[Item]) -> Vec<&Item> {
    let mut results: HashMap<&str, VecDeque<&Item>> = HashMap::new();
    for item in context {
        if let Some(id) = result_of(item) {
            results.entry(id).or_default().push_back(item);
        }
    }
    let mut ordered = Vec::with_capacity(context.len());
    let mut calls: Vec<&str> = Vec::new();
    // Results that stand in the order before their place in the context.
    let mut early: HashMap<&str, usize> = HashMap::new();
    for item in context {
        match item {
            Item::FunctionCall(call) => calls.push(&call.call_id),
            Item::CustomToolCall(call) => calls.push(&call.call_id),
            Item::Reasoning(_) => {}
            Item::Message(message) if message.role == Role::Assistant => {}
            _ => {
                for call in calls.drain(..) {
                    if let Some(result) = results.get_mut(call).and_then(VecDeque::pop_front) {
                        *early.entry(call).or_default() += 1;
                        ordered.push(result);
                    }
                }
            }
        }
        let Some(id) = result_of(item) else {
            ordered.push(item);
            continue;
        };
        match early.get_mut(id) {
            Some(count) if *count > 0 => *count -= 1,
            _ => {
                if let Some(queue) = results.get_mut(id) {
                    queue.pop_front();
                }
                ordered.push(item);
            }
        }
    }
    ordered
}

/// The call that an item is a result of.
fn result_of(item: &Item) -> Option<&str> {
    match item {
        Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => Some(&output.call_id),
        _ => None,
    }
}
