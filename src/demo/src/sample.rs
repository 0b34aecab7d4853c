//! A value for a JSON Schema, made from a text: the same input gives the same value.

use std::borrow::Cow;
use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::merge::{copied, flat, merge};
use crate::scalars::{number, string};
use crate::words::{Topic, keywords};

/// Deeper than this only what must be there is made, by the simplest branch.
const PLAIN_BELOW: usize = 4;
/// Deepest value.
const MAX_DEPTH: usize = 40;
/// Most values made for one schema, those given up included.
const MAX_VALUES: usize = 5000;
/// Bytes of copied schema that count as one value more.
const BYTES_A_VALUE: usize = 10_000;
/// Characters of a long string that count as one value more.
const CHARACTERS_A_VALUE: usize = 1000;
/// Longest entry of an `enum` that is looked for in the text, in bytes.
const MAX_NAMED: usize = 100;
/// Entries of an `enum` that count as one value more.
const ENTRIES_A_VALUE: usize = 100;
/// Most branches within branches.
const MAX_NESTED: usize = 16;
/// A value that satisfies the schema. None if there is none, or none was found.
pub(crate) fn sample(root: &Value, topic: &Topic) -> Option<Value> {
    let copying = size(root) / BYTES_A_VALUE;
    let mut sampler = Sampler { root, topic, left: MAX_VALUES, copying, numbers: 0 };
    sampler.value(root, Place { name: "", depth: 0, variant: 0, nested: 0 })
}

#[derive(Clone, Copy)]
struct Place<'a> {
    /// Property the value is for.
    name: &'a str,
    depth: usize,
    /// Which of several values that must differ.
    variant: usize,
    /// Branches within branches at this depth.
    nested: usize,
}

struct Sampler<'a> {
    root: &'a Value,
    topic: &'a Topic,
    /// Values left to be made.
    left: usize,
    /// What copying a part of the schema counts at most.
    copying: usize,
    /// Numbers of the text already used.
    numbers: usize,
}

impl Sampler<'_> {
    fn value(&mut self, schema: &Value, place: Place<'_>) -> Option<Value> {
        self.spend(1)?;
        if place.depth > MAX_DEPTH {
            return None;
        }
        let schema = flat(self.root, schema)?;
        if let Cow::Owned(_) = schema {
            self.spend(self.copying)?;
        }
        self.flat_value(&schema, Place { nested: 0, ..place })
    }

    /// None if too much was made already.
    fn spend(&mut self, values: usize) -> Option<()> {
        self.left = self.left.checked_sub(values)?;
        Some(())
    }

    fn flat_value(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
        for key in ["anyOf", "oneOf"] {
            if let Some(Value::Array(branches)) = schema.get(key) {
                let mut rest = copied(schema);
                rest.shift_remove(key);
                return self.branch(&rest, branches, place);
            }
        }
        if let Some(value) = schema.get("const") {
            self.spend(self.copying)?;
            return Some(value.clone());
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            self.spend(self.copying + values.len() / ENTRIES_A_VALUE)?;
            return self.choose(schema, values, place.variant);
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
            _ => vec![implied_type(schema)],
        };
        let null_first = place.depth > PLAIN_BELOW;
        let (nulls, others): (Vec<&str>, Vec<&str>) = types.into_iter().partition(|t| *t == "null");
        let ordered = if null_first { [nulls, others] } else { [others, nulls] };
        ordered.concat().into_iter().find_map(|kind| self.typed(kind, schema, place))
    }

    /// The first branch that works; far down, the simplest first, so that recursive schemas end.
    fn branch(&mut self, rest: &Map<String, Value>, branches: &[Value], place: Place<'_>) -> Option<Value> {
        let place = Place { nested: place.nested + 1, ..place };
        if place.nested > MAX_NESTED {
            return None;
        }
        let both = |branch| merge(rest.clone(), copied(flat(self.root, branch)?.as_ref()));
        let mut flats: Vec<_> = branches.iter().filter_map(both).collect();
        if place.depth > PLAIN_BELOW {
            flats.sort_by_key(weight);
        }
        for schema in flats {
            self.spend(1)?;
            if let Some(value) = self.flat_value(&schema, place) {
                return Some(value);
            }
        }
        None
    }

    /// A value of an `enum`: the one the text names, or else in their order.
    fn choose(&self, schema: &Map<String, Value>, values: &[Value], variant: usize) -> Option<Value> {
        let allowed: Vec<&Value> = values.iter().filter(|v| has_type(schema, v)).collect();
        let said = |word: &String| self.topic.words.contains(word);
        let named = |value: &&Value| {
            let text = value.as_str().filter(|text| text.len() <= MAX_NAMED).unwrap_or_default();
            said(&text.to_lowercase()) || keywords(text).iter().any(said)
        };
        let first = allowed.iter().position(named).unwrap_or(0);
        allowed.iter().cycle().skip(first).take(allowed.len()).nth(variant).map(|v| (*v).clone())
    }

    fn typed(&mut self, kind: &str, schema: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
        match kind {
            "null" => (place.variant == 0).then_some(Value::Null),
            "boolean" => (place.variant < 2).then_some(Value::Bool(place.variant == 0)),
            "string" => {
                let least = schema.get("minLength").and_then(Value::as_f64).unwrap_or(0.0) as usize;
                self.spend(least / CHARACTERS_A_VALUE)?;
                string(schema, self.topic, place.name, place.variant).map(Value::String)
            }
            "integer" | "number" => {
                let wish = self.topic.numbers.get(self.numbers).copied();
                let value = number(schema, kind == "integer", wish, place.variant)?;
                self.numbers += usize::from(value.as_f64() == wish);
                Some(value)
            }
            "array" => self.array(schema, place),
            "object" => self.object(schema, place),
            _ => None,
        }
    }

    fn array(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
        let limit = |key| schema.get(key).and_then(Value::as_f64).map(|n| n as usize);
        let (min, max) = (limit("minItems").unwrap_or(0), limit("maxItems").unwrap_or(usize::MAX));
        if min > max || min > self.left {
            return None;
        }
        let any = Value::Bool(true);
        let (tuple, items) = match (schema.get("prefixItems"), schema.get("items")) {
            (Some(Value::Array(tuple)), items) => (tuple.as_slice(), items.unwrap_or(&any)),
            // The older form of a tuple.
            (_, Some(Value::Array(tuple))) => {
                (tuple.as_slice(), schema.get("additionalItems").unwrap_or(&any))
            }
            (_, items) => (&[][..], items.unwrap_or(&any)),
        };
        let names = self.wants_names(items);
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let wished = match (place.depth > PLAIN_BELOW, tuple.len()) {
            (true, _) => 0,
            (false, 0) if names => self.topic.list.len().max(1),
            (false, 0) => 1,
            (false, tuple) => tuple,
        };
        let wished = wished.clamp(min, max);
        let mut list: Vec<Value> = Vec::new();
        while list.len() < wished {
            let schema = tuple.get(list.len()).unwrap_or(items);
            // A list of names differs by itself, other values only where they must.
            let first = if unique || (names && list.len() >= tuple.len()) {
                place.variant + list.len()
            } else {
                place.variant
            };
            let tries = if unique { first..first + wished + 16 } else { first..first + 1 };
            let next = tries
                .filter_map(|variant| self.value(schema, Place { depth: place.depth + 1, variant, ..place }))
                .find(|value| !unique || !list.contains(value));
            match next {
                Some(value) => list.push(value),
                None => break,
            }
        }
        (list.len() >= min).then_some(Value::Array(list))
    }

    fn wants_names(&self, items: &Value) -> bool {
        let Some(schema) = flat(self.root, items) else { return false };
        schema.get("type").and_then(Value::as_str) == Some("string")
            && !["enum", "const", "format"].iter().any(|key| schema.contains_key(*key))
    }

    fn object(&mut self, schema: &Map<String, Value>, place: Place<'_>) -> Option<Value> {
        let empty = Map::new();
        let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(&empty);
        let any = Value::Bool(true);
        let others = schema.get("additionalProperties").unwrap_or(&any);
        let required =
            schema.get("required").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let required: Vec<&str> = required.iter().filter_map(Value::as_str).collect();
        let wanted: HashSet<&str> = required.iter().copied().collect();
        let limit = |key| schema.get(key).and_then(Value::as_f64).map(|n| n as usize);
        let min = limit("minProperties").unwrap_or(0);
        if min > self.left || limit("maxProperties").is_some_and(|max| max < wanted.len().max(min)) {
            return None;
        }
        let mut object = Map::new();
        // The declared order first, as models write it.
        let declared = properties.keys().map(String::as_str).filter(|name| wanted.contains(name));
        let undeclared = required.iter().copied().filter(|name| !properties.contains_key(*name));
        for name in declared.chain(undeclared) {
            let schema = properties.get(name).unwrap_or(others);
            let value = self.value(schema, Place { name, depth: place.depth + 1, ..place })?;
            object.insert(name.to_owned(), value);
        }
        for (name, schema) in properties {
            if object.len() < min && !object.contains_key(name) {
                let value = self.value(schema, Place { name, depth: place.depth + 1, ..place });
                object.extend(value.map(|value| (name.clone(), value)));
            }
        }
        for extra in 1..=min {
            let name = format!("extra_{extra}");
            if object.len() < min && !properties.contains_key(&name) {
                let value = self.value(others, Place { name: &name, depth: place.depth + 1, ..place })?;
                object.insert(name, value);
            }
        }
        // Where several must differ, an empty object cannot.
        let differs = place.variant == 0 || !object.is_empty();
        (object.len() >= min && differs).then_some(Value::Object(object))
    }
}

/// Size of a schema in bytes, roughly.
fn size(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => 8 + text.len(),
        Value::Array(list) => 8 + list.iter().map(size).sum::<usize>(),
        Value::Object(map) => 8 + map.iter().map(|(key, value)| key.len() + size(value)).sum::<usize>(),
    }
}

/// How much a schema asks for.
fn weight(schema: &Map<String, Value>) -> u8 {
    if schema.contains_key("const") || schema.contains_key("enum") {
        return 1;
    }
    let kind = schema.get("type").and_then(Value::as_str);
    match kind.unwrap_or_else(|| implied_type(schema)) {
        "null" => 0,
        "array" => 2,
        "object" => 3,
        _ => 1,
    }
}

/// The type that a schema without one is about.
fn implied_type(schema: &Map<String, Value>) -> &'static str {
    let has = |keys: &[&str]| keys.iter().any(|key| schema.contains_key(*key));
    if has(&["properties", "required", "additionalProperties", "minProperties"]) {
        "object"
    } else if has(&["items", "prefixItems", "minItems", "uniqueItems"]) {
        "array"
    } else if has(&["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]) {
        "number"
    } else {
        "string"
    }
}

fn has_type(schema: &Map<String, Value>, value: &Value) -> bool {
    let is = |kind: &str| match value {
        Value::Null => kind == "null",
        Value::Bool(_) => kind == "boolean",
        Value::Number(n) => {
            kind == "number" || (kind == "integer" && n.as_f64().is_some_and(|n| n.fract() == 0.0))
        }
        Value::String(_) => kind == "string",
        Value::Array(_) => kind == "array",
        Value::Object(_) => kind == "object",
    };
    match schema.get("type") {
        Some(Value::String(kind)) => is(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(is),
        _ => true,
    }
}

#[cfg(test)]
#[path = "sample_tests.rs"]
mod tests;
