//! Breakpoints of the prompt cache, and the control that two wires have for them.
//!
//! A client sets `prompt_cache_breakpoint` on parts and `prompt_cache_options` on the request; Anthropic's Messages and
//! several hosts of Chat Completions take `cache_control` on blocks of content. Both count at most four marks.

use or_protocol::{CacheMode, ContentPart, Item, Output, Settings};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::fate::{Fate, note};
use crate::{AdapterError, Note, NoteList};

/// Marks in one request, that of the provider's own choice among them.
const MOST: usize = 4;
const BREAKPOINT: &str = "prompt_cache_breakpoint";
const TTL: &str = "prompt_cache_options.ttl";
const RETENTION: &str = "prompt_cache_retention";

/// How long an entry of the cache lives after its last use.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Lifetime {
    /// Five minutes, the default of all hosts.
    #[default]
    Short,
    /// An hour, where the host knows it.
    Long,
}

impl Lifetime {
    /// The nearest one of a wanted `ttl`.
    fn of(ttl: &str) -> Self {
        if matches!(ttl, "5m" | "30m") { Self::Short } else { Self::Long }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Short => "5m",
            Self::Long => "1h",
        }
    }
}

/// `cache_control` of a block: the prefix of the prompt that ends with it is to be cached. `None`: not yet settled, or
/// the default.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CacheControl(Option<Lifetime>);

impl CacheControl {
    /// What a part asks for. No provider takes a mark on a text without words.
    pub(crate) fn of(part: &ContentPart) -> Option<Self> {
        if part.extra().is_empty() || is_blank(part) {
            return None;
        }
        let breakpoint = part.extra().member(BREAKPOINT).filter(|value| value.is_object())?;
        Some(Self(breakpoint.text("ttl").map(|ttl| Lifetime::of(&ttl))))
    }
}

impl Serialize for CacheControl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("type", "ephemeral")?;
        // The default needs no word.
        if let Some(Lifetime::Long) = self.0 {
            map.serialize_entry("ttl", Lifetime::Long.as_str())?;
        }
        map.end()
    }
}

/// How a request wants its prompt cached, on a wire with `cache_control`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CachePlan {
    /// Only the request's own breakpoints count.
    explicit: bool,
    /// The host knows a lifetime of an hour.
    knows_hour: bool,
    /// Of all marks that have none of their own.
    lifetime: Lifetime,
}

impl CachePlan {
    /// Reads it from the settings.
    pub(crate) fn of(settings: &Settings, knows_hour: bool) -> Self {
        let options = settings.prompt_cache_options().unwrap_or_default();
        let wanted = wanted(settings).map(|(_, ttl)| Lifetime::of(&ttl));
        Self {
            explicit: options.mode == CacheMode::Explicit,
            knows_hour,
            lifetime: wanted.filter(|_| knows_hour).unwrap_or_default(),
        }
    }

    /// The mark of the server's own choice; none if the request wants its own only.
    pub(crate) fn implicit(&self) -> Option<CacheControl> {
        (!self.explicit).then_some(CacheControl(Some(self.lifetime)))
    }

    /// Leaves the latest marks, as OpenAI counts them: three beside the implicit one, four without it. Each gets its
    /// lifetime; hosts take a longer one only in front of a shorter one, so an earlier mark lives as long as those
    /// behind it.
    ///
    /// `marks`: all that there are, in the order of the prompt. Gives how many are left.
    pub(crate) fn settle<'m>(
        &self,
        marks: impl Iterator<Item = &'m mut Option<CacheControl>>,
        has_implicit: bool,
    ) -> usize {
        let mut marks: Vec<_> = marks.filter(|mark| mark.is_some()).collect();
        let most = if self.explicit { MOST } else { MOST - 1 };
        let above = marks.len().saturating_sub(most);
        for mark in marks.drain(..above) {
            *mark = None;
        }
        let mut least = if has_implicit { self.lifetime } else { Lifetime::Short };
        for mark in marks.iter_mut().rev() {
            let own = mark.and_then(|CacheControl(own)| own).filter(|_| self.knows_hour);
            least = own.unwrap_or(self.lifetime).max(least);
            **mark = Some(CacheControl(Some(least)));
        }
        marks.len()
    }

    /// Notes what became of a wanted lifetime. `cached`: something is marked.
    pub(crate) fn note_lifetime(&self, settings: &Settings, cached: bool, notes: &mut NoteList) {
        let Some((field, _)) = wanted(settings) else { return };
        notes.push(match cached {
            true => {
                Note::emulated(field, format!("sent as {}, from the last use on", self.lifetime.as_str()))
            }
            // Nothing is to be cached.
            false if self.explicit => return,
            false => Note::dropped(field, "nothing of the prompt is marked for the cache"),
        });
    }
}

/// What becomes of a part's breakpoint on a wire with `cache_control`.
pub(crate) fn mark_fate(part: &ContentPart) -> Fate {
    match CacheControl::of(part) {
        _ if is_blank(part) => Fate::dropped("a text without words cannot be marked"),
        None => Fate::dropped("a breakpoint is an object"),
        Some(CacheControl(Some(_))) => {
            Fate::emulated("its lifetime is rounded to one that the provider knows")
        }
        Some(CacheControl(None)) => Fate::Sent,
    }
}

/// The lifetime that a request names, and where. What is the default needs no words.
fn wanted(settings: &Settings) -> Option<(&'static str, String)> {
    let ttl = settings.prompt_cache_options().and_then(|options| options.ttl);
    if let Some(ttl) = ttl {
        return Some((TTL, ttl));
    }
    let retention = settings.members.body.text(RETENTION)?;
    (retention != "in_memory").then(|| (RETENTION, retention.into_owned()))
}

/// Notes what becomes of the breakpoints of a context.
///
/// # Errors
/// None where no fate is a refusal.
pub(crate) fn note_breakpoints(
    context: &[Item],
    fate: impl Fn(&Item, &ContentPart) -> Fate,
    notes: &mut NoteList,
) -> Result<(), AdapterError> {
    for item in context {
        let parts = match item {
            Item::Message(message) => &message.content[..],
            Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => match &output.output {
                Output::Parts(parts) => parts,
                Output::Text(_) => continue,
            },
            Item::FunctionCall(_)
            | Item::CustomToolCall(_)
            | Item::Reasoning(_)
            | Item::Compaction(_)
            | Item::ItemReference(_)
            | Item::Mcp(_)
            | Item::Other(_) => continue,
        };
        for part in parts.iter().filter(|part| part.extra().member(BREAKPOINT).is_some()) {
            notes.extend(note("input.content.prompt_cache_breakpoint", fate(item, part))?);
        }
    }
    Ok(())
}

/// Whether a part is a text without words.
fn is_blank(part: &ContentPart) -> bool {
    match part {
        ContentPart::InputText { text, .. }
        | ContentPart::OutputText { text, .. }
        | ContentPart::Refusal { refusal: text, .. } => text.trim().is_empty(),
        ContentPart::InputImage { .. }
        | ContentPart::InputFile { .. }
        | ContentPart::InputVideo { .. }
        | ContentPart::InputAudio { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use or_protocol::CreateResponseBody;
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    /// The marks that are left of some, each as its lifetime; `-` where there is none.
    #[track_caller]
    fn check(options: Value, knows_hour: bool, has_implicit: bool, marks: &[&str], want: &[&str]) {
        let body = json!({"input": "Hi", "prompt_cache_options": options});
        let settings = CreateResponseBody::from_value(body).unwrap().settings;
        let mut marks: Vec<_> = marks
            .iter()
            .map(|ttl| match *ttl {
                "-" => None,
                "" => Some(CacheControl(None)),
                ttl => Some(CacheControl(Some(Lifetime::of(ttl)))),
            })
            .collect();
        let left = CachePlan::of(&settings, knows_hour).settle(marks.iter_mut(), has_implicit);
        let got: Vec<_> = marks
            .iter()
            .map(|mark| mark.map_or("-", |CacheControl(ttl)| ttl.map_or("?", Lifetime::as_str)))
            .collect();
        assert_eq!((got.as_slice(), left), (want, want.iter().filter(|mark| **mark != "-").count()));
    }

    #[test]
    fn the_latest_marks_count() {
        let five = ["", "-", "", "", "", ""];
        check(json!({}), true, true, &five, &["-", "-", "-", "5m", "5m", "5m"]);
        check(json!({"mode": "explicit"}), true, false, &five, &["-", "-", "5m", "5m", "5m", "5m"]);
        check(json!({}), true, true, &["-"], &["-"]);
    }

    #[test]
    fn a_mark_lives_as_long_as_those_behind_it() {
        let explicit = json!({"mode": "explicit"});
        check(explicit.clone(), true, false, &["30m", "12h", ""], &["1h", "1h", "5m"]);
        check(json!({"mode": "explicit", "ttl": "12h"}), true, false, &["", "30m"], &["1h", "5m"]);
        check(json!({"ttl": "12h"}), true, true, &["30m"], &["1h"]);
        check(json!({"ttl": "12h"}), true, false, &["30m"], &["5m"]);
        // A host that knows one lifetime only.
        check(json!({"ttl": "12h"}), false, false, &["12h", ""], &["5m", "5m"]);
    }

    #[test]
    fn it_is_written_as_the_providers_do() {
        let json = |lifetime| serde_json::to_string(&CacheControl(lifetime)).unwrap();
        assert_eq!(json(Some(Lifetime::Short)), r#"{"type":"ephemeral"}"#);
        assert_eq!(json(Some(Lifetime::Long)), r#"{"type":"ephemeral","ttl":"1h"}"#);
    }
}
