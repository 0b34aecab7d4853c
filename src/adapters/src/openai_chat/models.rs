//! What single models refuse.

use or_protocol::Effort;

use super::quirks::{ModelRules, Quirks};
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
