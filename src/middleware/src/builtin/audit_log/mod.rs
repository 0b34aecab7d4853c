//! `audit_log`: one line of JSON for each response, in a file.

mod writer;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use or_protocol::Item;
use or_telemetry::Metrics;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    End, EndFuture, Facts, HookFuture, Hooks, Middleware, MiddlewareSpec, SampledTurn, ToolOutcome,
    TurnRequest, Wants,
};
use writer::{Files, Writer};

/// Bytes of the input and of the output in one line; the rest is cut off.
const MAX_CONTENT: usize = 64 * 1024;
/// Names of tools in one line.
const MAX_TOOLS: usize = 100;

/// Settings of an `audit_log`.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditLogOptions {
    /// The file; older ones stand beside it, with `.1` and so on behind its name.
    pub path: PathBuf,
    /// What is said of input and output.
    #[serde(default)]
    pub content: AuditContent,
    /// Bytes of a file, before the next is begun.
    #[serde(default = "usual_bytes")]
    pub max_file_bytes: u64,
    /// Seconds for which a file is written; 0: for any time.
    #[serde(default = "usual_age")]
    pub max_file_age_s: u64,
    /// Older files that are kept.
    #[serde(default = "usual_files")]
    pub max_files: u32,
}

fn usual_bytes() -> u64 {
    100 << 20
}

fn usual_age() -> u64 {
    86_400
}

fn usual_files() -> u32 {
    10
}

/// What an audit log says of input and output.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditContent {
    /// Nothing.
    #[default]
    Off,
    /// SHA-256 of them as JSON, to tell whether a text is the same.
    Hashed,
    /// Themselves, as JSON.
    On,
}

/// The middleware.
pub struct AuditLog {
    spec: MiddlewareSpec,
    options: AuditLogOptions,
    writer: Mutex<Option<Arc<Writer>>>,
}

impl AuditLog {
    /// With these settings. The file is opened when the server starts.
    pub fn new(spec: MiddlewareSpec, options: AuditLogOptions) -> Self {
        let reads = options.content != AuditContent::Off;
        // To write contents as JSON takes its time.
        let wants = Wants { before_sample: true, after_sample: reads, on_tool_result: true, ..Wants::NONE };
        Self { spec: MiddlewareSpec { in_place: !reads, wants, ..spec }, options, writer: Mutex::default() }
    }
}

impl Middleware for AuditLog {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn start(&self, metrics: &Metrics) -> Result<(), String> {
        let AuditLogOptions { path, max_file_bytes, max_file_age_s, max_files, .. } = &self.options;
        let files = Files {
            path: path.clone(),
            max_bytes: *max_file_bytes,
            max_age: (*max_file_age_s > 0).then(|| Duration::from_secs(*max_file_age_s)),
            keep: *max_files,
        };
        let writer = Writer::start(files, metrics.clone())
            .map_err(|error| format!("`path` {} cannot be written: {error}", path.display()))?;
        *self.writer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(writer));
        Ok(())
    }

    fn begin(&self, facts: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        let (facts, content) = (Arc::clone(facts), self.options.content);
        let said = || Said::new(content);
        Some(Box::new(Auditing {
            facts,
            writer,
            turns: 0,
            tools: BTreeSet::new(),
            input: said(),
            output: said(),
        }))
    }
}

/// What was said, as far as it is to be told.
struct Said {
    content: AuditContent,
    hash: Sha256,
    text: String,
    is_any: bool,
}

impl Said {
    fn new(content: AuditContent) -> Self {
        Self { content, hash: Sha256::new(), text: String::new(), is_any: false }
    }

    fn add(&mut self, items: &[Item]) {
        if self.content == AuditContent::Off {
            return;
        }
        // What cannot be written as JSON is no content of anybody's.
        let json = serde_json::to_string(items).unwrap_or_default();
        self.is_any = true;
        self.hash.update(&json);
        if self.content == AuditContent::On && self.text.len() < MAX_CONTENT {
            let mut end = json.len().min(MAX_CONTENT - self.text.len());
            while !json.is_char_boundary(end) {
                end -= 1;
            }
            self.text.push_str(&json[..end]);
        }
    }

    fn told(&self) -> Option<String> {
        match self.content {
            _ if !self.is_any => None,
            AuditContent::Off => None,
            AuditContent::On => Some(self.text.clone()),
            AuditContent::Hashed => {
                let hash =
                    self.hash.clone().finalize().iter().fold("sha256:".to_owned(), |mut hash, byte| {
                        // Writing into memory does not fail.
                        let _ = write!(hash, "{byte:02x}");
                        hash
                    });
                Some(hash)
            }
        }
    }
}

/// The log of one response.
struct Auditing {
    facts: Arc<Facts>,
    writer: Arc<Writer>,
    turns: u32,
    tools: BTreeSet<String>,
    input: Said,
    output: Said,
}

#[derive(Serialize)]
struct Line<'a> {
    /// Unix milliseconds.
    time_ms: u64,
    request_id: &'a str,
    response_id: &'a str,
    previous_response_id: Option<&'a str>,
    client: &'a str,
    group: Option<&'a str>,
    model: &'a str,
    provider: &'a str,
    stream: bool,
    background: bool,
    resumed: bool,
    status: &'static str,
    error_code: Option<&'a str>,
    duration_ms: u64,
    turns: u32,
    input_tokens: u64,
    cached_tokens: u64,
    output_tokens: u64,
    reasoning_tokens: u64,
    tools: &'a BTreeSet<String>,
    /// Fields.
    notes: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

impl Hooks for Auditing {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        self.turns = turn.turn;
        if turn.attempt == 1 && !self.input.is_any {
            self.input.add(turn.items());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn after_sample<'a>(&'a mut self, turn: &'a mut SampledTurn) -> HookFuture<'a> {
        self.output.add(&turn.items);
        Box::pin(std::future::ready(Ok(())))
    }

    fn on_tool_result<'a>(&'a mut self, outcome: &'a mut ToolOutcome) -> HookFuture<'a> {
        if self.tools.len() < MAX_TOOLS {
            self.tools.insert(match &outcome.server {
                Some(server) => format!("{server}/{}", outcome.name),
                None => outcome.name.clone(),
            });
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn on_end<'a>(&'a mut self, end: &'a End) -> EndFuture<'a> {
        let facts = &*self.facts;
        let usage = end.usage.unwrap_or_default();
        let line = Line {
            time_ms: now_ms(),
            request_id: &facts.request_id,
            response_id: facts.id.as_str(),
            previous_response_id: facts.previous_response_id.as_deref(),
            client: &facts.owner,
            group: facts.group.as_deref(),
            model: &facts.model,
            provider: &end.provider,
            stream: facts.stream,
            background: facts.background,
            resumed: facts.resumed,
            status: end.status.as_str(),
            error_code: end.error.as_ref().map(|error| error.code()),
            duration_ms: u64::try_from(end.took.as_millis()).unwrap_or(u64::MAX),
            turns: self.turns,
            input_tokens: usage.input_tokens,
            cached_tokens: usage.input_tokens_details.cached_tokens,
            output_tokens: usage.output_tokens,
            reasoning_tokens: usage.output_tokens_details.reasoning_tokens,
            tools: &self.tools,
            notes: end.notes.iter().map(|note| note.field.as_str()).collect(),
            input: self.input.told(),
            output: self.output.told(),
        };
        if let Ok(mut line) = serde_json::to_string(&line) {
            line.push('\n');
            self.writer.write(line);
        }
        Box::pin(std::future::ready(()))
    }
}

fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}
