//! What a `ProviderActor` is asked.

use actix::Message;
use or_adapters::{ModelEvent, ModelInfo, ResponseTranslator, UpstreamCall};
use tokio::sync::{mpsc, oneshot};

use super::error::SampleError;
use super::spec::ProviderKey;

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
    /// Whose work it is if it is heavy.
    pub owner: String,
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
    /// Whose work it is if it is heavy.
    pub owner: String,
    /// Resolves when nobody waits any more.
    pub gone: oneshot::Receiver<()>,
}

/// Asks a provider for its models. Sent by the `LoopSupervisor`'s work on a `DiscoverModels` to the
/// `ProviderActor` of its arbiter.
#[derive(Clone, Copy, Debug, Message)]
#[rtype(result = "Result<Vec<ModelInfo>, SampleError>")]
pub struct ListModels;
