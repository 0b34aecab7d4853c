//! The `mcp` tool from JSON. Nothing of it is ignored: its filters are there for safety.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::value::{RawValue, to_raw_value};

use crate::bounds::{MAX_FILTER_NAMES, MAX_NAME, MAX_TEXT};
use crate::decode::fields::{Fields, list};
use crate::decode::{bad_value, keep, missing, refuse, text, wrong_type};
use crate::json::{each_member, string};
use crate::mcp::{McpApproval, McpFilter, McpTool};
use crate::mcp_item::McpApprovalResponse;
use crate::{ApiError, Path};

/// Longest URL, token and header value, in bytes.
const MAX_VALUE: usize = 16 * 1024;
/// Most headers of one server.
const MAX_HEADERS: usize = 64;
/// Headers that nobody sets for an MCP server: the protocol's, and those of the connection.
pub const MCP_HEADERS: &[&str] = &[
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "upgrade",
];

/// Members that are read here.
const MEMBERS: &[&str] = &[
    "server_label",
    "server_url",
    "connector_id",
    "tunnel_id",
    "headers",
    "authorization",
    "server_description",
    "allowed_tools",
    "require_approval",
];

pub(crate) fn mcp_tool(raw: &RawValue, path: Path<'_>) -> Result<McpTool, ApiError> {
    let mut fields = Fields::new(raw, path, MEMBERS)?;
    let server_label = label(&mut fields)?;
    let server_url = fields.string("server_url", MAX_VALUE)?;
    if let Some(url) = &server_url {
        check_url(url, fields.at("server_url"))?;
    }
    let connector_id = fields.string("connector_id", MAX_NAME)?;
    if server_url.is_some() && connector_id.is_some() {
        let text = "it and 'server_url' exclude each other.";
        return Err(refuse("invalid_value", fields.at("connector_id"), text));
    }
    let tunnel_id = fields.string("tunnel_id", MAX_VALUE)?;
    if tunnel_id.is_some() && (server_url.is_some() || connector_id.is_some()) {
        let text = "it excludes 'server_url' and 'connector_id'.";
        return Err(refuse("invalid_value", fields.at("tunnel_id"), text));
    }
    let headers = match fields.object("headers")? {
        Some(raw) => headers(raw, fields.at("headers"))?,
        None => BTreeMap::new(),
    };
    let authorization = fields.string("authorization", MAX_VALUE)?;
    if let Some(token) = &authorization {
        let path = fields.at("authorization");
        check_value(token, path)?;
        if headers.contains_key("authorization") {
            return Err(refuse("invalid_value", path, "the header of that name is given too."));
        }
    }
    Ok(McpTool {
        server_label,
        server_url,
        connector_id,
        tunnel_id,
        server_description: fields.string("server_description", MAX_TEXT)?,
        authorization,
        headers,
        allowed_tools: match fields.take("allowed_tools") {
            Some(value) => Some(allowed(value, fields.at("allowed_tools"))?),
            None => None,
        },
        require_approval: match fields.take("require_approval") {
            Some(value) => Some(approval(value, fields.at("require_approval"))?),
            None => None,
        },
        raw: keep(raw, path)?,
    })
}

fn label(fields: &mut Fields<'_, '_>) -> Result<String, ApiError> {
    let label = fields.required_string("server_label", MAX_NAME)?;
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    if label.is_empty() || !label.bytes().all(good) {
        let text = "expected 1 to 64 letters, digits, underscores or dashes.";
        return Err(refuse("invalid_value", fields.at("server_label"), text));
    }
    Ok(label)
}

/// As much as can be told here; whoever connects parses it in full.
fn check_url(url: &str, path: Path<'_>) -> Result<(), ApiError> {
    let rest = ["https://", "http://"].iter().find_map(|scheme| url.strip_prefix(scheme));
    match rest {
        // A backslash or a third slash would let the host be another than it looks.
        Some(rest)
            if rest.starts_with(|c: char| !matches!(c, '/' | '?' | '#'))
                && url.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\') =>
        {
            Ok(())
        }
        // The value may hold a token, so it is not repeated.
        _ => Err(refuse("invalid_value", path, "expected a URL that begins with http:// or https://.")),
    }
}

fn headers(raw: &RawValue, path: Path<'_>) -> Result<BTreeMap<String, String>, ApiError> {
    let mut members = Vec::new();
    let mut count = 0;
    each_member(raw, |name, value| {
        count += 1;
        if count <= MAX_HEADERS {
            // Of two members of one name the last counts.
            members.retain(|(known, _)| *known != name);
            members.push((name, value));
        }
    });
    if count > MAX_HEADERS {
        return Err(refuse("invalid_value", path, format_args!("expected at most {MAX_HEADERS} headers.")));
    }
    let mut headers = BTreeMap::new();
    for (name, value) in members {
        let path = Path::Key(&path, &name);
        let Some(value) = string(value) else { return Err(wrong_type(path, "a string", value)) };
        let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(token) {
            return Err(refuse("invalid_value", path, "it is no name of a header."));
        }
        check_value(&value, path)?;
        let lower = name.to_ascii_lowercase();
        if MCP_HEADERS.contains(&lower.as_str()) {
            return Err(refuse("invalid_value", path, "it is a header that the server sets itself."));
        }
        if headers.insert(lower, value.into_owned()).is_some() {
            return Err(refuse("invalid_value", path, "the header is given twice."));
        }
    }
    Ok(headers)
}

fn check_value(value: &str, path: Path<'_>) -> Result<(), ApiError> {
    let carried = value.bytes().all(|b| b == b'\t' || (0x20..=0x7e).contains(&b));
    if value.is_empty() || value.len() > MAX_VALUE || !carried {
        return Err(refuse("invalid_value", path, "no header can carry it."));
    }
    Ok(())
}

fn allowed(raw: &RawValue, path: Path<'_>) -> Result<McpFilter, ApiError> {
    match raw.get().as_bytes().first() {
        Some(b'[') => Ok(McpFilter { tool_names: Some(names(raw, path)?), read_only: None }),
        Some(b'{') => filter(raw, path),
        _ => Err(wrong_type(path, "an array of strings or an object", raw)),
    }
}

fn filter(raw: &RawValue, path: Path<'_>) -> Result<McpFilter, ApiError> {
    let mut fields = Fields::new(raw, path, &["tool_names", "read_only"])?;
    only(&fields, path)?;
    let tool_names = match fields.array("tool_names")? {
        Some(raw) => Some(names(raw, fields.at("tool_names"))?),
        None => None,
    };
    Ok(McpFilter { tool_names, read_only: fields.boolean("read_only")? })
}

fn names(raw: &RawValue, path: Path<'_>) -> Result<BTreeSet<String>, ApiError> {
    let names = list(raw, path, MAX_FILTER_NAMES, "names", |raw, path| text(path, raw, MAX_TEXT))?;
    Ok(names.into_iter().collect())
}

fn approval(raw: &RawValue, path: Path<'_>) -> Result<McpApproval, ApiError> {
    if raw.get().starts_with('{') {
        let mut fields = Fields::new(raw, path, &["always", "never"])?;
        only(&fields, path)?;
        let mut side = |key: &'static str| match fields.object(key)? {
            None => Ok(None),
            Some(raw) => filter(raw, fields.at(key)).map(Some),
        };
        return Ok(McpApproval::Filter { always: side("always")?, never: side("never")? });
    }
    match string(raw).as_deref() {
        Some("always") => Ok(McpApproval::Always),
        Some("never") => Ok(McpApproval::Never),
        Some(other) => Err(bad_value(path, other, &["always", "never"])),
        None => Err(wrong_type(path, "a string or an object", raw)),
    }
}

/// A member that nobody knows might be a limit.
fn only(fields: &Fields<'_, '_>, path: Path<'_>) -> Result<(), ApiError> {
    match fields.other() {
        Some(key) => {
            let path = Path::Key(&path, key).to_string();
            Err(ApiError::invalid("unknown_parameter", &path, format!("Unknown parameter: '{path}'.")))
        }
        None => Ok(()),
    }
}

/// A label names one server.
pub(crate) fn check_labels(tools: &[crate::Tool], parent: Path<'_>) -> Result<(), ApiError> {
    let mut taken = HashSet::new();
    for (index, tool) in tools.iter().enumerate() {
        let crate::Tool::Mcp(tool) = tool else { continue };
        if !taken.insert(&tool.server_label) {
            let path = Path::Index(&parent, index);
            let text = format_args!("another tool has the label '{}'.", tool.server_label);
            return Err(refuse("invalid_value", Path::Key(&path, "server_label"), text));
        }
    }
    Ok(())
}

/// What a client has decided about a request for approval.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct McpDecision {
    /// Id of the `mcp_approval_request` item.
    pub approval_request_id: String,
    /// Yes or no.
    pub approve: bool,
    /// Why, for the model.
    pub reason: Option<String>,
}

impl McpApprovalResponse {
    /// What it says, read strictly.
    ///
    /// # Errors
    /// 400 if a member is missing or of another type; its `param` is under `path`.
    pub fn decision(&self, path: Path<'_>) -> Result<McpDecision, ApiError> {
        let raw = to_raw_value(self).map_err(|_| ApiError::internal())?;
        let mut fields = Fields::new(&raw, path, &["approval_request_id", "approve", "reason"])?;
        Ok(McpDecision {
            approval_request_id: fields.required_string("approval_request_id", MAX_TEXT)?,
            approve: match fields.boolean("approve")? {
                Some(approve) => approve,
                None => return Err(missing(fields.at("approve"))),
            },
            reason: fields.string("reason", MAX_TEXT)?,
        })
    }
}
