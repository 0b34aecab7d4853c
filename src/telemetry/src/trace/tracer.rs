//! Begins spans, and hands those that are over to the exporter's thread.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::SystemTime;

use or_protocol::Usage;
use prometheus::IntCounter;

use super::context::TraceContext;
use super::names;
use super::sampler::Sampler;
use super::span::{Kind, SpanData, Value};

/// What the exporter's thread is told.
#[derive(Debug)]
pub(crate) enum Told {
    Span(Box<SpanData>),
    /// Send what there is, and end.
    Stop,
}

/// Makes spans. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Tracer(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    sampler: Sampler,
    spans: SyncSender<Told>,
    dropped: IntCounter,
}

impl Tracer {
    pub(crate) fn new(sampler: Sampler, spans: SyncSender<Told>, dropped: IntCounter) -> Self {
        Self(Arc::new(Inner { sampler, spans, dropped }))
    }

    /// The span of an HTTP request. `parent`: of whoever sent it.
    pub fn request(
        &self,
        method: &'static str,
        path: &'static str,
        parent: Option<TraceContext>,
    ) -> OpenSpan {
        let mut span = self.begin(parent.as_ref(), || format!("{method} {path}"), Kind::Server);
        span.set(names::METHOD, method);
        span.set(names::ROUTE, path);
        span.set(names::PATH, path);
        span
    }

    /// A span without or with a parent in another process.
    pub(crate) fn begin(
        &self,
        parent: Option<&TraceContext>,
        name: impl FnOnce() -> String,
        kind: Kind,
    ) -> OpenSpan {
        let trace_id = parent.map_or_else(|| fastrand::u128(1..).to_be_bytes(), |parent| parent.trace_id);
        let sampled = self.0.sampler.takes(parent, &trace_id);
        self.span(trace_id, parent, sampled, name, kind)
    }

    /// A span whose parent is one of ours.
    pub(crate) fn child(&self, parent: &TraceContext, name: impl FnOnce() -> String, kind: Kind) -> OpenSpan {
        self.span(parent.trace_id, Some(parent), parent.sampled, name, kind)
    }

    fn span(
        &self,
        trace_id: [u8; 16],
        parent: Option<&TraceContext>,
        sampled: bool,
        name: impl FnOnce() -> String,
        kind: Kind,
    ) -> OpenSpan {
        let (span_id, state) =
            (fastrand::u64(1..).to_be_bytes(), parent.and_then(|parent| parent.state.clone()));
        let context = TraceContext { trace_id, span_id, sampled, state };
        let name = if sampled { name() } else { String::new() };
        OpenSpan::new(self, context, parent.map(|parent| parent.span_id), name, kind)
    }

    /// Never waits: what finds no room is lost, and counted.
    fn send(&self, span: Box<SpanData>) {
        if self.0.spans.try_send(Told::Span(span)).is_err() {
            self.0.dropped.inc();
        }
    }
}

/// A span that is not over; it is when it is dropped.
#[derive(Debug)]
pub struct OpenSpan {
    data: Option<Box<SpanData>>,
    tracer: Tracer,
    context: TraceContext,
}

impl OpenSpan {
    fn new(
        tracer: &Tracer,
        context: TraceContext,
        parent: Option<[u8; 8]>,
        name: String,
        kind: Kind,
    ) -> Self {
        // One that nobody records has only a place in its trace.
        let data = context.sampled.then(|| {
            let (start, attributes) = (SystemTime::now(), Vec::with_capacity(12));
            let context = context.clone();
            Box::new(SpanData { context, parent, name, kind, start, end: start, attributes, failed: false })
        });
        Self { data, tracer: tracer.clone(), context }
    }

    /// What makes others its children.
    pub fn context(&self) -> &TraceContext {
        &self.context
    }

    /// A child of it.
    pub(crate) fn child(&self, name: impl FnOnce() -> String, kind: Kind) -> Self {
        self.tracer.child(&self.context, name, kind)
    }

    /// Sets an attribute; the last value counts, as with token counts that come several times in a stream.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let Some(data) = &mut self.data else { return };
        match data.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, old)) => *old = value.into(),
            None => data.attributes.push((name, value.into())),
        }
    }

    /// The same, if there is a value.
    pub(crate) fn set_some(&mut self, name: &'static str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    /// Token counts, those that are not 0.
    pub(crate) fn usage(&mut self, usage: &Usage) {
        let input = &usage.input_tokens_details;
        self.set(names::INPUT_TOKENS, usage.input_tokens);
        self.set(names::OUTPUT_TOKENS, usage.output_tokens);
        for (name, count) in [
            (names::CACHE_READ_TOKENS, input.cached_tokens),
            (names::CACHE_CREATION_TOKENS, input.cache_write_tokens),
            (names::REASONING_TOKENS, usage.output_tokens_details.reasoning_tokens),
        ] {
            if count > 0 {
                self.set(name, count);
            }
        }
    }

    /// It failed. `error`: a closed word.
    pub(crate) fn fail(&mut self, error: &str) {
        self.set(names::ERROR_TYPE, error);
        if let Some(data) = &mut self.data {
            data.failed = true;
        }
    }
}

impl Drop for OpenSpan {
    fn drop(&mut self) {
        if let Some(mut data) = self.data.take() {
            data.end = SystemTime::now();
            self.tracer.send(data);
        }
    }
}
