//! What OpenAI's models refuse, by name: a table, first matching prefix wins.

use or_protocol::Effort::{self, High, Low, Max, Medium, Minimal, None as Off, Xhigh};

/// When temperature, top_p and log probabilities are accepted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Sampling {
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
pub(crate) struct ModelRule<'a> {
    /// Accepted efforts in order; empty: the model does not reason.
    pub(crate) efforts: &'a [Effort],
    /// Sampling fields.
    pub(crate) sampling: Sampling,
    /// `text.verbosity` other than medium.
    pub(crate) verbosity: bool,
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
pub(crate) fn rule(model: &str) -> Option<ModelRule<'static>> {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    let (prefix, efforts, sampling) = TABLE.iter().find(|(prefix, ..)| name.starts_with(prefix))?;
    let verbosity = ["gpt-5", "gpt-6", "gpt-7", "gpt-8"].iter().any(|p| prefix.starts_with(p));
    Some(ModelRule { efforts, sampling: *sampling, verbosity })
}

/// The accepted effort nearest to the one asked for, the next one up first; `None` if there is none at all.
pub(crate) fn nearest(asked: Effort, accepted: &[Effort]) -> Option<Effort> {
    let above = accepted.iter().copied().filter(|e| *e >= asked).min();
    above.or_else(|| accepted.iter().copied().max())
}

impl ModelRule<'_> {
    /// Whether sampling fields may be sent along with this effort.
    pub(crate) fn samples(&self, effort: Option<Effort>) -> bool {
        match self.sampling {
            Sampling::Always => true,
            Sampling::Never => false,
            Sampling::EffortNone => effort == Some(Off),
            Sampling::DefaultNone => effort.is_none_or(|e| e == Off),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(model: &str, asked: Effort, sent: Option<Effort>, samples: bool) {
        let rule = rule(model).unwrap();
        let nearest = nearest(asked, rule.efforts);
        assert_eq!((nearest, rule.samples(nearest)), (sent, samples), "{model}");
    }

    #[test]
    fn an_effort_becomes_the_nearest_that_the_model_takes() {
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
    fn the_nearest_effort_is_up_then_down() {
        assert_eq!(nearest(Max, &[Low, Xhigh]), Some(Xhigh));
        assert_eq!(nearest(Medium, &[High, Low]), Some(High));
        assert_eq!(nearest(Off, &[Medium]), Some(Medium));
        assert_eq!(nearest(Medium, &[]), None);
    }

    #[test]
    fn a_newer_model_reasons_and_takes_no_sampling() {
        check("gpt-5.7", Max, Some(Max), false);
        check("gpt-7", Off, Some(Low), false);
    }

    #[test]
    fn a_name_that_says_nothing_has_no_rule() {
        assert_eq!(rule("my-deployment"), None);
    }

    #[test]
    fn no_row_hides_one_below() {
        for (index, (prefix, ..)) in TABLE.iter().enumerate() {
            let first = TABLE.iter().position(|(other, ..)| prefix.starts_with(other));
            assert_eq!(first, Some(index), "{prefix} is hidden by a row above");
        }
    }
}
