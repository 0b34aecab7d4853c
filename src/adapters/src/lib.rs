//! Translation between Open Responses and the wires of the providers, in both directions.
//!
//! Everything here is pure: no reading, waiting, logging or clock. An adapter turns a [`ModelRequest`]
//! into an [`UpstreamCall`], and its [`ResponseTranslator`] turns whatever comes back, in whatever
//! pieces, into [`ModelEvent`]s.
#![warn(missing_docs)]

mod adapter;
pub mod anthropic;
mod call;
mod catalog;
mod counting;
pub mod demo;
mod error;
mod event;
mod framing;
pub mod gemini;
mod note;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
mod registry;
mod shared;

pub use adapter::{Adapter, ModelRequest, ProviderOptions, ResponseTranslator};
pub use call::UpstreamCall;
pub use catalog::{Abilities, ModelInfo, ModelPage};
pub use counting::{MEDIA_TOKENS, estimate_tokens};
pub use error::{AdapterError, UpstreamError, UpstreamErrorKind};
pub use event::{CallKind, FinishReason, ModelEvent, logprob_bytes};
pub use framing::{Frame, FrameDecoder, Framing};
pub use note::{Note, NoteKind, NoteList};
pub use registry::{KINDS, builtin};
pub use shared::custom_input::{custom_arguments, custom_input};
pub use shared::flat_tools::{FlatTool, ToolOrigin, flatten_tools};
pub use shared::hosted::{HostedOptions, Location, WebSearch};
