//! The provider's list of models: `GET /models`, in pages.

use serde::Deserialize;
use serde_json::Value;

use super::quirks::Quirks;
use super::wire::KIND;
use crate::catalog::{get, modalities, parse, unix};
use crate::{Abilities, AdapterError, ModelInfo, ModelPage, UpstreamCall};

#[derive(Deserialize)]
struct Page {
    data: Vec<Model>,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    last_id: Option<String>,
}

/// Hosts of the same wire have the first two members only.
#[derive(Deserialize)]
struct Model {
    id: String,
    #[serde(default)]
    created_at: Option<String>,
    #[serde(default)]
    max_input_tokens: Option<u64>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    capabilities: Value,
}

pub(super) fn call(quirks: &Quirks, page: Option<&str>) -> UpstreamCall {
    let mut path = "/models?limit=1000".to_owned();
    // Ids of models need no escaping; one that does is no id.
    if let Some(after) =
        page.filter(|id| id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._:@".contains(&b)))
    {
        path.push_str("&after_id=");
        path.push_str(after);
    }
    get(path, vec![("anthropic-version", quirks.version.clone())])
}

pub(super) fn read(body: &[u8]) -> Result<ModelPage, AdapterError> {
    let page: Page = parse(KIND, body)?;
    let next = page.last_id.filter(|_| page.has_more && !page.data.is_empty());
    Ok(ModelPage { models: page.data.into_iter().map(listed).collect(), next })
}

fn listed(model: Model) -> ModelInfo {
    let can = |name: &str| model.capabilities.pointer(&format!("/{name}/supported")).and_then(Value::as_bool);
    let inputs = match (can("image_input"), can("pdf_input")) {
        (Some(image), Some(pdf)) => {
            Some(modalities(|word| word == "text" || image && word == "image" || pdf && word == "file"))
        }
        _ => None,
    };
    ModelInfo {
        created: model.created_at.as_deref().and_then(unix),
        abilities: Abilities {
            input_modalities: inputs,
            tools: None,
            reasoning: can("thinking"),
            structured_output: can("structured_outputs"),
            context_length: model.max_input_tokens,
            max_output_tokens: model.max_tokens,
        },
        name: model.id,
    }
}
