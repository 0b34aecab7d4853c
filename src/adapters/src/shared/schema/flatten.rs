//! What a schema takes from elsewhere, taken in: the members of `allOf`, and what it refers to.

use std::borrow::Cow;
use std::collections::HashSet;

use or_protocol::bounds::MAX_SCHEMA_VALUES;
use serde_json::Value;

use super::{Change, IDLE, Schema, Walk};

/// Most references and lists that are followed while `allOf` is merged.
const MAX_MERGES: usize = 64;
/// Most references that are followed one behind the other.
const MAX_CHAIN: usize = 64;
/// Most values that are copied from definitions into one schema. Without it a few kilobytes that refer to a large
/// definition again and again would be gigabytes.
const MAX_COPIED: usize = MAX_SCHEMA_VALUES;

impl Walk<'_> {
    /// The schema with what it takes from elsewhere: the members of `allOf`, and what it refers to.
    pub(super) fn flattened<'s>(&mut self, schema: &'s Schema) -> Cow<'s, Schema> {
        let mut schema = Cow::Borrowed(schema);
        if self.rules.merges_all_of && schema.contains_key("allOf") {
            schema = Cow::Owned(self.merge_all(schema.into_owned()));
        }
        while self.rules.inlines_refs
            && let Some(Value::String(target)) = schema.get("$ref")
        {
            let target = target.clone();
            let fresh = self.path.len() < MAX_CHAIN && !self.path.contains(&target);
            let Some(found) = fresh.then(|| self.definition(&target)).flatten() else {
                self.out.kept_ref = true;
                self.changed("$ref", Change::Lost);
                break;
            };
            let found = if found.contains_key("allOf") { self.merge_all(found) } else { found };
            self.changed("$ref", Change::Rewritten);
            self.path.push(target);
            let own = schema.to_mut();
            own.shift_remove("$ref");
            if !merge(own, found, &mut None) {
                self.changed("$ref", Change::Lost);
            }
        }
        schema
    }

    fn merge_all(&mut self, mut schema: Schema) -> Schema {
        self.changed("allOf", Change::Rewritten);
        let Some(Value::Array(list)) = schema.shift_remove("allOf") else { return schema };
        let alone = list.len() == 1 && !schema.contains_key("properties");
        let mut required = None;
        for member in list {
            let Value::Object(mut member) = member else { continue };
            if !alone {
                member = self.resolved(member);
            }
            if member.contains_key("allOf") {
                self.merges += 1;
                if self.merges > MAX_MERGES {
                    self.changed("allOf", Change::Lost);
                    continue;
                }
                member = self.merge_all(member);
            }
            if !merge(&mut schema, member, &mut required) {
                self.changed("allOf", Change::Lost);
            }
        }
        schema
    }

    /// What a local reference points to; nothing if it points elsewhere, or in circles.
    fn resolved(&mut self, member: Schema) -> Schema {
        let Some(Value::String(target)) = member.get("$ref") else { return member };
        self.merges += 1;
        let found = if self.merges <= MAX_MERGES { self.definition(target) } else { None };
        if found.is_none() {
            self.changed("$ref", Change::Lost);
        }
        found.unwrap_or_default()
    }

    fn definition(&mut self, target: &str) -> Option<Schema> {
        let name = target.strip_prefix("#/$defs/").or_else(|| target.strip_prefix("#/definitions/"))?;
        let root = self.root;
        let found = |key: &str| root.get(key)?.get(name)?.as_object();
        let found = found("$defs").or_else(|| found("definitions"))?;
        self.copied += found.values().map(values).sum::<usize>();
        (self.copied <= MAX_COPIED).then(|| found.clone())
    }
}

/// How many values there are.
fn values(value: &Value) -> usize {
    match value {
        Value::Array(list) => 1 + list.iter().map(values).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(values).sum::<usize>(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 1,
    }
}

/// Adds what is not said yet: properties and required names are joined, and the words of the outer schema
/// are nearer to the matter. False if two demands could not be joined.
///
/// `required`: the names that are required so far, kept from one call for the same schema to the next.
fn merge(into: &mut Schema, from: Schema, required: &mut Option<HashSet<Value>>) -> bool {
    let mut whole = true;
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Value::Object(here)), Value::Object(more)) if key == "properties" || key == "$defs" => {
                for (name, schema) in more {
                    whole &= here.get(&name).is_none_or(|own| *own == schema);
                    here.entry(name).or_insert(schema);
                }
            }
            (Some(Value::Array(here)), Value::Array(more)) if key == "required" => {
                let known = required.get_or_insert_with(|| here.iter().cloned().collect());
                here.extend(more.into_iter().filter(|name| known.insert(name.clone())));
            }
            (Some(here), value) => {
                let words = ["description", "title", "default", "examples"];
                whole &= *here == value || words.contains(&key.as_str()) || IDLE.contains(&key.as_str());
            }
        }
    }
    whole
}
