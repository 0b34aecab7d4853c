//! What the next turn sees of this response.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use or_protocol::Item;

use super::ResponseLoop;
use crate::contract::Output;
use crate::mcp::{Left, remember_call};

impl ResponseLoop {
    /// The next turn sees what this one made, sealed state included.
    pub(super) fn continue_sampling(&mut self, out: &mut Output) {
        self.remember(self.turn.start..self.assembly.output.len());
        self.call_model(out);
    }

    /// Adds items of this response to the context.
    pub(super) fn remember(&mut self, made: Range<usize>) {
        let context = Arc::make_mut(&mut self.context);
        let sealed: HashMap<_, _> = self.assembly.sealed.iter().map(|(at, text)| (*at, text)).collect();
        for (index, item) in self.assembly.output.iter().enumerate().take(made.end).skip(made.start) {
            match remember_call(item, &self.spec.mcp) {
                Left::AsItIs => {}
                Left::Out => continue,
                Left::Call(call, output) => {
                    context.push(Item::FunctionCall(*call));
                    context.extend(output.map(Item::FunctionCallOutput));
                    continue;
                }
            }
            let mut item = item.clone();
            if let Item::Reasoning(reasoning) = &mut item
                && let Some(sealed) = sealed.get(&index)
            {
                reasoning.encrypted_content = Some((*sealed).clone());
            }
            self.spec.seal.open_item(&mut item);
            context.push(item);
        }
    }
}
