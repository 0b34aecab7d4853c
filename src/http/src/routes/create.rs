//! `POST /v1/responses`.

use std::time::Instant;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::Reply;

use super::keyed;
use crate::idempotency::{self, Keys};
use crate::request::begin::begin;
use crate::request::{Caller, Taken, trace};
use crate::respond::{LoggedByLoop, error_response, good, headers};
use crate::state::{State, Worker};
use crate::{body, sse, whole};

/// Names a response that has failed and is kept, beside the error.
const KEPT: HeaderName = HeaderName::from_static("openresponses-response-id");

/// Creates a response, as JSON or as a stream.
pub(crate) async fn create(
    request: HttpRequest,
    mut payload: web::Payload,
    state: State,
    worker: web::Data<Worker>,
    keys: web::Data<Keys>,
) -> HttpResponse {
    let received = Instant::now();
    let trace = trace::begin(&request, &state);
    let context = trace.as_ref().map(|span| span.context().clone());
    let begun = async {
        let body::Upload { bytes, held } = body::read(&request, &mut payload, &state).await?;
        let taken = Taken::new(bytes, held)?;
        let caller = Caller { trace, ..Caller::of(&request, received)? };
        match idempotency::shown(request.headers())? {
            None => begin(caller, taken, &state, &worker).await,
            Some(key) => keyed::begin(key, caller, taken, &state, &worker, &keys).await,
        }
    };
    let mut response = match begun.await {
        Err(error) => error_response(&error),
        Ok(reply) => answer(&request, reply, received, &worker),
    };
    if let Some(context) = context {
        trace::tell(&context, response.headers_mut());
    }
    response
}

fn answer(request: &HttpRequest, reply: Reply, received: Instant, worker: &Worker) -> HttpResponse {
    match reply {
        Reply::Json { body, trail } => whole::json(good(&trail, received), body, &worker.node().budget),
        Reply::Stream { frames, trail } => sse::stream(request, &mut good(&trail, received), frames),
        Reply::Error { error, kept, trail } => {
            let mut response = error_response(&error);
            for (name, value) in headers(&trail) {
                response.headers_mut().insert(name, value);
            }
            if let Some(id) = kept.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
                response.headers_mut().insert(KEPT, id);
            }
            response.extensions_mut().insert(LoggedByLoop);
            response
        }
    }
}
