//! The models that an Ollama server holds: `GET /api/tags`.

use serde::Deserialize;

use super::wire::KIND;
use crate::catalog::{get, parse};
use crate::{Abilities, AdapterError, ModelInfo, ModelPage, UpstreamCall};

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    models: Vec<Model>,
}

/// The list tells nothing of what a model can do, and its date is that of the download.
#[derive(Deserialize)]
struct Model {
    name: String,
}

pub(super) fn call() -> UpstreamCall {
    get("/api/tags".into(), Vec::new())
}

pub(super) fn read(body: &[u8]) -> Result<ModelPage, AdapterError> {
    let tags: Tags = parse(KIND, body)?;
    let models = tags.models.into_iter().map(|model| ModelInfo {
        name: model.name,
        created: None,
        abilities: Abilities::default(),
    });
    Ok(ModelPage { models: models.collect(), next: None })
}
