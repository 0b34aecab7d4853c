//! `POST /v1/responses`.

use std::time::Instant;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::{BackgroundJob, Gone, Job, Reply, StartResponse, Trail};
use or_protocol::{ApiError, CreateResponseBody, ResponseId};
use tokio::sync::oneshot;

use crate::request::{Caller, Taken, routed};
use crate::respond::{LoggedByLoop, error_response, good, headers};
use crate::state::{AppState, Worker};
use crate::{body, sse, trace, whole};

/// Names a response that has failed and is kept, beside the error.
const KEPT: HeaderName = HeaderName::from_static("openresponses-response-id");

/// Creates a response, as JSON or as a stream.
pub(crate) async fn create(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<AppState>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let received = Instant::now();
    let trace = trace::begin(&request, &state);
    let context = trace.as_ref().map(|span| span.context().clone());
    let begun = async {
        let body::Upload { bytes, held } = body::read(&request, &mut payload, &state).await?;
        let taken = Taken::new(bytes, held)?;
        let caller = Caller { trace, ..Caller::of(&request, received)? };
        begin(caller, taken, &state, &worker).await
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

/// Hands the request to a loop and waits for the beginning of its answer, whatever carries the two.
pub(crate) async fn begin(
    caller: Caller<'_>,
    taken: Taken,
    state: &AppState,
    worker: &Worker,
) -> Result<Reply, ApiError> {
    let body = taken.parse(&caller.client.name, state).await?;
    let background = if body.background {
        Some(background(&body, &taken, &caller.client.name, state).await?)
    } else {
        None
    };
    let request = routed(caller, body, &taken, state)?;
    drop(taken);
    let (reply, answer) = oneshot::channel();
    let job = Job { id: ResponseId::new(), request, reply, background };
    let start = StartResponse { job: Box::new(job) };
    worker.supervisor.send(start).await.unwrap_or_else(|_| Err(ApiError::internal()))?;
    // A loop that died without a word: the client still gets an answer.
    Ok(answer.await.unwrap_or_else(|_| Reply::Error {
        error: ApiError::internal(),
        kept: None,
        trail: Trail::default(),
    }))
}

/// What a background response needs to go on after a restart.
async fn background(
    body: &CreateResponseBody,
    taken: &Taken,
    owner: &str,
    state: &AppState,
) -> Result<BackgroundJob, ApiError> {
    if !body.store {
        let text =
            "Invalid value: 'background' needs 'store' to be true, because its answer is fetched later.";
        return Err(ApiError::invalid("invalid_value", "background", text));
    }
    let strip =
        |bytes: &[u8]| CreateResponseBody::without_secrets(bytes).map(|kept| kept.as_raw().to_owned());
    let Taken { bytes, held } = taken;
    let (bytes, held) = (bytes.clone(), held.clone());
    let work = move |_: &Gone| {
        let _held = held;
        strip(&bytes)
    };
    let stripped = state.node.heavy.sized(taken.bytes.len(), owner, work).await?;
    stripped.map(BackgroundJob::New)
}

fn answer(request: &HttpRequest, reply: Reply, received: Instant, worker: &Worker) -> HttpResponse {
    match reply {
        Reply::Json { body, trail } => whole::json(good(&trail, received), body, &worker.node.budget),
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
