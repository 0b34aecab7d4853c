//! `webhook`: asks an HTTP endpoint at the hooks that it is for.

mod endpoint;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use or_protocol::{ErrorKind, Item, Output, Path, decode_item};
use or_telemetry::Metrics;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    End, EndFuture, Facts, Halt, HookFuture, Hooks, Middleware, MiddlewareSpec, SampledTurn, Stop,
    ToolOutcome, TurnRequest, Wants,
};
use endpoint::Endpoint;

/// Settings of a `webhook`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookOptions {
    /// `http` or `https`.
    pub url: String,
    /// When it is asked.
    pub hooks: Vec<WebhookHook>,
    /// Whether it may change the items of a turn, which are then not shown before it has answered.
    #[serde(default)]
    pub gathers: bool,
}

/// When an endpoint is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "names of hooks")]
pub enum WebhookHook {
    BeforeSample,
    AfterSample,
    OnToolResult,
    OnEnd,
}

/// The middleware.
pub struct Webhook {
    spec: MiddlewareSpec,
    url: String,
    /// May hold keys.
    headers: Vec<(String, String)>,
    tells_end: bool,
    endpoint: OnceLock<Endpoint>,
}

impl Webhook {
    /// With these settings. `headers` are sent with each question.
    ///
    /// # Errors
    /// Without an address or any hook.
    pub fn new(
        spec: MiddlewareSpec,
        options: WebhookOptions,
        headers: Vec<(String, String)>,
    ) -> Result<Self, String> {
        let WebhookOptions { url, hooks, gathers } = options;
        if url.is_empty() || hooks.is_empty() {
            return Err("`url` and `hooks` must not be empty".into());
        }
        let has = |hook| hooks.contains(&hook);
        let wants = Wants {
            before_sample: has(WebhookHook::BeforeSample),
            on_event: false,
            after_sample: has(WebhookHook::AfterSample),
            on_tool_result: has(WebhookHook::OnToolResult),
            gathers,
        };
        let tells_end = has(WebhookHook::OnEnd);
        let spec = MiddlewareSpec { in_place: false, wants, ..spec };
        Ok(Self { spec, url, headers, tells_end, endpoint: OnceLock::new() })
    }
}

impl Middleware for Webhook {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn start(&self, _: &Metrics) -> Result<(), String> {
        self.endpoint.get_or_init(|| Endpoint::new(self.url.clone(), self.headers.clone()));
        Ok(())
    }

    fn begin(&self, facts: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        let endpoint = self.endpoint.get()?.clone();
        Some(Box::new(Asking { facts: Arc::clone(facts), endpoint, tells_end: self.tells_end }))
    }
}

/// The questions of one response.
struct Asking {
    facts: Arc<Facts>,
    endpoint: Endpoint,
    tells_end: bool,
}

/// What an endpoint says; nothing of it: go on.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Answer {
    halt: Option<HaltSaid>,
    items: Option<Vec<Value>>,
    instructions: Option<String>,
    output: Option<Value>,
    headers: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HaltSaid {
    #[serde(default = "forbidden")]
    status: u16,
    code: String,
    message: String,
    retry_after_s: Option<u64>,
    /// Ends a response that was begun as incomplete, for this reason.
    incomplete: Option<String>,
}

fn forbidden() -> u16 {
    403
}

impl HaltSaid {
    fn halt(self) -> Halt {
        let kind = match self.status {
            401 => ErrorKind::Unauthorized,
            403 => ErrorKind::Forbidden,
            404 => ErrorKind::NotFound,
            409 => ErrorKind::Conflict,
            413 => ErrorKind::TooLarge,
            429 => ErrorKind::TooManyRequests,
            400..500 => ErrorKind::InvalidRequest,
            503 => ErrorKind::Unavailable,
            504 => ErrorKind::Timeout,
            _ => ErrorKind::Server,
        };
        let mut halt = Halt::new(kind, self.code, self.message);
        halt.error.retry_after_s = self.retry_after_s;
        match self.incomplete {
            Some(reason) => halt.incomplete(reason),
            None => halt,
        }
    }
}

impl Asking {
    /// Asks, with what every question has beside `what`.
    async fn ask(&self, hook: &str, mut what: Value) -> Result<Answer, Stop> {
        let facts = &*self.facts;
        let about = json!({
            "hook": hook,
            "response_id": facts.id.as_str(),
            "request_id": facts.request_id,
            "previous_response_id": facts.previous_response_id,
            "client": facts.owner,
            "group": facts.group.as_deref(),
            "model": facts.model,
            "provider": &*facts.provider,
            "stream": facts.stream,
            "background": facts.background,
            "metadata": facts.metadata,
        });
        if let (Value::Object(what), Value::Object(about)) = (&mut what, about) {
            what.extend(about);
        }
        let said = self.endpoint.ask(what.to_string()).await.map_err(Stop::Failed)?;
        let said = if said.trim_ascii().is_empty() { b"{}" } else { &said[..] };
        let answer: Answer = serde_json::from_slice(said)
            .map_err(|error| Stop::Failed(format!("the answer of the endpoint is wrong: {error}")))?;
        match answer.halt {
            Some(halt) => Err(halt.halt().into()),
            None => Ok(answer),
        }
    }
}

fn items(said: Vec<Value>) -> Result<Vec<Item>, Stop> {
    let read = |(at, value)| {
        let wrong = |error| Stop::Failed(format!("item {at} of the endpoint's answer is wrong: {error}"));
        decode_item(value, Path::Root).map_err(wrong)
    };
    said.into_iter().enumerate().map(read).collect()
}

impl Hooks for Asking {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        Box::pin(async move {
            let asked = json!({"turn": turn.turn, "attempt": turn.attempt, "items": turn.items(),
                               "instructions": turn.settings().instructions, "usage": turn.usage});
            let answer = self.ask("before_sample", asked).await?;
            if let Some(said) = answer.items {
                *turn.items_mut() = items(said)?;
            }
            if answer.instructions.is_some() {
                turn.settings_mut().instructions = answer.instructions;
            }
            answer.headers.into_iter().for_each(|(name, value)| turn.headers.set(name, value));
            Ok(())
        })
    }

    fn after_sample<'a>(&'a mut self, turn: &'a mut SampledTurn) -> HookFuture<'a> {
        Box::pin(async move {
            let asked = json!({"turn": turn.turn, "items": turn.items, "usage": turn.usage});
            let answer = self.ask("after_sample", asked).await?;
            if let Some(said) = answer.items {
                turn.items = items(said)?;
            }
            answer.headers.into_iter().for_each(|(name, value)| turn.headers.set(name, value));
            Ok(())
        })
    }

    fn on_tool_result<'a>(&'a mut self, outcome: &'a mut ToolOutcome) -> HookFuture<'a> {
        Box::pin(async move {
            let asked = json!({"call_id": outcome.call_id, "name": outcome.name, "server": outcome.server,
                               "arguments": outcome.arguments, "output": outcome.output, "failed": outcome.failed});
            let Some(output) = self.ask("on_tool_result", asked).await?.output else { return Ok(()) };
            let item = json!({"type": "function_call_output", "call_id": "-", "output": output});
            outcome.output = match items(vec![item])?.pop() {
                Some(Item::FunctionCallOutput(item)) => item.output,
                Some(_) | None => Output::Text(String::new()),
            };
            Ok(())
        })
    }

    fn on_end<'a>(&'a mut self, end: &'a End) -> EndFuture<'a> {
        Box::pin(async move {
            if !self.tells_end {
                return;
            }
            let code = end.error.as_ref().map(|error| error.code());
            let told = json!({"status": end.status.as_str(), "error_code": code, "usage": end.usage,
                              "duration_ms": u64::try_from(end.took.as_millis()).unwrap_or(u64::MAX)});
            if let Err(Stop::Failed(why)) = self.ask("on_end", told).await {
                tracing::warn!(response_id = %self.facts.id, why, "a webhook was not told of an end");
            }
        })
    }
}
