//! JSON Schemas made flat: references followed, `allOf` merged.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// References and `allOf`s followed at one place before giving up.
const MAX_HOPS: usize = 32;
/// Keywords that do not limit the value, and those that are resolved here.
const SILENT: &[&str] = &[
    "$ref",
    "allOf",
    "$defs",
    "definitions",
    "$schema",
    "$id",
    "title",
    "description",
    "default",
    "examples",
    "$comment",
];
/// Most branches of two `anyOf`s multiplied.
const MAX_BRANCHES: usize = 64;
/// Most pairs of `required` or `enum` entries that are compared.
const MAX_COMPARED: usize = 100_000;

/// A schema object without `$ref` and `allOf`, borrowed where it is so already. None for `false`, what is no
/// schema, and what cannot be resolved.
pub(crate) fn flat<'s>(root: &'s Value, schema: &'s Value) -> Option<Cow<'s, Map<String, Value>>> {
    let mut hops = MAX_HOPS;
    flat_within(root, schema, &mut hops)
}

fn flat_within<'s>(
    root: &'s Value,
    schema: &'s Value,
    hops: &mut usize,
) -> Option<Cow<'s, Map<String, Value>>> {
    let map = match schema {
        Value::Object(map) => map,
        Value::Bool(true) => return Some(Cow::Owned(Map::new())),
        _ => return None,
    };
    let mut others = Vec::new();
    if let Some(reference) = map.get("$ref") {
        others.push(pointed(root, reference.as_str()?)?);
    }
    if let Some(Value::Array(list)) = map.get("allOf") {
        others.extend(list);
    }
    if others.is_empty() {
        return Some(Cow::Borrowed(map));
    }
    let mut own = copied(map);
    for other in others {
        *hops = hops.checked_sub(1)?;
        let other = flat_within(root, other, hops)?;
        if own.is_empty() && map.get("allOf").is_none() {
            return Some(other);
        }
        let other = match other {
            Cow::Borrowed(map) => copied(map),
            Cow::Owned(map) => map,
        };
        own = merge(other, own)?;
    }
    Some(Cow::Owned(own))
}

/// A copy without what says nothing about the value; references look into the root.
pub(crate) fn copied(schema: &Map<String, Value>) -> Map<String, Value> {
    let limits = schema.iter().filter(|(key, _)| !SILENT.contains(&key.as_str()));
    limits.map(|(key, value)| (key.clone(), value.clone())).collect()
}

/// `#`, `#/$defs/name`; other documents are not read.
fn pointed<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Both schemas at once. None if no value can satisfy both.
pub(crate) fn merge(mut a: Map<String, Value>, b: Map<String, Value>) -> Option<Map<String, Value>> {
    let mut merged = Map::new();
    for (key, theirs) in b {
        let value = match a.get_mut(&key).map(Value::take) {
            None => theirs,
            Some(ours) => both(&key, ours, theirs)?,
        };
        merged.insert(key, value);
    }
    Some(joined(a, merged))
}

/// What only the first has, then the second: all at once, for to take members out one by one moves all others.
fn joined(mut a: Map<String, Value>, merged: Map<String, Value>) -> Map<String, Value> {
    a.retain(|key, _| !merged.contains_key(key));
    a.extend(merged);
    a
}

fn both(key: &str, a: Value, b: Value) -> Option<Value> {
    if a == b {
        return Some(a);
    }
    Some(match key {
        "properties" => match (a, b) {
            (Value::Object(mut a), Value::Object(b)) => {
                let mut merged = Map::new();
                for (name, theirs) in b {
                    let value = match a.get_mut(&name).map(Value::take) {
                        None => theirs,
                        Some(ours) => all_of(ours, theirs),
                    };
                    merged.insert(name, value);
                }
                Value::Object(joined(a, merged))
            }
            (_, b) => b,
        },
        "required" => {
            let (mut a, b) = comparable(a, b)?;
            a.extend(b.into_iter().filter(|v| !a.contains(v)).collect::<Vec<_>>());
            Value::Array(a)
        }
        "enum" | "type" => {
            let (mut a, b) = comparable(a, b)?;
            if key == "type" && b.contains(&"number".into()) && a.contains(&"integer".into()) {
                a.retain(|v| b.contains(v) || *v == "integer");
            } else if key == "type" && a.contains(&"number".into()) && b.contains(&"integer".into()) {
                a = b.into_iter().filter(|v| a.contains(v) || *v == "integer").collect();
            } else {
                a.retain(|v| b.contains(v));
            }
            if a.is_empty() {
                return None;
            }
            Value::Array(a)
        }
        "const" => return None,
        "minimum" | "exclusiveMinimum" | "minLength" | "minItems" | "minProperties" => {
            if a.as_f64() > b.as_f64() { a } else { b }
        }
        "maximum" | "exclusiveMaximum" | "maxLength" | "maxItems" | "maxProperties" => {
            if a.as_f64() < b.as_f64() { a } else { b }
        }
        "items" | "additionalProperties" => all_of(a, b),
        "anyOf" | "oneOf" => {
            let (a, b) = (listed(a), listed(b));
            let pairs = a.iter().flat_map(|a| b.iter().map(move |b| all_of(a.clone(), b.clone())));
            Value::Array(pairs.take(MAX_BRANCHES).collect())
        }
        _ => b,
    })
}

fn all_of(a: Value, b: Value) -> Value {
    Value::Object(Map::from_iter([("allOf".to_owned(), Value::Array(vec![a, b]))]))
}

/// Two lists, unless comparing each with each takes too long.
fn comparable(a: Value, b: Value) -> Option<(Vec<Value>, Vec<Value>)> {
    let (a, b) = (listed(a), listed(b));
    (a.len().saturating_mul(b.len()) <= MAX_COMPARED).then_some((a, b))
}

fn listed(value: Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list,
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(root: &Value, want: Option<&Value>) {
        assert_eq!(flat(root, root).map(|flat| Value::Object(flat.into_owned())).as_ref(), want);
    }

    #[test]
    fn references_and_all_of_are_merged() {
        let root = json!({
            "allOf": [{"$ref": "#/$defs/a"}, {"type": ["integer", "null"], "minimum": 3}],
            "$defs": {"a": {"type": "number", "minimum": 1, "maximum": 9}}
        });
        check(&root, Some(&json!({"type": ["integer"], "minimum": 3, "maximum": 9})));
    }

    #[test]
    fn what_cannot_be_is_none() {
        check(&json!({"allOf": [{"type": "string"}, {"type": "null"}]}), None);
        check(&json!({"$ref": "#"}), None);
        check(&json!({"$ref": "https://example.com/x"}), None);
        check(&json!(false), None);
    }
}
