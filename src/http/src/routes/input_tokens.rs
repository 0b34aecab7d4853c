//! `POST /v1/responses/input_tokens`.

use std::time::Instant;

use actix_web::http::header::HeaderName;
use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::{CountInput, CountJob, InputCount, Trail};
use or_protocol::ApiError;
use serde_json::json;
use tokio::sync::oneshot;

use crate::body;
use crate::request::{Caller, Taken, routed};
use crate::respond::{LoggedByLoop, error_response, good};
use crate::state::{AppState, State, Worker};

/// Says who counted: `provider` or `estimate`.
const METHOD: HeaderName = HeaderName::from_static("openresponses-token-count");

/// Counts the input of a request that would create a response.
pub(crate) async fn count(
    request: HttpRequest,
    mut payload: web::Payload,
    state: State,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let received = Instant::now();
    // Held while we wait: the work ends when this future is dropped.
    let (_here, gone) = oneshot::channel();
    let job = match begin(&request, &mut payload, &state, received, gone).await {
        Ok(job) => job,
        Err(error) => return error_response(&error),
    };
    let message = CountInput { job: Box::new(job) };
    let counted = worker.supervisor.send(message).await.unwrap_or_else(|_| Err(ApiError::internal()));
    answer(counted, received)
}

async fn begin(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &AppState,
    received: Instant,
    gone: oneshot::Receiver<()>,
) -> Result<CountJob, ApiError> {
    let body::Upload { bytes, held } = body::read(request, payload, state).await?;
    let taken = Taken::new(bytes, held)?;
    let caller = Caller::of(request, received)?;
    let body = taken.parse(&caller.client.name, state).await?;
    Ok(CountJob { request: routed(caller, body, &taken, state)?, gone })
}

fn answer(counted: Result<InputCount, ApiError>, received: Instant) -> HttpResponse {
    let count = match counted {
        Ok(count) => count,
        Err(error) => {
            let mut response = error_response(&error);
            response.extensions_mut().insert(LoggedByLoop);
            return response;
        }
    };
    let trail = Trail { notes: count.notes, ..Trail::default() };
    let mut response = good(&trail, received);
    response.insert_header((METHOD, count.method.as_str()));
    response.json(json!({"object": "response.input_tokens", "input_tokens": count.tokens}))
}
