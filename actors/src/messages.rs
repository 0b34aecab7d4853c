//! Every message between actors. The same graph is drawn in `docs/actors.md`.

use std::sync::Arc;

use actix::Message;
use or_adapters::{AdapterError, ModelEvent, ModelInfo, ResponseTranslator, UpstreamCall};
use or_engine::Outcome;
use or_protocol::{ApiError, ErrorKind, ResponseId};
use tokio::sync::{mpsc, oneshot};

use crate::{CountJob, Discovery, Found, InputCount, Job, ProviderKey};
use or_tools::mcp::{McpError, McpTool};
use or_tools::{ToolContext, ToolRequest, ToolRun};

/// Starts one response. Sent by an HTTP handler to the `LoopSupervisor` of its arbiter.
///
/// `Ok` means that a loop was spawned, which answers through the job's own channel; `Err` that it was
/// not admitted.
#[derive(Message)]
#[rtype(result = "Result<(), ApiError>")]
pub struct StartResponse {
    /// What to do.
    pub job: Box<Job>,
}

/// Goes on with a response that a process before this one left unfinished. Sent by a `LoopSupervisor` to itself
/// at its start; it is not refused, because the response was admitted before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct GoOn {
    /// What to do.
    pub job: Box<Job>,
}

/// A loop is over, however it ended. Sent once by each `LoopActor` to its supervisor, also while a
/// panic unwinds.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct LoopEnded {
    /// Which.
    pub id: ResponseId,
    /// How; `None` after a panic that nothing caught, or when no response ever began.
    pub outcome: Option<Outcome>,
}

/// Why a loop shall end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CancelReason {
    /// Whoever owns the response wants it to end.
    Asked,
    /// The server stops; a background response that nobody saw any output of goes on at the next start.
    Park,
    /// The server stops and its grace time is over.
    Shutdown,
}

/// Ends a loop. Sent by the node to any `LoopActor` when the server stops; a client that waits still gets its
/// terminal event.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "()")]
pub struct Cancel(
    /// Why.
    pub CancelReason,
);

/// Asks for a response that is in progress, as it is. Sent by an HTTP handler to the response's `LoopActor`.
///
/// The reply is the response object, JSON.
#[derive(Debug, Message)]
#[rtype(result = "Peeked")]
pub struct Peek {
    /// Who asks.
    pub owner: String,
}

/// What came of a [`Peek`].
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Peeked {
    /// The response object, JSON.
    Response(Vec<u8>),
    /// The response is over, not stored, or another owner's: the store knows.
    AskStore,
    /// Its loop waits for the disk. What the store has of it may not be there to stay.
    Slow,
}

/// Ends a response for its owner. Sent by an HTTP handler to the response's `LoopActor`.
///
/// The reply comes when the response is over and recorded.
#[derive(Debug, Message)]
#[rtype(result = "EndAsked")]
pub struct AskEnd {
    /// Who asks.
    pub owner: String,
    /// Whether only a background response may be ended in this way.
    pub background_only: bool,
}

/// What came of an [`AskEnd`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndAsked {
    /// It is not stored, or another owner's.
    NotFound,
    /// It is not a background response.
    Foreground,
    /// It is over.
    Over,
    /// Its end takes long, because of the disk.
    Slow,
}

/// One call of the model. Sent by a `LoopActor` to the `ProviderActor` of its arbiter.
///
/// The reply comes with the head of the provider's answer. Dropping the other end of `gone` closes the
/// upstream connection at any time.
#[derive(Message)]
#[rtype(result = "Result<Sampled, SampleError>")]
pub struct Sample {
    /// The call, translated.
    pub call: UpstreamCall,
    /// Translates what comes back.
    pub translator: Box<dyn ResponseTranslator>,
    /// Whose key to use.
    pub key: ProviderKey,
    /// Resolves when the loop is gone.
    pub gone: oneshot::Receiver<()>,
}

/// A provider's answer, translated.
#[derive(Debug)]
pub enum Sampled {
    /// A unary answer.
    Whole(Vec<ModelEvent>),
    /// A stream: one batch for each read of the connection. The loop pulls; a full channel stops the reading.
    Stream(mpsc::Receiver<Batch>),
}

/// The events of one read, or why there are no more. The error is boxed because a channel keeps room for 32 of
/// these in each stream.
pub type Batch = Result<Vec<ModelEvent>, Box<SampleError>>;

/// Why a turn gave no good answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SampleError {
    /// Translation failed or the provider reported an error.
    #[error(transparent)]
    Adapter(#[from] AdapterError),
    /// No connection could be made.
    #[error("cannot reach the provider: {0}")]
    Unreachable(String),
    /// The connection broke.
    #[error("the connection to the provider broke: {0}")]
    Broken(String),
    /// Nothing came for too long.
    #[error("the provider was silent for {0} s")]
    Silent(u64),
    /// As many calls as the configuration allows are running.
    #[error("the provider has {0} calls running, which is its limit")]
    Busy(usize),
    /// The answer is larger than we take.
    #[error("the provider's answer is larger than {0} bytes")]
    TooLarge(usize),
    /// A bug in an adapter or in the provider actor.
    #[error("translation panicked")]
    Panicked,
    /// The loop was gone before the answer came.
    #[error("nobody waits for the answer any more")]
    Gone,
}

impl SampleError {
    /// A closed word for logs and metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Adapter(AdapterError::Unsupported { .. }) => "unsupported",
            Self::Adapter(AdapterError::BadFrame { .. }) => "bad_frame",
            Self::Adapter(AdapterError::Truncated { .. }) => "truncated",
            Self::Adapter(AdapterError::Upstream(e)) if e.status.is_some() => "http_error",
            Self::Adapter(AdapterError::Upstream(_)) => "stream_error",
            Self::Unreachable(_) => "unreachable",
            Self::Broken(_) => "broken",
            Self::Silent(_) => "timeout",
            Self::Busy(_) => "busy",
            Self::TooLarge(_) => "too_large",
            Self::Panicked => "panic",
            Self::Gone => "gone",
        }
    }

    /// What the client is told. `client_key`: the call was made with the client's own provider key.
    pub fn to_api(&self, client_key: bool) -> ApiError {
        let model = |code: &str, text: &str| ApiError::new(ErrorKind::Model, text).with_code(code);
        match self {
            Self::Adapter(error) => error.to_api(client_key),
            Self::Unreachable(_) => model("upstream_unreachable", "The model provider could not be reached."),
            Self::Broken(_) => model(
                "upstream_disconnected",
                "The connection to the model provider broke before the answer was complete.",
            ),
            Self::Silent(seconds) => {
                let text = format!("The model provider sent nothing for {seconds} seconds.");
                ApiError::new(ErrorKind::Timeout, text).with_code("upstream_timeout")
            }
            Self::Busy(_) => {
                let text = "Too many requests are running on this model provider. Please try again later.";
                let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("rate_limit_exceeded");
                ApiError { retry_after_s: Some(1), ..error }
            }
            Self::TooLarge(_) => {
                model("upstream_invalid_response", "The model provider's answer is too large.")
            }
            Self::Panicked | Self::Gone => ApiError::internal(),
        }
    }
}

/// Counts the input of a request that is not carried out. Sent by an HTTP handler to the `LoopSupervisor` of its
/// arbiter.
#[derive(Message)]
#[rtype(result = "Result<InputCount, ApiError>")]
pub struct CountInput {
    /// What to count.
    pub job: Box<CountJob>,
}

/// Asks a provider's own counter. Sent by the `LoopSupervisor`'s work on a `CountInput` to the `ProviderActor` of
/// its arbiter.
///
/// The reply is `None` if the provider has no such endpoint. Dropping the other end of `gone` closes the upstream
/// connection at any time.
#[derive(Message)]
#[rtype(result = "Result<Option<u64>, SampleError>")]
pub struct CountTokens {
    /// The counter's call.
    pub call: UpstreamCall,
    /// Whose key to use.
    pub key: ProviderKey,
    /// Resolves when nobody waits any more.
    pub gone: oneshot::Receiver<()>,
}

/// Looks which models the providers have. Sent by an HTTP handler to the `LoopSupervisor` of its arbiter; the work
/// goes on if the handler is gone.
///
/// The reply has what the last look found, which is a new one only when that was too long ago.
#[derive(Message)]
#[rtype(result = "Arc<Found>")]
pub struct DiscoverModels {
    /// Whom to ask, and what they said.
    pub discovery: Arc<Discovery>,
}

/// Asks a provider for its models. Sent by the `LoopSupervisor`'s work on a `DiscoverModels` to the
/// `ProviderActor` of its arbiter.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Vec<ModelInfo>, SampleError>")]
pub struct ListModels;

/// Runs a tool of the server. Sent by a `LoopActor` to the `ToolActor` of its arbiter.
///
/// The reply always has a result for the model; what went wrong is said there. Dropping the other end of `gone`
/// ends the tool at any time.
#[derive(Debug, Message)]
#[rtype(result = "ToolRun")]
pub struct RunTool(
    /// What to run; `gone` resolves when the loop is gone.
    pub ToolRequest,
);

/// Asks for the tools of an MCP server. Sent by a `LoopActor` to the server's `McpActor`.
///
/// The reply is what the actor has of it already, if that is not too old.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Vec<McpTool>>, McpError>")]
pub struct ListMcpTools {
    /// Resolves when the loop is gone.
    pub gone: oneshot::Receiver<()>,
}

/// Calls a tool of an MCP server. Sent by a `LoopActor` to the server's `McpActor`.
///
/// The reply always has a result for the model; what went wrong is said there. Dropping the other end of `gone`
/// cancels the call at any time, and the server is told.
#[derive(Debug, Message)]
#[rtype(result = "ToolRun")]
pub struct CallMcpTool {
    /// As the server calls it.
    pub tool: String,
    /// As the model wrote them; they need not be JSON.
    pub arguments: String,
    /// Of the call; the server's reports of progress go there.
    pub context: ToolContext,
    /// Resolves when the loop is gone.
    pub gone: oneshot::Receiver<()>,
}
