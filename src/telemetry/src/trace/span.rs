//! A span while it lasts, and as it is exported.

use std::time::SystemTime;

use or_protocol::Usage;

use super::context::TraceContext;
use super::names;
use super::tracer::Tracer;

/// Who is on the other side.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Internal,
    Server,
    Client,
}

/// Value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// A list with one text.
    Texts(&'static str),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

/// A span that is over.
#[derive(Debug)]
pub(crate) struct SpanData {
    pub(crate) context: TraceContext,
    pub(crate) parent: Option<[u8; 8]>,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) start: SystemTime,
    pub(crate) end: SystemTime,
    pub(crate) attributes: Vec<(&'static str, Value)>,
    /// Whether it failed.
    pub(crate) failed: bool,
}

/// A span that is not over; it is when it is dropped.
#[derive(Debug)]
pub struct OpenSpan {
    data: Option<Box<SpanData>>,
    tracer: Tracer,
    context: TraceContext,
}

impl OpenSpan {
    pub(super) fn new(
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
