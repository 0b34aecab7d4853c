//! What single models of OpenAI refuse, as data; and the nearest effort a model takes.

use or_protocol::Effort::{self, High, Low, Medium, Minimal, None as NoEffort, Xhigh};

/// When temperature, top_p and logprobs may be sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Sampling {
    Always,
    /// Only while the model does not reason.
    WithoutReasoning,
    Never,
}

/// What a family of models takes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct ModelRule {
    prefix: &'static str,
    /// Efforts it takes; none for models that cannot reason.
    pub(super) efforts: &'static [Effort],
    /// Reasons where no effort is asked for.
    pub(super) reasons_by_default: bool,
    pub(super) sampling: Sampling,
    /// Takes `verbosity`.
    pub(super) verbosity: bool,
}

const fn row(
    prefix: &'static str,
    efforts: &'static [Effort],
    reasons_by_default: bool,
    sampling: Sampling,
) -> ModelRule {
    ModelRule { prefix, efforts, reasons_by_default, sampling, verbosity: true }
}

const fn older(prefix: &'static str, efforts: &'static [Effort], sampling: Sampling) -> ModelRule {
    ModelRule { prefix, efforts, reasons_by_default: !efforts.is_empty(), sampling, verbosity: false }
}

const UP_TO_XHIGH: &[Effort] = &[Low, Medium, High, Xhigh];
const NONE_TO_XHIGH: &[Effort] = &[NoEffort, Low, Medium, High, Xhigh];
const PRO: &[Effort] = &[Medium, High, Xhigh];
const CHAT: &[Effort] = &[Medium];

/// First match wins. `max` is missing everywhere: Chat Completions refuses it on every model.
const OPENAI: &[ModelRule] = &[
    row("gpt-6-astra", UP_TO_XHIGH, true, Sampling::Never),
    row("gpt-6.1-sol", UP_TO_XHIGH, true, Sampling::Never),
    row("gpt-6.1-terra", NONE_TO_XHIGH, true, Sampling::WithoutReasoning),
    row("gpt-6-sol", NONE_TO_XHIGH, true, Sampling::WithoutReasoning),
    row("gpt-6-luna", NONE_TO_XHIGH, true, Sampling::WithoutReasoning),
    row("gpt-5.6", NONE_TO_XHIGH, true, Sampling::WithoutReasoning),
    row("gpt-5.5-pro", PRO, true, Sampling::Never),
    row("gpt-5.4-pro", PRO, true, Sampling::Never),
    row("gpt-5.2-pro", PRO, true, Sampling::Never),
    row("gpt-5.5-chat", CHAT, true, Sampling::Never),
    row("gpt-5.5", NONE_TO_XHIGH, true, Sampling::WithoutReasoning),
    row("gpt-5.4-chat", CHAT, true, Sampling::Never),
    row("gpt-5.3-chat", CHAT, true, Sampling::Never),
    row("gpt-5.2-chat", CHAT, true, Sampling::Never),
    row("gpt-5.1-chat", CHAT, true, Sampling::Never),
    row("gpt-5.3-codex", UP_TO_XHIGH, true, Sampling::Never),
    row("gpt-5.2-codex", UP_TO_XHIGH, true, Sampling::Never),
    row("gpt-5.1-codex", &[Low, Medium, High], true, Sampling::Never),
    row("gpt-5.4", NONE_TO_XHIGH, false, Sampling::WithoutReasoning),
    row("gpt-5.3", NONE_TO_XHIGH, false, Sampling::WithoutReasoning),
    row("gpt-5.2", NONE_TO_XHIGH, false, Sampling::WithoutReasoning),
    row("gpt-5.1", &[NoEffort, Low, Medium, High], false, Sampling::WithoutReasoning),
    row("gpt-5-chat", &[], false, Sampling::Always),
    row("gpt-5-pro", &[High], true, Sampling::Never),
    row("gpt-5", &[Minimal, Low, Medium, High], true, Sampling::Never),
    older("o1", &[Low, Medium, High], Sampling::Never),
    older("o3", &[Low, Medium, High], Sampling::Never),
    older("o4", &[Low, Medium, High], Sampling::Never),
    OTHERS,
];

const OTHERS: ModelRule = older("", &[], Sampling::Always);

/// The row for a model; the last one fits all.
pub(super) fn openai(model: &str) -> &'static ModelRule {
    let found = OPENAI.iter().find(|rule| model.starts_with(rule.prefix));
    found.unwrap_or(&OTHERS)
}

/// The nearest effort of a list: the next one up, else the highest.
pub(super) fn nearest(asked: Effort, accepted: &[Effort]) -> Option<Effort> {
    let above = accepted.iter().copied().filter(|e| *e >= asked).min();
    above.or_else(|| accepted.iter().copied().max())
}

#[cfg(test)]
mod tests {
    use or_protocol::Effort::Max;

    use super::*;

    #[test]
    fn the_longest_family_is_found_first() {
        assert_eq!(openai("gpt-5.4-pro-2026").prefix, "gpt-5.4-pro");
        assert_eq!(openai("gpt-5-nano").prefix, "gpt-5");
        assert_eq!(openai("gpt-4o-mini").prefix, "");
        for (index, rule) in OPENAI.iter().enumerate() {
            let first = OPENAI.iter().position(|r| rule.prefix.starts_with(r.prefix));
            assert_eq!(first, Some(index), "{} is hidden by a row above", rule.prefix);
        }
    }

    #[test]
    fn the_nearest_effort_is_up_then_down() {
        assert_eq!(nearest(Max, UP_TO_XHIGH), Some(Xhigh));
        assert_eq!(nearest(NoEffort, PRO), Some(Medium));
        assert_eq!(nearest(Medium, &[Low, High]), Some(High));
        assert_eq!(nearest(Medium, &[]), None);
    }
}
