//! Counts the input of a request that is not carried out: by the provider's own counter, or by an estimate.

use std::sync::Arc;

use actix::Addr;
use actix_rt::task::spawn_blocking;
use or_adapters::{ModelRequest, Note, UpstreamCall, estimate_tokens};
use or_engine::Context;
use or_protocol::{ApiError, CreateResponseBody, ErrorKind, ResponseId, Settings};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::tokenizer;
use crate::mcp::{Asked, plan};
use crate::node::Node;
use crate::provider::{CountTokens, ProviderActor, ProviderSpec, SampleError};
use crate::response::Routed;
use crate::response::prepare::context as references;
use crate::response::prepare::strict;
use crate::response::tool_media;
use crate::store::StoreHandle;

/// A request whose input shall be counted.
#[derive(Debug)]
pub struct CountJob {
    /// What would be asked of whom.
    pub request: Routed,
    /// Resolves when the client left.
    pub gone: oneshot::Receiver<()>,
}

/// Who counted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CountMethod {
    /// The provider's own counter.
    Provider,
    /// Our tokenizer, over the request that the provider would get.
    Estimate,
}

impl CountMethod {
    /// The word in the header, the log and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Estimate => "estimate",
        }
    }
}

/// What was counted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct InputCount {
    /// Tokens of the whole input.
    pub tokens: u64,
    /// By whom.
    pub method: CountMethod,
    /// For the translation header.
    pub notes: Vec<Note>,
}

/// A place among the running responses; given back when dropped.
struct Admitted(Arc<Node>);

impl Drop for Admitted {
    fn drop(&mut self) {
        self.0.running.release();
    }
}

/// Counts, and writes the request's one log line.
pub(crate) async fn count(
    mut job: Box<CountJob>,
    node: Arc<Node>,
    provider: Addr<ProviderActor>,
    store: StoreHandle,
) -> Result<InputCount, ApiError> {
    node.running.admit()?;
    let _place = Admitted(Arc::clone(&node));
    let Routed { route, model, request_id, received, .. } = &job.request;
    let name = route.first().map(|target| target.provider.name.clone()).unwrap_or_default();
    let (model, id, received) = (model.clone(), request_id.clone(), *received);
    let (_, never) = oneshot::channel();
    let gone = std::mem::replace(&mut job.gone, never);
    let work = timeout(node.limits.max_response, counted(job, &node, &provider, &store));
    let result = tokio::select! {
        biased;
        // Nobody reads this any more.
        _ = gone => Err(ApiError::internal()),
        result = work => result.unwrap_or_else(|_| Err(too_long())),
    };
    let method = result.as_ref().map_or("error", |count| count.method.as_str());
    node.metrics.token_count(&name, method);
    tracing::info!(
        request_id = id,
        model,
        provider = name,
        method,
        http_status = result.as_ref().err().map(ApiError::status),
        error_code = result.as_ref().err().and_then(|error| error.code.as_deref()),
        input_tokens = result.as_ref().ok().map(|count| count.tokens),
        duration_ms = received.elapsed().as_millis() as u64,
        "input tokens"
    );
    result
}

async fn counted(
    job: Box<CountJob>,
    node: &Node,
    provider: &Addr<ProviderActor>,
    store: &StoreHandle,
) -> Result<InputCount, ApiError> {
    let request = job.request;
    let CreateResponseBody { input, previous_response_id, mut settings, .. } = request.body;
    node.tools.plan(&mut settings.tools, &settings.tool_choice);
    // An id for items that have none; nothing is kept under it.
    let id = ResponseId::new();
    let previous = previous_response_id.as_deref();
    let (mut context, _) = references::load(store, &id, previous, &request.owner, input, false).await?;
    let choice = settings.tool_choice.clone();
    let Some(target) = request.route.first().cloned() else { return Err(ApiError::internal()) };
    let (spec, owner) = (Arc::clone(&target.provider), request.owner.clone());
    let asked = Asked { provider: &spec, owner: &owner, choice: &choice, context: &context, own: &[] };
    let plan = plan(&node.mcp, &mut settings.tools, &asked).await?;
    context.items = plan.mcp.for_model(context.items);
    context.notes.extend(plan.notes);
    settings.tools = plan.mcp.model_tools(&settings.tools);
    settings.tool_choice = plan.mcp.choice(&choice);
    let client_key = target.uses_client_key();
    let heavy = request.heavy;
    let work = move || Translated::new(&spec, &target.model, &context, &settings, client_key);
    let translated =
        if heavy { spawn_blocking(work).await.map_err(|_| ApiError::internal())? } else { work() };
    let Translated { call, counter, notes } = translated?;
    if request.strict {
        strict::check(&notes)?;
    }
    if let Some(call) = counter {
        // Held while we wait; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let asked = provider.send(CountTokens { call, key: target.key.clone(), gone }).await;
        match asked.unwrap_or(Err(SampleError::Panicked)) {
            Ok(Some(tokens)) => return Ok(InputCount { tokens, method: CountMethod::Provider, notes }),
            Ok(None) => {}
            Err(error) => return Err(failed(&error, &target.provider.name, client_key, node)),
        }
    }
    let work = move || estimate_tokens(&call.body, &tokenizer::count);
    let tokens = spawn_blocking(work).await.map_err(|_| ApiError::internal())?;
    Ok(InputCount { tokens, method: CountMethod::Estimate, notes })
}

/// A request as the provider would get it.
struct Translated {
    call: UpstreamCall,
    counter: Option<UpstreamCall>,
    notes: Vec<Note>,
}

impl Translated {
    fn new(
        spec: &ProviderSpec,
        model: &str,
        context: &Context,
        settings: &Settings,
        client_key: bool,
    ) -> Result<Self, ApiError> {
        let request = ModelRequest { model, context: &context.items, settings, stream: false };
        let (call, _) = tool_media::translate(&*spec.adapter, &request);
        let mut call = call.map_err(|e| e.to_api(client_key))?;
        let mut notes = context.notes.clone();
        notes.append(&mut call.notes);
        Ok(Self { counter: spec.adapter.count(model, &call), call, notes })
    }
}

fn failed(error: &SampleError, provider: &str, client_key: bool, node: &Node) -> ApiError {
    node.metrics.upstream_error(provider, error.reason());
    if matches!(error, SampleError::Panicked) {
        node.metrics.panicked();
    }
    tracing::warn!(provider, reason = error.reason(), %error, "the provider could not count");
    error.to_api(client_key)
}

fn too_long() -> ApiError {
    let text = "Counting took longer than this server allows.";
    ApiError::new(ErrorKind::Timeout, text).with_code("response_timeout")
}
