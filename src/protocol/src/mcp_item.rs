//! The items of MCP: lists of tools, calls, requests for approval and their answers. OpenAI's types.
//!
//! Clients, providers and our own records hold them in any form, and none is refused. So a member that nobody here
//! knows, or that is not of its usual type, stays as it came, and every member keeps its place: what was read is
//! written again byte for byte.

use serde::ser::{SerializeMap, Serializer};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use crate::RawJson;
use crate::json::string;

/// An item of MCP.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum McpItem {
    /// The tools of a server.
    ListTools(Box<McpListTools>),
    /// A call of a server's tool, and what came of it.
    Call(Box<McpCall>),
    /// A call that waits for the client's word.
    ApprovalRequest(Box<McpApprovalRequest>),
    /// That word.
    ApprovalResponse(Box<McpApprovalResponse>),
}

/// Makes the type of an item: a field for each member that means something to us, and `rest`.
macro_rules! item_type {
    ($(#[$of_item:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$of_item])*
        #[derive(Clone, Debug, PartialEq)]
        #[expect(missing_docs, reason = "OpenAI's field names say it")]
        pub struct $name {
            $($(#[$of_field])* pub $field: Option<$type>,)*
            /// All members in their order, as they came.
            rest: RawJson,
        }

        impl $name {
            fn read(rest: RawJson) -> Self {
                Self { $($field: rest.get(stringify!($field)).and_then(Member::read),)* rest }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let mut map = serializer.serialize_map(None)?;
                let members = self.rest.members();
                for (key, value) in &members {
                    match &**key {
                        // What was taken out is null, and what no field could hold stays.
                        $(stringify!($field)
                            if self.$field.is_some() || <$type as Member>::read(value).is_some() =>
                        {
                            map.serialize_entry(key, &self.$field)?;
                        })*
                        _ => map.serialize_entry(key, value)?,
                    }
                }
                // What was set and had no place yet.
                $(if self.$field.is_some() && !members.iter().any(|(key, _)| key == stringify!($field)) {
                    map.serialize_entry(stringify!($field), &self.$field)?;
                })*
                map.end()
            }
        }
    };
}

item_type! {
    /// `mcp_list_tools`.
    McpListTools {
        id: String,
        server_label: String,
        /// Name, description, schema and hints of each.
        tools: RawJson,
        /// Why there are none.
        error: RawJson,
    }
}

item_type! {
    /// `mcp_call`.
    McpCall {
        id: String,
        status: McpCallStatus,
        /// The request that the client has approved, if the call needed that.
        approval_request_id: String,
        /// JSON as the model wrote it; may be cut off.
        arguments: String,
        /// A text, or an object of OpenAI's.
        error: RawJson,
        name: String,
        output: String,
        server_label: String,
    }
}

item_type! {
    /// `mcp_approval_request`.
    McpApprovalRequest {
        id: String,
        arguments: String,
        name: String,
        server_label: String,
    }
}

item_type! {
    /// `mcp_approval_response`. What it decides is read strictly, by [`McpApprovalResponse::decision`].
    McpApprovalResponse {
        id: String,
        approval_request_id: String,
    }
}

/// How far a call is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "OpenAI's words")]
pub enum McpCallStatus {
    InProgress,
    Calling,
    Completed,
    Incomplete,
    Failed,
}

/// Of a type that a field may have.
trait Member: Sized {
    /// The value, if it is of this type.
    fn read(raw: &RawValue) -> Option<Self>;
}

/// Anything but null.
impl Member for RawJson {
    fn read(raw: &RawValue) -> Option<Self> {
        Self::keep(raw).ok().filter(|value| !value.is_null())
    }
}

impl Member for String {
    fn read(raw: &RawValue) -> Option<Self> {
        string(raw).map(|text| text.into_owned())
    }
}

impl Member for McpCallStatus {
    fn read(raw: &RawValue) -> Option<Self> {
        serde_json::from_str(raw.get()).ok()
    }
}

/// The members of an item that is made here, still without values.
fn places<const N: usize>(kind: &str, order: [&str; N]) -> RawJson {
    let mut members = Map::with_capacity(N + 1);
    members.insert("type".into(), kind.into());
    members.extend(order.map(|key| (key.to_owned(), Value::Null)));
    members.into()
}

impl McpListTools {
    /// A list without tools.
    pub fn new(server_label: &str) -> Self {
        Self {
            server_label: Some(server_label.to_owned()),
            tools: Some(Value::Array(Vec::new()).into()),
            ..Self::read(places("mcp_list_tools", ["id", "server_label", "tools"]))
        }
    }
}

impl McpCall {
    /// A call that begins.
    pub fn new(server_label: &str, name: &str, approval_request_id: Option<&str>) -> Self {
        let order =
            ["id", "status", "approval_request_id", "arguments", "error", "name", "output", "server_label"];
        Self {
            status: Some(McpCallStatus::InProgress),
            approval_request_id: approval_request_id.map(str::to_owned),
            arguments: Some(String::new()),
            name: Some(name.to_owned()),
            server_label: Some(server_label.to_owned()),
            ..Self::read(places("mcp_call", order))
        }
    }
}

impl McpApprovalRequest {
    /// A request, under an id that is signed over all of it.
    pub fn new(id: String, server_label: String, name: String, arguments: String) -> Self {
        Self {
            id: Some(id),
            arguments: Some(arguments),
            name: Some(name),
            server_label: Some(server_label),
            ..Self::read(places("mcp_approval_request", ["id", "arguments", "name", "server_label"]))
        }
    }
}

impl McpItem {
    /// Reads an item, or gives its members back if it is none of MCP.
    pub(crate) fn read(members: RawJson) -> Result<Self, RawJson> {
        match members.text("type").as_deref() {
            Some("mcp_list_tools") => Ok(Self::ListTools(Box::new(McpListTools::read(members)))),
            Some("mcp_call") => Ok(Self::Call(Box::new(McpCall::read(members)))),
            Some("mcp_approval_request") => {
                Ok(Self::ApprovalRequest(Box::new(McpApprovalRequest::read(members))))
            }
            Some("mcp_approval_response") => {
                Ok(Self::ApprovalResponse(Box::new(McpApprovalResponse::read(members))))
            }
            _ => Err(members),
        }
    }

    /// The item's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ListTools(_) => "mcp_list_tools",
            Self::Call(_) => "mcp_call",
            Self::ApprovalRequest(_) => "mcp_approval_request",
            Self::ApprovalResponse(_) => "mcp_approval_response",
        }
    }

    /// The label of the server that it is about; an answer names none.
    pub fn server_label(&self) -> Option<&str> {
        match self {
            Self::ListTools(item) => item.server_label.as_deref(),
            Self::Call(item) => item.server_label.as_deref(),
            Self::ApprovalRequest(item) => item.server_label.as_deref(),
            Self::ApprovalResponse(_) => None,
        }
    }

    /// Every member, in its place.
    pub fn members(&self) -> RawJson {
        // An item has string keys only, so it can be written.
        to_raw_value(self).map(RawJson::from).unwrap_or_default()
    }

    pub(crate) fn id(&self) -> &Option<String> {
        match self {
            Self::ListTools(item) => &item.id,
            Self::Call(item) => &item.id,
            Self::ApprovalRequest(item) => &item.id,
            Self::ApprovalResponse(item) => &item.id,
        }
    }

    pub(crate) fn id_mut(&mut self) -> &mut Option<String> {
        match self {
            Self::ListTools(item) => &mut item.id,
            Self::Call(item) => &mut item.id,
            Self::ApprovalRequest(item) => &mut item.id,
            Self::ApprovalResponse(item) => &mut item.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::{Item, Path, StoredItem, decode_item};

    /// Whoever reads it, it is written as it was.
    #[track_caller]
    fn check(json: &str) {
        let value: Value = serde_json::from_str(json).unwrap();
        let StoredItem(stored) = serde_json::from_str(json).unwrap();
        let Item::Mcp(item) = &stored else { panic!("{stored:?}") };
        assert_eq!(serde_json::to_string(&stored).unwrap(), json);
        assert_eq!(serde_json::to_string(&item.members()).unwrap(), json);
        assert_eq!(decode_item(value, Path::Root).unwrap(), stored);
        assert_eq!(stored.kind(), item.kind());
    }

    #[test]
    fn every_member_keeps_its_place() {
        check(
            r#"{"type":"mcp_call","id":"mcp_1","status":"completed","approval_request_id":null,"arguments":"{}","error":null,"name":"ask","output":"42","server_label":"s"}"#,
        );
        // The provider's order, and members that nobody here knows.
        check(
            r#"{"id":"mcp_1","type":"mcp_call","server_label":"s","new":{"b":1.5,"a":[null]},"output":null,"error":{"code":-1,"type":"x"},"status":"calling"}"#,
        );
        check(
            r#"{"type":"mcp_list_tools","id":"mcpl_1","server_label":"s","tools":[{"name":"a"}],"error":"no"}"#,
        );
        check(
            r#"{"type":"mcp_approval_request","id":"mcpr_1","arguments":"{}","name":"a","server_label":"s"}"#,
        );
        check(
            r#"{"approve":true,"reason":null,"approval_request_id":"mcpr_1","type":"mcp_approval_response"}"#,
        );
    }

    #[test]
    fn a_member_of_an_unusual_type_stays_as_it_came() {
        check(
            r#"{"type":"mcp_call","id":7,"status":"paused","arguments":{"q":1},"error":[],"name":null,"output":[1],"server_label":false}"#,
        );
        check(r#"{"type":"mcp_call","status":3}"#);
        check(r#"{"type":"mcp_list_tools","tools":{"name":"a"},"error":false}"#);
        check(r#"{"type":"mcp_approval_response","approval_request_id":[]}"#);
    }

    #[test]
    fn what_is_set_takes_the_place_of_what_was_there() {
        let read = |json| match serde_json::from_str(json).unwrap() {
            StoredItem(Item::Mcp(McpItem::Call(call))) => call,
            StoredItem(item) => panic!("{item:?}"),
        };
        let mut call =
            read(r#"{"id":1,"type":"mcp_call","status":"in_progress","name":"ask","output":null}"#);
        call.id = Some("mcp_1".into());
        call.status = Some(McpCallStatus::Failed);
        call.error = Some(Value::from("no").into());
        let want =
            r#"{"id":"mcp_1","type":"mcp_call","status":"failed","name":"ask","output":null,"error":"no"}"#;
        assert_eq!(serde_json::to_string(&call).unwrap(), want);
        assert_eq!(read(want).status, Some(McpCallStatus::Failed));
    }
}
