//! JSON Schemas made flat: references followed, `allOf` merged.

use serde_json::{Map, Value};

/// References and `allOf`s followed at one place before giving up.
const MAX_HOPS: usize = 32;
/// Keywords that do not limit the value.
const SILENT: &[&str] = &["$defs", "definitions", "title", "description", "default", "examples", "$comment"];
/// Most branches of two `anyOf`s multiplied.
const MAX_BRANCHES: usize = 64;

/// A schema object without `$ref` and `allOf`. None for `false`, what is no schema, and what cannot be resolved.
pub(super) fn flat(root: &Value, schema: &Value) -> Option<Map<String, Value>> {
    let mut hops = MAX_HOPS;
    flat_within(root, schema, &mut hops)
}

fn flat_within(root: &Value, schema: &Value, hops: &mut usize) -> Option<Map<String, Value>> {
    let mut own = match schema {
        // What says nothing about the value is not copied; references look into the root.
        Value::Object(map) => {
            let copied = map.iter().filter(|(key, _)| !SILENT.contains(&key.as_str()));
            copied.map(|(key, value)| (key.clone(), value.clone())).collect()
        }
        Value::Bool(true) => Map::new(),
        _ => return None,
    };
    let reference = own.shift_remove("$ref");
    let all = own.shift_remove("allOf");
    let mut others = Vec::new();
    if let Some(reference) = &reference {
        others.push(pointed(root, reference.as_str()?)?);
    }
    if let Some(Value::Array(list)) = &all {
        others.extend(list);
    }
    for other in others {
        *hops = hops.checked_sub(1)?;
        own = merge(flat_within(root, other, hops)?, own)?;
    }
    Some(own)
}

/// `#`, `#/$defs/name`; other documents are not read.
fn pointed<'a>(root: &'a Value, reference: &str) -> Option<&'a Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// Both schemas at once. None if no value can satisfy both.
pub(super) fn merge(mut a: Map<String, Value>, b: Map<String, Value>) -> Option<Map<String, Value>> {
    for (key, theirs) in b {
        let merged = match a.shift_remove(&key) {
            None => theirs,
            Some(ours) => both(&key, ours, theirs)?,
        };
        a.insert(key, merged);
    }
    Some(a)
}

fn both(key: &str, a: Value, b: Value) -> Option<Value> {
    if a == b {
        return Some(a);
    }
    Some(match key {
        "properties" => match (a, b) {
            (Value::Object(mut a), Value::Object(b)) => {
                for (name, theirs) in b {
                    let merged = match a.shift_remove(&name) {
                        None => theirs,
                        Some(ours) => all_of(ours, theirs),
                    };
                    a.insert(name, merged);
                }
                Value::Object(a)
            }
            (_, b) => b,
        },
        "required" => {
            let (mut a, b) = (listed(a), listed(b));
            a.extend(b.into_iter().filter(|v| !a.contains(v)).collect::<Vec<_>>());
            Value::Array(a)
        }
        "enum" | "type" => {
            let (mut a, b) = (listed(a), listed(b));
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
        assert_eq!(flat(root, root).map(Value::Object).as_ref(), want);
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
