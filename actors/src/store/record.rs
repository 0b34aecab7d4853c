//! The stored form of a response: a format byte, then JSON whose big parts are kept as they were sent.

use or_engine::HistoryTurn;
use or_protocol::{Item, ResponseStatus, decode_stored_items};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::StoreError;

/// Format of records written by this version. A number that was once used keeps its meaning.
const FORMAT: u8 = 1;

/// One response with what it was made from.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct StoredResponse {
    /// Name of the client key that made it.
    pub owner: String,
    /// Unix seconds.
    pub created_at: i64,
    /// How it ended.
    pub status: ResponseStatus,
    /// Provider that served it.
    pub provider: String,
    /// The response it continues.
    pub previous_response_id: Option<String>,
    /// Its own input: a JSON array of items with ids.
    pub input: Box<RawValue>,
    /// The response object as the client got it.
    pub response: Box<RawValue>,
    /// Reasoning state hidden from the client, by output index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<(usize, String)>,
    /// Translation notes: field, kind, reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<(String, String, String)>,
}

#[derive(Deserialize)]
struct OutputOnly<'a> {
    #[serde(borrow)]
    output: &'a RawValue,
}

impl StoredResponse {
    /// The bytes that go to disk.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(self.input.get().len() + self.response.get().len() + 256);
        bytes.push(FORMAT);
        serde_json::to_writer(&mut bytes, self).map_err(|e| StoreError::Io(e.to_string()))?;
        Ok(bytes)
    }

    /// Reads bytes from disk. `id` names the record in errors.
    pub fn decode(id: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        match bytes.split_first() {
            Some((&FORMAT, json)) => {
                serde_json::from_slice(json).map_err(|_| StoreError::Damaged(id.to_owned()))
            }
            Some((&other, _)) => Err(StoreError::Format(other)),
            None => Err(StoreError::Damaged(id.to_owned())),
        }
    }

    /// Its input and output as items, sealed reasoning state back in place.
    pub fn history_turn(&self, id: &str) -> Result<HistoryTurn, StoreError> {
        let damaged = || StoreError::Damaged(id.to_owned());
        let response: OutputOnly<'_> = serde_json::from_str(self.response.get()).map_err(|_| damaged())?;
        let input = decode_stored_items(self.input.get()).map_err(|_| damaged())?;
        let mut output = decode_stored_items(response.output.get()).map_err(|_| damaged())?;
        for (index, blob) in &self.sealed {
            if let Some(Item::Reasoning(item)) = output.get_mut(*index) {
                item.encrypted_content = Some(blob.clone());
            }
        }
        Ok(HistoryTurn { status: self.status, input, output })
    }
}
