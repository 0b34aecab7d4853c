//! A turn that breaks off and goes on at another provider: the same response, the same item.

use std::sync::Arc;

use or_adapters::{ModelEvent, Note};
use or_protocol::{ContentPart, Extra, Item, Message, Role, TextFormat};

use super::joint::{Joint, Passed};
use super::{ResponseLoop, State, Turn};
use crate::contract::{Action, Output};

/// What a provider is told that cannot be given the beginning of its own answer.
const GO_ON: &str = "Your last message was cut off. Continue it exactly where it ends, in the middle of a word if need be. Do \
                     not repeat any of it, do not comment on the interruption, and write nothing before the continuation.";

impl ResponseLoop {
    /// Whether another provider can go on with the running turn, of which something was shown: text, or thoughts
    /// before it. Half a call, half a structured answer and half of what a provider's own tools did belong to who made
    /// them, and log probabilities are counted by token.
    pub fn can_go_on(&self) -> bool {
        let settings = &self.spec.settings;
        let free = match settings.text.format {
            TextFormat::Text => true,
            TextFormat::JsonObject | TextFormat::JsonSchema(_) => self.assembly.growing_text().is_none(),
        };
        self.state == State::Sampling
            && free
            && !settings.wants_logprobs()
            && self.turn.calls == 0
            && self.assembly.can_go_on(self.turn.start)
    }

    /// The turn goes on elsewhere: what it counted is counted, its message stays open.
    pub(super) fn take_over(&mut self, prefills: bool, out: &mut Output) {
        self.end_turn();
        self.assembly.hand_over(&mut self.writer);
        let start = self.turn.start;
        let shown = self.assembly.growing_text().map(str::to_owned);
        self.turn = Turn { start, ..Turn::default() };
        if let Some(shown) = shown {
            if !shown.trim_end().is_empty() {
                self.show_beginning(start, prefills);
            }
            self.turn.joint = Some(Box::new(Joint::new(shown, prefills)));
        }
        out.next = Some(Action::CallModel);
    }

    /// Puts what the turn has said so far behind the context, until it ends.
    fn show_beginning(&mut self, start: usize, prefills: bool) {
        let context = Arc::make_mut(&mut self.context);
        self.turn.context = Some(context.len());
        for item in self.assembly.output.iter().skip(start) {
            if let Item::Message(message) = item {
                let mut message = Message { id: None, status: None, ..message.clone() };
                for part in &mut message.content {
                    if let ContentPart::OutputText { text, annotations, .. } = part {
                        text.truncate(text.trim_end().len());
                        annotations.clear();
                    }
                }
                context.push(Item::Message(message));
            }
        }
        if !prefills {
            let content = vec![ContentPart::text(GO_ON)];
            let (role, extra) = (Role::User, Extra::NONE);
            context.push(Item::Message(Message {
                id: None,
                status: None,
                role,
                content,
                phase: None,
                extra,
            }));
        }
    }

    /// Takes that back.
    pub(super) fn hide_beginning(&mut self) {
        if let Some(length) = self.turn.context.take() {
            Arc::make_mut(&mut self.context).truncate(length);
        }
    }

    /// Lets what the next provider does through the joint.
    pub(super) fn join(&mut self, event: ModelEvent, now: i64, out: &mut Output) {
        let Some(joint) = &mut self.turn.joint else { return self.model(event, now, out) };
        match joint.pass(event) {
            Passed::On(event) => self.model(event, now, out),
            Passed::Held => {}
            Passed::Swallowed => {
                let why = "the thoughts of the provider that took over are left out: they came before the rest of the text";
                self.note(Note::dropped("output.reasoning", why));
            }
            Passed::Over(block, events) => {
                self.turn.joint = None;
                self.turn.joined = Some(block);
                self.assembly.goes_on_in(block);
                for event in events {
                    self.model(event, now, out);
                }
            }
        }
    }
}
