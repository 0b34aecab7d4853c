//! Effort, thinking and the token budget.

use or_protocol::{Effort, Settings, SummaryStyle};

use super::models::{Efforts, Rules, ThinkingForm, TurnOff};
use super::wire::body::Thinking;
use crate::{Note, NoteList};

/// Budget where the model refuses input and answer together beyond its window, and nothing was asked.
const OLD_DEFAULT: u64 = 4_096;
/// Smallest thinking budget.
const MIN_BUDGET: u64 = 1_024;

/// What a request says about thinking.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
}

impl Plan {
    /// Whether the model is told to think.
    pub(super) fn on(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Adaptive { .. } | Thinking::Enabled { .. }))
    }

    /// Whether it has a budget, which forbids forcing a tool.
    pub(super) fn budgeted(&self) -> bool {
        matches!(self.thinking, Some(Thinking::Enabled { .. }))
    }
}

/// Tokens for thinking and answer together.
pub(super) fn max_tokens(settings: &Settings, rules: Rules, default: u64, notes: &mut NoteList) -> u64 {
    if let Some(wanted) = settings.max_output_tokens {
        let most = rules.max_output.unwrap_or(u64::MAX);
        if wanted > most {
            notes.push(Note::emulated("max_output_tokens", format!("cut to the model's maximum of {most}")));
        }
        return wanted.min(most);
    }
    match rules.max_output {
        None => default.saturating_add(room(settings, rules)),
        Some(most) if rules.overflow => most,
        Some(most) => OLD_DEFAULT.saturating_add(room(settings, rules)).min(most),
    }
}

/// What a wanted thinking budget adds to a default.
fn room(settings: &Settings, rules: Rules) -> u64 {
    match settings.effort() {
        Some(effort) if rules.thinking == ThinkingForm::Budget => budget(effort),
        _ => 0,
    }
}

/// Effort and thinking for this turn.
pub(super) fn plan(settings: &Settings, rules: Rules, max_tokens: u64, notes: &mut NoteList) -> Plan {
    let display = settings.wants_summary().then_some("summarized");
    if let Some(SummaryStyle::Concise | SummaryStyle::Detailed) = settings.reasoning.and_then(|r| r.summary) {
        notes.push(Note::emulated("reasoning.summary", "the provider has one style of summary only"));
    }
    let Some(effort) = settings.effort() else {
        return unasked(display, rules, notes);
    };
    if effort == Effort::None {
        return off(rules, notes);
    }
    let word = rules.efforts.word(effort);
    if let Some(word) = word.filter(|word| *word != effort.as_str()) {
        notes.push(Note::emulated("reasoning.effort", format!("sent as {word}")));
    }
    match rules.thinking {
        ThinkingForm::Adaptive => Plan { thinking: Some(Thinking::Adaptive { display }), effort: word },
        ThinkingForm::None => {
            notes.push(Note::dropped("reasoning.effort", "this model does not think"));
            Plan { thinking: None, effort: word }
        }
        ThinkingForm::Budget if max_tokens <= MIN_BUDGET => {
            notes.push(Note::dropped("reasoning.effort", "max_output_tokens leaves no room to think"));
            Plan { thinking: None, effort: word }
        }
        ThinkingForm::Budget => {
            let budget_tokens = budget(effort).min(max_tokens.saturating_sub(1)).max(MIN_BUDGET);
            if rules.efforts == Efforts::None {
                notes.push(Note::emulated(
                    "reasoning.effort",
                    format!("sent as a thinking budget of {budget_tokens} tokens"),
                ));
            }
            Plan { thinking: Some(Thinking::Enabled { budget_tokens, display }), effort: word }
        }
    }
}

/// Only a summary was asked for, or nothing.
fn unasked(display: Option<&'static str>, rules: Rules, notes: &mut NoteList) -> Plan {
    if display.is_none() {
        return Plan::default();
    }
    if rules.thinks_by_default && rules.thinking == ThinkingForm::Adaptive {
        return Plan { thinking: Some(Thinking::Adaptive { display }), effort: None };
    }
    notes.push(Note::dropped("reasoning.summary", "this model thinks only with reasoning.effort"));
    Plan::default()
}

fn off(rules: Rules, notes: &mut NoteList) -> Plan {
    if !rules.thinks_by_default {
        return Plan::default();
    }
    match rules.turn_off {
        TurnOff::Disabled => Plan { thinking: Some(Thinking::Disabled), effort: None },
        TurnOff::BetweenTools => Plan { thinking: Some(Thinking::BetweenTools), effort: None },
        TurnOff::Never => {
            notes.push(Note::emulated("reasoning.effort", "this model always thinks; sent as low"));
            Plan { thinking: None, effort: rules.efforts.word(Effort::Low) }
        }
    }
}

fn budget(effort: Effort) -> u64 {
    match effort {
        Effort::None => 0,
        Effort::Minimal => 1_024,
        Effort::Low => 2_048,
        Effort::Medium => 10_000,
        Effort::High => 16_384,
        Effort::Xhigh | Effort::Max => 32_768,
    }
}
