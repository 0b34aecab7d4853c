//! Calls of the provider's own tools as items.
//!
//! Code comes in two parts, and searches do where functions stand beside them; else the queries of a search come with
//! the grounding, which is last, and so does their item.

use or_protocol::{RawJson, elements, member, string};
use serde_json::value::RawValue;

use super::super::open::{Open, OpenHosted};
use super::Machine;
use crate::ModelEvent;
use crate::gemini::seal::{ServerPart, ServerPartKind, State};
use crate::gemini::wire::{Grounding, Part};
use crate::note::plain_word;
use crate::shared::hosted::{Ended, HostedCall, HostedKind, Shown};

/// Most queries and sources of an answer that are told.
const MAX_QUERIES: usize = 64;
const MAX_SOURCES: usize = 256;

/// What the grounding says of searches.
#[derive(Debug, Default)]
pub(super) struct Searches {
    shown: Shown,
    queries: Vec<String>,
    sources: Vec<String>,
    /// A search was told when it was made.
    told: bool,
}

impl Searches {
    pub(super) fn new(shown: Shown) -> Self {
        Self { shown, ..Self::default() }
    }

    pub(super) fn add(&mut self, grounding: &Grounding<'_>) {
        let queries = grounding.web_search_queries.0.iter().map(|query| query.as_str());
        add(&mut self.queries, MAX_QUERIES, queries);
        let chunks = grounding.grounding_chunks.0.iter();
        let pages = chunks.filter_map(|chunk| Some(chunk.0.as_ref()?.web.0.as_ref()?.uri.as_str()));
        add(&mut self.sources, MAX_SOURCES, pages);
    }
}

/// Adds what is new.
fn add<'a>(list: &mut Vec<String>, most: usize, more: impl Iterator<Item = &'a str>) {
    for text in more.filter(|text| !text.is_empty()) {
        if list.len() < most && !list.iter().any(|known| known == text) {
            list.push(text.to_owned());
        }
    }
}

/// The part of a tool of the provider's that a part is.
pub(super) fn server_part<'a>(part: &Part<'a>) -> Option<(ServerPartKind, &'a RawValue)> {
    let code = part.executable_code.map(|raw| (ServerPartKind::ExecutableCode, raw));
    let result = || part.code_execution_result.map(|raw| (ServerPartKind::CodeExecutionResult, raw));
    let call = || part.tool_call.map(|raw| (ServerPartKind::ToolCall, raw));
    let response = || part.tool_response.map(|raw| (ServerPartKind::ToolResponse, raw));
    code.or_else(result).or_else(call).or_else(response)
}

fn text(raw: &RawValue, key: &str) -> Option<String> {
    member(raw, key).and_then(string).map(|text| text.into_owned())
}

impl Machine {
    pub(super) fn server_part(
        &mut self,
        part: ServerPartKind,
        raw: &RawValue,
        sig: Option<String>,
        out: &mut Vec<ModelEvent>,
    ) {
        let search = || text(raw, "toolType").is_some_and(|kind| kind.starts_with("GOOGLE_SEARCH"));
        let (kind, is_call) = match part {
            ServerPartKind::ExecutableCode => (Some(HostedKind::CodeInterpreter), true),
            ServerPartKind::CodeExecutionResult => (Some(HostedKind::CodeInterpreter), false),
            ServerPartKind::ToolCall => (search().then_some(HostedKind::WebSearch), true),
            ServerPartKind::ToolResponse => (search().then_some(HostedKind::WebSearch), false),
        };
        let Some(kind) = kind.filter(|kind| self.searches.shown.shows(*kind)) else {
            return match part {
                ServerPartKind::ExecutableCode | ServerPartKind::CodeExecutionResult => {
                    self.note(out, "output.code_execution", "code run by the provider is not carried over");
                }
                ServerPartKind::ToolCall | ServerPartKind::ToolResponse => {
                    self.note(out, "output.server_tools", "tools run by the provider are not carried over");
                }
            };
        };
        let Ok(value) = RawJson::keep(raw) else {
            return self.note(out, "output.server_tools", "a part of a tool could not be read");
        };
        let mut open = self.hosted(kind, is_call, out);
        open.parts.push(ServerPart { part, value, sig });
        match part {
            ServerPartKind::ExecutableCode => {
                open.waiting = 1;
                open.call.run(text(raw, "code").unwrap_or_default(), out);
            }
            ServerPartKind::ToolCall => {
                self.searches.told = true;
                let queries = member(raw, "args").and_then(|args| member(args, "queries"));
                let queries = queries.map(elements).unwrap_or_default().into_iter().filter_map(string);
                let queries = queries.take(MAX_QUERIES).map(|query| query.into_owned()).collect();
                match open.waiting {
                    0 => open.call.search(queries, out),
                    _ => open.call.search_too(queries),
                }
                open.waiting += 1;
            }
            ServerPartKind::CodeExecutionResult | ServerPartKind::ToolResponse => {
                open.waiting = open.waiting.saturating_sub(1);
                if open.waiting == 0 {
                    return self.end_hosted(*open, raw, out);
                }
            }
        }
        self.open = Open::Hosted(open);
    }

    /// The call that a part belongs to: the open one, if it may have such a part, or a new one.
    fn hosted(&mut self, kind: HostedKind, is_call: bool, out: &mut Vec<ModelEvent>) -> Box<OpenHosted> {
        match std::mem::replace(&mut self.open, Open::Nothing) {
            // Searches may be made side by side.
            Open::Hosted(open) if open.call.kind() == kind && (!is_call || kind == HostedKind::WebSearch) => {
                open
            }
            other => {
                self.open = other;
                self.close(true, out);
                let block = self.block();
                let call = HostedCall::open(kind, block, self.searches.shown, out);
                Box::new(OpenHosted { call, parts: Vec::new(), waiting: 0 })
            }
        }
    }

    fn end_hosted(&mut self, open: OpenHosted, result: &RawValue, out: &mut Vec<ModelEvent>) {
        let OpenHosted { call, parts, .. } = open;
        // Code that failed was run, and its output says why.
        let outcome = text(result, "outcome").unwrap_or_default();
        let failed = outcome == "OUTCOME_DEADLINE_EXCEEDED";
        if failed {
            let why = format!("the code did not come to an end: {}", plain_word(&outcome));
            self.note(out, "output.code_execution", &why);
        }
        let status = if failed { "failed" } else { "completed" };
        let logs = text(result, "output").unwrap_or_default();
        let state = Some(State { server: parts, ..State::default() }.seal(&self.model));
        call.close(Ended { status, logs, state, sources: Vec::new() }, out);
    }

    /// The answer is over: what the grounding says of searches becomes an item.
    pub(super) fn tell_searches(&mut self, out: &mut Vec<ModelEvent>) {
        let Searches { shown, queries, sources, told } = std::mem::take(&mut self.searches);
        if !shown.search || queries.is_empty() {
            return;
        }
        if told {
            if shown.sources && !sources.is_empty() {
                let why = "they came after the search was told";
                self.note(out, "output.web_search_call.action.sources", why);
            }
            return;
        }
        let block = self.block();
        let mut call = HostedCall::open(HostedKind::WebSearch, block, shown, out);
        call.search(queries, out);
        // Nothing goes back: the provider asks for no trace of such a search.
        let state = Some(State::default().seal(&self.model));
        call.close(Ended { status: "completed", sources, state, ..Ended::default() }, out);
    }
}
