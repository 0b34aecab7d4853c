//! Tool names that a provider's pattern refuses, written in letters it takes, and the way back.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::hash::Hasher;

use or_protocol::Tool;

use crate::{FlatTool, NoteList, flatten_tools};

/// What a provider takes as a tool's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NameRule {
    /// Characters beside ASCII letters and digits.
    pub(crate) also: &'static [char],
    /// Whether a letter or `_` must come first.
    pub(crate) letter_first: bool,
    /// Longest name, in bytes.
    pub(crate) max: usize,
    /// A rewritten name ends in a hash, so that it needs no look at the other names to differ from them.
    pub(crate) hashed: bool,
}

/// Characters of a hashed name before its hash.
const KEPT: usize = 100;

impl NameRule {
    fn allows(&self, c: char) -> bool {
        c.is_ascii_alphanumeric() || self.also.contains(&c)
    }

    fn begins_well(&self, name: &str) -> bool {
        !self.letter_first || name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
    }

    fn fits(&self, name: &str) -> bool {
        !name.is_empty()
            && name.len() <= self.max
            && self.begins_well(name)
            && name.chars().all(|c| self.allows(c))
    }

    /// A name as the provider takes it.
    pub(crate) fn fit<'a>(&self, name: &'a str) -> Cow<'a, str> {
        if self.fits(name) {
            return Cow::Borrowed(name);
        }
        let safe = name.chars().map(|c| if self.allows(c) { c } else { '_' });
        if self.hashed {
            let safe: String = safe.take(KEPT).collect();
            return Cow::Owned(format!("{safe}_{:016x}", fingerprint(name.as_bytes())));
        }
        let mut wire = String::with_capacity(name.len() + 1);
        if !self.begins_well(name) {
            wire.push('_');
        }
        wire.extend(safe);
        Cow::Owned(wire)
    }
}

/// The renames of one request, both ways. Names that fit are not in it.
#[derive(Debug, Default)]
pub(crate) struct Names {
    wire: BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
}

impl Names {
    /// From the tools as they are sent. Different names stay different.
    pub(crate) fn new(tools: &[FlatTool], rule: &NameRule) -> Self {
        let mut names = Self::default();
        let all: HashSet<&str> = tools.iter().map(|tool| tool.function.name.as_str()).collect();
        for tool in tools {
            let name = &tool.function.name;
            let Cow::Owned(mut wire) = rule.fit(name) else { continue };
            while all.contains(wire.as_str()) || names.ours.contains_key(&wire) {
                wire.insert(0, '_');
            }
            names.ours.insert(wire.clone(), name.clone());
            names.wire.insert(name.clone(), wire);
        }
        names
    }

    /// The same from the request's tools; the common case, that all names fit, costs nothing.
    pub(crate) fn of_request<'t>(tools: impl Iterator<Item = &'t Tool> + Clone, rule: &NameRule) -> Self {
        let fits = |tool: &Tool| match tool {
            Tool::Hosted(hosted) => {
                let space = tool.name().unwrap_or_default();
                let joined = |name: &str| space.len() + 2 + name.len();
                let both = |name: &str| rule.fits(name) && joined(name) <= rule.max;
                rule.fits(space) && hosted.tools().iter().all(|tool| both(tool.name()))
            }
            Tool::Function(_) | Tool::Custom(_) | Tool::Mcp(_) => tool.name().is_none_or(|n| rule.fits(n)),
        };
        match tools.clone().all(fits) {
            true => Self::default(),
            false => Self::new(&flatten_tools(tools, &mut NoteList::default()), rule),
        }
    }

    /// The name the provider knows. One that is not declared any more is made to fit all the same.
    pub(crate) fn to_wire<'a>(&'a self, name: &'a str, rule: &NameRule) -> Cow<'a, str> {
        self.wire.get(name).map_or_else(|| rule.fit(name), |wire| Cow::Borrowed(wire.as_str()))
    }

    /// Our name of a tool.
    pub(crate) fn restore(&self, wire: String) -> String {
        self.ours.get(&wire).cloned().unwrap_or(wire)
    }

    /// Our names of the renamed tools.
    pub(crate) fn renamed(&self) -> impl Iterator<Item = &str> {
        self.wire.keys().map(String::as_str)
    }
}

/// FNV-1a, 64 bits: short, and the same on every machine and in every version, unlike the standard hasher.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(u64);

impl Fnv {
    /// Gives another hash of the same bytes for each salt.
    pub(crate) fn salted(salt: u64) -> Self {
        Self(Self::default().0 ^ salt)
    }
}

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

/// FNV-1a of some bytes.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hash = Fnv::default();
    hash.write(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use or_protocol::FunctionTool;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::ToolOrigin;

    const LETTERS: NameRule =
        NameRule { also: &['_', '.', '-'], letter_first: true, max: usize::MAX, hashed: false };
    const HASHED: NameRule = NameRule { also: &['_', '-'], letter_first: false, max: 128, hashed: true };

    fn tools(names: &[&str]) -> Vec<FlatTool> {
        let tool = |name: &&str| {
            let name = (*name).to_owned();
            let function = FunctionTool::named(name);
            FlatTool { function, origin: ToolOrigin::Function }
        };
        names.iter().map(tool).collect()
    }

    /// Wire names of all; each must come back as it was.
    fn there_and_back(names: &[&str], rule: &NameRule) -> Vec<String> {
        let renames = Names::new(&tools(names), rule);
        let wire: Vec<_> = names.iter().map(|name| renames.to_wire(name, rule).into_owned()).collect();
        let back: Vec<_> = wire.iter().map(|name| renames.restore(name.clone())).collect();
        assert_eq!(back, names);
        wire
    }

    #[test]
    fn odd_names_are_mapped_there_and_back() {
        let wire = there_and_back(&["1st", "_1st", "-x", "good", "a b"], &LETTERS);
        assert_eq!(wire, ["__1st", "_1st", "_-x", "good", "a_b"]);
    }

    #[test]
    fn a_hashed_name_differs_without_a_look_at_the_others() {
        let wire = there_and_back(&["a.b", "a/b", "get_weather-2"], &HASHED);
        assert_ne!(wire[0], wire[1]);
        assert_eq!(wire[2], "get_weather-2");
        assert_eq!(HASHED.fit("a.b"), wire[0]);
        assert!(HASHED.fits(&HASHED.fit(&"ä".repeat(200))));
        assert_eq!(HASHED.fit("").len(), 17);
    }

    #[test]
    fn a_tool_that_is_not_declared_any_more_fits_all_the_same() {
        assert_eq!(Names::default().to_wire("2nd", &LETTERS), "_2nd");
        assert_eq!(Names::default().restore("other".into()), "other");
    }

    #[test]
    fn the_hash_is_the_documented_one() {
        assert_eq!(fingerprint(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fingerprint(b"a"), 0xaf63_dc4c_8601_ec8c);
    }
}
