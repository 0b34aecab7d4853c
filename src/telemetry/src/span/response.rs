//! A response from its request to its end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use or_adapters::Note;
use or_protocol::{ApiError, Usage};
use tracing::{Level, Span, debug_span, event};

use super::facts::{Asked, ResponseFacts};
use super::lifecycle::{self, LIFECYCLE};
use super::sample::SampleSpan;
use crate::metrics::{Attempt, ModelSeries};
use crate::trace::{Kind, OpenSpan, TraceContext, names};
use crate::{Metrics, millis};

/// Longest list of notes in a log line, in bytes.
const MAX_NOTES: usize = 1_000;

/// A response from its request to its end. Whoever drops it without an end has failed.
#[derive(Debug)]
pub struct ResponseSpan {
    facts: Arc<ResponseFacts>,
    metrics: Metrics,
    /// Of the model that is heard, or was last.
    series: Arc<ModelSeries>,
    /// Name and kind of its provider.
    provider: (Arc<str>, &'static str),
    /// What OpenTelemetry calls it, and what is asked of it.
    gen_ai: (Option<&'static str>, &'static str),
    /// That model, if it is not the first one.
    model: Option<String>,
    /// Tokens that were counted already, as those of a model that was heard before.
    counted: Usage,
    span: Span,
    /// In which a provider or tools were at work.
    outside: Duration,
    first_token: Option<Duration>,
    /// Of the request and what it refers to.
    context_bytes: Option<usize>,
    /// HTTP status and code.
    error: Option<(u16, String)>,
    /// Of the request, and of the loop in it if tools run on this server. The inner one ends first.
    agent: Option<Box<OpenSpan>>,
    /// Since when that loop runs.
    agent_since: Option<Instant>,
    request: Option<Box<OpenSpan>>,
    over: bool,
}

impl ResponseSpan {
    /// It begins.
    ///
    /// `request`: the span of its HTTP request; without one, where there are spans, it begins one of its own.
    pub fn new(metrics: &Metrics, facts: Arc<ResponseFacts>, request: Option<Box<OpenSpan>>) -> Self {
        let ResponseFacts { id, model, provider, stream, background, owner, .. } = &*facts;
        let span = debug_span!(target: LIFECYCLE, "request", response_id = %id, model);
        event!(
            name: "request.start", target: LIFECYCLE, parent: &span, Level::DEBUG,
            response_id = id.as_str(), model, provider = &**provider, stream, background, client = owner
        );
        let series = metrics.of_model(&facts.upstream_model, provider);
        let mut request = request.or_else(|| {
            let tracer = metrics.tracer()?;
            Some(Box::new(tracer.begin(None, || "resume response".to_owned(), Kind::Internal)))
        });
        if let Some(request) = &mut request {
            request.set(names::RESPONSE_ID, id.as_str());
            request.set(names::CLIENT, owner.as_str());
        }
        let provider = (Arc::clone(&facts.provider), facts.provider_kind);
        let gen_ai = facts.gen_ai;
        let (metrics, outside) = (metrics.clone(), Duration::ZERO);
        let (first_token, context_bytes, error, over) = (None, None, None, false);
        Self {
            facts,
            metrics,
            series,
            provider,
            model: None,
            gen_ai,
            counted: Usage::default(),
            span,
            outside,
            first_token,
            context_bytes,
            error,
            agent: None,
            agent_since: None,
            request,
            over,
        }
    }

    /// The model has begun to answer; only the first time counts.
    pub fn first_token(&mut self) {
        if self.first_token.is_none() {
            let after = self.facts.received.elapsed();
            self.first_token = Some(after);
            self.series.first_token(after);
        }
    }

    /// Something went wrong; the last one stands in the log.
    pub fn error(&mut self, error: &ApiError) {
        let code = error.code().to_owned();
        self.error = Some((error.status(), code));
    }

    /// The request and what it refers to have so many bytes.
    pub fn context(&mut self, bytes: usize) {
        self.context_bytes = Some(bytes);
    }

    /// A panic was caught.
    pub fn panicked(&self) {
        self.metrics.panicked();
        tracing::error!(response_id = %self.facts.id, "a panic ended this response");
    }

    /// Tools of this server may run in it, for this agent.
    pub fn agent(&mut self, name: &str, conversation: Option<&str>) {
        self.agent_since = self.metrics.gen_ai().map(|_| Instant::now());
        let Some(request) = &self.request else { return };
        let mut agent = request.child(|| format!("invoke_agent {name}"), Kind::Internal);
        agent.set(names::OPERATION, "invoke_agent");
        agent.set(names::AGENT, name);
        agent.set_some(names::CONVERSATION, conversation);
        self.agent = Some(Box::new(agent));
    }

    /// What calls of tools are children of.
    pub fn trace(&self) -> Option<TraceContext> {
        self.parent().map(|span| span.context().clone())
    }

    fn parent(&self) -> Option<&OpenSpan> {
        self.agent.as_deref().or(self.request.as_deref())
    }

    fn end_spans(&mut self, status: &str, usage: &Usage, notes: &[Note]) {
        let Some(mut request) = self.request.take() else { return };
        let error = match (&self.error, status) {
            (Some((_, code)), _) => Some(code.as_str()),
            (None, "failed" | "refused") => Some(status),
            (None, _) => None,
        };
        if let Some(mut agent) = self.agent.take() {
            agent.usage(usage);
            if let Some(error) = error {
                agent.fail(error);
            }
        }
        if !notes.is_empty() {
            request.set(names::NOTES, fields(notes));
        }
        let http_status = self.error.as_ref().map_or(200, |(status, _)| u64::from(*status));
        request.set(names::STATUS, http_status);
        if let Some(error) = error {
            request.fail(error);
        }
    }

    /// Counts the end by the conventions of OpenTelemetry, if a collector wants it.
    fn measure(&self, status: &'static str) {
        let Some(gen_ai) = self.metrics.gen_ai() else { return };
        // Codes can be a provider's words; statuses are few.
        let http_status = self.error.as_ref().map(|(status, _)| status.to_string());
        let error = match (&http_status, status) {
            (Some(status), _) => status,
            (None, "failed" | "refused") => status,
            (None, _) => "",
        };
        let (provider, operation) = self.gen_ai;
        let provider = provider.unwrap_or(&self.provider.0);
        let labels = [operation, provider, &self.series.model, error];
        gen_ai.request.observe(labels, self.facts.received.elapsed());
        if let Some(since) = self.agent_since {
            gen_ai.agent.observe(["invoke_agent", error], since.elapsed());
        }
    }

    /// A turn of the loop begins. `attempt`: why this call is made.
    pub fn sample(&self, asked: &Asked<'_>, turn: u32, attempt: Attempt) -> SampleSpan {
        let Self { facts, metrics, series, span, .. } = self;
        let series = match self.hears_already(asked) {
            true => Arc::clone(series),
            false => metrics.of_model(asked.model, asked.provider),
        };
        let provider = Arc::clone(asked.provider);
        let mut turn = SampleSpan::new(facts, metrics, series, span, provider, turn, attempt);
        turn.trace(self.parent(), asked);
        turn
    }

    /// Whose answer is heard from now on. `usage`: of the response so far, which is not this one's.
    pub fn hears(&mut self, asked: &Asked<'_>, usage: Option<&Usage>) {
        if !self.hears_already(asked) {
            self.count(usage.copied().unwrap_or_default());
            self.series = self.metrics.of_model(asked.model, asked.provider);
            self.provider = (Arc::clone(asked.provider), asked.kind);
            self.gen_ai = asked.gen_ai;
            self.model = Some(asked.model.to_owned());
        }
    }

    fn hears_already(&self, asked: &Asked<'_>) -> bool {
        let model = self.model.as_ref().unwrap_or(&self.facts.upstream_model);
        self.provider.0 == *asked.provider && model == asked.model
    }

    /// Counts the tokens that came since the last time as those of the model that was heard.
    fn count(&mut self, usage: Usage) {
        self.series.tokens(&self.counted, &usage);
        self.counted = usage;
    }

    /// A provider or tools were at work for so long, and this server waited.
    pub fn waited(&mut self, took: Duration) {
        self.outside += took;
    }

    /// Counts events of the stream, by their types.
    pub fn counted(&self, events: &[(&'static str, u64)]) {
        self.metrics.stream_events(events);
    }

    /// These frames of the stream are told.
    pub fn told(&self, frames: &[u8]) {
        lifecycle::stream_events(&self.facts.id, frames);
    }

    /// Writes the one log line of the response and counts its end; later ends have no effect.
    ///
    /// `status`: how it ended; also `refused` before it began, and `parked` for one that the next start goes on with.
    pub fn end(&mut self, status: &'static str, usage: Option<Usage>, notes: &[Note]) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let usage = usage.unwrap_or_default();
        self.end_spans(status, &usage, notes);
        self.measure(status);
        self.count(usage);
        let ResponseFacts { id, request_id, model, stream, received, .. } = &*self.facts;
        let (provider, kind) = &self.provider;
        let took = received.elapsed();
        self.series.ended(status, took, self.outside);
        self.metrics.notes(kind, notes);
        event!(
            name: "request.stop", target: LIFECYCLE, parent: &self.span, Level::DEBUG,
            response_id = id.as_str(), model, status, duration_ms = millis(took)
        );
        tracing::info!(
            parent: &self.span,
            request_id,
            response_id = id.as_str(),
            model,
            provider = &**provider,
            status,
            http_status = self.error.as_ref().map(|(status, _)| *status),
            error_code = self.error.as_ref().map(|(_, code)| code.as_str()),
            stream,
            duration_ms = millis(took),
            first_token_ms = self.first_token.map(millis),
            context_bytes = self.context_bytes,
            input_tokens = usage.input_tokens,
            output_tokens = usage.output_tokens,
            notes = fields(notes),
            "response"
        );
    }
}

/// The fields that notes are about, as far as one line shall hold them.
fn fields(notes: &[Note]) -> String {
    let mut line = String::new();
    for (index, note) in notes.iter().enumerate() {
        if line.len() + note.field.len() > MAX_NOTES {
            line.push_str(&format!(",… (and {} more)", notes.len() - index));
            break;
        }
        if index > 0 {
            line.push(',');
        }
        line.push_str(&note.field);
    }
    line
}

impl Drop for ResponseSpan {
    fn drop(&mut self) {
        self.end("failed", None, &[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_fields_of_notes_as_far_as_it_goes() {
        let note = |n: usize| Note::dropped(format!("tools[{n}]"), "why");
        assert_eq!(fields(&[note(1), note(2)]), "tools[1],tools[2]");
        let line = fields(&(0..1000).map(note).collect::<Vec<_>>());
        assert!(line.len() < MAX_NOTES + 100 && line.ends_with(" more)"), "{line}");
    }
}
