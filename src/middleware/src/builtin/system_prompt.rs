//! `system_prompt`: puts a text before or behind the instructions.

use std::future::ready;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Facts, HookFuture, Hooks, Middleware, MiddlewareSpec, TurnRequest, Wants};

/// Settings of a `system_prompt`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SystemPromptOptions {
    /// What is added; an empty line is between.
    pub text: String,
    /// Where.
    #[serde(default)]
    pub position: Position,
}

/// Where a text is added to the instructions of a request.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// Before them.
    #[default]
    Prepend,
    /// Behind them.
    Append,
}

/// The middleware.
pub struct SystemPrompt {
    spec: MiddlewareSpec,
    options: Arc<SystemPromptOptions>,
}

impl SystemPrompt {
    /// With these settings.
    ///
    /// # Errors
    /// Without a text.
    pub fn new(spec: MiddlewareSpec, options: SystemPromptOptions) -> Result<Self, String> {
        if options.text.is_empty() {
            return Err("`text` must not be empty".into());
        }
        let wants = Wants { before_sample: true, ..Wants::NONE };
        Ok(Self { spec: MiddlewareSpec { in_place: true, wants, ..spec }, options: Arc::new(options) })
    }
}

impl Middleware for SystemPrompt {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn begin(&self, _: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        Some(Box::new(Prompting(Arc::clone(&self.options))))
    }
}

struct Prompting(Arc<SystemPromptOptions>);

impl Hooks for Prompting {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        let SystemPromptOptions { text, position } = &*self.0;
        let instructions = &mut turn.settings_mut().instructions;
        *instructions = Some(match (instructions.take().filter(|own| !own.is_empty()), position) {
            (None, _) => text.clone(),
            (Some(own), Position::Prepend) => format!("{text}\n\n{own}"),
            (Some(own), Position::Append) => format!("{own}\n\n{text}"),
        });
        Box::pin(ready(Ok(())))
    }
}
