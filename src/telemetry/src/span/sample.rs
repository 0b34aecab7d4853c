//! One turn of a loop: a call of a model, and what comes of it.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_adapters::{FinishReason, ModelEvent};
use or_protocol::Settings;
use tracing::{Level, Span, debug_span, event};
use url::Url;

use super::facts::{Asked, ResponseFacts};
use super::lifecycle::{self, LIFECYCLE};
use crate::metrics::{Attempt, ModelSeries};
use crate::trace::{Kind, OpenSpan, Value, names};
use crate::{Metrics, millis};

/// One turn, from its translation on. Whoever drops it without an end was cancelled.
#[derive(Debug)]
pub struct SampleSpan {
    facts: Arc<ResponseFacts>,
    provider: Arc<str>,
    iteration: u32,
    attempt: Attempt,
    metrics: Metrics,
    series: Arc<ModelSeries>,
    call: Call,
    action: &'static str,
    begun: Instant,
    span: Span,
    chat: Option<Box<OpenSpan>>,
    /// What OpenTelemetry calls the provider, and what is asked of it.
    gen_ai: (Option<&'static str>, &'static str),
}

/// How far the call of the provider is.
#[derive(Debug)]
enum Call {
    /// It was not made.
    None,
    /// Since when it is under way, when its first output came and (where that is measured) its last, and how many tokens it says it has.
    Open { since: Instant, first: Option<Instant>, last: Option<Instant>, tokens: u64 },
    /// It took so long.
    Over(Duration),
}

impl SampleSpan {
    pub(super) fn new(
        facts: &Arc<ResponseFacts>,
        metrics: &Metrics,
        series: Arc<ModelSeries>,
        parent: &Span,
        provider: Arc<str>,
        iteration: u32,
        attempt: Attempt,
    ) -> Self {
        series.iteration();
        let (id, model) = (facts.id.as_str(), facts.model.as_str());
        let span = debug_span!(target: LIFECYCLE, parent: parent, "loop_iteration", response_id = id, model, %provider, iteration);
        event!(
            name: "loop_iteration.start", target: LIFECYCLE, parent: &span, Level::DEBUG,
            response_id = id, model, provider = &*provider, iteration
        );
        Self {
            facts: Arc::clone(facts),
            provider,
            iteration,
            attempt,
            metrics: metrics.clone(),
            series,
            call: Call::None,
            action: "cancel",
            begun: Instant::now(),
            span,
            chat: None,
            gen_ai: facts.gen_ai,
        }
    }

    /// Says whom the call is made of, and begins its span, if there are spans.
    pub(super) fn trace(&mut self, parent: Option<&OpenSpan>, asked: &Asked<'_>) {
        self.gen_ai = asked.gen_ai;
        let Some(parent) = parent else { return };
        let Asked { model, gen_ai: (provider, operation), .. } = *asked;
        let mut chat = parent.child(|| format!("{operation} {model}"), Kind::Client);
        chat.set(names::OPERATION, operation);
        chat.set(names::PROVIDER, provider.unwrap_or(&self.provider));
        chat.set(names::REQUEST_MODEL, model);
        chat.set(names::REQUEST_STREAM, self.facts.stream);
        chat.set(names::ITERATION, u64::from(self.iteration));
        self.chat = Some(Box::new(chat));
    }

    /// What the request says of how the model is to answer, and where it is asked.
    pub fn request(&mut self, settings: &Settings, base_url: &str) {
        let Some(chat) = &mut self.chat else { return };
        chat.set_some(names::REQUEST_MAX_TOKENS, settings.max_output_tokens);
        chat.set_some(names::REQUEST_TEMPERATURE, settings.temperature);
        chat.set_some(names::REQUEST_TOP_P, settings.top_p);
        if let Ok(url) = Url::parse(base_url) {
            chat.set_some(names::SERVER_ADDRESS, url.host_str());
            chat.set_some(names::SERVER_PORT, url.port_or_known_default().map(u64::from));
        }
    }

    /// What the provider is told of the span.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        self.chat.as_ref().map(|chat| chat.context().headers()).unwrap_or_default()
    }

    /// The provider is asked.
    pub fn asked(&mut self) {
        self.call = Call::Open { since: Instant::now(), first: None, last: None, tokens: 0 };
        let Self { facts, iteration, provider, span, .. } = &*self;
        event!(
            name: "adapter_stream.start", target: LIFECYCLE, parent: span, Level::DEBUG,
            response_id = facts.id.as_str(), model = facts.model, iteration, provider = &**provider
        );
    }

    /// The model did something.
    pub fn said(&mut self, events: &[ModelEvent]) {
        lifecycle::chunks(&self.facts.id, &self.facts.model, self.iteration, events);
        self.measure_chunk();
        let Call::Open { first, tokens, .. } = &mut self.call else { return };
        let told = events.iter().rev().find_map(|event| match event {
            ModelEvent::Usage(usage) => Some(usage.output_tokens),
            _ => None,
        });
        *tokens = told.unwrap_or(*tokens);
        if let Some(chat) = &mut self.chat {
            trace_answer(chat, events, first.is_none().then(|| self.begun.elapsed()));
        }
        let over = matches!(events.last(), Some(ModelEvent::Finished { .. }));
        match first {
            // What comes in one piece has nothing between its tokens.
            Some(first) if over => self.series.between_tokens(first.elapsed(), tokens.saturating_sub(1)),
            Some(_) => {}
            None => *first = Some(Instant::now()),
        }
        if over {
            self.close(Some(200), "ok");
        }
    }

    /// How long a piece of a stream took, if a collector wants to know.
    fn measure_chunk(&mut self) {
        let Some(gen_ai) = self.metrics.gen_ai().filter(|_| self.facts.stream) else { return };
        let labels = self.labels("");
        let Call::Open { since, last, .. } = &self.call else { return };
        let now = Instant::now();
        match last {
            None => gen_ai.first_chunk.observe(labels, now - *since),
            Some(last) => gen_ai.output_chunk.observe(labels, now - *last),
        }
        if let Call::Open { last, .. } = &mut self.call {
            *last = Some(now);
        }
    }

    /// Attributes of a call of a model.
    fn labels<'a>(&'a self, error: &'a str) -> [&'a str; 4] {
        let (provider, operation) = self.gen_ai;
        [operation, provider.unwrap_or(&self.provider), &self.series.model, error]
    }

    /// The call failed, and nothing more is tried. `reason`: a closed word; `status`: of the provider's HTTP answer.
    pub fn failed(&mut self, reason: &'static str, status: Option<u16>, error: &dyn fmt::Display) {
        self.count(reason, status);
        let (response_id, provider) = (&self.facts.id, &*self.provider);
        tracing::warn!(%response_id, provider, reason, %error, "provider call failed");
    }

    /// It failed, and is made again as number `retry`, after a pause.
    pub fn failed_for_now(
        &mut self,
        reason: &'static str,
        status: Option<u16>,
        error: &dyn fmt::Display,
        retry: u32,
        after: Duration,
    ) {
        self.count(reason, status);
        self.metrics.retried(&self.provider);
        let (response_id, provider) = (&self.facts.id, &*self.provider);
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            %response_id, provider, reason, %error, retry, after_ms,
            "provider call failed and is made again"
        );
    }

    /// It failed, and another target is asked.
    pub fn failed_over(
        &mut self,
        reason: &'static str,
        status: Option<u16>,
        error: &dyn fmt::Display,
        to: &str,
    ) {
        self.count(reason, status);
        self.metrics.fell_back(&self.provider, to);
        let (response_id, provider) = (&self.facts.id, &*self.provider);
        tracing::warn!(
            %response_id, provider, reason, %error, to,
            "provider call failed and another target is asked"
        );
    }

    fn count(&mut self, reason: &'static str, status: Option<u16>) {
        self.metrics.upstream_error(&self.provider, reason);
        if reason == "panic" {
            self.metrics.panicked();
        }
        self.close(status, reason);
    }

    fn close(&mut self, status: Option<u16>, result: &'static str) {
        if let Some(mut chat) = self.chat.take()
            && result != "ok"
        {
            chat.fail(result);
            chat.set_some(names::STATUS, status.map(u64::from));
        }
        let Call::Open { since, .. } = self.call else { return };
        let took = since.elapsed();
        self.call = Call::Over(took);
        self.metrics.upstream(&self.provider, status, self.attempt, took);
        if let Some(gen_ai) = self.metrics.gen_ai() {
            gen_ai.operation.observe(self.labels(if result == "ok" { "" } else { result }), took);
        }
        let Self { facts, iteration, provider, span, .. } = &*self;
        event!(
            name: "adapter_stream.stop", target: LIFECYCLE, parent: span, Level::DEBUG,
            response_id = facts.id.as_str(), model = facts.model, iteration, provider = &**provider, result,
            duration_ms = millis(took)
        );
    }

    /// The turn is over. `action`: what comes next, a closed word: `run_tools`, `sample` (once more), `end`, `park`.
    ///
    /// Gives back how long the provider was at work.
    #[must_use]
    pub fn end(mut self, action: &'static str) -> Duration {
        self.action = action;
        self.close(None, "cancelled");
        match self.call {
            Call::Over(took) => took,
            Call::None | Call::Open { .. } => Duration::ZERO,
        }
    }
}

/// Notes what a model did, as far as spans have a place for it. `first`: how long its first output took, if this is it.
fn trace_answer(chat: &mut OpenSpan, events: &[ModelEvent], first: Option<Duration>) {
    chat.set_some(names::FIRST_CHUNK, first.map(|took| took.as_secs_f64()));
    let usage = events.iter().rev().find_map(|event| match event {
        ModelEvent::Usage(usage) => Some(usage),
        _ => None,
    });
    if let Some(usage) = usage {
        chat.usage(usage);
    }
    if let Some(ModelEvent::Finished { reason }) = events.last() {
        let word = match reason {
            FinishReason::Stop => "stop",
            FinishReason::MaxOutputTokens => "length",
            FinishReason::ContentFilter => "content_filter",
            FinishReason::Pause => "pause",
        };
        chat.set(names::FINISH_REASONS, Value::Texts(word));
    }
}

impl Drop for SampleSpan {
    fn drop(&mut self) {
        self.close(None, "cancelled");
        let Self { facts, iteration, action, span, begun, .. } = &*self;
        event!(
            name: "loop_iteration.stop", target: LIFECYCLE, parent: span, Level::DEBUG,
            response_id = facts.id.as_str(), model = facts.model, iteration, action,
            duration_ms = millis(begun.elapsed())
        );
    }
}
