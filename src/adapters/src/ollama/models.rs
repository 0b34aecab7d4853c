//! What the server does not tell about its models, as tables by name.

use or_protocol::{Effort, Settings};

use super::quirks::{LeakMode, Quirks, ThinkMode};
use super::wire::Think;
use crate::{Note, NoteList};

/// Models that take levels and ignore a switch: they cannot stop thinking, and have no `max`.
const LEVELS_ONLY: &[&str] = &["gpt-oss"];

/// Models without thinking: any `think` but `false` is a 400 there.
const NO_THINKING: &[&str] = &[
    "codellama",
    "codegemma",
    "command-r",
    "gemma2",
    "gemma3",
    "gemma:",
    "llama2",
    "llama3",
    "llama4",
    "llava",
    "mistral:",
    "mistral-large",
    "mistral-nemo",
    "mistral-small",
    "mixtral",
    "phi3",
    "qwen2",
    "qwen:",
    "smollm",
    "starcoder",
    "tinyllama",
];

/// Family and tags whose build always thinks: with `think: false` the trace stands in the text, ended by
/// a lone `</think>`.
const LEAKING: &[(&str, &[&str])] = &[("qwen3", &["4b", "30b", "30b-a3b", "235b", "235b-a22b"])];

/// Families of which a name with `thinking` in it leaks in the same way.
const LEAKING_THINKING: &[&str] = &["qwen3"];

/// Endings of tags that a local server passes on to the hosted service.
const HOSTED_TAGS: &[&str] = &[":cloud", "-cloud"];

/// Whether a local server passes this model on to the hosted service.
pub(super) fn is_hosted_model(model: &str) -> bool {
    HOSTED_TAGS.iter().any(|tag| model.ends_with(tag))
}

/// Name in lower case without registry and user: `hf.co/me/Qwen3:4B` is `qwen3:4b`.
fn short_name(model: &str) -> String {
    model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase()
}

/// Whether the answer's text shall be held back until it is clear whether it begins with thinking.
pub(super) fn holds_back(quirks: &Quirks, model: &str, think: Option<Think>) -> bool {
    match quirks.think_leak {
        LeakMode::Off => false,
        LeakMode::Hold => true,
        LeakMode::Auto => think == Some(Think::Switch(false)) && leaks(&short_name(model)),
    }
}

fn leaks(name: &str) -> bool {
    let (family, tag) = name.split_once(':').unwrap_or((name, ""));
    LEAKING.iter().any(|(f, tags)| *f == family && tags.contains(&tag))
        || (name.contains("thinking") && LEAKING_THINKING.iter().any(|f| family.starts_with(f)))
}

/// The `think` field, with a note where the effort is not carried as asked.
pub(super) fn think(
    quirks: &Quirks,
    model: &str,
    settings: &Settings,
    notes: &mut NoteList,
) -> Option<Think> {
    const FIELD: &str = "reasoning.effort";
    let Some(effort) = settings.effort() else { return quirks.think.unasked() };
    if quirks.think == ThinkMode::Never {
        notes.push(Note::dropped(FIELD, "the quirk think is set to never"));
        return None;
    }
    let name = short_name(model);
    let is = |prefixes: &[&str]| prefixes.iter().any(|p| name.starts_with(p));
    if is(LEVELS_ONLY) {
        return Some(Think::Level(match effort {
            Effort::None => {
                notes.push(Note::dropped(FIELD, "this model cannot stop thinking, low was sent"));
                "low"
            }
            Effort::Minimal | Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Xhigh | Effort::Max => {
                notes.push(Note::emulated(FIELD, "high is the most this model takes"));
                "high"
            }
        }));
    }
    if quirks.think_levels.iter().any(|p| name.starts_with(p.as_str())) {
        return Some(match effort {
            Effort::None => Think::Switch(false),
            Effort::Minimal | Effort::Low => Think::Level("low"),
            Effort::Medium => Think::Level("medium"),
            Effort::High => Think::Level("high"),
            Effort::Xhigh | Effort::Max => Think::Level("max"),
        });
    }
    if is(NO_THINKING) {
        if effort != Effort::None {
            notes.push(Note::dropped(FIELD, "this model does not think"));
        }
        return None;
    }
    if effort != Effort::None {
        notes.push(Note::emulated(FIELD, "thinking is on or off on this model, it has no levels"));
    }
    Some(Think::Switch(effort != Effort::None))
}

#[cfg(test)]
mod tests {
    use or_protocol::ReasoningConfig;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::NoteKind;

    #[track_caller]
    fn check(model: &str, effort: Option<Effort>, want: Option<Think>, note: Option<NoteKind>) {
        let quirks = Quirks { think_levels: vec!["glm".into()], ..Quirks::default() };
        check_with(&quirks, model, effort, want, note);
    }

    #[track_caller]
    fn check_with(
        quirks: &Quirks,
        model: &str,
        effort: Option<Effort>,
        want: Option<Think>,
        note: Option<NoteKind>,
    ) {
        let reasoning = Some(ReasoningConfig { effort, summary: None });
        let settings = Settings { reasoning, ..Settings::default() };
        let mut notes = NoteList::default();
        assert_eq!(think(quirks, model, &settings, &mut notes), want);
        assert_eq!(notes.iter().next().map(|n| n.kind), note);
    }

    #[test]
    fn without_an_effort_the_server_decides() {
        check("qwen3:8b", None, None, None);
        check("gpt-oss:20b", None, None, None);
    }

    #[test]
    fn a_model_with_a_switch_is_switched() {
        check("qwen3:8b", Some(Effort::None), Some(Think::Switch(false)), None);
        check("qwen3:8b", Some(Effort::High), Some(Think::Switch(true)), Some(NoteKind::Emulated));
    }

    #[test]
    fn gpt_oss_takes_levels_and_cannot_stop() {
        check("gpt-oss:120b-cloud", Some(Effort::Minimal), Some(Think::Level("low")), None);
        check("library/GPT-OSS", Some(Effort::Medium), Some(Think::Level("medium")), None);
        check("gpt-oss", Some(Effort::Xhigh), Some(Think::Level("high")), Some(NoteKind::Emulated));
        check("gpt-oss", Some(Effort::None), Some(Think::Level("low")), Some(NoteKind::Dropped));
    }

    #[test]
    fn models_named_by_the_quirk_take_levels_up_to_max() {
        check("glm-5", Some(Effort::Xhigh), Some(Think::Level("max")), None);
        check("glm-5", Some(Effort::None), Some(Think::Switch(false)), None);
    }

    #[test]
    fn a_model_that_does_not_think_gets_no_field() {
        check("llama3.2:3b", Some(Effort::Low), None, Some(NoteKind::Dropped));
        check("llama3.2:3b", Some(Effort::None), None, None);
    }

    #[test]
    fn the_quirk_holds_where_the_request_is_silent() {
        let off = Quirks { think: ThinkMode::Off, ..Quirks::default() };
        check_with(&off, "qwen3", None, Some(Think::Switch(false)), None);
        check_with(&off, "qwen3", Some(Effort::Low), Some(Think::Switch(true)), Some(NoteKind::Emulated));
        let never = Quirks { think: ThinkMode::Never, ..Quirks::default() };
        check_with(&never, "qwen3", None, None, None);
        check_with(&never, "qwen3", Some(Effort::Low), None, Some(NoteKind::Dropped));
    }

    #[test]
    fn only_builds_that_always_think_are_held_back() {
        let quirks = Quirks::default();
        let off = Some(Think::Switch(false));
        for model in ["qwen3:4b", "me/Qwen3:30b", "qwen3-vl:8b-thinking", "hf.co/x/Qwen3-4B-Thinking-GGUF"] {
            assert!(holds_back(&quirks, model, off), "{model}");
            assert!(!holds_back(&quirks, model, None), "{model}");
            assert!(!holds_back(&quirks, model, Some(Think::Switch(true))), "{model}");
        }
        for model in ["qwen3:8b", "qwen3", "qwen3:4b-instruct", "llama3", "deepseek-r1"] {
            assert!(!holds_back(&quirks, model, off), "{model}");
        }
        assert!(holds_back(&Quirks { think_leak: LeakMode::Hold, ..Quirks::default() }, "x", None));
        assert!(!holds_back(&Quirks { think_leak: LeakMode::Off, ..Quirks::default() }, "qwen3:4b", off));
    }

    #[test]
    fn the_hosted_service_is_known_by_the_tag() {
        assert!(is_hosted_model("gpt-oss:120b-cloud") && is_hosted_model("glm-5:cloud"));
        assert!(!is_hosted_model("cloud"));
    }
}
