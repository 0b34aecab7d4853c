//! What an MCP server is, what it offers, and why it cannot be used.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use or_engine::McpFault;
use serde_json::{Map, Value};
use url::Url;

/// An MCP server as a request may use it.
#[derive(Clone)]
pub struct McpServer {
    /// Its `server_label`; for logs.
    pub label: String,
    /// Where it is.
    pub place: McpPlace,
    /// Sent with each HTTP request, `authorization` included. Secrets.
    pub headers: Vec<(String, String)>,
    /// Named by the configuration and not by a request: may be at a private address.
    pub trusted: bool,
    /// Whether all owners use one session: the operator's word that the server keeps nothing from one call to the next
    /// that another owner may not see.
    pub shared: bool,
    /// How long and how much.
    pub limits: McpLimits,
}

impl fmt::Debug for McpServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The headers hold keys.
        f.debug_struct("McpServer")
            .field("label", &self.label)
            .field("place", &self.place)
            .field("trusted", &self.trusted)
            .field("shared", &self.shared)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Where an MCP server is.
#[derive(Clone, Eq, Hash, PartialEq)]
pub enum McpPlace {
    /// Streamable HTTP.
    Url(String),
    /// A program that speaks on its standard input and output.
    Command(McpCommand),
}

impl fmt::Debug for McpPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // User, path and query may hold keys.
            Self::Url(url) => match Url::parse(url) {
                Ok(url) => write!(f, "Url({})", url.origin().ascii_serialization()),
                Err(_) => f.write_str("Url(?)"),
            },
            Self::Command(command) => command.fmt(f),
        }
    }
}

/// A program that is an MCP server.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct McpCommand {
    /// The program and its arguments. No shell has a part in it.
    pub command: Vec<String>,
    /// Its whole environment. Secrets.
    pub environment: Vec<(String, String)>,
    /// Where it runs; `None`: where the server does.
    pub working_directory: Option<PathBuf>,
}

impl fmt::Debug for McpCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Arguments and environment may hold keys.
        write!(f, "Command({})", self.command.first().map_or("", String::as_str))
    }
}

/// Limits of one server.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct McpLimits {
    /// To a connection and an open session. Default: 10 s.
    pub connect_timeout: Duration,
    /// To the whole list of tools, all pages. Default: 10 s.
    pub list_timeout: Duration,
    /// To the result of a call; reports of progress do not make it longer. Default: 60 s.
    pub call_timeout: Duration,
    /// Bytes of a call's result; the rest of a longer text is cut off. Default: 256 KiB.
    pub max_output_bytes: usize,
    /// Tools of its list; the rest is left out. Default: 512.
    pub max_tools: usize,
    /// Bytes of one tool's definition; a tool with a longer one is left out. Default: 64 KiB.
    pub max_definition_bytes: usize,
    /// Bytes of one message, which holds a whole result. Default: 2 MiB.
    pub max_message_bytes: usize,
    /// Calls at the same time over all workers, others wait in order; 0: no limit. Default: 0.
    pub max_concurrent: usize,
}

impl Default for McpLimits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(10),
            list_timeout: Duration::from_secs(10),
            call_timeout: Duration::from_secs(60),
            max_output_bytes: 256 * 1024,
            max_tools: 512,
            max_definition_bytes: 64 * 1024,
            max_message_bytes: 2 * 1024 * 1024,
            max_concurrent: 0,
        }
    }
}

/// A tool of an MCP server.
#[derive(Clone, Debug, PartialEq)]
pub struct McpTool {
    /// As the server calls it.
    pub name: String,
    /// For the model.
    pub description: Option<String>,
    /// JSON Schema of the arguments.
    pub input_schema: Map<String, Value>,
    /// What the server says of its nature. Hints of an untrusted server are no proof.
    pub annotations: Option<Map<String, Value>>,
}

impl McpTool {
    /// Whether the server says that a call changes nothing.
    pub fn read_only(&self) -> Option<bool> {
        self.annotations.as_ref()?.get("readOnlyHint")?.as_bool()
    }
}

/// Why an MCP server gave no answer. The texts are fit for a client: they hold no header, path or query.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum McpError {
    /// It wants other credentials: 401 or 403.
    #[error("the MCP server answered with HTTP status {status}: the credentials are missing or not accepted")]
    Unauthorized {
        /// What it said.
        status: u16,
    },
    /// We do not go there.
    #[error("the MCP server's address is not allowed: {0}")]
    Refused(String),
    /// No connection.
    #[error("the MCP server could not be reached: {0}")]
    Unreachable(String),
    /// An answer that is no good.
    #[error("the MCP server answered with HTTP status {status}")]
    Http {
        /// What it said.
        status: u16,
    },
    /// It does not speak the protocol.
    #[error("the MCP server gave no result: {0}")]
    Protocol(String),
    /// It refused a request.
    #[error("the MCP server gave no result: {message}")]
    Said {
        /// Of JSON-RPC.
        code: i32,
        /// Its own words.
        message: String,
    },
    /// Nothing came in time.
    #[error("the MCP server did not answer within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// One message of it is larger than we take.
    #[error("a message of the MCP server has more than {0} bytes")]
    TooLarge(usize),
    /// The session ended while a request was on its way.
    #[error("the connection to the MCP server broke")]
    Broken,
    /// The owner has as many sessions as it may.
    #[error("too many sessions with MCP servers are in use for this client key")]
    TooMany,
    /// The client was gone before the answer came.
    #[error("nobody waits for the answer any more")]
    Gone,
    /// A bug of ours.
    #[error("an internal error")]
    Internal,
}

impl McpError {
    /// The code with which the server refused a call.
    pub(super) fn fault(&self) -> Option<McpFault> {
        match self {
            Self::Said { code, .. } => Some(McpFault::Protocol(*code)),
            Self::Unauthorized { status } | Self::Http { status } => Some(McpFault::Http(*status)),
            Self::Refused(_)
            | Self::Unreachable(_)
            | Self::Protocol(_)
            | Self::TimedOut(_)
            | Self::TooLarge(_)
            | Self::Broken
            | Self::TooMany
            | Self::Gone
            | Self::Internal => None,
        }
    }

    /// The text for a log, which holds nothing that a server said.
    pub fn own_words(&self) -> Option<String> {
        (!matches!(self, Self::Protocol(_) | Self::Said { .. })).then(|| self.to_string())
    }

    /// A closed word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized { .. } => "unauthorized",
            Self::Refused(_) => "refused",
            Self::Unreachable(_) => "unreachable",
            Self::Http { .. } => "http_error",
            Self::Protocol(_) | Self::Said { .. } => "protocol",
            Self::TimedOut(_) => "timeout",
            Self::TooLarge(_) => "too_large",
            Self::Broken => "broken",
            Self::TooMany => "too_many",
            Self::Gone => "gone",
            Self::Internal => "panic",
        }
    }
}
