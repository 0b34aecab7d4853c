//! `GET /v1/responses/{id}`.

use std::collections::BTreeMap;

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use or_actors::{ClientFrames, Peeked, ReaderPlace, read_along};
use or_protocol::{ApiError, Include, ResponseId};
use or_store::{LogPlace, StoredResponse};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use tokio::sync::OwnedMutexGuard;

use crate::auth::owner;
use crate::respond::error_response;
use crate::sse;
use crate::state::Worker;
use crate::stored::{find, find_of, include, missing, slow, unreadable};
use crate::whole::Answers;

/// A response as it is, or the stream of its events.
pub(crate) async fn retrieve(
    request: HttpRequest,
    id: web::Path<String>,
    query: web::Query<Vec<(String, String)>>,
    worker: web::Data<Worker>,
    answers: web::Data<Answers>,
) -> HttpResponse {
    let answer = match look(&request, &id, &query, &worker, &answers).await {
        Ok(Look::Json(json, _turn)) => {
            // Who asks with other words may get another answer.
            let name = format!("{}?{}", *id, request.query_string());
            answers.stored(name, json, &worker.node().budget)
        }
        Ok(Look::Stream(frames)) => Ok(sse::stream(&request, &mut HttpResponse::Ok(), frames)),
        Err(error) => Err(error),
    };
    answer.unwrap_or_else(|error| error_response(&error))
}

enum Look {
    /// And what keeps others from reading the same from disk.
    Json(Bytes, Option<OwnedMutexGuard<()>>),
    Stream(ClientFrames),
}

/// What the query asks for.
#[derive(Debug, Default, Eq, PartialEq)]
struct Wanted {
    sealed: bool,
    stream: bool,
    starting_after: Option<u64>,
}

impl Wanted {
    fn parse(query: &[(String, String)]) -> Result<Self, ApiError> {
        let mut wanted = Self::default();
        for (name, value) in query {
            match name.as_str() {
                "include" | "include[]" => {
                    wanted.sealed |= include(value)? == Include::ReasoningEncryptedContent;
                }
                "stream" => wanted.stream = boolean("stream", value)?,
                // No event has padding, so there is nothing to leave out.
                "include_obfuscation" => _ = boolean("include_obfuscation", value)?,
                "starting_after" => wanted.starting_after = Some(sequence_number(value)?),
                _ => {}
            }
        }
        if wanted.starting_after.is_some() && !wanted.stream {
            let text = "Invalid value: 'starting_after' is for streams; add 'stream=true'.";
            return Err(ApiError::invalid("invalid_value", "starting_after", text));
        }
        Ok(wanted)
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, ApiError> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => {
            let text = format!("Invalid type for '{name}': expected 'true' or 'false'.");
            Err(ApiError::invalid("invalid_type", name, text))
        }
    }
}

fn sequence_number(value: &str) -> Result<u64, ApiError> {
    value.parse().map_err(|_| {
        let text = "Invalid type for 'starting_after': expected the sequence number of an event.";
        ApiError::invalid("invalid_type", "starting_after", text)
    })
}

async fn look(
    request: &HttpRequest,
    id: &str,
    query: &[(String, String)],
    worker: &Worker,
    answers: &Answers,
) -> Result<Look, ApiError> {
    let wanted = Wanted::parse(query)?;
    let key = ResponseId::parse(id).ok_or_else(|| missing(id))?;
    if wanted.stream {
        let _turn = answers.turn(&key).await;
        return follow(&owner(request)?, &key, wanted.starting_after, worker).await.map(Look::Stream);
    }
    if let Some(json) = peek(&owner(request)?, &key, worker).await? {
        return Ok(Look::Json(json, None));
    }
    let turn = Some(answers.turn(&key).await);
    let record = find(request, id, worker).await?;
    if wanted.sealed && !record.sealed.is_empty() {
        let seal = worker.node().sealer.of_owner(&record.owner);
        let (length, owner) = (record.response.get().len(), record.owner.clone());
        let work = move |_: &_| with_sealed(&record, |state| seal.seal(state));
        let json = worker.node().heavy.sized(length, &owner, work).await??;
        return Ok(Look::Json(json.into(), turn));
    }
    Ok(Look::Json(String::from(Box::<str>::from(record.response)).into(), turn))
}

/// A response in progress, as it is; `None`: the store has to be asked.
pub(super) async fn peek(owner: &str, id: &ResponseId, worker: &Worker) -> Result<Option<Bytes>, ApiError> {
    match worker.node().running.peek(id, owner).await {
        Peeked::Response(json) => Ok(Some(json)),
        Peeked::Slow => Err(slow()),
        Peeked::AskStore => Ok(None),
    }
}

/// The events of a response behind number `after`: those of its log, then those to come.
pub(super) async fn follow(
    owner: &str,
    id: &ResponseId,
    after: Option<u64>,
    worker: &Worker,
) -> Result<ClientFrames, ApiError> {
    find_of(owner, id, worker).await?;
    let place = reader_place(id, owner, worker)?;
    let log =
        worker.store.read_log_piece(id.clone(), LogPlace::default(), u64::MAX).await.map_err(|error| {
            tracing::error!(%error, "an event log could not be read");
            unreadable()
        })?;
    if log.is_empty() {
        // It may have been deleted between the two looks.
        find_of(owner, id, worker).await?;
        let text = format!(
            "Response with id '{id}' has no stream: it was not created with 'background' and 'stream'."
        );
        return Err(ApiError::invalid("response_not_streamed", "stream", text));
    }
    let from = after.map_or(0, |after| after.saturating_add(1));
    Ok(read_along(&worker.node(), &worker.store, id.clone(), from, place))
}

/// A place among the readers of a response and of its owner.
fn reader_place(id: &ResponseId, owner: &str, worker: &Worker) -> Result<ReaderPlace, ApiError> {
    let (node, limits) = (&worker.node(), &worker.node().limits);
    let most = (limits.max_readers_per_response, limits.of_owner(owner).max_readers);
    node.readers.enter(id, owner, most.0, most.1).map_err(|full| {
        node.metrics.over_limit(full.bound());
        full.to_api()
    })
}

/// The response with the reasoning state that its first answer did not show.
///
/// Only the items that get one are read; all others are copied as they are.
fn with_sealed(record: &StoredResponse, seal: impl Fn(String) -> String) -> Result<String, ApiError> {
    #[derive(Deserialize)]
    struct Output<'a> {
        #[serde(borrow)]
        output: Vec<&'a RawValue>,
    }
    let unreadable = |_| ApiError::internal();
    let whole = record.response.get();
    let Output { output } = serde_json::from_str(whole).map_err(unreadable)?;
    let states: BTreeMap<usize, &String> =
        record.sealed.iter().map(|(index, state)| (*index, state)).collect();
    let (mut json, mut copied) = (String::with_capacity(whole.len()), 0);
    for (index, state) in states {
        let Some(item) = output.get(index).map(|raw| raw.get()) else { continue };
        // It is a part of the whole, so its place is how far behind it begins.
        let at = item.as_ptr().addr() - whole.as_ptr().addr();
        let mut members: Map<String, Value> = serde_json::from_str(item).map_err(unreadable)?;
        members.insert("encrypted_content".into(), Value::String(seal(state.clone())));
        json.push_str(whole.get(copied..at).unwrap_or_default());
        json.push_str(&serde_json::to_string(&members).map_err(unreadable)?);
        copied = at + item.len();
    }
    json.push_str(whole.get(copied..).unwrap_or_default());
    Ok(json)
}
