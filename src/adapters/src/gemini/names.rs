//! Function names: Gemini wants a letter or `_` first, and no characters beyond `_ . : -`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use or_protocol::Tool;

use crate::{FlatTool, flatten_tools};

/// The renames of one request, both ways. Names that fit are not in it.
#[derive(Debug, Default)]
pub(super) struct Names {
    wire: BTreeMap<String, String>,
    ours: BTreeMap<String, String>,
}

impl Names {
    /// From the tools as they are sent.
    pub(super) fn new(tools: &[FlatTool]) -> Self {
        let mut names = Self::default();
        for tool in tools {
            let name = &tool.function.name;
            let Cow::Owned(mut wire) = fit(name) else { continue };
            while tools.iter().any(|t| t.function.name == wire) || names.ours.contains_key(&wire) {
                wire.insert(0, '_');
            }
            names.ours.insert(wire.clone(), name.clone());
            names.wire.insert(name.clone(), wire);
        }
        names
    }

    /// The same from the request's tools; the common case, that all names fit, costs nothing.
    pub(super) fn of_request(tools: &[Tool]) -> Self {
        let fits = |name: &str| matches!(fit(name), Cow::Borrowed(_));
        let odd = |tool: &Tool| match tool {
            Tool::Hosted(hosted) => {
                !fits(tool.name().unwrap_or_default()) || hosted.functions().iter().any(|f| !fits(&f.name))
            }
            Tool::Function(_) | Tool::Custom(_) | Tool::Mcp(_) => !fits(tool.name().unwrap_or_default()),
        };
        match tools.iter().any(odd) {
            true => Self::new(&flatten_tools(tools, &mut Vec::new())),
            false => Self::default(),
        }
    }

    /// The name Gemini knows. One that is not declared any more is made to fit all the same.
    pub(super) fn to_wire<'a>(&'a self, name: &'a str) -> Cow<'a, str> {
        self.wire.get(name).map_or_else(|| fit(name), |wire| Cow::Borrowed(wire.as_str()))
    }

    /// The way back.
    pub(super) fn to_ours(&self, wire: String) -> String {
        self.ours.get(&wire).cloned().unwrap_or(wire)
    }

    /// Renamed tools.
    pub(super) fn renamed(&self) -> impl Iterator<Item = &str> {
        self.wire.keys().map(String::as_str)
    }
}

/// A name Gemini accepts.
fn fit(name: &str) -> Cow<'_, str> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-');
    let good_start = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if good_start && name.chars().all(allowed) {
        return Cow::Borrowed(name);
    }
    let mut wire = String::with_capacity(name.len() + 1);
    if !good_start {
        wire.push('_');
    }
    wire.extend(name.chars().map(|c| if allowed(c) { c } else { '_' }));
    Cow::Owned(wire)
}

#[cfg(test)]
mod tests {
    use or_protocol::FunctionTool;
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::ToolOrigin;

    #[test]
    fn odd_names_are_mapped_there_and_back() {
        let tools: Vec<_> = ["1st", "_1st", "-x", "good", "a b"]
            .into_iter()
            .map(|name| FlatTool {
                function: FunctionTool {
                    name: name.into(),
                    description: None,
                    parameters: None,
                    strict: None,
                },
                origin: ToolOrigin::Function,
            })
            .collect();
        let names = Names::new(&tools);
        let wire: Vec<_> = tools.iter().map(|t| names.to_wire(&t.function.name).into_owned()).collect();
        assert_eq!(wire, ["__1st", "_1st", "_-x", "good", "a_b"]);
        let back: Vec<_> = wire.into_iter().map(|w| names.to_ours(w)).collect();
        assert_eq!(back, ["1st", "_1st", "-x", "good", "a b"]);
    }
}
