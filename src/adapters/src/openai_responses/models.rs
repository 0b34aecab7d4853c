//! What OpenAI's models refuse, by name: a table, first matching prefix wins.

use or_protocol::Effort::{self, High, Low, Max, Medium, Minimal, None as Off, Xhigh};
use serde_json::Value;

/// When temperature, top_p and log probabilities are accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sampling {
    /// Always.
    Always,
    /// Never.
    Never,
    /// Only while the effort is `none`, which has to be asked for.
    EffortNone,
    /// Only while the effort is `none`, which it is by default.
    DefaultNone,
}

/// What a model takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Rule<'a> {
    /// Accepted efforts in order; empty: the model does not reason.
    pub(super) efforts: &'a [Effort],
    /// Sampling fields.
    pub(super) sampling: Sampling,
    /// `text.verbosity` other than medium.
    pub(super) verbosity: bool,
}

/// A rule of the user's, from the quirk `model_rules`.
#[derive(Clone, Debug)]
pub(super) struct OwnRule {
    prefix: String,
    efforts: Vec<Effort>,
    sampling: Sampling,
    verbosity: bool,
}

type Row = (&'static str, &'static [Effort], Sampling);

const NEWEST: &[Effort] = &[Low, Medium, High, Xhigh, Max];
const WITH_OFF: &[Effort] = &[Off, Low, Medium, High, Xhigh, Max];
const THREE: &[Effort] = &[Low, Medium, High];

/// Measured with live calls in 2026-07 to 2026-10 by public clients; codex rows by the vendor's documents.
const TABLE: &[Row] = &[
    ("gpt-6-astra", NEWEST, Sampling::Never),
    ("gpt-6.1-sol", NEWEST, Sampling::Never),
    ("gpt-6.1-terra", WITH_OFF, Sampling::EffortNone),
    ("gpt-6-sol", WITH_OFF, Sampling::EffortNone),
    ("gpt-6-luna", WITH_OFF, Sampling::EffortNone),
    ("gpt-5.6", WITH_OFF, Sampling::EffortNone),
    ("gpt-5.5-pro", &[Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.4-pro", &[Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.2-pro", &[Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.5-chat", &[Medium], Sampling::Never),
    ("gpt-5.5", &[Off, Low, Medium, High, Xhigh], Sampling::EffortNone),
    ("gpt-5.4-chat", &[Medium], Sampling::Never),
    ("gpt-5.3-chat", &[Medium], Sampling::Never),
    ("gpt-5.2-chat", &[Medium], Sampling::Never),
    ("gpt-5.1-chat", &[Medium], Sampling::Never),
    ("gpt-5.3-codex", &[Low, Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.2-codex", &[Low, Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.1-codex-max", &[Low, Medium, High, Xhigh], Sampling::Never),
    ("gpt-5.1-codex", THREE, Sampling::Never),
    ("gpt-5.4", &[Off, Low, Medium, High, Xhigh], Sampling::DefaultNone),
    ("gpt-5.3", &[Off, Low, Medium, High, Xhigh], Sampling::DefaultNone),
    ("gpt-5.2", &[Off, Low, Medium, High, Xhigh], Sampling::DefaultNone),
    ("gpt-5.1", &[Off, Low, Medium, High], Sampling::DefaultNone),
    ("gpt-5-chat", &[], Sampling::Always),
    ("gpt-5-pro", &[High], Sampling::Never),
    ("gpt-5.", NEWEST, Sampling::Never),
    ("gpt-5", &[Minimal, Low, Medium, High], Sampling::Never),
    ("gpt-4", &[], Sampling::Always),
    ("gpt-3", &[], Sampling::Always),
    ("chatgpt-4o", &[], Sampling::Always),
    ("o1", THREE, Sampling::Never),
    ("o3", THREE, Sampling::Never),
    ("o4", THREE, Sampling::Never),
    // A generation that is newer than this table: send less rather than be refused.
    ("gpt-6", NEWEST, Sampling::Never),
    ("gpt-7", NEWEST, Sampling::Never),
    ("gpt-8", NEWEST, Sampling::Never),
];

/// The rule for a model; none for a name that says nothing, such as an Azure deployment of free choice.
pub(super) fn rule<'a>(model: &str, own: &'a [OwnRule], built_in: bool) -> Option<Rule<'a>> {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    if let Some(rule) = own.iter().find(|r| name.starts_with(&r.prefix)) {
        return Some(Rule { efforts: &rule.efforts, sampling: rule.sampling, verbosity: rule.verbosity });
    }
    if !built_in {
        return None;
    }
    let (prefix, efforts, sampling) = TABLE.iter().find(|(prefix, ..)| name.starts_with(prefix))?;
    let verbosity = ["gpt-5", "gpt-6", "gpt-7", "gpt-8"].iter().any(|p| prefix.starts_with(p));
    Some(Rule { efforts, sampling: *sampling, verbosity })
}

impl Rule<'_> {
    /// The accepted effort nearest to the one asked for, the higher one first; `None` if there is none at all.
    pub(super) fn nearest(&self, asked: Effort) -> Option<Effort> {
        self.efforts.iter().find(|e| **e >= asked).or(self.efforts.last()).copied()
    }

    /// Whether sampling fields may be sent along with this effort.
    pub(super) fn samples(&self, effort: Option<Effort>) -> bool {
        match self.sampling {
            Sampling::Always => true,
            Sampling::Never => false,
            Sampling::EffortNone => effort == Some(Off),
            Sampling::DefaultNone => effort.is_none_or(|e| e == Off),
        }
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

    use super::*;

    #[track_caller]
    fn check(model: &str, asked: Effort, sent: Option<Effort>, samples: bool) {
        let rule = rule(model, &[], true).unwrap();
        let nearest = rule.nearest(asked);
        assert_eq!((nearest, rule.samples(nearest)), (sent, samples), "{model}");
    }

    #[test]
    fn the_nearest_effort_is_taken_upwards_first() {
        check("gpt-5-mini", Xhigh, Some(High), false);
        check("gpt-5-mini", Off, Some(Minimal), false);
        check("gpt-5.4-2026-03-05", Minimal, Some(Low), false);
        check("gpt-5.4", Off, Some(Off), true);
        check("gpt-5.6-luna", Minimal, Some(Low), false);
        check("gpt-6-astra", Off, Some(Low), false);
        check("o3-mini", Minimal, Some(Low), false);
        check("gpt-5.2-pro", Low, Some(Medium), false);
        check("gpt-4.1-nano", High, None, true);
        check("ft:gpt-4o:acme", High, None, true);
    }

    #[test]
    fn a_name_that_says_nothing_has_no_rule() {
        assert_eq!(rule("my-deployment", &[], true), None);
        assert_eq!(rule("gpt-5", &[], false), None);
    }

    #[test]
    fn own_rules_come_first() {
        let own = read_rules(&json!([{"prefix": "gpt-5", "efforts": ["high", "low"], "sampling": "always"}]));
        let own = own.unwrap();
        let rule = rule("gpt-5-mini", &own, true).unwrap();
        assert_eq!((rule.nearest(Medium), rule.samples(None)), (Some(High), true));
    }
}
