//! Tools that the provider runs itself. Source: its types `web_search_20250305` and `code_execution_20250825`.

use or_protocol::Settings;

use crate::anthropic::quirks::Quirks;
use crate::anthropic::wire::{ServerTool, UserLocation};
use crate::shared::flat_tools::flatten_for;
use crate::shared::hosted::{HostedKind, HostedOptions, HostedRules, SearchRules, Shown};
use crate::{Note, NoteList};

/// Lets the first versions of code execution be named.
const CODE_BETAS: &[(&str, &str)] = &[
    ("code_execution_20250522", "code-execution-2025-05-22"),
    ("code_execution_20250825", "code-execution-2025-08-25"),
];

impl Quirks {
    /// Which hosted tools this host runs.
    pub(crate) fn hosted(&self) -> HostedRules {
        let search = SearchRules { allowed: true, blocked: true, location: true };
        HostedRules {
            search: self.web_search.is_some().then_some(search),
            code: self.code_execution.is_some(),
        }
    }

    /// What an answer may show of them.
    pub(crate) fn shown(&self, settings: &Settings) -> Shown {
        let tools = flatten_for(self.hosted(), settings.all_tools(), &mut NoteList::default());
        let kinds: Vec<HostedKind> = tools.iter().filter_map(|tool| Some(tool.hosted()?.kind())).collect();
        Shown::new(settings, &kinds)
    }

    /// The header's word that a request with this tool needs.
    pub(crate) fn code_beta(&self) -> Option<&'static str> {
        let kind = self.code_execution.as_ref()?;
        CODE_BETAS.iter().find(|(version, _)| kind == version).map(|(_, beta)| *beta)
    }
}

/// A tool as the provider is told of it.
pub(super) fn server_tool(
    options: HostedOptions,
    quirks: &Quirks,
    settings: &Settings,
    notes: &mut NoteList,
) -> ServerTool {
    let name = options.kind().name();
    match options {
        HostedOptions::WebSearch(search) => ServerTool {
            kind: quirks.web_search.clone().unwrap_or_default(),
            name,
            max_uses: settings.max_tool_calls,
            allowed_domains: search.allowed,
            blocked_domains: search.blocked,
            user_location: search.location.map(|place| UserLocation { kind: "approximate", place }),
        },
        HostedOptions::CodeInterpreter => {
            if settings.max_tool_calls.is_some() {
                let why = "the provider cannot be told how often code may be run";
                notes.push(Note::dropped("max_tool_calls", why));
            }
            ServerTool {
                kind: quirks.code_execution.clone().unwrap_or_default(),
                name,
                ..ServerTool::default()
            }
        }
    }
}
