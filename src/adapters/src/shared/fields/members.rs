//! The ledger's rows for members that have no form of their own, see [`or_protocol::Members`].

use or_protocol::{RawJson, Settings};

use super::fate::{BY_BEGINNING, Fate, NOT_KNOWN, note};
use crate::{AdapterError, Note, NoteList};

/// Why a member is refused that a provider would have to know.
const NO_MODERATION: &str = "this provider does not moderate by a policy of the request";
const NO_CONTEXT_MANAGEMENT: &str = "this provider does not manage the context by itself";
const GENERATES: &str = "this provider generates whenever it is asked";
/// This server goes on by itself with a response in the background, and asks the provider in the foreground.
const NO_WINDOW: &str = "background responses are made at once, at the usual price";

/// The fate of every known member, and that of all others.
#[derive(Clone, Debug)]
pub(crate) struct MemberFates {
    pub(crate) access_programs: Fate,
    /// But for a window of completion, which this server cannot ask for.
    pub(crate) background_options: Fate,
    pub(crate) client_metadata: Fate,
    pub(crate) context_management: Fate,
    /// `generate: false` and `prompt_cache_options.prewarm`: nothing may be generated.
    pub(crate) no_generation: Fate,
    pub(crate) image: Fate,
    pub(crate) moderation: Fate,
    pub(crate) prompt_cache_options: Fate,
    pub(crate) prompt_cache_retention: Fate,
    pub(crate) reasoning_context: Fate,
    pub(crate) reasoning_mode: Fate,
    /// Members that nobody knows.
    pub(crate) others: Others,
}

/// What becomes of members that nobody knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Others {
    /// They go on as they came.
    Sent,
    /// They are noted.
    Unknown,
}

impl MemberFates {
    /// Of a provider that speaks another wire.
    pub(crate) fn translated() -> Self {
        Self {
            access_programs: Fate::dropped(NOT_KNOWN),
            background_options: Fate::refused("this provider knows no related background requests"),
            client_metadata: Fate::dropped(NOT_KNOWN),
            context_management: Fate::refused(NO_CONTEXT_MANAGEMENT),
            no_generation: Fate::refused(GENERATES),
            image: Fate::dropped(NOT_KNOWN),
            moderation: Fate::refused(NO_MODERATION),
            prompt_cache_options: Fate::dropped(NOT_KNOWN),
            prompt_cache_retention: Fate::dropped(NOT_KNOWN),
            reasoning_context: Fate::dropped("the provider decides which reasoning it reads again"),
            reasoning_mode: Fate::dropped(NOT_KNOWN),
            others: Others::Unknown,
        }
    }

    /// The same of one that caches by the beginning of the input.
    pub(crate) fn caching_by_beginning() -> Self {
        Self {
            prompt_cache_options: Fate::emulated(BY_BEGINNING),
            prompt_cache_retention: Fate::dropped("the provider decides how long it caches"),
            ..Self::translated()
        }
    }

    /// Notes what was emulated, dropped or is unknown. What asks for no more than the default needs no note.
    pub(super) fn note(self, settings: &Settings, notes: &mut NoteList) -> Result<(), AdapterError> {
        let Self {
            access_programs,
            background_options,
            client_metadata,
            context_management,
            no_generation,
            image,
            moderation,
            prompt_cache_options,
            prompt_cache_retention,
            reasoning_context,
            reasoning_mode,
            others,
        } = self;
        for (path, value) in settings.members.paths() {
            if is_default(&path, &value) {
                continue;
            }
            let fate = match path.as_str() {
                "access_programs" => &access_programs,
                "background_options" if has_window(&value) => &Fate::refused(NO_WINDOW),
                "background_options" => &background_options,
                "client_metadata" => &client_metadata,
                "context_management" => &context_management,
                "generate" => &no_generation,
                "image" => &image,
                "moderation" => &moderation,
                "prompt_cache_options" => {
                    if is_true(&value, "prewarm") {
                        notes.extend(note("prompt_cache_options.prewarm", no_generation.clone())?);
                    }
                    &prompt_cache_options
                }
                "prompt_cache_retention" => &prompt_cache_retention,
                // All reasoning of the context is sent back where the provider takes it; what it does not take has
                // its own note.
                "reasoning.context"
                    if value.as_str() == r#""all_turns""# && reasoning_context != Fate::Sent =>
                {
                    &Fate::emulated("reasoning of all turns is sent back where the provider takes it")
                }
                "reasoning.context" => &reasoning_context,
                "reasoning.mode" => &reasoning_mode,
                _ => {
                    if others == Others::Unknown {
                        let (place, member) = path.rsplit_once('.').unwrap_or(("", &path));
                        let dot = if place.is_empty() { "" } else { "." };
                        notes.push(Note::unknown(&format!("{place}{dot}"), member));
                    }
                    continue;
                }
            };
            notes.extend(note(&path, fate.clone())?);
        }
        Ok(())
    }
}

fn is_true(object: &RawJson, member: &str) -> bool {
    object.get(member).is_some_and(|value| value.get() == "true")
}

/// A window of completion with another price, or one that we do not know.
fn has_window(options: &RawJson) -> bool {
    options.text("completion_window").is_some_and(|window| window != "soonest")
}

/// `prompt_cache_options` without the response to compare with, which is one of this server; `None` if nothing else is
/// in it.
pub(crate) fn without_comparison(options: &RawJson) -> Option<RawJson> {
    let name = "comparison_response_id";
    let rest = options.with_texts(&[(name, None)], &[name]);
    (options.get(name).is_none() || !rest.members().is_empty()).then_some(rest)
}

/// Whether an object has no other members than some defaults and nulls.
fn only(object: &RawJson, default: &[(&str, &str)]) -> bool {
    let is_default = |name: &str, value: &str| default.contains(&(name, value)) || value == "null";
    object.members().iter().all(|(name, value)| is_default(name, value.get()))
}

/// Whether a known member asks for what is done anyway.
fn is_default(path: &str, value: &RawJson) -> bool {
    let all = |default: &[(&str, &str)]| only(value, default);
    match path {
        "access_programs" => all(&[("cyber", r#""standard""#)]),
        "background_options" => all(&[("completion_window", r#""soonest""#)]),
        "client_metadata" => value.is_object() && value.members().is_empty(),
        "context_management" => value.elements().is_empty(),
        "generate" => value.as_str() == "true",
        "image" => all(&[("context_compression", r#""auto""#), ("context_compression", r#""disabled""#)]),
        // The comparison is made here.
        "prompt_cache_options" => {
            let value = without_comparison(value);
            let default = [("mode", r#""implicit""#), ("ttl", r#""30m""#), ("prewarm", "false")];
            value.is_none_or(|value| only(&value, &default))
        }
        "reasoning.context" => value.as_str() == r#""auto""#,
        "reasoning.mode" => value.as_str() == r#""standard""#,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use or_protocol::{CreateResponseBody, KNOWN_MEMBERS};
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    fn noted(body: Value) -> Result<Vec<String>, AdapterError> {
        let settings = CreateResponseBody::from_value(body).unwrap().settings;
        let mut notes = NoteList::default();
        MemberFates::translated().note(&settings, &mut notes)?;
        Ok(notes.iter().map(|note| format!("{} {}", note.kind.as_str(), note.field)).collect())
    }

    /// A body in which each known member asks for something.
    fn example(path: &str) -> Value {
        match path {
            "access_programs" => json!({"access_programs": {"cyber": "daybreak_blue"}}),
            "background_options" => json!({"background_options": {"continuation_id": "c"}}),
            "client_metadata" => json!({"client_metadata": {"a": "b"}}),
            "context_management" => json!({"context_management": [{"type": "compaction"}]}),
            "generate" => json!({"generate": false}),
            "image" => json!({"image": {"context_compression": "enabled"}}),
            "moderation" => json!({"moderation": {"model": "omni-moderation-latest"}}),
            "prompt_cache_options" => json!({"prompt_cache_options": {"mode": "explicit"}}),
            "prompt_cache_retention" => json!({"prompt_cache_retention": "24h"}),
            "reasoning.context" => json!({"reasoning": {"context": "current_turn"}}),
            "reasoning.mode" => json!({"reasoning": {"mode": "pro"}}),
            other => panic!("an example for {other}"),
        }
    }

    /// A member that is added to the list without a row would be told as one that nobody knows.
    #[test]
    fn every_known_member_has_a_row() {
        for path in KNOWN_MEMBERS {
            match noted(example(path)) {
                Ok(notes) => assert_eq!(notes, [format!("dropped {path}")]),
                Err(AdapterError::NotHonoured { param, .. }) => assert_eq!(param, *path),
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_told_member_by_member() {
        let body = json!({"temprature": 1, "reasoning": {"a\n;b": 1}, "text": {"x": 1, "format": {"type": "text", "y": 1}},
            "stream_options": {"z": 1}, "gone": null});
        let want = [
            "unknown temprature",
            "unknown reasoning.a??b",
            "unknown text.x",
            "unknown text.format.y",
            "unknown stream_options.z",
        ];
        assert_eq!(noted(body).unwrap(), want);
    }

    #[test]
    fn defaults_need_no_note() {
        let body = json!({
            "access_programs": {"cyber": "standard"}, "background_options": {"completion_window": "soonest"},
            "client_metadata": {}, "context_management": [], "generate": true, "moderation": null,
            "image": {"context_compression": "auto"}, "reasoning": {"context": "auto", "mode": "standard"},
            "prompt_cache_options": {"mode": "implicit", "ttl": "30m", "prewarm": false, "comparison_response_id": "resp_1"}
        });
        assert_eq!(noted(body).unwrap(), [""; 0]);
        assert_eq!(
            noted(json!({"reasoning": {"context": "all_turns"}})).unwrap(),
            ["emulated reasoning.context"]
        );
    }

    #[test]
    fn what_costs_or_guards_is_refused_on_every_kind() {
        for (body, param) in [
            (json!({"prompt_cache_options": {"prewarm": true}}), "prompt_cache_options.prewarm"),
            (json!({"background_options": {"completion_window": "8h"}}), "background_options"),
        ] {
            let Err(AdapterError::NotHonoured { param: got, .. }) = noted(body) else { panic!("{param}") };
            assert_eq!(got, param);
        }
    }
}
