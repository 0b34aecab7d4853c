//! Keywords as users of Gemini's SDKs write them: `any_of` for `anyOf`. Gemini's own schemas take both.

use serde_json::{Map, Value};

type Schema = Map<String, Value>;

const WORDS: &[(&str, &str)] = &[
    ("additional_properties", "additionalProperties"),
    ("all_of", "allOf"),
    ("any_of", "anyOf"),
    ("exclusive_maximum", "exclusiveMaximum"),
    ("exclusive_minimum", "exclusiveMinimum"),
    ("max_items", "maxItems"),
    ("max_length", "maxLength"),
    ("max_properties", "maxProperties"),
    ("min_items", "minItems"),
    ("min_length", "minLength"),
    ("min_properties", "minProperties"),
    ("multiple_of", "multipleOf"),
    ("one_of", "oneOf"),
    ("prefix_items", "prefixItems"),
    ("property_ordering", "propertyOrdering"),
    ("unique_items", "uniqueItems"),
];

/// Deeper schemas are not looked into; the walk that follows does not either.
const MAX_DEPTH: usize = 64;

/// The schema with JSON Schema's keywords. One that stands in both forms stays as it is; names of properties are no
/// keywords.
pub(super) fn camel(schema: &Schema) -> Schema {
    object(schema, 0)
}

fn object(schema: &Schema, depth: usize) -> Schema {
    if depth > MAX_DEPTH {
        return schema.clone();
    }
    let word = |key: &str| WORDS.iter().find(|(snake, _)| *snake == key).map(|(_, camel)| *camel);
    schema
        .iter()
        .map(|(key, value)| {
            let key = word(key).filter(|camel| !schema.contains_key(*camel)).unwrap_or(key);
            (key.to_owned(), keyword(key, value, depth + 1))
        })
        .collect()
}

fn keyword(key: &str, value: &Value, depth: usize) -> Value {
    match (key, value) {
        ("properties" | "patternProperties" | "$defs" | "definitions" | "defs", Value::Object(schemas)) => {
            schemas.iter().map(|(name, schema)| (name.clone(), one(schema, depth))).collect()
        }
        ("anyOf" | "oneOf" | "allOf" | "prefixItems" | "items", Value::Array(schemas)) => {
            schemas.iter().map(|schema| one(schema, depth)).collect()
        }
        ("items" | "additionalProperties" | "not", schema) => one(schema, depth),
        (_, value) => value.clone(),
    }
}

fn one(schema: &Value, depth: usize) -> Value {
    match schema {
        Value::Object(schema) => Value::Object(object(schema, depth)),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[test]
    fn keywords_get_their_form_and_names_keep_theirs() {
        let schema = json!({"type": "object", "properties": {
                "any_of": {"any_of": [{"type": "string", "max_length": 3}, {"$ref": "#/defs/x"}]},
                "b": {"type": "array", "items": {"min_length": 1, "minLength": 2}, "min_items": 1},
                "c": {"enum": [{"max_length": 1}]}},
            "defs": {"x": {"additional_properties": {"one_of": []}}}, "property_ordering": ["any_of", "b"]});
        let want = json!({"type": "object", "properties": {
                "any_of": {"anyOf": [{"type": "string", "maxLength": 3}, {"$ref": "#/defs/x"}]},
                "b": {"type": "array", "items": {"min_length": 1, "minLength": 2}, "minItems": 1},
                "c": {"enum": [{"max_length": 1}]}},
            "defs": {"x": {"additionalProperties": {"oneOf": []}}}, "propertyOrdering": ["any_of", "b"]});
        let Value::Object(schema) = schema else { panic!("an object") };
        assert_eq!(Value::Object(camel(&schema)), want);
    }

    #[test]
    fn depth_has_a_bound() {
        let mut schema = json!({"max_length": 1});
        for _ in 0..100 {
            schema = json!({ "items": schema });
        }
        let Value::Object(schema) = schema else { panic!("an object") };
        assert_eq!(camel(&schema), schema);
    }
}
