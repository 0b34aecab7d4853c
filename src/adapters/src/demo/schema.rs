//! JSON Schemas as the demo model reads them.

use serde_json::{Map, Value};

/// Keywords that the model does not look at.
const NOT_FOLLOWED: &[&str] = &[
    "contains",
    "dependentRequired",
    "dependentSchemas",
    "if",
    "not",
    "pattern",
    "patternProperties",
    "propertyNames",
];

/// Keywords anywhere in the schema that the model does not look at, sorted.
pub(crate) fn not_followed(schema: &Map<String, Value>) -> Vec<&'static str> {
    let mut found = Vec::new();
    look_for_keywords(schema, &mut found);
    found.sort_unstable();
    found.dedup();
    found
}

fn look_for_keywords(schema: &Map<String, Value>, found: &mut Vec<&'static str>) {
    for (key, value) in schema {
        found.extend(NOT_FOLLOWED.iter().find(|k| *k == key));
        match (key.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(map)) => {
                map.values().filter_map(Value::as_object).for_each(|s| look_for_keywords(s, found));
            }
            ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(list)) => {
                list.iter().filter_map(Value::as_object).for_each(|s| look_for_keywords(s, found));
            }
            ("items" | "additionalProperties", Value::Object(map)) => look_for_keywords(map, found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn keywords_that_are_not_followed_are_named() {
        let schema = json!({
            "properties": {"pattern": {"type": "string", "pattern": "^a$"}, "not": {"const": {"if": 1}}},
            "contains": {}
        });
        assert_eq!(not_followed(schema.as_object().unwrap()), ["contains", "pattern"]);
    }
}
