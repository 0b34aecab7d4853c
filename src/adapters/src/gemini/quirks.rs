//! The provider's `quirks` table.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::models::{TraitOverrides, Traits, traits};
use crate::ProviderOptions;

/// When thought summaries are asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum IncludeThoughts {
    /// If the client wants `reasoning.summary`.
    #[default]
    Asked,
    Always,
    Never,
}

/// How the key is sent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Credential {
    /// `x-goog-api-key`.
    Key,
    /// `authorization: Bearer`.
    Bearer,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Table {
    vertex: Option<bool>,
    credential: Option<Credential>,
    include_thoughts: IncludeThoughts,
    safety_settings: Option<Vec<Value>>,
    models: BTreeMap<String, TraitOverrides>,
}

/// Settings of one provider of this kind.
#[derive(Clone, Debug)]
pub(super) struct Quirks {
    pub(super) base_url: String,
    /// The wire is Vertex AI's.
    pub(super) vertex: bool,
    pub(super) credential: Credential,
    pub(super) include_thoughts: IncludeThoughts,
    pub(super) safety_settings: Option<Vec<Value>>,
    models: BTreeMap<String, TraitOverrides>,
}

impl Quirks {
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let quirks: Table = serde_json::from_value(Value::Object(options.quirks.clone()))
            .map_err(|e| format!("providers.{}.quirks: {e}", options.name))?;
        for (model, cells) in &quirks.models {
            if let Some(problem) = cells.problem() {
                return Err(format!("providers.{}.quirks.models.{model}: {problem}", options.name));
            }
        }
        if quirks.safety_settings.iter().flatten().any(|s| !s.is_object()) {
            return Err(format!("providers.{}.quirks.safety_settings: must be tables", options.name));
        }
        let vertex = quirks.vertex.unwrap_or_else(|| is_vertex(&options.base_url));
        let credential =
            quirks.credential.unwrap_or(if vertex { Credential::Bearer } else { Credential::Key });
        Ok(Self {
            base_url: options.base_url.clone(),
            vertex,
            credential,
            include_thoughts: quirks.include_thoughts,
            safety_settings: quirks.safety_settings,
            models: quirks.models,
        })
    }

    /// Abilities of a model as the request names it.
    pub(super) fn traits(&self, model: &str) -> Traits {
        let name = model.rsplit('/').next().unwrap_or(model);
        let mut traits = traits(name, self.vertex);
        // A longer prefix comes later in the map than the shorter ones it begins with, so it wins.
        for (_, cells) in self.models.iter().filter(|(prefix, _)| name.starts_with(prefix.as_str())) {
            cells.apply(&mut traits);
        }
        traits
    }
}

/// Hosts of Vertex AI: `aiplatform.googleapis.com` and its regional forms.
fn is_vertex(base_url: &str) -> bool {
    let host = base_url.split_once("://").map_or(base_url, |(_, rest)| rest);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    host.contains("aiplatform.") && host.ends_with("googleapis.com") || host.ends_with(".rep.googleapis.com")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn options(base_url: &str, quirks: Value) -> Result<Quirks, String> {
        let Value::Object(quirks) = quirks else { panic!("a table") };
        Quirks::read(&ProviderOptions { name: "g".into(), base_url: base_url.into(), quirks })
    }

    #[test]
    fn a_bad_quirk_is_named() {
        let error = options("", json!({ "vertx": true })).unwrap_err();
        assert!(error.contains("vertx"), "{error}");
        let error =
            options("", json!({ "models": { "gemini-x": { "thinking_budget": [9, 1] } } })).unwrap_err();
        assert!(error.contains("gemini-x"), "{error}");
        assert!(options("", json!({ "safety_settings": ["x"] })).is_err());
    }

    #[test]
    fn vertex_is_told_by_its_host() {
        for (url, want) in [
            ("https://generativelanguage.googleapis.com/v1beta", false),
            ("https://aiplatform.googleapis.com/v1beta1/projects/p/locations/global/publishers/google", true),
            ("https://us-central1-aiplatform.googleapis.com/v1", true),
            ("http://127.0.0.1:9/v1beta", false),
        ] {
            assert_eq!(options(url, json!({})).unwrap().vertex, want, "{url}");
        }
    }

    #[test]
    fn the_longest_override_wins() {
        let got = options(
            "",
            json!({ "models": { "gemini-2": { "logprobs": true }, "gemini-2.5-pro": { "logprobs": false } } }),
        )
        .unwrap();
        assert!(got.traits("models/gemini-2.5-flash").logprobs);
        assert!(!got.traits("gemini-2.5-pro").logprobs);
    }
}
