//! What the models of a host refuse: the table of OpenAI's, and rules of the user's.

use or_protocol::Effort;
use serde_json::Value;

use crate::shared::openai_models::{self, ModelRule, Sampling};

/// A rule of the user's, from the quirk `model_rules`.
#[derive(Clone, Debug)]
pub(super) struct OwnRule {
    prefix: String,
    efforts: Vec<Effort>,
    sampling: Sampling,
    verbosity: bool,
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

/// Reads the quirk `model_rules`: `[{prefix, efforts, sampling, verbosity}]`.
pub(super) fn read_rules(value: &Value) -> Result<Vec<OwnRule>, String> {
    let wrong = || {
        "quirk `model_rules` must be a list of tables with `prefix` (text), `efforts` (list of words), \
         `sampling` (\"always\", \"never\", \"effort_none\" or \"default_none\") and `verbosity` (true or false)"
            .to_owned()
    };
    value.as_array().ok_or_else(wrong)?.iter().map(|row| read_rule(row).ok_or_else(wrong)).collect()
}

fn read_rule(row: &Value) -> Option<OwnRule> {
    let map = row.as_object()?;
    if map.keys().any(|k| !["prefix", "efforts", "sampling", "verbosity"].contains(&k.as_str())) {
        return None;
    }
    let mut efforts: Vec<Effort> = match map.get("efforts") {
        Some(list) => serde_json::from_value(list.clone()).ok()?,
        None => Vec::new(),
    };
    efforts.sort();
    Some(OwnRule {
        prefix: map.get("prefix")?.as_str()?.to_owned(),
        efforts,
        sampling: match map.get("sampling").map(|s| s.as_str()) {
            None | Some(Some("always")) => Sampling::Always,
            Some(Some("never")) => Sampling::Never,
            Some(Some("effort_none")) => Sampling::EffortNone,
            Some(Some("default_none")) => Sampling::DefaultNone,
            Some(_) => return None,
        },
        verbosity: match map.get("verbosity") {
            Some(flag) => flag.as_bool()?,
            None => true,
        },
    })
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
        let own = read_rules(&json!([{"prefix": "gpt-5", "efforts": ["high", "low"], "sampling": "always"}]));
        let own = own.unwrap();
        let rule = rule("gpt-5-mini", &own, true).unwrap();
        assert_eq!((nearest(Medium, rule.efforts), rule.samples(None)), (Some(High), true));
    }
}
