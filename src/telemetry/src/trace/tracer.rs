//! Begins spans, and hands those that are over to the exporter's thread.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use prometheus::IntCounter;

use super::context::TraceContext;
use super::names;
use super::sampler::Sampler;
use super::span::{Kind, OpenSpan, SpanData};

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
    pub(super) fn send(&self, span: Box<SpanData>) {
        if self.0.spans.try_send(Told::Span(span)).is_err() {
            self.0.dropped.inc();
        }
    }
}
