//! What a request says of `web_search`. Source: `WebSearchTool` and `WebSearchPreviewTool` of the `openai` package.

use or_protocol::{RawJson, elements, members, string};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{Note, NoteList};

/// What a provider's search can be told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SearchRules {
    /// Domains that alone may be searched.
    pub(crate) allowed: bool,
    /// Domains that may not be searched.
    pub(crate) blocked: bool,
    /// Where the user is, in words.
    pub(crate) location: bool,
}

/// Options of a search.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct WebSearch {
    /// Domains that alone are searched; empty: all.
    pub allowed: Vec<String>,
    /// Domains that are not searched; empty where `allowed` is not.
    pub blocked: Vec<String>,
    /// Where the user is.
    pub location: Option<Location>,
}

/// Where the user is, about.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the words of the request")]
pub struct Location {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Two letters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// IANA name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
}

const NO_DOMAINS: &str = "web_search is left out: this provider cannot keep to these domains";

impl WebSearch {
    /// Reads a tool. What a provider cannot be told makes a note; what it must not search makes the tool one that it
    /// cannot run (rules 8.12).
    pub(super) fn read(
        field: &str,
        tool: &RawJson,
        rules: SearchRules,
        notes: &mut NoteList,
    ) -> Result<Self, &'static str> {
        let mut search = Self::default();
        for (name, value) in tool.members() {
            let place = || format!("{field}.{name}");
            match (&*name, value.get()) {
                ("type", _) | (_, "null") => {}
                ("external_web_access", "false") => {
                    return Err("web_search is left out: this provider searches the live web only");
                }
                // Every search is live.
                ("external_web_access", _) => {}
                ("filters", _) => search.filters(field, value, notes),
                ("user_location", _) => {
                    search.location = location(&place(), value, notes);
                    if search.location.is_some() && !rules.location {
                        search.location = None;
                        notes.push(Note::dropped(place(), "this provider's search takes no place"));
                    }
                }
                ("search_context_size", r#""medium""#) | ("search_content_types", r#"["text"]"#) => {}
                ("search_context_size", _) => {
                    notes.push(Note::dropped(place(), "how much is read is up to this provider"));
                }
                ("search_content_types", _) => {
                    notes.push(Note::dropped(place(), "this provider searches for text only"));
                }
                _ => notes.push(Note::unknown(&format!("{field}."), &name)),
            }
        }
        if (!search.allowed.is_empty() && !rules.allowed) || (!search.blocked.is_empty() && !rules.blocked) {
            return Err(NO_DOMAINS);
        }
        if !search.allowed.is_empty() && !search.blocked.is_empty() {
            search.blocked.clear();
            let why = "this provider takes one list of domains; only the allowed ones are searched";
            notes.push(Note::dropped(format!("{field}.filters.blocked_domains"), why));
        }
        Ok(search)
    }

    fn filters(&mut self, field: &str, filters: &RawValue, notes: &mut NoteList) {
        for (name, value) in members(filters) {
            let strings =
                || elements(value).into_iter().filter_map(string).map(|text| text.into_owned()).collect();
            match &*name {
                "allowed_domains" => self.allowed = strings(),
                "blocked_domains" => self.blocked = strings(),
                _ => notes.push(Note::unknown(&format!("{field}.filters."), &name)),
            }
        }
    }
}

/// None if it says nothing.
fn location(field: &str, value: &RawValue, notes: &mut NoteList) -> Option<Location> {
    let mut found = Location::default();
    for (name, value) in members(value) {
        let text = || string(value).map(|text| text.into_owned()).filter(|text| !text.is_empty());
        match &*name {
            "city" => found.city = text(),
            "region" => found.region = text(),
            "country" => found.country = text(),
            "timezone" => found.timezone = text(),
            "type" => {}
            _ => notes.push(Note::unknown(&format!("{field}."), &name)),
        }
    }
    (found != Location::default()).then_some(found)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    const ALL: SearchRules = SearchRules { allowed: true, blocked: true, location: true };
    const LESS: SearchRules = SearchRules { allowed: false, blocked: false, location: false };

    fn read(rules: SearchRules, tool: Value) -> (Result<WebSearch, &'static str>, Vec<String>) {
        let mut notes = NoteList::default();
        let search = WebSearch::read("tools[0]", &tool.into(), rules, &mut notes);
        (search, notes.iter().map(|note| note.field.clone()).collect())
    }

    #[test]
    fn what_can_be_told_is_read_without_a_note() {
        let tool = json!({"type": "web_search", "filters": {"allowed_domains": ["a.example"]}, "external_web_access": true,
            "user_location": {"type": "approximate", "city": "Rome", "country": "IT", "region": null},
            "search_context_size": "medium"});
        let location =
            Location { city: Some("Rome".into()), country: Some("IT".into()), ..Location::default() };
        let want =
            WebSearch { allowed: vec!["a.example".into()], blocked: Vec::new(), location: Some(location) };
        assert_eq!(read(ALL, tool), (Ok(want), Vec::new()));
    }

    #[test]
    fn what_cannot_be_told_is_noted() {
        let tool = json!({"type": "web_search_preview", "search_context_size": "high", "x": 1, "filters": {"y": 1},
            "search_content_types": ["text", "image"], "user_location": {"city": "Rome"}});
        let fields = ["search_context_size", "x", "filters.y", "search_content_types", "user_location"];
        let want = fields.iter().map(|field| format!("tools[0].{field}")).collect();
        assert_eq!(read(LESS, tool), (Ok(WebSearch::default()), want));
        let both = json!({"filters": {"allowed_domains": ["a"], "blocked_domains": ["b"]}});
        let want = WebSearch { allowed: vec!["a".into()], ..WebSearch::default() };
        assert_eq!(read(ALL, both), (Ok(want), vec!["tools[0].filters.blocked_domains".into()]));
    }

    #[test]
    fn a_limit_that_would_not_be_kept_makes_it_another_tool() {
        for tool in [
            json!({"filters": {"allowed_domains": ["a"]}}),
            json!({"filters": {"blocked_domains": ["a"]}}),
            json!({"external_web_access": false}),
        ] {
            assert!(read(LESS, tool).0.is_err());
        }
        assert!(read(ALL, json!({"external_web_access": false})).0.is_err());
    }
}
