//! Names and ids that the provider's patterns refuse, written in letters it takes.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use or_protocol::{Settings, Tool};

/// Longest tool name.
const MAX_NAME: usize = 128;

/// The way back for renamed tools: wire name and ours.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<(String, String)>);

impl Names {
    /// Of a request's tools; empty unless a name had to change.
    pub(super) fn new(settings: &Settings, flat: impl FnOnce() -> Vec<String>) -> Self {
        let fits = |tool: &Tool| match tool {
            Tool::Hosted(hosted) => {
                let space = tool.name().unwrap_or_default();
                let long = MAX_NAME.saturating_sub(space.len() + 2);
                plain(space) && hosted.functions().iter().all(|f| plain(&f.name) && f.name.len() <= long)
            }
            Tool::Function(_) | Tool::Custom(_) | Tool::Mcp(_) => tool.name().is_none_or(plain),
        };
        if settings.tools.iter().all(fits) {
            return Self::default();
        }
        let renamed = flat().into_iter().filter_map(|name| match wire_name(&name) {
            Cow::Owned(wire) => Some((wire, name)),
            Cow::Borrowed(_) => None,
        });
        Self(renamed.collect())
    }

    /// Our name of a tool.
    pub(super) fn restore(&self, wire: String) -> String {
        match self.0.iter().find(|(name, _)| *name == wire) {
            Some((_, ours)) => ours.clone(),
            None => wire,
        }
    }
}

/// A tool name as the provider takes it. Different names stay different: what is rewritten ends in a hash.
pub(super) fn wire_name(name: &str) -> Cow<'_, str> {
    if plain(name) && !name.is_empty() && name.len() <= MAX_NAME {
        return Cow::Borrowed(name);
    }
    let safe: String = name.chars().map(|c| if plain_char(c) { c } else { '_' }).take(100).collect();
    Cow::Owned(format!("{safe}_{:016x}", fingerprint(name.as_bytes())))
}

/// A call id as the provider takes it. The rewriting keeps every byte, so ids stay different.
pub(super) fn wire_id(id: &str) -> Cow<'_, str> {
    if plain(id) && !id.is_empty() {
        return Cow::Borrowed(id);
    }
    Cow::Owned(format!("or_{}", URL_SAFE_NO_PAD.encode(id)))
}

/// FNV-1a, 64 bits: short, and the same in every version of this program.
pub(super) fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

fn plain(text: &str) -> bool {
    text.chars().all(plain_char) && text.len() <= MAX_NAME
}

fn plain_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-')
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn fitting_names_and_ids_stay_as_they_are() {
        assert_eq!(wire_name("get_weather-2"), "get_weather-2");
        assert_eq!(wire_id("toolu_01A-b"), "toolu_01A-b");
    }

    #[test]
    fn foreign_ids_are_rewritten_without_loss() {
        assert_eq!(wire_id("call.1|x"), "or_Y2FsbC4xfHg");
        assert_ne!(wire_id("a.b"), wire_id("a:b"));
        assert_eq!(wire_id(""), "or_");
    }

    #[test]
    fn a_renamed_tool_comes_back_under_its_own_name() {
        let wire = wire_name("files.read").into_owned();
        assert!(plain(&wire), "{wire}");
        let names = Names(vec![(wire.clone(), "files.read".into())]);
        assert_eq!(names.restore(wire), "files.read");
        assert_eq!(names.restore("other".into()), "other");
        assert_ne!(wire_name("a.b"), wire_name("a/b"));
    }
}
