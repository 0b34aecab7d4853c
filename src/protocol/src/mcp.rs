//! The `mcp` tool of a request: a server of the Model Context Protocol, and what of it may be used. OpenAI's type.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use crate::RawJson;

/// Paths that many servers have, so that they give nothing away.
const USUAL_PATHS: &[&str] = &["", "/", "/mcp", "/mcp/", "/sse", "/sse/"];
/// Members with a form of their own in the echo.
const SHOWN: &[&str] =
    &["type", "server_label", "server_url", "headers", "authorization", "require_approval", "allowed_tools"];
/// The others.
const KNOWN: &[&str] =
    &["connector_id", "tunnel_id", "server_description", "defer_loading", "allowed_callers"];

/// An MCP server that the model may use.
///
/// Its echo has neither credentials nor what of the URL may be one: `headers` is null, `authorization` is left
/// out, and an unusual path or a query becomes `<redacted>`, as in OpenAI's API.
#[derive(Clone, PartialEq)]
pub struct McpTool {
    /// What the request calls the server; once in a request. 1 to 64 letters, digits, `_` or `-`.
    pub server_label: String,
    /// Where it is (`http` or `https`). Without it and `connector_id` the label names a server of the
    /// configuration.
    pub server_url: Option<String>,
    /// One of OpenAI's own connectors, which nobody else can call.
    pub connector_id: Option<String>,
    /// One of OpenAI's own tunnels, which nobody else can use.
    pub tunnel_id: Option<String>,
    /// For the model.
    pub server_description: Option<String>,
    /// Sent to the server as `authorization: Bearer …`.
    pub authorization: Option<String>,
    /// Sent to the server; names in lower case.
    pub headers: BTreeMap<String, String>,
    /// Which of its tools the model gets; `None`: all.
    pub allowed_tools: Option<McpFilter>,
    /// Which calls the client wants to be asked about; `None`: nothing was said.
    pub require_approval: Option<McpApproval>,
    /// Every member as it came.
    pub raw: RawJson,
}

/// Some tools of a server. What is not said makes no difference.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct McpFilter {
    /// By name.
    pub tool_names: Option<BTreeSet<String>>,
    /// By the server's word that they change nothing (`readOnlyHint`).
    pub read_only: Option<bool>,
}

impl McpFilter {
    /// Whether it says nothing, and so takes all.
    fn is_empty(&self) -> bool {
        self.tool_names.is_none() && self.read_only.is_none()
    }

    /// Whether it takes this tool. A server that does not say that its tool only reads has said that it may write.
    pub fn takes(&self, name: &str, read_only: bool) -> bool {
        self.tool_names.as_ref().is_none_or(|names| names.contains(name))
            && self.read_only.is_none_or(|wanted| wanted == read_only)
    }
}

/// Which calls need a yes before they are made.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum McpApproval {
    /// All.
    Always,
    /// None.
    Never,
    /// By tool. What both lists take, and what neither does, needs approval.
    Filter {
        /// These do.
        always: Option<McpFilter>,
        /// These do not; none, if the filter is empty: an approval is given up in words only.
        never: Option<McpFilter>,
    },
}

impl McpApproval {
    /// Whether calls of this tool need approval.
    pub fn is_needed(&self, name: &str, read_only: bool) -> bool {
        let takes = |filter: &Option<McpFilter>| filter.as_ref().is_some_and(|f| f.takes(name, read_only));
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Filter { always, never } => {
                takes(always) || !takes(never) || never.as_ref().is_some_and(McpFilter::is_empty)
            }
        }
    }
}

impl McpTool {
    /// Whether it holds something that must not be kept: credentials, or what of the URL others may not see.
    pub fn has_secrets(&self) -> bool {
        self.authorization.is_some() || !self.headers.is_empty() || self.shown_url() != self.server_url
    }

    /// Whether only the provider can reach it: one of OpenAI's connectors or tunnels.
    pub fn is_of_provider(&self) -> bool {
        self.connector_id.is_some() || self.tunnel_id.is_some()
    }

    /// A member that says something and that nobody here knows. It might be a limit, or misspelt.
    pub fn unknown_member(&self) -> Option<String> {
        let known = |key: &str| SHOWN.contains(&key) || KNOWN.contains(&key);
        let members = self.raw.members();
        let unknown = members.into_iter().find(|(key, value)| !known(key) && value.get() != "null");
        unknown.map(|(key, _)| key.into_owned())
    }

    /// Whether its label names a server of the configuration.
    fn is_configured(&self) -> bool {
        self.server_url.is_none() && !self.is_of_provider()
    }

    /// The URL as others may see it.
    pub fn shown_url(&self) -> Option<String> {
        shown_mcp_url(self.server_url.as_deref()?)
    }
}

/// The URL of an MCP server as others may see it; whoever keeps one keeps it only if that is all of it.
pub fn shown_mcp_url(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    let at = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(at);
    // What is before an `@` is a credential.
    let host = host.rsplit('@').next().unwrap_or_default();
    let path = if USUAL_PATHS.contains(&path) { path } else { "/<redacted>" };
    Some(format!("{scheme}://{host}{path}"))
}

impl fmt::Debug for McpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpTool")
            .field("server_label", &self.server_label)
            .field("server_url", &self.shown_url())
            .field("allowed_tools", &self.allowed_tools)
            .field("require_approval", &self.require_approval)
            .finish_non_exhaustive()
    }
}

impl Serialize for McpTool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "mcp")?;
        map.serialize_entry("server_label", &self.server_label)?;
        map.serialize_entry("server_url", &self.shown_url())?;
        map.serialize_entry("headers", &())?;
        map.serialize_entry("allowed_tools", &self.raw.get("allowed_tools"))?;
        let approval = self.raw.get("require_approval").filter(|value| value.get() != "null");
        match approval {
            Some(approval) => map.serialize_entry("require_approval", approval)?,
            // Then the configuration says.
            None if self.is_configured() => map.serialize_entry("require_approval", &())?,
            None => map.serialize_entry("require_approval", "always")?,
        }
        let members = self.raw.members();
        for (key, value) in members.iter().filter(|(key, _)| !SHOWN.contains(&&**key)) {
            map.serialize_entry(key, value)?;
        }
        if !members.iter().any(|(key, _)| key == "server_description") {
            map.serialize_entry("server_description", &())?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use crate::{Tool, decode_request_tool};

    fn decode(mut tool: serde_json::Value) -> Result<Tool, crate::ApiError> {
        tool["type"] = "mcp".into();
        decode_request_tool(tool)
    }

    #[track_caller]
    fn check_url(url: &str, want: &str) {
        let tool = decode(json!({"server_label": "a", "server_url": url})).unwrap();
        assert_eq!(serde_json::to_value(&tool).unwrap()["server_url"], want);
        assert!(!format!("{tool:?}").contains("hush"));
    }

    #[test]
    fn the_echo_of_a_url_keeps_no_secret() {
        check_url("https://a.example/mcp", "https://a.example/mcp");
        check_url("https://a.example:8443", "https://a.example:8443");
        check_url("http://a.example/s/hush/mcp", "http://a.example/<redacted>");
        check_url("https://a.example/mcp?key=hush", "https://a.example/<redacted>");
        check_url("https://a.example?key=hush", "https://a.example/<redacted>");
        check_url("https://me:hush@a.example/mcp#hush", "https://a.example/<redacted>");
    }

    #[test]
    fn the_echo_has_no_credentials_and_the_defaults() {
        let tool =
            decode(json!({"server_label": "a", "authorization": "hush", "headers": {"X-Key": "hush"}}));
        // What the configuration says of approval is not the request's.
        let mut want = json!({"type": "mcp", "server_label": "a", "server_url": null, "headers": null,
            "allowed_tools": null, "require_approval": null, "server_description": null});
        assert_eq!(serde_json::to_value(tool.unwrap()).unwrap(), want);
        let tool = decode(json!({"server_label": "a", "server_url": "https://a.example/mcp"}));
        want["server_url"] = "https://a.example/mcp".into();
        want["require_approval"] = "always".into();
        assert_eq!(serde_json::to_value(tool.unwrap()).unwrap(), want);
        let members = json!({"server_label": "a", "allowed_tools": ["x"], "require_approval": {"never": {}},
            "server_description": "d", "defer_loading": true});
        let tool = serde_json::to_value(decode(members.clone()).unwrap()).unwrap();
        for (key, value) in members.as_object().unwrap() {
            assert_eq!(&tool[key], value);
        }
    }

    #[track_caller]
    fn check_secret(url: &str, want: bool) {
        let Ok(Tool::Mcp(tool)) = decode(json!({"server_label": "a", "server_url": url})) else { panic!() };
        assert_eq!(tool.has_secrets(), want, "{url}");
    }

    #[test]
    fn what_the_echo_hides_is_a_secret() {
        check_secret("https://a.example/mcp", false);
        check_secret("https://a.example", false);
        for hidden in ["/s/hush/mcp", "/mcp?key=hush", "/mcp#hush"] {
            check_secret(&format!("https://a.example{hidden}"), true);
        }
        check_secret("https://me:hush@a.example/mcp", true);
    }

    #[test]
    fn a_member_that_nobody_knows_is_found() {
        let Ok(Tool::Mcp(tool)) = decode(json!({"server_label": "a", "allowed_tool": ["x"]})) else {
            panic!()
        };
        assert_eq!(tool.unknown_member().as_deref(), Some("allowed_tool"));
        let known = json!({"server_label": "a", "defer_loading": true, "allowed_callers": null, "odd": null});
        let Ok(Tool::Mcp(tool)) = decode(known) else { panic!() };
        assert_eq!(tool.unknown_member(), None);
    }

    #[track_caller]
    fn check_approval(require: serde_json::Value, name: &str, read_only: bool, want: bool) {
        let tool = decode(json!({"server_label": "a", "require_approval": require})).unwrap();
        let Tool::Mcp(tool) = tool else { panic!("{tool:?}") };
        assert_eq!(tool.require_approval.unwrap().is_needed(name, read_only), want);
    }

    #[test]
    fn approval_is_needed_unless_it_is_clearly_not() {
        check_approval(json!("always"), "x", true, true);
        check_approval(json!("never"), "x", false, false);
        let never = json!({"never": {"tool_names": ["x"]}});
        check_approval(never.clone(), "x", false, false);
        check_approval(never, "y", false, true);
        check_approval(json!({"never": {"read_only": true}}), "y", true, false);
        check_approval(json!({"never": {"read_only": true}}), "y", false, true);
        let both = json!({"always": {"tool_names": ["x"]}, "never": {"tool_names": ["x", "y"]}});
        check_approval(both.clone(), "x", false, true);
        check_approval(both, "y", false, false);
        check_approval(json!({"always": {"tool_names": ["x"]}}), "y", false, true);
        check_approval(json!({"never": {}}), "y", false, true);
        check_approval(json!({"always": {}, "never": {"tool_names": ["y"]}}), "y", false, true);
    }

    #[track_caller]
    fn check_refused(tool: serde_json::Value, param: &str) {
        let error = decode(tool).unwrap_err();
        assert_eq!((error.status(), error.param.as_deref()), (400, Some(param)), "{error}");
        assert!(!error.message.contains("hush"), "{error}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        check_refused(json!({}), "server_label");
        check_refused(json!({"server_label": "a b"}), "server_label");
        check_refused(json!({"server_label": "a", "server_url": "ftp://x"}), "server_url");
        check_refused(json!({"server_label": "a", "server_url": "https://"}), "server_url");
        let both = json!({"server_label": "a", "server_url": "https://x", "connector_id": "c"});
        check_refused(both, "connector_id");
        check_refused(json!({"server_label": "a", "server_url": "https://x", "tunnel_id": "t"}), "tunnel_id");
        // The host must be the one that it looks like.
        check_refused(
            json!({"server_label": "a", "server_url": r"http://b.example\@a.example/"}),
            "server_url",
        );
        check_refused(json!({"server_label": "a", "server_url": "http:///a.example/"}), "server_url");
        check_refused(json!({"server_label": "a", "headers": {"X": "1", "x": "hush"}}), "headers.x");
        for name in ["Host", "Mcp-Session-Id", "mcp-method"] {
            check_refused(
                json!({"server_label": "a", "headers": {name: "hush"}}),
                &format!("headers.{name}"),
            );
        }
        check_refused(json!({"server_label": "a", "headers": {"x": 1}}), "headers.x");
        check_refused(json!({"server_label": "a", "headers": {"x y": "hush"}}), "headers.x y");
        check_refused(json!({"server_label": "a", "headers": {"x": "hush\r\ny: z"}}), "headers.x");
        check_refused(json!({"server_label": "a", "authorization": "hush\n"}), "authorization");
        let twice =
            json!({"server_label": "a", "authorization": "hush", "headers": {"Authorization": "hush"}});
        check_refused(twice, "authorization");
        check_refused(json!({"server_label": "a", "allowed_tools": "x"}), "allowed_tools");
        check_refused(json!({"server_label": "a", "allowed_tools": [1]}), "allowed_tools[0]");
        check_refused(json!({"server_label": "a", "allowed_tools": {"names": []}}), "allowed_tools.names");
        check_refused(json!({"server_label": "a", "require_approval": "sometimes"}), "require_approval");
        check_refused(
            json!({"server_label": "a", "require_approval": {"maybe": {}}}),
            "require_approval.maybe",
        );
        let filter = json!({"never": {"read_only": "yes"}});
        check_refused(
            json!({"server_label": "a", "require_approval": filter}),
            "require_approval.never.read_only",
        );
    }
}
