//! Schemas of tools of MCP servers, as providers take them.

use serde_json::{Map, Value, json};

/// Gives lists that do not say what is in them leave to hold anything: there are providers that refuse the whole request
/// for a list without `items`.
pub(super) fn with_items(mut schema: Map<String, Value>) -> Map<String, Value> {
    complete(&mut schema);
    schema
}

/// Goes as deep as JSON was read, which is not deep.
fn complete(schema: &mut Map<String, Value>) {
    let is_list = match schema.get("type") {
        Some(Value::String(kind)) => kind == "array",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "array"),
        _ => false,
    };
    let says = |items: &Value| items.is_object() || items.is_array() || *items == Value::Bool(false);
    if is_list && !schema.contains_key("prefixItems") && !schema.get("items").is_some_and(says) {
        schema.insert("items".into(), json!({}));
    }
    for (key, value) in schema {
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "$defs" | "definitions", Value::Object(members)) => {
                members.values_mut().filter_map(Value::as_object_mut).for_each(complete);
            }
            ("items" | "additionalProperties" | "not" | "contains", Value::Object(inner)) => complete(inner),
            ("items" | "prefixItems" | "anyOf" | "oneOf" | "allOf", Value::Array(list)) => {
                list.iter_mut().filter_map(Value::as_object_mut).for_each(complete);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn a_list_says_what_is_in_it() {
        let schema = json!({"type": "object", "properties": {
            "a": {"type": "array"},
            "b": {"type": ["array", "null"], "items": null},
            "c": {"type": "array", "items": {"type": "array"}},
            "d": {"anyOf": [{"type": "array"}, {"type": "string", "default": {"type": "array"}}]},
            "type": {"type": "string", "enum": ["array"]},
            "e": {"type": "array", "prefixItems": [{}]}
        }, "$defs": {"f": {"type": "array"}}});
        let want = json!({"type": "object", "properties": {
            "a": {"type": "array", "items": {}},
            "b": {"type": ["array", "null"], "items": {}},
            "c": {"type": "array", "items": {"type": "array", "items": {}}},
            "d": {"anyOf": [{"type": "array", "items": {}}, {"type": "string", "default": {"type": "array"}}]},
            "type": {"type": "string", "enum": ["array"]},
            "e": {"type": "array", "prefixItems": [{}]}
        }, "$defs": {"f": {"type": "array", "items": {}}}});
        let Value::Object(schema) = schema else { panic!("an object") };
        assert_eq!(Value::Object(with_items(schema)), want);
    }
}
