//! Makes a JSON Schema fit the keywords Gemini knows in `parametersJsonSchema` and `responseJsonSchema`.
//!
//! A keyword outside the list can fail the whole request, so its meaning moves into the description.

mod snake;

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::shared::schema::{self, Rest, SchemaRules};

type Schema = Map<String, Value>;

const RULES: SchemaRules = SchemaRules {
    kept: &[
        "$id",
        "$ref",
        "$anchor",
        "type",
        "format",
        "title",
        "description",
        "enum",
        "minItems",
        "maxItems",
        "uniqueItems",
        "minLength",
        "maxLength",
        "pattern",
        "minimum",
        "maximum",
        "required",
        "propertyOrdering",
        "prefixItems",
        "additionalProperties",
    ],
    kept_if: |_, _| false,
    inlines_refs: false,
    merges_all_of: true,
    scalar_enums: true,
    closes_objects: false,
    rest: Rest::Described { open: " (", between: "; ", close: ")" },
};

/// The cleaned schema, and the keywords that were replaced, in order of appearance.
pub(super) fn clean(schema: &Schema) -> (Schema, Vec<String>) {
    let fitted = schema::fit(&snake::camel(schema), &RULES);
    let mut seen = HashSet::new();
    let keywords = fitted.changed.into_iter().map(|(keyword, _)| keyword);
    let changed = keywords.filter(|keyword| seen.insert(keyword.clone())).collect();
    let mut out = fitted.schema;
    if !out.contains_key("type") && !out.contains_key("$ref") && !out.contains_key("anyOf") {
        out.insert("type".into(), "object".into());
    }
    (out, changed)
}

/// Whether an object schema allows nothing to be said.
pub(super) fn is_empty_object(schema: &Schema) -> bool {
    let schema = snake::camel(schema);
    let no = |key: &str| schema.get(key).and_then(Value::as_object).is_none_or(Map::is_empty);
    no("properties")
        && no("additionalProperties")
        && !["$ref", "anyOf", "oneOf", "allOf"].iter().any(|k| schema.contains_key(*k))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, want: Value, changed: &[&str]) {
        let Value::Object(schema) = schema else { panic!("an object") };
        let (got, list) = clean(&schema);
        assert_eq!((Value::Object(got), list), (want, changed.iter().map(|s| (*s).to_owned()).collect()));
    }

    #[test]
    fn known_keywords_stay_as_they_are() {
        let schema = json!({
            "type": "object", "title": "T", "additionalProperties": false, "required": ["a"],
            "properties": { "a": { "type": ["string", "null"], "enum": ["x", "y"] },
                            "b": { "$ref": "#/$defs/B" }, "c": { "type": "array", "uniqueItems": true, "items": { "type": "integer", "minimum": 1 } },
                            "d": { "type": "string", "minLength": 1, "maxLength": 9, "pattern": "^a" } },
            "$defs": { "B": { "anyOf": [{ "type": "string" }, { "type": "number" }] } }
        });
        check(schema.clone(), schema, &[]);
    }

    #[test]
    fn keywords_of_geminis_sdks_are_known() {
        check(
            json!({ "type": "object", "additional_properties": false, "properties": { "a": { "any_of": [{ "type": "string", "max_length": 3 }] } } }),
            json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "anyOf": [{ "type": "string", "maxLength": 3 }] } } }),
            &[],
        );
    }

    #[test]
    fn unknown_keywords_move_into_the_description() {
        check(
            json!({ "$schema": "x", "type": "number", "multipleOf": 2, "description": "D", "not": {} }),
            json!({ "type": "number", "description": "D (multipleOf: 2; not: {})" }),
            &["multipleOf", "not"],
        );
    }

    #[test]
    fn constants_bounds_and_nulls_are_rewritten() {
        check(
            json!({ "type": "object", "properties": {
                "a": { "const": "k" }, "b": { "type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 9 },
                "c": { "type": "string", "nullable": true }, "d": { "enum": ["x", null] },
                "e": { "type": "number", "exclusiveMinimum": 0.5 }, "f": true } }),
            json!({ "type": "object", "properties": {
                "a": { "enum": ["k"] }, "b": { "type": "integer", "minimum": 1, "maximum": 8 },
                "c": { "type": ["string", "null"] }, "d": { "type": ["string", "null"], "enum": ["x"] },
                "e": { "type": "number", "description": "(exclusiveMinimum: 0.5)" }, "f": {} } }),
            &["const", "exclusiveMinimum", "exclusiveMaximum", "nullable", "enum"],
        );
    }

    #[test]
    fn combinations_become_any_of_or_are_merged() {
        check(
            json!({ "type": "object", "properties": {
                "a": { "oneOf": [{ "type": "string" }] },
                "b": { "allOf": [{ "$ref": "#/definitions/B" }], "description": "x" },
                "c": { "allOf": [{ "$ref": "#/definitions/B" }, { "properties": { "z": { "type": "string" } }, "required": ["z"] }] } },
                "definitions": { "B": { "type": "object", "properties": { "y": { "type": "string" } }, "required": ["y"] } } }),
            json!({ "type": "object", "properties": {
                "a": { "anyOf": [{ "type": "string" }] },
                "b": { "$ref": "#/$defs/B" },
                "c": { "type": "object", "properties": { "y": { "type": "string" }, "z": { "type": "string" } }, "required": ["y", "z"] } },
                "$defs": { "B": { "type": "object", "properties": { "y": { "type": "string" } }, "required": ["y"] } } }),
            &["oneOf", "allOf", "description"],
        );
    }
}
