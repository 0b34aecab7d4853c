//! What the models of a host refuse: the table of OpenAI's, and rules of the user's.

use or_protocol::Effort;
use serde::Deserialize;

use crate::shared::openai_models::{self, ModelRule, Sampling};

/// A rule of the user's, from the quirk `model_rules`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnRule {
    prefix: String,
    #[serde(default)]
    efforts: Vec<Effort>,
    #[serde(default = "always")]
    sampling: Sampling,
    #[serde(default = "yes")]
    verbosity: bool,
}

fn always() -> Sampling {
    Sampling::Always
}

fn yes() -> bool {
    true
}

/// The rule for a model, if one is known. `built_in`: the host's models are OpenAI's.
pub(super) fn rule<'a>(model: &str, own: &'a [OwnRule], built_in: bool) -> Option<ModelRule<'a>> {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    match own.iter().find(|r| name.starts_with(&r.prefix)) {
        Some(own) => {
            Some(ModelRule { efforts: &own.efforts, sampling: own.sampling, verbosity: own.verbosity })
        }
        None => openai_models::rule(model).filter(|_| built_in),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use or_protocol::Effort::{High, Medium};

    use super::*;
    use crate::shared::openai_models::nearest;

    #[test]
    fn without_limits_no_model_has_a_rule() {
        assert_eq!(rule("gpt-5", &[], false), None);
    }

    #[test]
    fn own_rules_come_first() {
        let own = json!([{"prefix": "gpt-5", "efforts": ["high", "low"], "sampling": "always"}]);
        let own: Vec<OwnRule> = serde_json::from_value(own).unwrap();
        let rule = rule("gpt-5-mini", &own, true).unwrap();
        assert_eq!((nearest(Medium, rule.efforts), rule.samples(None)), (Some(High), true));
    }
}
