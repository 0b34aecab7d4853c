//! Members of a response object that only its provider can fill in.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::RawJson;

/// A member of a response object that has no form of its own here and is shown as the provider wrote it.
///
/// Source: `Response` of OpenAI's types of November 2026.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "OpenAI's words")]
pub enum ResponseMember {
    AccessPrograms,
    Image,
    InputTransformations,
    Moderation,
    PromptCacheOptions,
    PromptCacheRetention,
    ToolUsage,
}

impl ResponseMember {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 7] = [
        Self::AccessPrograms,
        Self::Image,
        Self::InputTransformations,
        Self::Moderation,
        Self::PromptCacheOptions,
        Self::PromptCacheRetention,
        Self::ToolUsage,
    ];

    /// The wire word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessPrograms => "access_programs",
            Self::Image => "image",
            Self::InputTransformations => "input_transformations",
            Self::Moderation => "moderation",
            Self::PromptCacheOptions => "prompt_cache_options",
            Self::PromptCacheRetention => "prompt_cache_retention",
            Self::ToolUsage => "tool_usage",
        }
    }

    /// By its wire word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|member| member.as_str() == word)
    }
}

/// Such members of one turn, or of all turns of a response. Most providers have none.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
pub struct ResponseMembers(BTreeMap<ResponseMember, RawJson>);

impl ResponseMembers {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One of them.
    pub fn get(&self, member: ResponseMember) -> Option<&RawJson> {
        self.0.get(&member)
    }

    /// Of the same turn: what comes later counts.
    pub fn set(&mut self, member: ResponseMember, value: RawJson) {
        self.0.insert(member, value);
    }

    /// Those of a further turn. What tools used is added up; of all else the last turn tells, whose input has what
    /// came before.
    pub fn add(&mut self, turn: Self) {
        for (member, value) in turn.0 {
            let value = match (member, self.0.get(&member)) {
                (ResponseMember::ToolUsage, Some(earlier)) => sum(earlier.value(), value.value()).into(),
                _ => value,
            };
            self.0.insert(member, value);
        }
    }
}

/// The counts of both, member by member; of what is no count the later one.
fn sum(earlier: Value, later: Value) -> Value {
    match (earlier, later) {
        (Value::Object(mut all), Value::Object(later)) => {
            for (name, value) in later {
                let value = match all.shift_remove(&name) {
                    Some(earlier) => sum(earlier, value),
                    None => value,
                };
                all.insert(name, value);
            }
            Value::Object(all)
        }
        (earlier, Value::Null) => earlier,
        (earlier, later) => match (earlier.as_u64(), later.as_u64()) {
            (Some(a), Some(b)) => a.saturating_add(b).into(),
            _ => later,
        },
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_tools_used_is_added_up_and_of_all_else_the_last_turn_tells() {
        let of = |usage: Value, flagged: bool| {
            let mut members = ResponseMembers::default();
            members.set(ResponseMember::ToolUsage, usage.into());
            members.set(ResponseMember::Moderation, json!({ "flagged": flagged }).into());
            members
        };
        let mut all = of(json!({"web_search": {"num_requests": 2}, "a": 1, "b": "x", "c": 7}), true);
        all.add(of(
            json!({"web_search": {"num_requests": u64::MAX}, "b": "y", "c": null, "d": {"e": 1}}),
            false,
        ));
        let want = json!({"web_search": {"num_requests": u64::MAX}, "a": 1, "b": "y", "c": 7, "d": {"e": 1}});
        let usage = all.get(ResponseMember::ToolUsage).unwrap().value();
        assert_eq!(usage, want);
        assert_eq!(all.get(ResponseMember::Moderation).unwrap().as_str(), r#"{"flagged":false}"#);
    }

    #[test]
    fn each_is_known_by_its_word() {
        for member in ResponseMember::ALL {
            assert_eq!(ResponseMember::of(member.as_str()), Some(member));
            assert_eq!(serde_json::to_value(member).unwrap(), member.as_str());
        }
        assert_eq!(ResponseMember::of("conversation"), None);
    }
}
