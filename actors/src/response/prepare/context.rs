//! What a request refers to: the chain it continues, and single stored items.

use std::collections::HashSet;

use or_engine::{Context, HistoryTurn, build_context};
use or_protocol::{ApiError, ErrorKind, Item, ItemId, ItemStatus, ResponseId};
use serde_json::value::{RawValue, to_raw_value};

use crate::store::StoreHandle;
use or_store::{ChainError, StoreError};

fn storage_error(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the history could not be read");
    ApiError::new(ErrorKind::Storage, "The stored history could not be read.").with_code("storage_error")
}

/// Reads the chain behind `previous_response_id`, oldest first.
async fn history(store: &StoreHandle, previous: &str, owner: &str) -> Result<Vec<HistoryTurn>, ApiError> {
    let param = "previous_response_id";
    let missing = || {
        let text = format!("Previous response with id '{previous}' not found.");
        ApiError::invalid("previous_response_not_found", param, text)
    };
    let id = ResponseId::parse(previous).ok_or_else(missing)?;
    store.history(id, owner.to_owned()).await.map_err(|error| match error {
        ChainError::NotFound(_) => missing(),
        ChainError::Unfinished(id) => {
            let text = format!("Previous response with id '{id}' is not finished yet.");
            ApiError::invalid("previous_response_not_finished", param, text)
        }
        ChainError::TooLong(limit) => {
            let text = format!("The chain of previous responses is longer than {limit}.");
            ApiError::invalid("previous_response_chain_too_long", param, text)
        }
        ChainError::Store(error) => storage_error(&error),
    })
}

/// Replaces every `item_reference` by the stored item of the same owner (rules 3.8).
async fn resolve(store: &StoreHandle, items: &mut [Item], owner: &str) -> Result<(), ApiError> {
    for (index, item) in items.iter_mut().enumerate() {
        let Item::ItemReference(reference) = item else { continue };
        let wanted = reference.id.clone();
        let missing = || {
            ApiError::new(ErrorKind::NotFound, format!("Item with id '{wanted}' not found."))
                .with_param(format!("input[{index}].id"))
        };
        let id = ItemId::response_of(&wanted).ok_or_else(missing)?;
        let name = id.to_string();
        let loaded = store.load(id, owner.to_owned()).await;
        let record = loaded.map_err(|e| storage_error(&e))?.ok_or_else(missing)?;
        let turn = record.history_turn(&name).map_err(|e| storage_error(&e))?;
        let mut stored = turn.output.into_iter().chain(turn.input);
        *item = stored.find(|i| i.id() == Some(&wanted)).ok_or_else(missing)?;
    }
    Ok(())
}

/// Gives input items the ids and the state under which they are stored and listed. An id stands once in a list:
/// pages begin behind one.
fn settle(items: &mut [Item], response: &ResponseId) {
    let mut taken = HashSet::new();
    for (index, item) in items.iter_mut().enumerate() {
        let own = item.id().is_some_and(|id| !id.is_empty() && taken.insert(id.to_owned()));
        if !own {
            item.set_id(ItemId::input(item.id_prefix(), response, index));
        }
        match item {
            Item::Message(i) => i.status = i.status.or(Some(ItemStatus::Completed)),
            Item::FunctionCall(i) => i.status = i.status.or(Some(ItemStatus::Completed)),
            Item::CustomToolCall(i) => i.status = i.status.or(Some(ItemStatus::Completed)),
            Item::FunctionCallOutput(i) | Item::CustomToolCallOutput(i) => {
                i.status = i.status.or(Some(ItemStatus::Completed));
            }
            Item::Reasoning(_)
            | Item::Compaction(_)
            | Item::ItemReference(_)
            | Item::Mcp(_)
            | Item::Other(_) => {}
        }
    }
}

/// The whole context of a response whose own input is settled.
pub(crate) async fn context(
    store: &StoreHandle,
    previous: Option<&str>,
    owner: &str,
    input: Vec<Item>,
) -> Result<Context, ApiError> {
    let history = match previous {
        Some(previous) => history(store, previous, owner).await?,
        None => Vec::new(),
    };
    build_context(history, input)
}

/// The request's whole context, and its own input as it will be stored (JSON; `None` if it will not be).
pub(crate) async fn load(
    store: &StoreHandle,
    response: &ResponseId,
    previous: Option<&str>,
    owner: &str,
    mut input: Vec<Item>,
    keep: bool,
) -> Result<(Context, Option<Box<RawValue>>), ApiError> {
    let history = match previous {
        Some(previous) => history(store, previous, owner).await?,
        None => Vec::new(),
    };
    if input.iter().any(|item| matches!(item, Item::ItemReference(_))) {
        resolve(store, &mut input, owner).await?;
    }
    let stored = if keep {
        settle(&mut input, response);
        Some(to_raw_value(&input).map_err(|_| ApiError::internal())?)
    } else {
        None
    };
    Ok((build_context(history, input)?, stored))
}
