//! Reasoning that comes back by its id. A client that did not ask for the provider's state cannot send it, and most send
//! their whole history with every request; so the state is taken from the stored response, as OpenAI does.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use or_protocol::{Item, ItemId, ResponseId};
use or_store::StoreError;

use crate::store::StoreHandle;

/// What was found.
#[derive(Default)]
pub(super) struct States {
    /// By the place in the input of the reasoning that they belong to.
    found: Vec<(usize, String)>,
    bytes: u64,
}

impl States {
    /// Reads the states that the input lacks, the newest first, as many as there is `room` for in bytes. Each is given
    /// out once. What is not found stays without: its thoughts may be somebody else's, or gone.
    pub(super) async fn load(
        store: &StoreHandle,
        owner: &str,
        input: &[Item],
        room: u64,
    ) -> Result<Self, StoreError> {
        let mut states = Self::default();
        for (Reverse(response), wanted) in lacking(input) {
            let stored = store.sealed(response, owner.to_owned()).await?;
            let mut stored: HashMap<usize, String> = stored.into_iter().collect();
            for (at, index) in wanted {
                let Some(state) = stored.remove(&index) else { continue };
                let bytes = states.bytes + state.len() as u64;
                if bytes > room {
                    return Ok(states);
                }
                states.found.push((at, state));
                states.bytes = bytes;
            }
        }
        Ok(states)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn put_into(self, input: &mut [Item]) {
        for (at, state) in self.found {
            if let Some(Item::Reasoning(reasoning)) = input.get_mut(at) {
                reasoning.encrypted_content = Some(state);
            }
        }
    }
}

/// Reasoning with an id of ours and without a state: its places in the input and in the output of its response.
fn lacking(input: &[Item]) -> BTreeMap<Reverse<ResponseId>, Vec<(usize, usize)>> {
    let mut lacking = BTreeMap::<_, Vec<_>>::new();
    for (at, item) in input.iter().enumerate() {
        if let Item::Reasoning(reasoning) = item
            && reasoning.encrypted_content.is_none()
            && let Some((response, index)) = reasoning.id.as_deref().and_then(ItemId::place_in_output)
        {
            lacking.entry(Reverse(response)).or_default().push((at, index));
        }
    }
    lacking
}
