//! The provider's `quirks` table.

use std::collections::BTreeMap;

use or_protocol::Settings;
use serde::Deserialize;
use serde_json::Value;

use super::models::{TraitOverrides, Traits, traits};
use crate::shared::flat_tools::flatten_for;
use crate::shared::hosted::{HostedRules, SearchRules, Shown};
use crate::shared::quirks::{self, host, is_at};
use crate::{NoteList, ProviderOptions};

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
    web_search: Option<bool>,
    code_execution: Option<bool>,
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
    /// The host searches and runs code itself.
    web_search: bool,
    code_execution: bool,
    models: BTreeMap<String, TraitOverrides>,
}

impl Quirks {
    pub(super) fn read(options: &ProviderOptions) -> Result<Self, String> {
        let table: Table = quirks::read(options, "{}")?;
        for (model, cells) in &table.models {
            if let Some(problem) = cells.problem() {
                return Err(format!("quirks.models.{model}: {problem}"));
            }
        }
        if table.safety_settings.iter().flatten().any(|s| !s.is_object()) {
            return Err("quirks.safety_settings: must be tables".into());
        }
        let vertex = table.vertex.unwrap_or_else(|| is_vertex(&options.base_url));
        let credential =
            table.credential.unwrap_or(if vertex { Credential::Bearer } else { Credential::Key });
        Ok(Self {
            base_url: options.base_url.clone(),
            vertex,
            credential,
            include_thoughts: table.include_thoughts,
            safety_settings: table.safety_settings,
            web_search: table.web_search.unwrap_or(true),
            code_execution: table.code_execution.unwrap_or(true),
            models: table.models,
        })
    }

    /// Which hosted tools a model has. Only Vertex AI can keep from some domains.
    pub(super) fn hosted(&self, traits: &Traits) -> HostedRules {
        let search = SearchRules { allowed: false, blocked: self.vertex, location: false };
        HostedRules {
            search: (self.web_search && traits.hosted_tools).then_some(search),
            code: self.code_execution && traits.hosted_tools,
        }
    }

    /// What an answer may show of them.
    pub(super) fn shown(&self, model: &str, settings: &Settings) -> Shown {
        let rules = self.hosted(&self.traits(model));
        let tools = flatten_for(rules, settings.all_tools(), &mut NoteList::default());
        let kinds: Vec<_> = tools.iter().filter_map(|tool| Some(tool.hosted()?.kind())).collect();
        Shown::new(settings, &kinds)
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
    let host = host(base_url);
    host.contains("aiplatform.") && is_at(&host, "googleapis.com") || is_at(&host, "rep.googleapis.com")
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
