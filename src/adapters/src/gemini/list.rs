//! The provider's list of models: `GET /models`, in pages.

use serde::Deserialize;

use super::wire::KIND;
use crate::catalog::{get, parse};
use crate::{Abilities, AdapterError, ModelInfo, ModelPage, UpstreamCall};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    #[serde(default)]
    models: Vec<Model>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Model {
    name: String,
    #[serde(default)]
    input_token_limit: Option<u64>,
    #[serde(default)]
    output_token_limit: Option<u64>,
    #[serde(default)]
    supported_generation_methods: Option<Vec<String>>,
    #[serde(default)]
    thinking: Option<bool>,
}

impl Model {
    /// Embedding and picture models are in the same list.
    fn answers(&self) -> bool {
        let methods = self.supported_generation_methods.as_ref();
        methods.is_none_or(|list| list.iter().any(|method| method == "generateContent"))
    }
}

pub(super) fn call(page: Option<&str>) -> UpstreamCall {
    let mut path = "/models?pageSize=1000".to_owned();
    if let Some(token) = page {
        path.push_str("&pageToken=");
        for byte in token.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                path.push(char::from(byte));
            } else {
                path.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    get(path, Vec::new())
}

pub(super) fn read(body: &[u8]) -> Result<ModelPage, AdapterError> {
    let page: Page = parse(KIND, body)?;
    let models = page.models.into_iter().filter(Model::answers).map(|model| ModelInfo {
        name: model.name.strip_prefix("models/").unwrap_or(&model.name).to_owned(),
        created: None,
        abilities: Abilities {
            reasoning: model.thinking,
            context_length: model.input_token_limit,
            max_output_tokens: model.output_token_limit,
            ..Abilities::default()
        },
    });
    Ok(ModelPage { models: models.collect(), next: page.next_page_token.filter(|token| !token.is_empty()) })
}
