//! Wire types of the Open Responses API (2026-04-24), both directions.
//!
//! Nothing here reads, waits or knows a provider. A request is decoded into types that cannot hold a
//! value the API forbids; every refusal names the offending place as a path
//! (`input[2].content[0].image_url`).
#![warn(missing_docs)]

pub mod bounds;
mod decode;
mod error;
mod event;
mod ids;
mod item;
mod json;
mod mcp;
mod mcp_item;
mod other_item;
mod request;
mod response;
mod sealed;
mod settings;
mod tool;

pub use decode::Path;
pub use decode::item::{decode_item, decode_stored_items};
pub use decode::mcp::{MCP_HEADERS, McpDecision};
pub use decode::stored_item::StoredItem;
pub use decode::tool::decode_request_tool;
pub use decode::update::{brought_tools, update_settings};
pub use error::{ApiError, ErrorBody, ErrorDetails, ErrorKind, ErrorPayload};
pub use event::{DONE, EventBody, Part, StreamEvent, escape_breaks, write_frame};
pub use ids::{ItemId, ResponseId};
pub use item::json_bytes;
pub use item::part::{Annotation, ContentPart, Detail, InputAudio, LogProb, TopLogProb};
pub use item::{
    Compaction, CustomToolCall, FunctionCall, FunctionCallOutput, Item, ItemReference, ItemStatus, Message,
    Output, Phase, Reasoning, ReasoningPart, Role, SummaryPart,
};
pub use json::extra::Extra;
pub use json::{RawJson, count_values, elements, member, members, string};
pub use mcp::{McpApproval, McpFilter, McpTool, shown_mcp_url};
pub use mcp_item::{McpApprovalRequest, McpApprovalResponse, McpCall, McpCallStatus, McpItem, McpListTools};
pub use other_item::OtherItem;
pub use request::CreateResponseBody;
pub use response::{
    CacheMissReason, IncompleteDetails, InputTokensDetails, OutputTokensDetails, PromptCacheDiagnostics,
    ResponseError, ResponseResource, ResponseStatus, Usage,
};
pub use sealed::{ENVELOPE_PREFIX, Envelope, EnvelopeError, SEAL_PREFIX};
pub use settings::members::{CacheMode, KNOWN_MEMBERS, Members, PromptCacheOptions};
pub use settings::response_members::{ResponseMember, ResponseMembers};
pub use settings::{
    Effort, Include, JsonSchemaFormat, ReasoningConfig, Settings, SummaryStyle, TextConfig, TextFormat,
    Truncation, Verbosity,
};
pub use tool::{AllowedMode, CustomTool, FunctionTool, HostedTool, InnerTool, Tool, ToolChoice};
