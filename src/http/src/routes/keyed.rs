//! `POST /v1/responses` with an `idempotency-key`.

use std::sync::Arc;

use actix_web::web;
use or_actors::{ClientFrames, Gone, Reply, Trail};
use or_adapters::{Note, NoteKind};
use or_engine::retell;
use or_protocol::{ApiError, CreateResponseBody};
use or_store::{IdempotencyKey, StoredResponse};

use super::retrieve::{follow, peek};
use crate::dialect;
use crate::idempotency::{Comer, Keys, Ticket, is_remembered, replayed, reused};
use crate::request::begin::{job, start};
use crate::request::{Caller, Taken};
use crate::state::{AppState, Worker};
use crate::stored::not_read;

/// Answers with what an earlier request with this key was or is being answered, or begins a response that later ones find.
pub(crate) async fn begin(
    key: &str,
    caller: Caller<'_>,
    taken: Taken,
    state: &AppState,
    worker: &Worker,
    keys: &web::Data<Keys>,
) -> Result<Reply, ApiError> {
    let key = hashed(key, &caller, &taken, state).await?;
    loop {
        match Arc::clone(keys).enter(&key)? {
            Comer::Next(waiter) => {
                if let Some(answer) = waiter.answer().await {
                    state.node.metrics.replayed("joined");
                    return answer.reply(true, &state.node.budget);
                }
            }
            Comer::First(ticket) => return first(key, ticket, caller, taken, state, worker).await,
        }
    }
}

/// The key with the hash of the body, which is made where its size wants it done.
async fn hashed(
    key: &str,
    caller: &Caller<'_>,
    taken: &Taken,
    state: &AppState,
) -> Result<IdempotencyKey, ApiError> {
    let (owner, key) = (caller.client.name.to_string(), key.to_owned());
    let (bytes, held) = (taken.bytes.clone(), taken.held.clone());
    let work = move |_: &Gone| {
        let _held = held;
        IdempotencyKey::new(&owner, &key, &bytes)
    };
    Ok(state.node.heavy.sized(taken.bytes.len(), &caller.client.name, work).await?)
}

/// Nobody is being answered for this key.
async fn first(
    key: IdempotencyKey,
    ticket: Ticket,
    caller: Caller<'_>,
    taken: Taken,
    state: &AppState,
    worker: &Worker,
) -> Result<Reply, ApiError> {
    let owner = caller.client.name.to_string();
    let body = taken.parse(&owner, state).await?;
    if let Some(reply) = stored(&key, &body, &caller, state, worker).await? {
        state.node.metrics.replayed("stored");
        return Ok(reply);
    }
    let (background, keeps) = (body.background, body.store);
    let (mut job, answer) = job(caller, body, taken, state).await?;
    job.request.idempotency_key = Some(key);
    let begun = start((job, answer), worker.supervisor.clone());
    if background {
        // The store knows the key before anybody is answered.
        return begun.await;
    }
    let (waiter, budget) = (ticket.waiter(), state.node.budget.clone());
    // Whether or not this client stays: one that comes again wants its answer.
    actix_web::rt::spawn(async move { ticket.publish(begun.await, keeps, &owner, &budget).await });
    waiter.answer().await.ok_or_else(ApiError::internal)?.reply(false, &state.node.budget)
}

/// The answer that the store has for a key.
async fn stored(
    key: &IdempotencyKey,
    body: &CreateResponseBody,
    caller: &Caller<'_>,
    state: &AppState,
    worker: &Worker,
) -> Result<Option<Reply>, ApiError> {
    let used = worker.store.key_use(key.name).await.map_err(|error| not_read(&error))?;
    let Some(used) = used.filter(|used| is_remembered(&used.id)) else { return Ok(None) };
    if used.body != key.body {
        return Err(reused());
    }
    let owner = caller.client.name.to_string();
    let loaded = worker.store.load(used.id.clone(), owner.clone()).await.map_err(|error| not_read(&error))?;
    let Some(record) = loaded else { return Ok(None) };
    let trail = replayed(Trail { notes: notes(&record), ..Trail::default() });
    Ok(Some(match (body.stream, body.background) {
        (true, true) => Reply::Stream { frames: follow(&owner, &used.id, None, worker).await?, trail },
        (true, false) => Reply::Stream { frames: told_again(record, caller, state).await?, trail },
        (false, _) => {
            let running = peek(&owner, &used.id, worker).await?;
            let body = match running {
                Some(json) => json.into(),
                None => String::from(Box::<str>::from(record.response)).into_bytes(),
            };
            Reply::Json { body, trail }
        }
    }))
}

/// What the translation header of the first answer said, and what came to be known behind it.
fn notes(record: &StoredResponse) -> Vec<Note> {
    let note = |(field, kind, why): &(String, String, String)| {
        Some(Note { field: field.clone(), kind: NoteKind::of(kind)?, why: why.clone() })
    };
    record.notes.iter().filter_map(note).collect()
}

/// The stream of a response of which only the end is known.
async fn told_again(
    record: StoredResponse,
    caller: &Caller<'_>,
    state: &AppState,
) -> Result<ClientFrames, ApiError> {
    let names = dialect::reasoning_events(caller.headers, state.options.reasoning_events)?;
    let length = record.response.get().len();
    let work = move |_: &Gone| retell(&record.response, names);
    let frames = state.node.heavy.sized(length, &caller.client.name, work).await?;
    let frames = frames.ok_or_else(ApiError::internal)?;
    Ok(ClientFrames::of(frames.into(), &state.node.budget))
}
