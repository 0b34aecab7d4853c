//! OpenAI's hosted tools that providers of other wires have under names of their own.

mod call;
mod code;
mod search;

use or_protocol::{Envelope, Include, Item, RawJson, Settings, ToolChoice};

pub(crate) use self::call::{Ended, HostedCall};
use self::code::read_container;
pub(crate) use self::search::SearchRules;
pub use self::search::{Location, WebSearch};
use super::fields::{Fate, NO_HOSTED_TOOLS};
use crate::NoteList;

/// A hosted tool as the provider is told of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HostedOptions {
    /// `web_search` in any of its versions.
    WebSearch(WebSearch),
    /// `code_interpreter`.
    CodeInterpreter,
}

/// Which tool it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HostedKind {
    WebSearch,
    CodeInterpreter,
}

impl HostedKind {
    /// The tool of a `type`, be it with a date: `web_search`, `web_search_preview_2025_03_11`.
    pub(crate) fn of(kind: &str) -> Option<Self> {
        let name = kind.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_');
        match name {
            "web_search" | "web_search_preview" => Some(Self::WebSearch),
            "code_interpreter" => Some(Self::CodeInterpreter),
            _ => None,
        }
    }

    /// The tool whose calls are items of this type.
    pub(crate) fn of_item(kind: &str) -> Option<Self> {
        kind.strip_suffix("_call").and_then(Self::of)
    }

    /// Its name among the functions that a provider is told of.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search",
            Self::CodeInterpreter => "code_execution",
        }
    }

    /// The `type` of its calls.
    fn item(self) -> &'static str {
        match self {
            Self::WebSearch => "web_search_call",
            Self::CodeInterpreter => "code_interpreter_call",
        }
    }
}

impl HostedOptions {
    pub(crate) fn kind(&self) -> HostedKind {
        match self {
            Self::WebSearch(_) => HostedKind::WebSearch,
            Self::CodeInterpreter => HostedKind::CodeInterpreter,
        }
    }
}

/// Which hosted tools a provider runs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HostedRules {
    pub(crate) search: Option<SearchRules>,
    pub(crate) code: bool,
}

impl HostedRules {
    /// What becomes of the word of `include` for sources of a search.
    pub(crate) fn sources(&self) -> Fate {
        Fate::sent_unless(self.search.is_none().then_some(NO_HOSTED_TOOLS))
    }

    /// ... for its results.
    pub(crate) fn results(&self) -> Fate {
        match self.search {
            Some(_) => Fate::emulated("the sources of a search are told in their place"),
            None => Fate::dropped(NO_HOSTED_TOOLS),
        }
    }

    /// ... for what code put out.
    pub(crate) fn outputs(&self) -> Fate {
        Fate::sent_unless((!self.code).then_some(NO_HOSTED_TOOLS))
    }

    /// Reads a tool. Nothing for one that the provider does not have; `Some(Err)` if it would not do what is asked for,
    /// with the reason.
    pub(crate) fn read(
        &self,
        field: &str,
        tool: &RawJson,
        kind: &str,
        notes: &mut NoteList,
    ) -> Option<Result<HostedOptions, &'static str>> {
        match HostedKind::of(kind)? {
            HostedKind::WebSearch => {
                Some(WebSearch::read(field, tool, self.search?, notes).map(HostedOptions::WebSearch))
            }
            HostedKind::CodeInterpreter if self.code => {
                read_container(field, tool, notes);
                Some(Ok(HostedOptions::CodeInterpreter))
            }
            HostedKind::CodeInterpreter => None,
        }
    }
}

/// What an answer may show of hosted tools.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown {
    /// The request has the tool, and the provider was told of it.
    pub(crate) search: bool,
    pub(crate) code: bool,
    /// `include` asks for it.
    pub(crate) sources: bool,
    pub(crate) outputs: bool,
}

impl Shown {
    /// `tools`: those that the provider is told of.
    pub(crate) fn new(settings: &Settings, tools: &[HostedKind]) -> Self {
        Self {
            search: tools.contains(&HostedKind::WebSearch),
            code: tools.contains(&HostedKind::CodeInterpreter),
            sources: settings.includes(Include::WebSearchSources)
                || settings.includes(Include::WebSearchResults),
            outputs: settings.includes(Include::CodeInterpreterOutputs),
        }
    }

    /// Whether calls of the tool become items.
    pub(crate) fn shows(&self, kind: HostedKind) -> bool {
        match kind {
            HostedKind::WebSearch => self.search,
            HostedKind::CodeInterpreter => self.code,
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.search || self.code
    }
}

/// The hosted tool that a choice demands.
pub(crate) fn demanded(choice: &ToolChoice) -> Option<HostedKind> {
    match choice {
        ToolChoice::Other(raw) => HostedKind::of(&raw.text("type")?),
        _ => None,
    }
}

/// The state that this provider put into an item of a hosted tool, if it takes calls of that tool.
pub(crate) fn own_state(item: &Item, provider: &str, shown: Shown) -> Option<String> {
    let Item::Other(item) = item else { return None };
    HostedKind::of_item(item.kind()).filter(|kind| shown.shows(*kind))?;
    let envelope = Envelope::open(&item.state()?).ok()?;
    (envelope.kind == provider).then_some(envelope.blob)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tools_and_items_are_known_by_their_types() {
        for kind in
            ["web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"]
        {
            assert_eq!(HostedKind::of(kind), Some(HostedKind::WebSearch), "{kind}");
        }
        assert_eq!(HostedKind::of("code_interpreter"), Some(HostedKind::CodeInterpreter));
        assert_eq!(HostedKind::of("file_search"), None);
        assert_eq!(HostedKind::of("x_search"), None);
        assert_eq!(HostedKind::of_item("web_search_call"), Some(HostedKind::WebSearch));
        assert_eq!(HostedKind::of_item("web_search"), None);
    }
}
