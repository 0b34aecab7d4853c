//! The span of a request, and how its client and we know of each other's.

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use or_telemetry::trace::{OpenSpan, TRACEPARENT, TRACESTATE, TraceContext};

use crate::state::AppState;

/// Begins it, if there are spans: a child of the client's, if that says which it has.
pub(crate) fn begin(request: &HttpRequest, state: &AppState) -> Option<Box<OpenSpan>> {
    let tracer = state.node.metrics.tracer()?;
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    // Two of the first are none, as a wrong one is.
    let alone = request.headers().get_all(TRACEPARENT).count() == 1;
    let parent = header(TRACEPARENT).filter(|_| alone);
    let parent = parent.and_then(|parent| TraceContext::parse(parent, header(TRACESTATE)));
    Some(Box::new(tracer.request("POST", "/v1/responses", parent)))
}

/// Tells the client which span was ours.
pub(crate) fn tell(context: &TraceContext, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_str(&context.traceparent()) {
        headers.insert(HeaderName::from_static(TRACEPARENT), value);
    }
}
