//! What single models refuse.

use or_protocol::Effort;

use super::quirks::{ModelRules, Quirks, ReasoningParam};
use crate::shared::openai_models::{self, ModelRule};

/// The rule for a model of a host that has the table, if the table knows it.
pub(super) fn rule(quirks: &Quirks, model: &str) -> Option<ModelRule<'static>> {
    match quirks.model_rules {
        ModelRules::None => None,
        ModelRules::Openai => openai_models::rule(model),
    }
}

/// Its efforts here: Chat Completions refuses `max` on every model.
pub(super) fn efforts(rule: ModelRule<'_>) -> Vec<Effort> {
    rule.efforts.iter().copied().filter(|effort| *effort != Effort::Max).collect()
}

/// The efforts that a model of a host without such a table takes: the host's, as far as the model's name does not say
/// that it knows fewer.
pub(super) fn host_efforts(quirks: &Quirks, model: &str) -> Vec<Effort> {
    let model = model.to_ascii_lowercase();
    let knows = |effort: &Effort| match effort {
        // The template of these models has three words, whoever serves them.
        Effort::None | Effort::Minimal | Effort::Xhigh | Effort::Max => !model.contains("gpt-oss"),
        Effort::Low | Effort::Medium | Effort::High => true,
    };
    // Before GLM 5 there is only a switch.
    if quirks.reasoning_param == ReasoningParam::ThinkingType && model.contains("glm-4") {
        return Vec::new();
    }
    quirks.reasoning_efforts.iter().copied().filter(knows).collect()
}
