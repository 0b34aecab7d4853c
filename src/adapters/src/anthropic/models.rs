//! What each model can do, as data: first matching prefix wins, and the configuration's rows come first.

use or_protocol::Effort;
use serde::Deserialize;

/// How thinking is turned off.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum TurnOff {
    /// `thinking: disabled`.
    Disabled,
    /// `thinking: between_tools`.
    BetweenTools,
    /// The model always thinks.
    Never,
}

/// How thinking is turned on.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum ThinkingForm {
    /// The model decides how much.
    Adaptive,
    /// A token budget.
    Budget,
    /// It cannot think.
    None,
}

/// Which words `effort` takes.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Efforts {
    /// The field is refused.
    None,
    /// low, medium, high.
    ToHigh,
    /// low, medium, high, max.
    NoXhigh,
    /// low to max.
    All,
}

impl Efforts {
    /// The nearest word for a wanted effort.
    pub(super) fn word(self, wanted: Effort) -> Option<&'static str> {
        Some(match (self, wanted) {
            (Self::None, _) => return None,
            (_, Effort::None | Effort::Minimal | Effort::Low) => "low",
            (_, Effort::Medium) => "medium",
            (_, Effort::High) | (Self::ToHigh, _) => "high",
            (Self::All, Effort::Xhigh) => "xhigh",
            (Self::NoXhigh, Effort::Xhigh) | (_, Effort::Max) => "max",
        })
    }
}

/// Whether a tool call can be forced.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum Forcing {
    /// Yes.
    Always,
    /// Only while no thinking budget is set.
    WithoutThinking,
    /// The provider refuses it.
    Never,
}

/// What one family of models can do.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Rules {
    /// Most tokens one answer may have; unknown if `None`.
    pub(super) max_output: Option<u64>,
    pub(super) thinking: ThinkingForm,
    pub(super) turn_off: TurnOff,
    /// It thinks if the request does not speak of it.
    pub(super) thinks_by_default: bool,
    pub(super) efforts: Efforts,
    /// `temperature` and `top_p` are taken.
    pub(super) sampling: bool,
    /// ... but not both at once.
    pub(super) one_sampling: bool,
    pub(super) forcing: Forcing,
    /// `role: system` is taken between messages.
    pub(super) system_role: bool,
    /// The last message may be the assistant's.
    pub(super) prefill: bool,
    /// `output_config.format` and strict tools.
    pub(super) structured: bool,
    /// Input and `max_tokens` together may exceed the window.
    pub(super) overflow: bool,
    /// Thinking blocks are bound to the model, the system prompt and the tools.
    pub(super) bound: bool,
}

/// Newest generation; also for models nobody knows, because it sends least.
const NEWEST: Rules = Rules {
    max_output: None,
    thinking: ThinkingForm::Adaptive,
    turn_off: TurnOff::Never,
    thinks_by_default: true,
    efforts: Efforts::All,
    sampling: false,
    one_sampling: false,
    forcing: Forcing::Never,
    system_role: false,
    prefill: false,
    structured: true,
    overflow: true,
    bound: true,
};

const GEN_5_5: Rules = Rules { max_output: Some(128_000), system_role: true, ..NEWEST };
const GEN_5: Rules = Rules {
    max_output: Some(128_000),
    turn_off: TurnOff::Disabled,
    forcing: Forcing::Always,
    bound: false,
    ..NEWEST
};
const GEN_4_7: Rules = Rules { thinks_by_default: false, ..GEN_5 };
const GEN_4_6: Rules = Rules { efforts: Efforts::NoXhigh, sampling: true, ..GEN_4_7 };
const GEN_4_5: Rules = Rules {
    max_output: Some(64_000),
    thinking: ThinkingForm::Budget,
    efforts: Efforts::None,
    one_sampling: true,
    forcing: Forcing::WithoutThinking,
    prefill: true,
    ..GEN_4_6
};
const GEN_4: Rules = Rules { one_sampling: false, structured: false, overflow: false, ..GEN_4_5 };
const GEN_3: Rules = Rules { thinking: ThinkingForm::None, ..GEN_4 };

/// Longer prefixes stand before shorter ones.
const BUILT_IN: &[(&str, Rules)] = &[
    ("claude-fable-5-1", GEN_5_5),
    ("claude-fable-5-2", GEN_5_5),
    ("claude-mythos-5-1", GEN_5_5),
    ("claude-mythos-5-2", GEN_5_5),
    ("claude-fable-5", Rules { turn_off: TurnOff::Never, ..GEN_5 }),
    ("claude-mythos-5", Rules { turn_off: TurnOff::Never, ..GEN_5 }),
    ("claude-opus-5-5", GEN_5_5),
    ("claude-sonnet-5-5", Rules { turn_off: TurnOff::BetweenTools, ..GEN_5_5 }),
    ("claude-haiku-5-5", Rules { turn_off: TurnOff::Disabled, forcing: Forcing::Always, ..GEN_5_5 }),
    ("claude-opus-5", Rules { system_role: true, ..GEN_5 }),
    // Sonnet 5 answers 200 to `role: system` and ignores it.
    ("claude-sonnet-5", GEN_5),
    ("claude-opus-4-8", Rules { system_role: true, ..GEN_4_7 }),
    ("claude-opus-4-7", GEN_4_7),
    ("claude-opus-4-6", GEN_4_6),
    ("claude-sonnet-4-6", GEN_4_6),
    ("claude-opus-4-5", Rules { efforts: Efforts::ToHigh, ..GEN_4_5 }),
    ("claude-sonnet-4-5", GEN_4_5),
    ("claude-haiku-4-5", GEN_4_5),
    ("claude-opus-4-1", Rules { max_output: Some(32_000), one_sampling: true, structured: true, ..GEN_4 }),
    ("claude-opus-4", Rules { max_output: Some(32_000), ..GEN_4 }),
    ("claude-sonnet-4", GEN_4),
    ("claude-3-7", GEN_4),
    ("claude-3-5", Rules { max_output: Some(8_192), ..GEN_3 }),
    ("claude-3", Rules { max_output: Some(4_096), ..GEN_3 }),
    // Z.ai's models behind the same wire.
    ("glm-", Rules { max_output: None, ..GEN_4 }),
];

/// A row of the `models` quirk: what it leaves out is as in the built-in table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ModelQuirk {
    prefix: String,
    max_output_tokens: Option<u64>,
    thinking: Option<ThinkingForm>,
    turn_off: Option<TurnOff>,
    thinks_by_default: Option<bool>,
    effort: Option<Efforts>,
    sampling: Option<bool>,
    forced_tool_choice: Option<Forcing>,
    system_role: Option<bool>,
    prefill: Option<bool>,
    structured_output: Option<bool>,
    bound_thinking: Option<bool>,
}

/// The table of one provider.
#[derive(Debug, Default)]
pub(super) struct Models {
    own: Vec<(String, Rules)>,
}

impl Models {
    pub(super) fn new(rows: Vec<ModelQuirk>) -> Self {
        Self { own: rows.into_iter().map(|row| (row.prefix.clone(), overridden(&row))).collect() }
    }

    /// The rules of a model.
    pub(super) fn rules(&self, model: &str) -> Rules {
        let own = self.own.iter().find(|(prefix, _)| model.starts_with(prefix.as_str()));
        own.map_or_else(|| built_in(model), |(_, rules)| *rules)
    }
}

fn overridden(row: &ModelQuirk) -> Rules {
    let base = built_in(&row.prefix);
    Rules {
        max_output: row.max_output_tokens.or(base.max_output),
        thinking: row.thinking.unwrap_or(base.thinking),
        turn_off: row.turn_off.unwrap_or(base.turn_off),
        thinks_by_default: row.thinks_by_default.unwrap_or(base.thinks_by_default),
        efforts: row.effort.unwrap_or(base.efforts),
        sampling: row.sampling.unwrap_or(base.sampling),
        forcing: row.forced_tool_choice.unwrap_or(base.forcing),
        system_role: row.system_role.unwrap_or(base.system_role),
        prefill: row.prefill.unwrap_or(base.prefill),
        structured: row.structured_output.unwrap_or(base.structured),
        bound: row.bound_thinking.unwrap_or(base.bound),
        ..base
    }
}

fn built_in(model: &str) -> Rules {
    // Gateways write `anthropic/claude-haiku-4.5` or `eu.anthropic.claude-haiku-4-5`.
    let name = model.find("claude-").map_or(model, |at| model.get(at..).unwrap_or(model)).replace('.', "-");
    BUILT_IN.iter().find(|(prefix, _)| name.starts_with(prefix)).map_or(NEWEST, |(_, rules)| *rules)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(model: &str, want: Rules) {
        assert_eq!(Models::default().rules(model), want, "{model}");
    }

    #[test]
    fn the_longest_prefix_wins() {
        check("claude-opus-5-5-20261001", GEN_5_5);
        check("claude-sonnet-4-5-20250929", GEN_4_5);
        check("claude-sonnet-4-0", GEN_4);
        check("claude-3-5-sonnet-20240620", Rules { max_output: Some(8_192), ..GEN_3 });
    }

    #[test]
    fn a_gateways_spelling_is_understood() {
        check("anthropic/claude-haiku-4.5", GEN_4_5);
        check("eu.anthropic.claude-opus-4-6-v1", GEN_4_6);
    }

    #[test]
    fn an_unknown_model_gets_the_newest_rules() {
        check("claude-opus-7", NEWEST);
        check("whatever", NEWEST);
    }

    #[test]
    fn no_row_hides_a_later_one() {
        for (i, (prefix, _)) in BUILT_IN.iter().enumerate() {
            let before = BUILT_IN.iter().take(i).find(|(p, _)| prefix.starts_with(p));
            assert_eq!(before.map(|(p, _)| p), None, "{prefix} can never match");
        }
    }

    #[test]
    fn a_row_of_the_configuration_overrides_what_it_names() {
        let row =
            serde_json::json!([{ "prefix": "claude-opus-4-6", "max_output_tokens": 5, "sampling": false }]);
        let models = Models::new(serde_json::from_value(row).unwrap());
        let want = Rules { max_output: Some(5), sampling: false, ..GEN_4_6 };
        assert_eq!(models.rules("claude-opus-4-6-x"), want);
    }

    #[test]
    fn efforts_fall_to_the_nearest_word() {
        for (efforts, wanted, word) in [
            (Efforts::All, Effort::Minimal, Some("low")),
            (Efforts::All, Effort::Xhigh, Some("xhigh")),
            (Efforts::NoXhigh, Effort::Xhigh, Some("max")),
            (Efforts::ToHigh, Effort::Max, Some("high")),
            (Efforts::None, Effort::High, None),
        ] {
            assert_eq!(efforts.word(wanted), word, "{efforts:?} {wanted:?}");
        }
    }
}
