//! `POST /v1/responses`.

use std::time::Instant;

use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::rt::task::spawn_blocking;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder, web};
use or_actors::{BackgroundJob, Job, ProviderKey, Reply, Routed, StartResponse};
use or_adapters::Note;
use or_protocol::{ApiError, CreateResponseBody, ErrorKind, ResponseId, shown_mcp_url};
use serde_json::value::to_raw_value;
use serde_json::{Map, Value};
use tokio::sync::oneshot;

use crate::auth::owner;
use crate::respond::{Counted, RequestId, error_response, notes_header};
use crate::server::Worker;
use crate::{AppState, Picked, body, sse};

/// JSON from this size on is parsed and translated off the arbiter.
pub(crate) const HEAVY: usize = 256 * 1024;
pub(crate) const TRANSLATION: HeaderName = HeaderName::from_static("openresponses-translation");
/// Names a response that has failed and is kept, beside the error.
const KEPT: HeaderName = HeaderName::from_static("openresponses-response-id");
pub(crate) const PROCESSING: HeaderName = HeaderName::from_static("openai-processing-ms");

/// Creates a response, as JSON or as a stream.
pub(crate) async fn create(
    request: HttpRequest,
    mut payload: web::Payload,
    state: web::Data<AppState>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let received = Instant::now();
    match begin(&request, &mut payload, &state, &worker, received).await {
        Err(error) => error_response(&error),
        Ok(reply) => answer(&request, reply, received),
    }
}

pub(crate) async fn parse(bytes: bytes::Bytes) -> Result<CreateResponseBody, ApiError> {
    if bytes.len() < HEAVY {
        return CreateResponseBody::from_json(&bytes);
    }
    let work = spawn_blocking(move || CreateResponseBody::from_json(&bytes));
    work.await.unwrap_or_else(|_| Err(ApiError::internal()))
}

async fn begin(
    request: &HttpRequest,
    payload: &mut web::Payload,
    state: &AppState,
    worker: &Worker,
    received: Instant,
) -> Result<Reply, ApiError> {
    let bytes = body::read(request, payload, &state.options).await?;
    let heavy = bytes.len() >= HEAVY;
    let body = parse(bytes.clone()).await?;
    let background = if body.background { Some(background(&body, bytes).await?) } else { None };
    let request = routed(request, body, heavy, received, state)?;
    let (reply, answer) = oneshot::channel();
    let job = Job { id: ResponseId::new(), request, reply, background };
    let start = StartResponse { job: Box::new(job) };
    worker.supervisor.send(start).await.unwrap_or_else(|_| Err(ApiError::internal()))?;
    // A loop that died without a word: the client still gets an answer.
    Ok(answer.await.unwrap_or_else(|_| Reply::Error { error: ApiError::internal(), kept: None }))
}

/// What a background response needs to go on after a restart.
async fn background(body: &CreateResponseBody, bytes: bytes::Bytes) -> Result<BackgroundJob, ApiError> {
    if !body.store {
        let text =
            "Invalid value: 'background' needs 'store' to be true, because its answer is fetched later.";
        return Err(ApiError::invalid("invalid_value", "background", text));
    }
    let strip = |bytes: &[u8]| {
        let mut fields: Map<String, Value> = serde_json::from_slice(bytes)?;
        // The input is stored beside it, with ids; keys are not stored.
        fields.retain(|name, _| name != "input" && name != "api_key");
        if let Some(Value::Array(tools)) = fields.get_mut("tools") {
            tools.iter_mut().for_each(strip_tool);
        }
        to_raw_value(&fields)
    };
    let stripped = if bytes.len() < HEAVY {
        strip(&bytes)
    } else {
        spawn_blocking(move || strip(&bytes)).await.map_err(|_| ApiError::internal())?
    };
    stripped.map(BackgroundJob::New).map_err(|_| ApiError::internal())
}

/// Takes the keys for an MCP server out of its tool. What the response hides of an address may be one, so such an
/// address goes as a whole.
fn strip_tool(tool: &mut Value) {
    let Value::Object(tool) = tool else { return };
    if tool.get("type").and_then(Value::as_str) == Some("mcp") {
        let url = tool.get("server_url").and_then(Value::as_str);
        let hides = url.is_some_and(|url| shown_mcp_url(url).as_deref() != Some(url));
        tool.retain(|name, _| {
            name != "authorization" && name != "headers" && !(name == "server_url" && hides)
        });
    }
}

fn strict(request: &HttpRequest, state: &AppState) -> bool {
    match request.headers().get("openresponses-strict").and_then(|v| v.to_str().ok()) {
        Some(word) => word.eq_ignore_ascii_case("true"),
        None => state.options.strict_translation,
    }
}

/// The client's own provider key, from the header or the body; used for this call only.
fn provider_key(
    request: &HttpRequest,
    body: &mut CreateResponseBody,
    state: &AppState,
) -> Result<ProviderKey, ApiError> {
    let header = request.headers().get("x-provider-api-key").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let Some(key) = header.or(body.api_key.take()).filter(|key| !key.is_empty()) else {
        return Ok(ProviderKey::Server);
    };
    if !state.options.client_provider_keys {
        let text = "This server does not take provider keys from clients.";
        return Err(ApiError::new(ErrorKind::Forbidden, text).with_code("provider_key_not_allowed"));
    }
    if key.bytes().any(|b| !(0x21..=0x7e).contains(&b)) {
        let text = "The provider key has characters that no header can carry.";
        return Err(ApiError::invalid("invalid_value", "api_key", text));
    }
    Ok(ProviderKey::Client(key.into()))
}

fn answer(request: &HttpRequest, reply: Reply, received: Instant) -> HttpResponse {
    match reply {
        Reply::Json { body, notes } => good(&notes, received).content_type("application/json").body(body),
        Reply::Stream { frames, notes } => sse::stream(request, &mut good(&notes, received), frames),
        Reply::Error { error, kept } => {
            let mut response = error_response(&error);
            if let Some(id) = kept.and_then(|id| HeaderValue::from_str(id.as_str()).ok()) {
                response.headers_mut().insert(KEPT, id);
            }
            response.extensions_mut().insert(Counted);
            response
        }
    }
}

fn good(notes: &[Note], received: Instant) -> HttpResponseBuilder {
    let mut response = HttpResponse::Ok();
    if let Some(notes) = notes_header(notes) {
        response.insert_header((TRANSLATION, notes));
    }
    response.insert_header((PROCESSING, received.elapsed().as_millis().to_string()));
    response
}

/// Routes a request by its model.
pub(crate) fn routed(
    request: &HttpRequest,
    mut body: CreateResponseBody,
    heavy: bool,
    received: Instant,
    state: &AppState,
) -> Result<Routed, ApiError> {
    let Some(model) = body.model.take() else {
        let text = "Missing required parameter: 'model'.";
        return Err(ApiError::invalid("missing_required_parameter", "model", text));
    };
    let Picked { provider, model: upstream_model, has_key } = (state.pick)(&model)?;
    let key = provider_key(request, &mut body, state)?;
    if !has_key && matches!(key, ProviderKey::Server) {
        let text = format!(
            "The model '{model}' is served by the provider '{}', for which this server has no key; send one in the header x-provider-api-key or configure it.",
            provider.name
        );
        return Err(ApiError::invalid("model_not_found", "model", text));
    }
    Ok(Routed {
        request_id: request_id(request),
        body,
        model,
        upstream_model,
        provider,
        key,
        owner: owner(request)?,
        strict: strict(request, state),
        heavy,
        received,
    })
}

pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
