//! The stored form of a response: a format byte, then JSON whose big parts are kept as they were sent.

use std::borrow::Cow;
use std::{fmt, io};

use or_engine::{ServerThen, failed_response, short_response};
use or_protocol::{ApiError, Item, ResponseStatus, StoredItem};
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer as _, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::{HistoryTurn, StoreError};

/// Format of records written by this version. A number that was once used keeps its meaning:
///
/// 1. without `background` and `resume`;
/// 2. with both.
///
/// Records are never rewritten, so every format is read for ever. A field that is added has a default here, and that
/// is all. If one changes its meaning, [`json_of`] turns JSON of the format before into that of the next, one
/// function for each step in a file `migrate.rs`. Either way the number goes up, since a version that does not
/// know it must refuse the record and not lose a field; and `tests/data` gets a folder that the last version
/// wrote, with a test in `tests/store/formats.rs`.
const FORMAT: u8 = 2;
/// The format before, which reads as the present one: what it lacks has its default.
const FIRST_FORMAT: u8 = 1;

/// How the JSON of a record begins: with its first field.
const OWNER_FIRST: &[u8] = br#"{"owner":"#;

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
    /// Reasoning state hidden from the client, by output index. It stands before the big members, so that it can be read
    /// without them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sealed: Vec<(usize, String)>,
    /// Its own input: a JSON array of items with ids.
    pub input: Box<RawValue>,
    /// The response object as the client got it.
    pub response: Box<RawValue>,
    /// Translation notes: field, kind, reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<(String, String, String)>,
    /// Whether it runs, or ran, detached from its client.
    #[serde(default)]
    pub background: bool,
    /// What it takes to go on with a background response after a restart; none once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Box<RawValue>>,
}

/// A link of a chain: what a context needs of a record, read in one pass.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) owner: String,
    pub(crate) previous_response_id: Option<String>,
    pub(crate) turn: HistoryTurn,
}

#[derive(Deserialize)]
struct StoredLink<'a> {
    #[serde(borrow)]
    owner: Cow<'a, str>,
    status: ResponseStatus,
    #[serde(borrow)]
    previous_response_id: Option<Cow<'a, str>>,
    input: Vec<StoredItem>,
    response: OutputOnly,
    #[serde(default)]
    sealed: Vec<(usize, String)>,
}

#[derive(Deserialize)]
struct OutputOnly {
    output: Vec<StoredItem>,
    #[serde(default)]
    tools: Vec<ShownTool>,
}

/// What a tool of the response says of its MCP server.
#[derive(Deserialize)]
struct ShownTool {
    #[serde(default)]
    server_label: Value,
    #[serde(default)]
    server_url: Value,
    #[serde(default)]
    allowed_tools: Value,
}

impl Link {
    /// Reads bytes from disk. `id` names the record in errors.
    pub(crate) fn decode(id: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        let json = json_of(id, bytes)?;
        let stored: StoredLink<'_> =
            serde_json::from_slice(json).map_err(|_| StoreError::Damaged(id.to_owned()))?;
        Ok(Self {
            owner: stored.owner.into_owned(),
            previous_response_id: stored.previous_response_id.map(Cow::into_owned),
            turn: turn(stored.status, stored.input, stored.response, &stored.sealed),
        })
    }
}

/// The members of a record that stand before its big ones.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
pub(crate) struct Head {
    pub(crate) owner: String,
    pub(crate) status: Option<ResponseStatus>,
    #[serde(default)]
    pub(crate) previous_response_id: Option<String>,
    /// Left out by [`Head::of_beginning`], and where a record of before has it behind its big members.
    #[serde(default)]
    pub(crate) sealed: Vec<(usize, String)>,
}

impl Head {
    /// Reads it from the first bytes of a record, which may end anywhere; `None`: they are too few.
    pub(crate) fn of_beginning(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes, false)
    }

    /// The same with the reasoning state, of which there may be much.
    pub(crate) fn with_sealed(bytes: &[u8]) -> Option<Self> {
        Self::read(bytes, true)
    }

    fn read(bytes: &[u8], sealed: bool) -> Option<Self> {
        let (_, json) = bytes.split_first()?;
        let mut head = None;
        // Whether the rest reads is another question.
        let reader = HeadReader { head: &mut head, sealed };
        let _ = serde_json::Deserializer::from_slice(json).deserialize_map(reader);
        head
    }

    /// Reads it from the whole record.
    pub(crate) fn of_record(id: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(json_of(id, bytes)?).map_err(|_| StoreError::Damaged(id.to_owned()))
    }
}

/// Stops at the first member that is none of a [`Head`], and of which nothing stands before it.
struct HeadReader<'a> {
    head: &'a mut Option<Head>,
    sealed: bool,
}

impl<'de> Visitor<'de> for HeadReader<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut head = Head::default();
        loop {
            match members.next_key::<Cow<'_, str>>()?.as_deref() {
                Some("owner") => head.owner = members.next_value()?,
                Some("status") => head.status = Some(members.next_value()?),
                Some("previous_response_id") => head.previous_response_id = members.next_value()?,
                Some("sealed") if self.sealed => head.sealed = members.next_value()?,
                Some("created_at" | "provider") => drop(members.next_value::<IgnoredAny>()?),
                Some(_) | None => break,
            }
        }
        *self.head = head.status.is_some().then_some(head);
        Err(serde::de::Error::custom("the rest is not needed"))
    }
}

fn turn(
    status: ResponseStatus,
    input: Vec<StoredItem>,
    response: OutputOnly,
    sealed: &[(usize, String)],
) -> HistoryTurn {
    let items = |list: Vec<StoredItem>| list.into_iter().map(|StoredItem(item)| item).collect();
    let input = items(input);
    let mut output: Vec<Item> = items(response.output);
    for (index, blob) in sealed {
        if let Some(Item::Reasoning(item)) = output.get_mut(*index) {
            item.encrypted_content = Some(blob.clone());
        }
    }
    let server = |tool: ShownTool| {
        let url = tool.server_url.as_str().map(str::to_owned);
        let server = ServerThen { url, allowed_tools: tool.allowed_tools };
        Some((tool.server_label.as_str()?.to_owned(), server))
    };
    HistoryTurn { status, input, output, servers: response.tools.into_iter().filter_map(server).collect() }
}

/// The JSON behind the format byte.
fn json_of<'a>(id: &str, bytes: &'a [u8]) -> Result<&'a [u8], StoreError> {
    match bytes.split_first() {
        Some((&(FORMAT | FIRST_FORMAT), json)) => Ok(json),
        Some((&other, _)) => Err(StoreError::Format(other)),
        None => Err(StoreError::Damaged(id.to_owned())),
    }
}

/// No items.
fn none() -> Box<RawValue> {
    RawValue::from_string("[]".to_owned()).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

pub(crate) fn is_over(status: ResponseStatus) -> bool {
    match status {
        ResponseStatus::Queued | ResponseStatus::InProgress => false,
        ResponseStatus::Completed
        | ResponseStatus::Failed
        | ResponseStatus::Incomplete
        | ResponseStatus::Cancelled => true,
    }
}

impl StoredResponse {
    /// How many bytes [`StoredResponse::encode`] would make, or somewhat more; nothing is written to find out.
    pub fn size(&self) -> usize {
        let raw = |json: &RawValue| json.get().len();
        // A character takes six bytes of JSON at most.
        let sealed = self.sealed.iter().map(|(_, text)| text.len() + 32);
        let notes =
            self.notes.iter().map(|(field, kind, why)| 6 * (field.len() + kind.len() + why.len()) + 16);
        raw(&self.input)
            + raw(&self.response)
            + self.resume.as_deref().map_or(0, raw)
            + sealed.chain(notes).sum::<usize>()
            + 6 * (self.owner.len() + self.provider.len())
            + 512
    }

    /// The bytes that go to disk.
    pub fn encode(&self) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::with_capacity(self.size());
        self.encode_to(&mut bytes)?;
        Ok(bytes)
    }

    /// The same, as they are made.
    pub(crate) fn encode_to(&self, to: &mut impl io::Write) -> Result<(), StoreError> {
        to.write_all(&[FORMAT]).map_err(|e| StoreError::Io(e.to_string()))?;
        serde_json::to_writer(to, self).map_err(|e| StoreError::Encode(e.to_string()))
    }

    /// Reads bytes from disk. `id` names the record in errors.
    pub fn decode(id: &str, bytes: &[u8]) -> Result<Self, StoreError> {
        serde_json::from_slice(json_of(id, bytes)?).map_err(|_| StoreError::Damaged(id.to_owned()))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        is_over(self.status)
    }

    /// The record of this response if it will not go on.
    pub fn interrupted(self) -> Result<Self, StoreError> {
        let response = failed_response(&self.response, &ApiError::interrupted());
        self.failed_with(response)
    }

    /// The record of this response if it failed and nothing of it that may be long is to be kept: every store takes
    /// that.
    pub fn failed_short(self, error: &ApiError) -> Result<Self, StoreError> {
        let response = short_response(&self.response, Some(error));
        let (input, sealed, notes) = (none(), Vec::new(), Vec::new());
        Self { input, sealed, notes, ..self }.failed_with(response)
    }

    fn failed_with(self, response: Option<Box<RawValue>>) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("a response in flight".into());
        let response = response.ok_or_else(damaged)?;
        Ok(Self { status: ResponseStatus::Failed, response, resume: None, ..self })
    }

    /// The record of this response once it is over. `response`: the object, JSON.
    pub fn ended(self, status: ResponseStatus, response: Vec<u8>) -> Result<Self, StoreError> {
        let response = serde_json::from_slice(&response)
            .map_err(|_| StoreError::Damaged("the end of a response".into()))?;
        Ok(Self { status, response, resume: None, ..self })
    }

    /// Whose bytes from disk these are, or begin to be; nothing behind the owner is looked at, so that it takes no longer for
    /// a long record, and works for a damaged one. `None` if they do not begin as this version writes them.
    pub(crate) fn owner_of(bytes: &[u8]) -> Option<Cow<'_, str>> {
        let json = match bytes.split_first()? {
            (&(FORMAT | FIRST_FORMAT), json) => json.strip_prefix(OWNER_FIRST)?,
            _ => return None,
        };
        serde_json::Deserializer::from_slice(json).into_iter::<Cow<'_, str>>().next()?.ok()
    }

    /// Its input and output as items, sealed reasoning state back in place.
    pub fn history_turn(&self, id: &str) -> Result<HistoryTurn, StoreError> {
        let damaged = |_| StoreError::Damaged(id.to_owned());
        let input = serde_json::from_str(self.input.get()).map_err(damaged)?;
        let response = serde_json::from_str(self.response.get()).map_err(damaged)?;
        Ok(turn(self.status, input, response, &self.sealed))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn the_head_is_read_from_the_beginning() {
        let raw = |json: &str| RawValue::from_string(json.to_owned()).unwrap();
        let sealed = vec![(0, "or1.\"state\"".to_owned())];
        let record = StoredResponse {
            owner: "alice".into(),
            created_at: 7,
            status: ResponseStatus::Completed,
            provider: "demo".into(),
            previous_response_id: Some("resp_1".into()),
            input: raw("[]"),
            response: raw("{}"),
            sealed: sealed.clone(),
            notes: Vec::new(),
            background: false,
            resume: None,
        };
        let bytes = record.encode().unwrap();
        let want = Head {
            owner: "alice".into(),
            status: Some(ResponseStatus::Completed),
            previous_response_id: Some("resp_1".into()),
            sealed: Vec::new(),
        };
        let with_sealed = Head { sealed, ..want.clone() };
        let behind = |name: &[u8]| bytes.windows(name.len()).position(|at| at == name).unwrap() + name.len();
        let (first, second) = (behind(b"\"sealed\""), behind(b"\"input\""));
        for end in 0..bytes.len() {
            let bytes = &bytes[..end];
            assert_eq!(Head::of_beginning(bytes).as_ref(), (end >= first).then_some(&want), "{end}");
            assert_eq!(Head::with_sealed(bytes).as_ref(), (end >= second).then_some(&with_sealed), "{end}");
        }
        assert_eq!(Head::of_record("x", &bytes).unwrap(), with_sealed);
    }
}
