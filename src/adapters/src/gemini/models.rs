//! What each model accepts, as a table. A configuration may override any cell by model name.

use or_protocol::Effort;
use serde::Deserialize;

/// How a model's thinking is controlled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Thinking {
    /// It does not think, or it is not known how to control it.
    Fixed,
    /// By `thinkingBudget` in tokens.
    Budget {
        min: u32,
        max: u32,
        /// Zero is accepted.
        off: bool,
    },
    /// By `thinkingLevel`; in ascending order, never empty.
    Levels(Vec<Level>),
}

/// Value of `thinkingLevel`.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    Minimal,
    Low,
    Medium,
    High,
}

impl Level {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Minimal => "MINIMAL",
            Self::Low => "LOW",
            Self::Medium => "MEDIUM",
            Self::High => "HIGH",
        }
    }
}

/// Abilities of one model.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Traits {
    pub(super) thinking: Thinking,
    /// Generation 3 and later: calls must be signed, tool results may hold media, a schema goes with
    /// tools, parts have a resolution.
    pub(super) signed_calls: bool,
    /// `temperature` and `topP` have an effect.
    pub(super) sampling: bool,
    /// `presencePenalty` and `frequencyPenalty` are accepted.
    pub(super) penalties: bool,
    /// `responseLogprobs` is accepted.
    pub(super) logprobs: bool,
    /// The context may end with the model's own words.
    pub(super) prefill: bool,
    /// The calling mode `VALIDATED` is known.
    pub(super) validated: bool,
    /// It searches and runs code itself.
    pub(super) hosted_tools: bool,
}

/// Cells of the table that a configuration sets itself.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TraitOverrides {
    thinking_levels: Option<Vec<Level>>,
    /// Smallest and largest budget.
    thinking_budget: Option<(u32, u32)>,
    thinking_off: Option<bool>,
    signed_calls: Option<bool>,
    sampling: Option<bool>,
    penalties: Option<bool>,
    logprobs: Option<bool>,
    prefill: Option<bool>,
    validated: Option<bool>,
    hosted_tools: Option<bool>,
}

impl TraitOverrides {
    /// Why these cells cannot be.
    pub(super) fn problem(&self) -> Option<&'static str> {
        match (&self.thinking_levels, self.thinking_budget) {
            (Some(_), Some(_)) => Some("thinking_levels and thinking_budget exclude each other"),
            (_, Some((min, max))) if min > max => Some("thinking_budget is [smallest, largest]"),
            _ => None,
        }
    }

    pub(super) fn apply(&self, traits: &mut Traits) {
        if let Some(levels) = &self.thinking_levels {
            let mut levels = levels.clone();
            levels.sort_unstable();
            traits.thinking = if levels.is_empty() { Thinking::Fixed } else { Thinking::Levels(levels) };
        }
        if let Some((min, max)) = self.thinking_budget {
            traits.thinking = Thinking::Budget { min, max, off: false };
        }
        if let (Some(wanted), Thinking::Budget { off, .. }) = (self.thinking_off, &mut traits.thinking) {
            *off = wanted;
        }
        let set = |cell: &mut bool, wanted: Option<bool>| *cell = wanted.unwrap_or(*cell);
        set(&mut traits.signed_calls, self.signed_calls);
        set(&mut traits.sampling, self.sampling);
        set(&mut traits.penalties, self.penalties);
        set(&mut traits.logprobs, self.logprobs);
        set(&mut traits.prefill, self.prefill);
        set(&mut traits.validated, self.validated);
        set(&mut traits.hosted_tools, self.hosted_tools);
    }
}

struct Row {
    prefix: &'static str,
    thinking: Cell,
    signed_calls: bool,
    sampling: bool,
    penalties: bool,
    prefill: bool,
    validated: bool,
    hosted_tools: bool,
}

enum Cell {
    Fixed,
    Budget(u32, u32, bool),
    Levels(&'static [Level]),
}

const MINIMAL_UP: Cell = Cell::Levels(&[Level::Minimal, Level::Low, Level::Medium, Level::High]);
const LOW_UP: Cell = Cell::Levels(&[Level::Low, Level::Medium, Level::High]);
const LOW_HIGH: Cell = Cell::Levels(&[Level::Low, Level::High]);

/// A row of generation 2.5.
const fn second(prefix: &'static str, thinking: Cell) -> Row {
    Row {
        prefix,
        thinking,
        signed_calls: false,
        sampling: true,
        penalties: false,
        prefill: true,
        validated: true,
        hosted_tools: true,
    }
}

/// A row of generation 3. `open`: sampling, penalties and prefill are still accepted.
const fn third(prefix: &'static str, thinking: Cell, open: bool) -> Row {
    Row {
        prefix,
        thinking,
        signed_calls: true,
        sampling: open,
        penalties: open,
        prefill: open,
        validated: true,
        hosted_tools: true,
    }
}

/// A row of a model that predates thinking, or is none of the family.
const fn first(prefix: &'static str, penalties: bool) -> Row {
    Row {
        prefix,
        thinking: Cell::Fixed,
        signed_calls: false,
        sampling: true,
        penalties,
        prefill: true,
        validated: false,
        hosted_tools: false,
    }
}

/// The longest prefix that fits counts. State: November 2026.
const TABLE: &[Row] = &[
    first("", true),
    // A name that is not in the table is taken for one of the newest generation.
    third("gemini-", LOW_UP, false),
    first("gemini-1", true),
    Row { hosted_tools: true, ..first("gemini-2.0", false) },
    first("gemini-2.0-flash-lite", false),
    second("gemini-2.5", Cell::Budget(512, 24576, true)),
    second("gemini-2.5-pro", Cell::Budget(128, 32768, false)),
    second("gemini-2.5-flash", Cell::Budget(1, 24576, true)),
    second("gemini-2.5-flash-lite", Cell::Budget(512, 24576, true)),
    Row { hosted_tools: false, ..second("gemini-2.5-flash-image", Cell::Fixed) },
    third("gemini-3-", LOW_UP, true),
    third("gemini-3-pro", LOW_HIGH, true),
    third("gemini-3-flash", MINIMAL_UP, true),
    third("gemini-3.1", LOW_UP, true),
    third("gemini-3.1-flash-lite", MINIMAL_UP, true),
    third("gemini-3.5", LOW_UP, true),
    third("gemini-3.5-flash", MINIMAL_UP, true),
    third("gemini-3.5-flash-lite", MINIMAL_UP, false),
    third("gemini-3.6", MINIMAL_UP, false),
];

/// Abilities by model name, without any path before it.
pub(super) fn traits(name: &str, vertex: bool) -> Traits {
    let mut best = &TABLE[0];
    for row in TABLE {
        if name.starts_with(row.prefix) && row.prefix.len() >= best.prefix.len() {
            best = row;
        }
    }
    Traits {
        thinking: match best.thinking {
            Cell::Fixed => Thinking::Fixed,
            Cell::Budget(min, max, off) => Thinking::Budget { min, max, off },
            Cell::Levels(levels) => Thinking::Levels(levels.to_vec()),
        },
        signed_calls: best.signed_calls,
        sampling: best.sampling,
        penalties: best.penalties,
        // The Gemini API answers 400 for nearly all models; Vertex grants it before generation 3.
        logprobs: vertex && !best.signed_calls,
        prefill: best.prefill,
        validated: best.validated,
        hosted_tools: best.hosted_tools,
    }
}

/// A model's value for an effort, and what differs from what was asked.
#[derive(Debug, PartialEq)]
pub(super) enum Thought {
    Budget(u32, Option<String>),
    Level(Level, Option<String>),
    /// The model's thinking cannot be controlled.
    Uncontrolled,
}

impl Thinking {
    /// Translates an effort.
    pub(super) fn for_effort(&self, effort: Effort) -> Thought {
        match self {
            Self::Fixed => Thought::Uncontrolled,
            Self::Budget { min, max, off } => {
                let wanted = match effort {
                    Effort::None => 0,
                    Effort::Minimal => 512,
                    Effort::Low => 2048,
                    Effort::Medium => 8192,
                    Effort::High => 24576,
                    Effort::Xhigh | Effort::Max => *max,
                };
                if effort == Effort::None {
                    return match off {
                        true => Thought::Budget(0, None),
                        false => Thought::Budget(
                            *min,
                            Some(format!(
                                "this model cannot stop thinking; the smallest budget {min} is sent"
                            )),
                        ),
                    };
                }
                Thought::Budget(wanted.clamp(*min, *max), None)
            }
            Self::Levels(levels) => {
                let wanted = match effort {
                    Effort::None | Effort::Minimal => Level::Minimal,
                    Effort::Low => Level::Low,
                    Effort::Medium => Level::Medium,
                    Effort::High | Effort::Xhigh | Effort::Max => Level::High,
                };
                let found = levels.iter().find(|l| **l >= wanted).or_else(|| levels.last());
                let Some(&level) = found else { return Thought::Uncontrolled };
                let exact = level == wanted && !matches!(effort, Effort::None | Effort::Xhigh | Effort::Max);
                let note = (!exact).then(|| format!("{} sent as level {}", effort.as_str(), level.as_str()));
                Thought::Level(level, note)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(model: &str, effort: Effort, want: &str) {
        let got = match traits(model, false).thinking.for_effort(effort) {
            Thought::Budget(n, note) => format!("{n}{}", if note.is_some() { " note" } else { "" }),
            Thought::Level(l, note) => format!("{}{}", l.as_str(), if note.is_some() { " note" } else { "" }),
            Thought::Uncontrolled => "-".into(),
        };
        assert_eq!(got, want, "{model} {effort:?}");
    }

    #[test]
    fn efforts_become_what_the_model_accepts() {
        check("gemini-2.0-flash", Effort::High, "-");
        check("gemini-2.5-pro", Effort::None, "128 note");
        check("gemini-2.5-pro", Effort::Xhigh, "32768");
        check("gemini-2.5-flash", Effort::None, "0");
        check("gemini-2.5-flash-lite", Effort::Minimal, "512");
        check("gemini-2.5-flash-preview-09-2025", Effort::Max, "24576");
        check("gemini-3-pro-preview", Effort::Medium, "HIGH note");
        check("gemini-3-flash-preview", Effort::Minimal, "MINIMAL");
        check("gemini-3.1-pro-preview", Effort::Minimal, "LOW note");
        check("gemini-3.7-flash", Effort::None, "LOW note");
        check("gemini-3.6-flash", Effort::Xhigh, "HIGH note");
        check("gemini-9-ultra", Effort::Medium, "MEDIUM");
        check("gemma-4", Effort::Medium, "-");
    }

    #[test]
    fn overrides_replace_single_cells() {
        let mut got = traits("gemini-3.7-flash", false);
        let over: TraitOverrides =
            serde_json::from_str(r#"{"thinking_levels":["high","low"],"prefill":true}"#).unwrap();
        over.apply(&mut got);
        let mut want = traits("gemini-3.7-flash", false);
        want.thinking = Thinking::Levels(vec![Level::Low, Level::High]);
        want.prefill = true;
        assert_eq!(got, want);
    }
}
