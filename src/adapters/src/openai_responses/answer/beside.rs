//! What a response says beside its items.

use or_protocol::{RawJson, ResponseMember};
use serde_json::value::RawValue;

use crate::openai_responses::wire::{Response, string, usage};
use crate::{ModelEvent, Note};

/// Longest member that is shown, in bytes. OpenAI's have some hundred, and a list of input items that it changed
/// some hundred for each of them.
const MAX_MEMBER: usize = 256 * 1024;

/// What the provider counted, the tier it used, and what else it says of the response.
pub(super) fn beside(response: &Response<'_>, out: &mut Vec<ModelEvent>) {
    if let Some(usage) = response.usage.and_then(usage) {
        out.push(ModelEvent::Usage(usage));
    }
    if let Some(tier) = response.service_tier.filter(|t| t.get().starts_with('"')) {
        out.push(ModelEvent::ServiceTier(string(tier).into_owned()));
    }
    out.extend(response.members.iter().map(|(member, value)| shown(*member, value)));
    let unknown = response.unknown.iter().map(|name| Note::unknown_answer(name.as_str()));
    out.extend(unknown.map(ModelEvent::Note));
}

fn shown(member: ResponseMember, value: &RawValue) -> ModelEvent {
    let left_out = |why: &str| ModelEvent::Note(Note::dropped(format!("response.{}", member.as_str()), why));
    if value.get().len() > MAX_MEMBER {
        return left_out("this member of the provider's answer is too large");
    }
    match RawJson::keep(value) {
        Ok(value) if value.as_str().starts_with(beginning(member)) => {
            ModelEvent::ResponseMember { member, value }
        }
        Ok(_) | Err(_) => left_out("this member of the provider's answer has a form that does not fit"),
    }
}

/// How the JSON of a member begins.
fn beginning(member: ResponseMember) -> char {
    match member {
        ResponseMember::AccessPrograms
        | ResponseMember::Image
        | ResponseMember::Moderation
        | ResponseMember::PromptCacheOptions
        | ResponseMember::ToolUsage => '{',
        ResponseMember::InputTransformations => '[',
        ResponseMember::PromptCacheRetention => '"',
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    /// What is shown, and the fields of the notes.
    fn said(response: &Value) -> (Vec<&'static str>, Vec<String>) {
        let text = response.to_string();
        let mut out = Vec::new();
        beside(&serde_json::from_str(&text).unwrap(), &mut out);
        let (mut shown, mut notes) = (Vec::new(), Vec::new());
        for event in out {
            match event {
                ModelEvent::ResponseMember { member, .. } => shown.push(member.as_str()),
                ModelEvent::Note(note) => notes.push(format!("{} {}", note.kind.as_str(), note.field)),
                other => panic!("{other:?}"),
            }
        }
        (shown, notes)
    }

    #[test]
    fn a_member_has_its_form_and_a_bound() {
        let good = json!({"moderation": {"input": 1}, "prompt_cache_retention": "24h", "input_transformations": [1]});
        assert_eq!(
            said(&good),
            (vec!["moderation", "prompt_cache_retention", "input_transformations"], vec![])
        );
        let odd = json!({"moderation": "x", "tool_usage": {"a": "x".repeat(MAX_MEMBER)}, "image": null, "model": "m"});
        let notes = ["dropped response.moderation", "dropped response.tool_usage"];
        assert_eq!(said(&odd), (vec![], notes.map(str::to_owned).to_vec()));
    }

    #[test]
    fn unknown_members_are_told_and_few() {
        let mut many: Value =
            (0..100).map(|n| (format!("x{n:03}"), json!(1))).collect::<serde_json::Map<_, _>>().into();
        many["a b\n"] = json!({});
        let (shown, notes) = said(&many);
        assert_eq!((shown.len(), notes.len(), notes[0].as_str()), (0, 16, "unknown response.x000"));
    }
}
