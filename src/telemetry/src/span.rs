//! One guard each for a response, a call of a provider and a run of a tool. It sets whatever is told of the thing:
//! span, log line and metrics. Nothing here holds keys or content.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_adapters::Note;
use or_keys::Client;
use or_protocol::{ApiError, ResponseId, Usage};
use tracing::{Span, debug_span};

use crate::{Metrics, millis};

/// Longest list of notes in a log line, in bytes.
const MAX_NOTES: usize = 1_000;

/// What is said of a response from its beginning, shared by all who say it.
#[derive(Clone, Debug)]
pub struct ResponseFacts {
    /// Its id.
    pub id: ResponseId,
    /// Of the HTTP request.
    pub request_id: String,
    /// Name of the client key that made the request; owner of the record.
    pub owner: String,
    /// Group of the client key that it shares budgets and limits with.
    pub group: Option<Arc<str>>,
    /// That client, as its key was when the request came; after a restart, as it was then.
    pub client: Arc<Client>,
    /// Model name as the client wrote it.
    pub model: String,
    /// Name of the provider that is asked first.
    pub provider: Arc<str>,
    /// Whether the client wants a stream.
    pub stream: bool,
    /// Whether it outlives its client.
    pub background: bool,
    /// When the request came.
    pub received: Instant,
}

/// A response from its request to its end. Whoever drops it without an end has failed.
#[derive(Debug)]
pub struct ResponseSpan {
    facts: Arc<ResponseFacts>,
    metrics: Metrics,
    span: Span,
    /// Who was asked last.
    provider: Arc<str>,
    /// Tokens that were counted already, as those of a provider that was asked before.
    counted: Usage,
    first_token: Option<Duration>,
    /// Of the request and what it refers to.
    context_bytes: Option<usize>,
    /// HTTP status and code.
    error: Option<(u16, String)>,
    over: bool,
}

impl ResponseSpan {
    /// It begins.
    pub fn new(metrics: &Metrics, facts: Arc<ResponseFacts>) -> Self {
        let span = debug_span!("response", response_id = %facts.id, model = facts.model);
        let (metrics, provider) = (metrics.clone(), Arc::clone(&facts.provider));
        Self {
            facts,
            metrics,
            span,
            provider,
            counted: Usage::default(),
            first_token: None,
            context_bytes: None,
            error: None,
            over: false,
        }
    }

    /// The model has begun to answer; only the first time counts.
    pub fn first_token(&mut self) {
        if self.first_token.is_none() {
            let after = self.facts.received.elapsed();
            self.first_token = Some(after);
            self.metrics.first_token(&self.provider, after);
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

    /// A call of a provider for this response begins. `usage`: of the response so far.
    pub fn sample(&mut self, provider: Arc<str>, turn: u32, usage: Option<&Usage>) -> SampleSpan {
        if self.provider != provider {
            // What was used so far is not this one's.
            self.count(usage.copied().unwrap_or_default());
            self.provider = Arc::clone(&provider);
        }
        let span = debug_span!(parent: &self.span, "sample", %provider, turn);
        let response_id = self.facts.id.clone();
        SampleSpan { response_id, provider, metrics: self.metrics.clone(), _span: span }
    }

    /// Counts the tokens that came since the last time as those of the provider that was asked last.
    fn count(&mut self, usage: Usage) {
        let input = usage.input_tokens.saturating_sub(self.counted.input_tokens);
        let output = usage.output_tokens.saturating_sub(self.counted.output_tokens);
        self.metrics.tokens(&self.provider, input, output);
        self.counted = usage;
    }

    /// Writes the one log line of the response and counts its end; later ends have no effect.
    ///
    /// `status`: how it ended; also `refused` before it began, and `parked` for one that the next start goes on with.
    pub fn end(&mut self, status: &'static str, usage: Option<Usage>, notes: &[Note]) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        let usage = usage.unwrap_or_default();
        self.count(usage);
        let ResponseFacts { id, request_id, model, stream, received, .. } = &*self.facts;
        let (took, provider) = (received.elapsed(), &self.provider);
        self.metrics.ended(provider, status, took);
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

/// One call of a provider for a response.
#[derive(Debug)]
pub struct SampleSpan {
    response_id: ResponseId,
    provider: Arc<str>,
    metrics: Metrics,
    /// Open while the call lasts.
    _span: Span,
}

impl SampleSpan {
    /// It failed, and nothing more is tried. `reason`: a closed word.
    pub fn failed(&self, reason: &'static str, error: &dyn fmt::Display) {
        let Self { response_id, provider, .. } = self;
        self.count(reason);
        tracing::warn!(%response_id, provider = &**provider, reason, %error, "provider call failed");
    }

    /// It failed, and is made again as number `retry`, after a pause.
    pub fn failed_for_now(
        &self,
        reason: &'static str,
        error: &dyn fmt::Display,
        retry: u32,
        after: Duration,
    ) {
        let Self { response_id, provider, .. } = self;
        self.count(reason);
        self.metrics.retried(provider);
        let after_ms = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
        tracing::warn!(
            %response_id, provider = &**provider, reason, %error, retry, after_ms,
            "provider call failed and is made again"
        );
    }

    /// It failed, and another target is asked.
    pub fn failed_over(&self, reason: &'static str, error: &dyn fmt::Display, to: &str) {
        let Self { response_id, provider, .. } = self;
        self.count(reason);
        self.metrics.fell_back(provider, to);
        tracing::warn!(
            %response_id, provider = &**provider, reason, %error, to,
            "provider call failed and another target is asked"
        );
    }

    fn count(&self, reason: &'static str) {
        self.metrics.upstream_error(&self.provider, reason);
        if reason == "panic" {
            self.metrics.panicked();
        }
    }
}

/// Who runs a tool.
#[derive(Clone, Debug)]
pub enum Runner {
    /// This server.
    Server {
        /// The tool.
        tool: String,
    },
    /// An MCP server. Its tools' names are not ours, so they are no labels.
    Mcp {
        /// The server's label.
        label: String,
    },
}

/// One run of a tool. Whoever drops it without an end was cancelled.
#[derive(Debug)]
pub struct ToolSpan {
    runner: Runner,
    response_id: ResponseId,
    call_id: String,
    metrics: Metrics,
    started: Instant,
    over: bool,
    _span: Span,
}

impl ToolSpan {
    /// It begins.
    pub fn new(metrics: &Metrics, runner: Runner, response_id: ResponseId, call_id: String) -> Self {
        let span = debug_span!("tool", %response_id, call_id);
        let (metrics, started) = (metrics.clone(), Instant::now());
        Self { runner, response_id, call_id, metrics, started, over: false, _span: span }
    }

    /// How long it has lasted.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// It is over. `result`: a closed word; after a panic `panic`, and `unknown` for a tool that there is not.
    pub fn end(&mut self, result: &'static str, took: Duration) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        if result == "panic" {
            self.metrics.panicked();
        }
        let Self { response_id, call_id, .. } = self;
        let duration_ms = millis(took);
        match &self.runner {
            Runner::Server { tool } => {
                // A name that no tool has is the model's invention, and no label.
                let tool = if result == "unknown" { "" } else { tool.as_str() };
                self.metrics.tool_run(tool, result, took);
                tracing::info!(%response_id, call_id, tool, result, duration_ms, "tool run");
            }
            Runner::Mcp { label } => {
                self.metrics.tool_run("mcp", result, took);
                tracing::info!(%response_id, call_id, label, result, duration_ms, "MCP tool run");
            }
        }
    }
}

impl Drop for ToolSpan {
    fn drop(&mut self) {
        let took = self.elapsed();
        self.end("cancelled", took);
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
