//! Where the prompt of a request parts from that of an earlier response, and what of it a cache could therefore not
//! give again (OpenAI's `prompt_cache_diagnostics`).
//!
//! What is compared is what clients see of both. What a provider really found in its cache is in the usage.

use or_adapters::estimate_tokens;
use or_protocol::{CacheMissReason, Item, PromptCacheDiagnostics, Settings, member, string};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::Seal;

/// What a model is given.
#[derive(Clone, Copy, Debug)]
pub struct Prompt<'a> {
    /// Its name as the client wrote it.
    pub model: &'a str,
    /// The request's settings.
    pub settings: &'a Settings,
    /// The whole context.
    pub items: &'a [Item],
}

/// Members of an item and of its parts that are no part of the prompt.
const FRAME: &[&str] = &["id", "status"];
const PART_FRAME: &[&str] = &["logprobs", "prompt_cache_breakpoint"];
/// Members of an item that hold its parts.
const PARTS: &[&str] = &["content", "output"];

/// Compares a prompt with that of an earlier response.
///
/// `earlier`: the response object. `items`: the context it was made from. `count`: the tokens of a text. Costs time
/// linear in both prompts.
pub fn compare_prompts(
    prompt: Prompt<'_>,
    earlier: &RawValue,
    items: &[Item],
    seal: &Seal,
    count: &dyn Fn(&str) -> u64,
) -> PromptCacheDiagnostics {
    let Prompt { settings, items: new, .. } = prompt;
    let miss = |reason, cache_missed_tokens, comparison_reusable_tokens| PromptCacheDiagnostics::CacheMiss {
        reason,
        cache_missed_tokens,
        comparison_reusable_tokens,
    };
    let instructions = settings.instructions.as_deref().unwrap_or_default();
    let words = count(instructions);
    if let Some(reason) = changed(prompt, earlier) {
        return miss(reason, tools(settings, count) + words + tokens(new, count), 0);
    }
    if text(earlier, "instructions").unwrap_or_default() != instructions {
        return miss(CacheMissReason::InputChanged, words + tokens(new, count), tools(settings, count));
    }
    let same = new.iter().zip(items).take_while(|(new, old)| is_same(new, old, seal)).count();
    let (kept, rest) = new.split_at(same);
    if same < items.len() && !rest.is_empty() {
        let compacted = rest.iter().any(|item| matches!(item, Item::Compaction(_)));
        let reason =
            if compacted { CacheMissReason::ContextCompacted } else { CacheMissReason::InputChanged };
        return miss(reason, tokens(rest, count), tools(settings, count) + words + tokens(kept, count));
    }
    // Last: the earlier response shows the tier that was used, which may be another one than it asked for.
    let tier = settings.service_tier.as_deref().filter(|tier| *tier != "auto");
    if tier.is_some() && text(earlier, "service_tier").as_deref() != tier {
        let all = tools(settings, count) + words + tokens(new, count);
        return miss(CacheMissReason::ServiceTierChanged, all, 0);
    }
    PromptCacheDiagnostics::CacheHit
}

/// What differs in front of instructions and input.
fn changed(prompt: Prompt<'_>, earlier: &RawValue) -> Option<CacheMissReason> {
    let Prompt { model, settings, .. } = prompt;
    let inside = |object: &str, name: &str| {
        member(earlier, object).and_then(|object| member(object, name)).map(|value| value.get().to_owned())
    };
    // Both were written by this server, so that what is the same has the same text.
    let rows = [
        (text(earlier, "model").as_deref() != Some(model), CacheMissReason::ModelChanged),
        (
            text(earlier, "prompt_cache_key") != settings.prompt_cache_key,
            CacheMissReason::PromptCacheKeyChanged,
        ),
        (
            member(earlier, "tools").map(RawValue::get) != json(&settings.tools).as_deref(),
            CacheMissReason::ToolsChanged,
        ),
        (inside("text", "format") != json(&settings.text.format), CacheMissReason::TextFormatChanged),
        (
            inside("reasoning", "effort").filter(|effort| effort != "null")
                != settings.effort().and_then(|effort| json(&effort)),
            CacheMissReason::ReasoningEffortChanged,
        ),
        (
            inside("text", "verbosity") != settings.text.verbosity.and_then(|verbosity| json(&verbosity)),
            CacheMissReason::VerbosityChanged,
        ),
    ];
    rows.into_iter().find(|(differs, _)| *differs).map(|(_, reason)| reason)
}

fn text(object: &RawValue, name: &str) -> Option<String> {
    Some(string(member(object, name)?)?.into_owned())
}

fn json(value: &impl Serialize) -> Option<String> {
    serde_json::to_string(value).ok()
}

/// Whether a model is told the same.
fn is_same(new: &Item, old: &Item, seal: &Seal) -> bool {
    new == old || (new.kind() == old.kind() && essence(new, seal) == essence(old, seal))
}

/// What of an item is part of the prompt; state of the provider as it gets it back.
fn essence(item: &Item, seal: &Seal) -> Value {
    let mut item = item.clone();
    seal.open_item(&mut item);
    let mut value = serde_json::to_value(item).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        without(members, FRAME);
        for name in PARTS {
            let Some(parts) = members.get_mut(*name).and_then(Value::as_array_mut) else { continue };
            parts.iter_mut().filter_map(Value::as_object_mut).for_each(|part| without(part, PART_FRAME));
        }
    }
    value
}

fn without(members: &mut Map<String, Value>, names: &[&str]) {
    members.retain(|name, value| !names.contains(&name.as_str()) && !value.is_null());
}

fn tools(settings: &Settings, count: &dyn Fn(&str) -> u64) -> u64 {
    if settings.tools.is_empty() { 0 } else { json(&settings.tools).map_or(0, |json| count(&json)) }
}

fn tokens(items: &[Item], count: &dyn Fn(&str) -> u64) -> u64 {
    #[derive(Serialize)]
    struct Input<'a> {
        input: &'a [Item],
    }
    if items.is_empty() {
        return 0;
    }
    serde_json::to_vec(&Input { input: items }).map_or(0, |body| estimate_tokens(&body, count))
}

#[cfg(test)]
mod tests {
    use or_protocol::{
        CreateResponseBody, ResponseId, ResponseResource, ResponseStatus, decode_stored_items,
    };
    use pretty_assertions::assert_eq;
    use serde_json::json;
    use serde_json::value::to_raw_value;

    use super::*;

    fn request(changes: Value) -> CreateResponseBody {
        let mut body =
            json!({"model": "m", "instructions": "one two", "input": [{"role": "user", "content": "a b c"}]});
        body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        CreateResponseBody::from_value(body).unwrap()
    }

    /// Compares a request with one that was answered before; a word is a token.
    fn compare(now: Value, before: Value) -> Value {
        let (now, before) = (request(now), request(before));
        let tier = before.settings.service_tier.as_deref().unwrap_or("default");
        let earlier = to_raw_value(&ResponseResource {
            id: &ResponseId::new(),
            created_at: 0,
            completed_at: None,
            status: ResponseStatus::Completed,
            incomplete_details: None,
            model: before.model.as_deref().unwrap(),
            previous_response_id: None,
            output: &[],
            error: None,
            usage: None,
            store: true,
            background: false,
            service_tier: tier,
            settings: &before.settings,
            members: None,
            prompt_cache_diagnostics: None,
        });
        let prompt =
            Prompt { model: now.model.as_deref().unwrap(), settings: &now.settings, items: &now.input };
        let count = |text: &str| text.split_whitespace().count() as u64;
        let found = compare_prompts(prompt, &earlier.unwrap(), &before.input, &Seal::default(), &count);
        serde_json::to_value(found).unwrap()
    }

    fn miss(reason: &str, missed: u64, reusable: u64) -> Value {
        json!({"type": "cache_miss", "reason": reason, "cache_missed_tokens": missed,
            "comparison_reusable_tokens": reusable})
    }

    /// Three words of a user: four tokens for the message, three for the beginning of the answer.
    const INPUT: u64 = 10;
    const ALL: u64 = INPUT + 2;

    #[test]
    fn what_stands_before_the_input_is_told_in_order() {
        let tool = json!([{"type": "function", "name": "f"}]);
        let schema = json!({"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}});
        for (change, reason, missed) in [
            (json!({"model": "other", "prompt_cache_key": "k"}), "model_changed", ALL),
            (json!({"prompt_cache_key": "k", "tools": tool}), "prompt_cache_key_changed", ALL + 1),
            (json!({"tools": tool, "text": schema}), "tools_changed", ALL + 1),
            (json!({"text": schema, "reasoning": {"effort": "low"}}), "text_format_changed", ALL),
            (
                json!({"reasoning": {"effort": "low"}, "text": {"verbosity": "low"}}),
                "reasoning_effort_changed",
                ALL,
            ),
            (json!({"text": {"verbosity": "low"}, "instructions": "x"}), "verbosity_changed", INPUT + 1),
        ] {
            assert_eq!(compare(change.clone(), json!({})), miss(reason, missed, 0), "{change}");
            assert_eq!(compare(change.clone(), change), json!({"type": "cache_hit"}));
        }
        let flex = json!({"service_tier": "flex"});
        assert_eq!(compare(flex.clone(), json!({})), miss("service_tier_changed", ALL, 0));
        assert_eq!(compare(flex.clone(), flex), json!({"type": "cache_hit"}));
        assert_eq!(compare(json!({"service_tier": "auto"}), json!({})), json!({"type": "cache_hit"}));
    }

    #[test]
    fn the_input_is_compared_item_by_item() {
        let user = |text: &str| json!({"role": "user", "content": text});
        let said = json!({"role": "assistant", "content": "d"});
        let input = |list: &[&Value]| json!({ "input": list });
        let (a, b) = (user("a b c"), user("e"));
        let hit = json!({"type": "cache_hit"});
        assert_eq!(compare(input(&[&a, &said, &b]), input(&[&a])), hit);
        // The same again, or less of it.
        assert_eq!(compare(input(&[&a]), input(&[&a])), hit);
        assert_eq!(compare(input(&[&a]), input(&[&a, &said, &b])), hit);
        let other = compare(input(&[&a, &b]), input(&[&a, &said, &b]));
        assert_eq!(other, miss("input_changed", 8, 2 + INPUT));
        let words = compare(json!({"instructions": "x"}), json!({}));
        assert_eq!(words, miss("input_changed", INPUT + 1, 0));
        let compaction = json!({"type": "compaction", "encrypted_content": "or1.x"});
        let compacted = compare(input(&[&compaction, &b]), input(&[&a, &said]));
        assert_eq!(compacted["reason"], "context_compacted");
    }

    #[test]
    fn ids_states_and_breakpoints_are_no_part_of_a_prompt() {
        let part = |mark: Value| json!({"type": "input_text", "text": "a", "prompt_cache_breakpoint": mark});
        let plain = json!([{"type": "message", "role": "user", "content": [part(Value::Null)]},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}]);
        let full = json!([{"type": "message", "id": "msg_1", "status": "completed", "role": "user",
            "content": [part(json!({"mode": "explicit"}))]},
            {"type": "function_call", "id": "fc_1", "status": "completed", "call_id": "c", "name": "f", "arguments": "{}"}]);
        let items = |list: &Value| decode_stored_items(&list.to_string()).unwrap();
        let seal = Seal::default();
        for (new, old) in items(&plain).iter().zip(&items(&full)) {
            assert!(is_same(new, old, &seal), "{new:?}");
        }
        let mut other = plain.clone();
        other[1]["arguments"] = json!("{\"a\":1}");
        assert!(!is_same(&items(&other)[1], &items(&full)[1], &seal));
    }
}
