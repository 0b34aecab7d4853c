//! Counts the input of a request that is not carried out: by the provider's own counter, or by an estimate.

use std::sync::Arc;

use actix::Addr;
use or_adapters::{Note, UpstreamCall, estimate_tokens};
use or_engine::Context;
use or_protocol::{ApiError, CreateResponseBody, ErrorKind, ResponseId, Settings};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::heavy::Gone;
use crate::node::Node;
use crate::provider::{CountTokens, ProviderActor, SampleError};
use crate::response::prepare::{self, Loaded, Loader, Purpose, ReadyTools, WantedTools, strict};
use crate::response::{Routed, Translated, Translation};
use crate::running::Place;
use crate::store::StoreHandle;
use crate::tokenizer;

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

/// Counts, and writes the request's one log line.
pub(crate) async fn count(
    mut job: Box<CountJob>,
    node: Arc<Node>,
    provider: Addr<ProviderActor>,
    store: StoreHandle,
) -> Result<InputCount, ApiError> {
    // Also of work that nobody waits for any more, until it has ended.
    let place = Arc::new(node.admit(&job.request.owner, false)?);
    let Routed { route, model, request_id, received, .. } = &job.request;
    let name = route.first().map(|target| target.provider.name.to_string()).unwrap_or_default();
    let (model, id, received) = (model.clone(), request_id.clone(), *received);
    let (_, never) = oneshot::channel();
    let gone = std::mem::replace(&mut job.gone, never);
    let work = timeout(node.limits.max_response, counted(job, place, &node, &provider, &store));
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
    place: Arc<Place>,
    node: &Node,
    provider: &Addr<ProviderActor>,
    store: &StoreHandle,
) -> Result<InputCount, ApiError> {
    let Routed { body, route, owner, strict, bytes, held, .. } = job.request;
    let Some(target) = route.first() else { return Err(ApiError::internal()) };
    let CreateResponseBody { input, previous_response_id, mut settings, .. } = body;
    // An id for items that have none; nothing is kept under it.
    let id = ResponseId::new();
    let previous = previous_response_id.as_deref();
    let loader = Loader { node, store, owner: &owner, previous, own: bytes, held: &held };
    let Loaded { mut context, bytes, .. } = loader.load(&id, input, false).await?;
    let wanted = WantedTools {
        node,
        store,
        id: &id,
        owner: &owner,
        provider: Some(&target.provider),
        strict,
        purpose: Purpose::Look,
        context: &context,
        own: &[],
    };
    let ReadyTools { mcp, notes, .. } = prepare::ready_tools(wanted, &mut settings).await?;
    let seal = node.sealer.of_owner(&owner);
    context.notes.extend(notes);
    settings.tools = mcp.model_tools(&settings.tools);
    settings.tool_choice = mcp.choice(&settings.tool_choice);
    let client_key = target.uses_client_key();
    let (adapter, model) = (Arc::clone(&target.provider.adapter), target.model.clone());
    let keep = (place, held);
    let work = {
        let keep = keep.clone();
        move |_: &Gone| {
            let _keep = keep;
            context.items = mcp.for_model(context.items);
            context.items.iter_mut().for_each(|item| seal.open_item(item));
            translate(Translation { adapter, model, stream: false, client_key }, context, &settings)
        }
    };
    let translated = node.heavy.sized(bytes, &owner, work).await?;
    let Countable { call, counter, notes } = translated?;
    if strict {
        strict::check(&notes)?;
    }
    if let Some(call) = counter {
        // Held while we wait; dropping it closes the upstream connection.
        let (_here, gone) = oneshot::channel();
        let asked =
            provider.send(CountTokens { call, key: target.key.clone(), owner: owner.clone(), gone }).await;
        match asked.unwrap_or(Err(SampleError::Panicked)) {
            Ok(Some(tokens)) => return Ok(InputCount { tokens, method: CountMethod::Provider, notes }),
            Ok(None) => {}
            Err(error) => return Err(failed(&error, &target.provider.name, client_key, node)),
        }
    }
    let work = move |gone: &Gone| {
        let _keep = keep;
        estimate_tokens(&call.body, &|text| tokenizer::count(text, || gone.is_set()))
    };
    // The tokenizer is slow: never on the arbiter.
    let tokens = node.heavy.run(&owner, work).await?;
    Ok(InputCount { tokens, method: CountMethod::Estimate, notes })
}

/// A request as the provider would get it, and the call of the provider's own counter, if it has one.
struct Countable {
    call: UpstreamCall,
    counter: Option<UpstreamCall>,
    notes: Vec<Note>,
}

fn translate(translation: Translation, context: Context, settings: &Settings) -> Result<Countable, ApiError> {
    let Translated { mut call, .. } = translation.translate(&context.items, settings)?;
    let mut notes = context.notes;
    notes.append(&mut call.notes);
    Ok(Countable { counter: translation.adapter.count(&translation.model, &call), call, notes })
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
