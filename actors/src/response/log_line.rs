//! The one log line of a request, and its metrics.

use std::time::{Duration, Instant};

use or_adapters::Note;
use or_engine::Outcome;
use or_protocol::{ApiError, Usage};

use crate::response::driver::outcome_word;
use crate::response::job::Job;
use or_telemetry::{Metrics, millis};

/// What is worth saying about a request once it is over. Never holds keys or content.
pub(crate) struct LogLine {
    response_id: String,
    request_id: String,
    model: String,
    provider: String,
    stream: bool,
    received: Instant,
    first_token: Option<Duration>,
    error: Option<(u16, String)>,
}

impl LogLine {
    pub(crate) fn new(job: &Job) -> Self {
        Self {
            response_id: job.id.to_string(),
            request_id: job.request.request_id.clone(),
            model: job.request.model.clone(),
            provider: job.provider().to_owned(),
            stream: job.request.body.stream,
            received: job.request.received,
            first_token: None,
            error: None,
        }
    }

    pub(crate) fn age(&self) -> Duration {
        self.received.elapsed()
    }

    /// Notes the first output; true the first time.
    pub(crate) fn first_token(&mut self) -> bool {
        let first = self.first_token.is_none();
        if first {
            self.first_token = Some(self.received.elapsed());
        }
        first
    }

    pub(crate) fn error(&mut self, error: &ApiError) {
        let code = error.code.clone().unwrap_or_else(|| error.kind.wire().1.to_owned());
        self.error = Some((error.status(), code));
    }

    /// Writes the line of a response that goes on at the next start.
    pub(crate) fn log_parked(&self, metrics: &Metrics) {
        self.write("parked", None, &[], metrics);
    }

    /// Writes the line and counts the end.
    pub(crate) fn log(
        &self,
        outcome: Option<Outcome>,
        usage: Option<Usage>,
        notes: &[Note],
        metrics: &Metrics,
    ) {
        self.write(outcome.map_or("refused", outcome_word), usage, notes, metrics);
    }

    fn write(&self, status: &'static str, usage: Option<Usage>, notes: &[Note], metrics: &Metrics) {
        let took = self.age();
        metrics.ended(&self.provider, status, took);
        let usage = usage.unwrap_or_default();
        metrics.tokens(&self.provider, usage.input_tokens, usage.output_tokens);
        let notes: Vec<&str> = notes.iter().map(|note| note.field.as_str()).collect();
        tracing::info!(
            request_id = self.request_id,
            response_id = self.response_id,
            model = self.model,
            provider = self.provider,
            status,
            http_status = self.error.as_ref().map(|(status, _)| *status),
            error_code = self.error.as_ref().map(|(_, code)| code.as_str()),
            stream = self.stream,
            duration_ms = millis(took),
            first_token_ms = self.first_token.map(millis),
            input_tokens = usage.input_tokens,
            output_tokens = usage.output_tokens,
            notes = notes.join(","),
            "response"
        );
    }
}
