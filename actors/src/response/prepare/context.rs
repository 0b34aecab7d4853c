//! What a request refers to: the chain it continues, and single stored items.
//!
//! How many bytes that comes to is known before any of it is read, and room for them is made. The reading and all
//! that follows is heavy work if they are many.

use std::collections::{BTreeMap, HashMap, HashSet};

use or_engine::{Context, HistoryTurn, build_context};
use or_protocol::{ApiError, ErrorKind, Item, ItemId, ItemStatus, ResponseId};
use serde_json::value::{RawValue, to_raw_value};

use crate::heavy::Gone;
use crate::held::Held;
use crate::limits::HEAVY;
use crate::node::Node;
use crate::response::prepare::states::States;
use crate::store::StoreHandle;
use or_store::{ChainError, StoreError};

const PREVIOUS: &str = "previous_response_id";

/// Whose context is loaded, and what it takes.
pub(crate) struct Loader<'a> {
    pub(crate) node: &'a Node,
    pub(crate) store: &'a StoreHandle,
    pub(crate) owner: &'a str,
    /// The response that is continued.
    pub(crate) previous: Option<&'a str>,
    /// Bytes of the request as it came.
    pub(crate) own: usize,
    pub(crate) held: &'a Held,
}

/// What came of it.
pub(crate) struct Loaded {
    pub(crate) context: Context,
    /// The request's own input as it will be stored, JSON; `None` if it will not be.
    pub(crate) stored: Option<Box<RawValue>>,
    /// Bytes of the request and of all that it refers to.
    pub(crate) bytes: usize,
}

/// What is to be made of a request's input.
enum Keep<'a> {
    /// It is not stored.
    No,
    /// It is stored with this response.
    With(&'a ResponseId),
}

impl Loader<'_> {
    /// The whole context of a request.
    ///
    /// # Errors
    /// What the client is told: something is not there, is too much, or there is no room for it.
    pub(crate) async fn load(
        self,
        response: &ResponseId,
        input: Vec<Item>,
        keep: bool,
    ) -> Result<Loaded, ApiError> {
        self.all(input, if keep { Keep::With(response) } else { Keep::No }).await
    }

    /// The whole context of a response whose own input is settled.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn context(self, input: Vec<Item>) -> Result<Loaded, ApiError> {
        self.all(input, Keep::No).await
    }

    async fn all(self, mut input: Vec<Item>, keep: Keep<'_>) -> Result<Loaded, ApiError> {
        let limit = self.node.limits.max_context_bytes;
        let mut bytes = self.own as u64;
        let chain = self.chain(limit.saturating_sub(bytes)).await?;
        if let Some((_, chain)) = &chain {
            bytes = within(bytes, *chain, limit, PREVIOUS)?;
        }
        let referred = referred(&input);
        let mut records = 0;
        for id in referred.keys() {
            let record = self.store.record_bytes(id.clone(), self.owner.to_owned()).await;
            records += record.map_err(|e| storage_error(&e))?.unwrap_or(0);
            within(bytes, records, limit, "input")?;
        }
        let more = bytes + records - self.own as u64;
        if more > 0 {
            self.held.more(usize::try_from(more).unwrap_or(usize::MAX))?;
        }
        let heavy = bytes + records >= HEAVY as u64;
        let place = if heavy { Some(self.node.heavy.place(self.owner).await) } else { None };
        let history = match chain {
            Some((id, _)) => self.history(id).await?,
            None => Vec::new(),
        };
        let found = self.items(referred).await?;
        let states =
            States::load(self.store, self.owner, &input, limit.saturating_sub(bytes + records)).await;
        let states = states.map_err(|e| storage_error(&e))?;
        self.held.more(usize::try_from(states.bytes()).unwrap_or(usize::MAX))?;
        let held = self.held.clone();
        let id = match keep {
            Keep::With(id) => Some(id.clone()),
            Keep::No => None,
        };
        let build = move |gone: &Gone| {
            let sent = resolve(&mut input, found, bytes, limit, gone)? - bytes;
            // What is referred to more than once.
            held.more(usize::try_from(sent.saturating_sub(records)).unwrap_or(usize::MAX))?;
            let stored = match id {
                Some(id) => {
                    settle(&mut input, &id);
                    Some(to_raw_value(&input).map_err(|_| ApiError::internal())?)
                }
                None => None,
            };
            // Behind that: they are stored where they come from.
            let sent = sent + states.bytes();
            states.put_into(&mut input);
            let bytes = usize::try_from(bytes + sent).unwrap_or(usize::MAX);
            Ok(Loaded { context: build_context(history, input)?, stored, bytes })
        };
        match place {
            Some(place) => self.node.heavy.run_in(place, build).await?,
            None => build(&Gone::default()),
        }
    }

    /// The newest link of the chain and the bytes of all of them, counted up to `limit`.
    async fn chain(&self, limit: u64) -> Result<Option<(ResponseId, u64)>, ApiError> {
        let Some(previous) = self.previous else { return Ok(None) };
        let id = ResponseId::parse(previous).ok_or_else(|| not_found(previous))?;
        let bytes = self.store.chain_bytes(id.clone(), self.owner.to_owned(), limit).await;
        Ok(Some((id, bytes.map_err(|error| self.broken(error))?)))
    }

    /// Reads the chain, oldest first.
    async fn history(&self, id: ResponseId) -> Result<Vec<HistoryTurn>, ApiError> {
        self.store.history(id, self.owner.to_owned()).await.map_err(|error| self.broken(error))
    }

    fn broken(&self, error: ChainError) -> ApiError {
        match error {
            ChainError::NotFound(_) => not_found(self.previous.unwrap_or_default()),
            ChainError::Unfinished(id) => {
                let text = format!("Previous response with id '{id}' is not finished yet.");
                ApiError::invalid("previous_response_not_finished", PREVIOUS, text)
            }
            ChainError::TooLong(limit) => {
                let text = format!("The chain of previous responses is longer than {limit}.");
                ApiError::invalid("previous_response_chain_too_long", PREVIOUS, text)
            }
            ChainError::Store(error) => storage_error(&error),
        }
    }

    /// The stored items that are referred to, by their ids. Each record is read once, and one after the other: of most
    /// that they hold nothing is wanted.
    async fn items(&self, referred: Referred) -> Result<HashMap<String, Item>, ApiError> {
        let mut found = HashMap::new();
        for (response, mut wanted) in referred {
            let turn =
                self.store.turn(response, self.owner.to_owned()).await.map_err(|e| storage_error(&e))?;
            let Some(turn) = turn else { continue };
            for item in turn.output.into_iter().chain(turn.input) {
                if let Some(id) = item.id().and_then(|id| wanted.take(id)) {
                    found.insert(id, item);
                }
            }
        }
        Ok(found)
    }
}

/// The sum, if it is within the limit.
fn within(bytes: u64, more: u64, limit: u64, param: &str) -> Result<u64, ApiError> {
    let sum = bytes.saturating_add(more);
    if sum <= limit {
        return Ok(sum);
    }
    let text = format!(
        "The context is larger than this server's limit of {limit} bytes: the request, the previous responses and the items it refers to are counted together."
    );
    Err(ApiError::invalid("context_too_large", param, text))
}

fn storage_error(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the history could not be read");
    ApiError::new(ErrorKind::Storage, "The stored history could not be read.").with_code("storage_error")
}

fn not_found(previous: &str) -> ApiError {
    let text = format!("Previous response with id '{previous}' not found.");
    ApiError::invalid("previous_response_not_found", PREVIOUS, text)
}

/// The ids of the items that are referred to, by the response that has them.
type Referred = BTreeMap<ResponseId, HashSet<String>>;

fn referred(input: &[Item]) -> Referred {
    let mut referred = Referred::new();
    for item in input {
        if let Item::ItemReference(reference) = item
            && let Some(response) = ItemId::response_of(&reference.id)
        {
            referred.entry(response).or_default().insert(reference.id.clone());
        }
    }
    referred
}

/// Replaces every `item_reference` by the stored item of the same owner (rules 3.8). Adds their bytes to the `bytes` that
/// there are already; an item counts as often as it is referred to, for so often it is sent.
fn resolve(
    input: &mut [Item],
    found: HashMap<String, Item>,
    mut bytes: u64,
    limit: u64,
    gone: &Gone,
) -> Result<u64, ApiError> {
    let mut times: HashMap<String, (Item, u64, usize)> =
        found.into_iter().map(|(id, item)| (id, (item, 0, 0))).collect();
    for (index, id) in input.iter().enumerate().filter_map(|(index, item)| match item {
        Item::ItemReference(reference) => Some((index, &reference.id)),
        _ => None,
    }) {
        let Some((item, length, times)) = times.get_mut(id) else {
            let text = format!("Item with id '{id}' not found.");
            return Err(ApiError::new(ErrorKind::NotFound, text).with_param(format!("input[{index}].id")));
        };
        if *times == 0 {
            *length = item.bytes();
        }
        *times += 1;
        bytes = within(bytes, *length, limit, "input")?;
    }
    // Nothing was copied before it was known that it is not too much.
    for item in input {
        let Item::ItemReference(reference) = item else { continue };
        if gone.is_set() {
            return Err(ApiError::internal());
        }
        let Some((stored, _, left)) = times.get_mut(&reference.id) else { continue };
        *left -= 1;
        *item = match *left {
            0 => times.remove(&reference.id).map_or_else(|| item.clone(), |(stored, ..)| stored),
            _ => stored.clone(),
        };
    }
    Ok(bytes)
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
