//! What the next turn sees of this response.

use std::cell::LazyCell;
use std::ops::Range;
use std::sync::Arc;

use or_protocol::Item;

use super::ResponseLoop;
use crate::contract::Output;
use crate::mcp::{Left, Sides, remember_call};

impl ResponseLoop {
    /// The next turn sees what this one made, sealed state included.
    pub(super) fn continue_sampling(&mut self, out: &mut Output) {
        self.remember(self.turn.start..self.assembly.output.len());
        self.call_model(out);
    }

    /// Adds items of this response to the context.
    pub(super) fn remember(&mut self, made: Range<usize>) {
        let context = Arc::make_mut(&mut self.context);
        let sealed = &self.assembly.sealed;
        // Made once for all calls of a turn.
        let sides = LazyCell::new(|| Sides::of(&self.spec.mcp));
        let new = self.assembly.output.get(made.clone()).unwrap_or_default();
        for (index, item) in (made.start..).zip(new) {
            match remember_call(item, || &sides) {
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
                && let Ok(at) = sealed.binary_search_by_key(&index, |(at, _)| *at)
            {
                reasoning.encrypted_content = Some(sealed[at].1.clone());
            }
            self.spec.seal.open_item(&mut item);
            context.push(item);
        }
    }
}
