//! What `/v1/models` says of a model.

use or_actors::Found;
use or_adapters::Abilities;
use serde::Serialize;

/// A model that the server tells of. It may serve others too.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ListedModel {
    /// What a request says to get it.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Unix seconds. As the provider says, or when the server was started.
    pub created: i64,
    /// Name of the provider that serves it.
    pub owned_by: String,
    /// What OpenAI's list does not have.
    pub open_responses: Card,
}

/// Where a model comes from and what it can do.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Card {
    /// Name of the provider that serves it.
    pub provider: String,
    /// The provider's wire.
    pub kind: &'static str,
    /// How the server knows of it.
    pub source: Source,
    /// Always: every kind streams.
    pub streaming: bool,
    /// Kinds of input that this server can pass on to the provider, whatever the model.
    pub carries: &'static [&'static str],
    /// What is known of the model itself.
    #[serde(flatten)]
    pub abilities: Abilities,
}

/// How the server knows of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The adapter knows it without asking.
    BuiltIn,
    /// The configuration names it.
    Configured,
    /// The provider lists it.
    Discovered,
}

/// Makes the list of what the providers told.
pub type Listing = dyn Fn(&Found) -> Vec<ListedModel> + Send + Sync;
