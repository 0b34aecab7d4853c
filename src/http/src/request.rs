//! From a request to what a loop has to know: decoded, routed, with its key.

pub(crate) mod begin;
pub(crate) mod trace;

use std::sync::Arc;
use std::time::Instant;

use actix_web::http::header::HeaderMap;
use actix_web::{HttpMessage as _, HttpRequest};
use bytes::Bytes;
use or_actors::{Gone, Held, Route, Routed, Target};
use or_bounds::Reservation;
use or_keys::Client;
use or_protocol::{ApiError, CreateResponseBody, ErrorKind};
use or_telemetry::trace::OpenSpan;

use crate::auth::client;
use crate::dialect;
use crate::headers::only_one;
use crate::respond::RequestId;
use crate::state::AppState;

/// The header with the client's own provider key.
const PROVIDER_KEY: &str = "x-provider-api-key";

/// Who asks, and what was said beside the body. Whatever carries a request, this and its bytes are all that is read.
pub(crate) struct Caller<'a> {
    /// For logs and the `x-request-id` header.
    pub(crate) request_id: String,
    /// Who shows the key.
    pub(crate) client: Arc<Client>,
    pub(crate) headers: &'a HeaderMap,
    /// When the request came.
    pub(crate) received: Instant,
    /// Its span, if there are spans.
    pub(crate) trace: Option<Box<OpenSpan>>,
}

impl<'a> Caller<'a> {
    pub(crate) fn of(request: &'a HttpRequest, received: Instant) -> Result<Self, ApiError> {
        let (request_id, client) = (request_id(request), client(request)?);
        Ok(Self { request_id, client, headers: request.headers(), received, trace: None })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether a dropped field is an error.
    fn is_strict(&self, state: &AppState) -> bool {
        match self.header("openresponses-strict") {
            Some(word) => word.eq_ignore_ascii_case("true"),
            None => state.options.strict_translation,
        }
    }

    /// The client's own provider key, from the header or the body; used for this call only.
    fn provider_key(
        &self,
        body: &mut CreateResponseBody,
        state: &AppState,
    ) -> Result<Option<Arc<str>>, ApiError> {
        let header = only_one(self.headers, PROVIDER_KEY)?;
        let in_body = body.api_key.take();
        if header.is_none() && in_body.is_none() {
            return Ok(None);
        }
        if !state.options.client_provider_keys {
            let text = "This server does not take provider keys from clients.";
            return Err(ApiError::new(ErrorKind::Forbidden, text).with_code("provider_key_not_allowed"));
        }
        // Whoever gives a key means to pay with it: one that cannot be used is no reason to take the server's.
        let header = header.map(|value| readable(value.as_bytes(), PROVIDER_KEY)).transpose()?;
        let in_body = in_body.as_deref().map(|key| readable(key.as_bytes(), "api_key")).transpose()?;
        match (header, in_body) {
            (Some(header), Some(in_body)) if header != in_body => {
                let text = "The header x-provider-api-key and 'api_key' in the body are different keys.";
                Err(ApiError::invalid("invalid_value", "api_key", text))
            }
            (header, in_body) => Ok(header.or(in_body).map(Arc::from)),
        }
    }
}

/// A provider key that a header can carry. `place`: where the client gave it.
fn readable<'a>(key: &'a [u8], place: &str) -> Result<&'a str, ApiError> {
    let readable = !key.is_empty() && key.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(key).ok().filter(|_| readable).ok_or_else(|| {
        let text = if key.is_empty() {
            "The provider key is empty."
        } else {
            "The provider key has characters that no header can carry."
        };
        ApiError::invalid("invalid_value", place, text)
    })
}

/// A request's body as it came, and what it holds of the bytes in flight.
pub(crate) struct Taken {
    pub(crate) bytes: Bytes,
    pub(crate) held: Held,
}

impl Taken {
    /// Makes room for all that the request will cost.
    pub(crate) fn new(bytes: Bytes, reservation: Reservation) -> Result<Self, ApiError> {
        let held = Held::of_body(reservation, bytes.len())?;
        Ok(Self { bytes, held })
    }

    /// The body as types, read where its size wants it done.
    pub(crate) async fn parse(&self, owner: &str, state: &AppState) -> Result<CreateResponseBody, ApiError> {
        let (bytes, held) = (self.bytes.clone(), self.held.clone());
        let work = move |_: &Gone| {
            let _held = held;
            CreateResponseBody::from_json(&bytes)
        };
        state.node.heavy.sized(self.bytes.len(), owner, work).await?
    }
}

/// Routes a request by its model.
pub(crate) fn routed(
    caller: Caller<'_>,
    mut body: CreateResponseBody,
    taken: &Taken,
    state: &AppState,
) -> Result<Routed, ApiError> {
    let Some(model) = body.model.take() else {
        let text = "Missing required parameter: 'model'.";
        return Err(ApiError::invalid("missing_required_parameter", "model", text));
    };
    let route = allowed_route(&caller.client, &model, state)?;
    let route = match caller.provider_key(&mut body, state)? {
        Some(key) => route.with_client_key(key),
        None => route.with_server_keys(),
    };
    if let Some(target) = route.first().filter(|target| target.needs_client_key()) {
        return Err(no_key(&model, target));
    }
    Ok(Routed {
        strict: caller.is_strict(state),
        reasoning_events: dialect::reasoning_events(caller.headers, state.options.reasoning_events)?,
        request_id: caller.request_id,
        body,
        model,
        route,
        owner: caller.client.name.to_string(),
        client: caller.client,
        idempotency_key: None,
        bytes: taken.bytes.len(),
        held: taken.held.clone(),
        received: caller.received,
        trace: caller.trace,
    })
}

/// Whom this client may ask for a model: of the targets that its name leads to, those that its key allows.
pub(crate) fn allowed_route(client: &Client, model: &str, state: &AppState) -> Result<Route, ApiError> {
    let mut route = state.node.providers.route(model)?;
    route.targets.retain(|target| client.allows(&target.provider.name, &target.model));
    if !route.targets.is_empty() {
        return Ok(route);
    }
    // As OpenAI says it of a project that may not use a model.
    let model: String = model.chars().take(100).collect();
    let text = format!("The client key '{}' does not have access to the model '{model}'.", client.name);
    Err(ApiError::new(ErrorKind::Forbidden, text).with_code("model_not_found").with_param("model"))
}

fn no_key(model: &str, target: &Target) -> ApiError {
    let text = format!(
        "The model '{model}' is served by the provider '{}', for which this server has no key; send one in the header x-provider-api-key or configure it.",
        target.provider.name
    );
    ApiError::invalid("model_not_found", "model", text)
}

pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
