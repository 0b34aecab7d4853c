//! `turn_limit`: ends a response that would ask the model too often.

use std::future::ready;
use std::sync::Arc;

use or_protocol::ErrorKind;
use serde::{Deserialize, Serialize};

use crate::{Facts, Halt, HookFuture, Hooks, Middleware, MiddlewareSpec, TurnRequest, Wants};

/// Settings of a `turn_limit`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TurnLimitOptions {
    /// Turns of one response, over restarts; at least 1.
    pub max_turns: u32,
}

/// The middleware.
pub struct TurnLimit {
    spec: MiddlewareSpec,
    max_turns: u32,
}

impl TurnLimit {
    /// With these settings.
    ///
    /// # Errors
    /// Without any turn.
    pub fn new(
        spec: MiddlewareSpec,
        TurnLimitOptions { max_turns }: TurnLimitOptions,
    ) -> Result<Self, String> {
        if max_turns == 0 {
            return Err("`max_turns` must be at least 1".into());
        }
        let wants = Wants { before_sample: true, ..Wants::NONE };
        Ok(Self { spec: MiddlewareSpec { in_place: true, wants, ..spec }, max_turns })
    }
}

impl Middleware for TurnLimit {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn begin(&self, _: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        Some(Box::new(Limited(self.max_turns)))
    }
}

struct Limited(u32);

impl Hooks for Limited {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        let max = self.0;
        if turn.turn <= max {
            return Box::pin(ready(Ok(())));
        }
        let text = format!("The response needs more than {max} turns.");
        let halt = Halt::new(ErrorKind::TooManyRequests, "turn_limit", text).incomplete("turn_limit");
        Box::pin(ready(Err(halt.into())))
    }
}
