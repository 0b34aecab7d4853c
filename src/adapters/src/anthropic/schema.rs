//! JSON Schema as the provider's constrained decoding takes it.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::shared::schema::{self, Change, Rest, SchemaRules};

const RULES: SchemaRules = SchemaRules {
    kept: &["type", "enum", "const", "title", "description", "required", "allOf"],
    kept_if: |key, value| match key {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "minItems" => value.as_u64().is_some_and(|n| n < 2),
        _ => false,
    },
    inlines_refs: false,
    merges_all_of: false,
    scalar_enums: false,
    closes_objects: true,
    rest: Rest::Described { open: "\n\n{", between: ", ", close: "}" },
};

/// Formats of strings that are enforced.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// Deeper schemas are not looked into.
const MAX_DEPTH: usize = 128;

/// A schema in the provider's subset.
#[derive(Debug, Default, PartialEq)]
pub(super) struct StrictSchema {
    pub(super) schema: Map<String, Value>,
    /// Keywords that went into descriptions, each once.
    pub(super) moved: Vec<String>,
    /// Properties that may be left out.
    pub(super) optional: usize,
    /// Schemas of more than one type.
    pub(super) unions: usize,
}

/// Rewrites a schema. `None` if the provider cannot enforce it: it refers to itself, or has an object whose members
/// are not all named. Closed, such an object would forbid what it is there for.
pub(super) fn fit(schema: &Map<String, Value>) -> Option<StrictSchema> {
    if recursive(schema) {
        return None;
    }
    let fitted = schema::fit(schema, &RULES);
    let moved = fitted.of(Change::Described).map(str::to_owned).collect();
    let (optional, unions) = (fitted.optional, fitted.unions);
    (!fitted.unfinished && !fitted.closed_open).then_some(StrictSchema {
        schema: fitted.schema,
        moved,
        optional,
        unions,
    })
}

/// Whether a definition reaches itself, or anything refers to the whole schema.
fn recursive(schema: &Map<String, Value>) -> bool {
    let mut all = Vec::new();
    references(schema.values(), &mut all, 0);
    if all.iter().any(|target| target == "#") {
        return true;
    }
    let mut edges: HashMap<String, Vec<String>> = HashMap::new();
    for key in ["definitions", "$defs"] {
        let Some(Value::Object(list)) = schema.get(key) else { continue };
        for (name, definition) in list {
            references([definition], edges.entry(format!("#/$defs/{name}")).or_default(), 0);
        }
    }
    // Take away, again and again, what nothing that is left refers to; a circle stays.
    let mut users: HashMap<&str, usize> = HashMap::new();
    for target in edges.values().flatten() {
        *users.entry(target).or_default() += 1;
    }
    let mut free: Vec<&str> =
        edges.keys().map(String::as_str).filter(|name| !users.contains_key(name)).collect();
    let mut taken = 0;
    while let Some(name) = free.pop() {
        taken += 1;
        for target in edges.get(name).into_iter().flatten() {
            let left = users.entry(target).or_default();
            *left = left.saturating_sub(1);
            if *left == 0 && edges.contains_key(target) {
                free.push(target);
            }
        }
    }
    taken < edges.len()
}

fn references<'a>(schemas: impl IntoIterator<Item = &'a Value>, out: &mut Vec<String>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    for schema in schemas {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    out.push(target.replace("#/definitions/", "#/$defs/"));
                }
                references(map.values().collect::<Vec<_>>(), out, depth + 1);
            }
            Value::Array(list) => references(list.iter().collect::<Vec<_>>(), out, depth + 1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn fitted(schema: Value) -> Option<StrictSchema> {
        fit(schema.as_object().unwrap())
    }

    #[track_caller]
    fn check(schema: Value, want: Value, moved: &[&str]) {
        let got = fitted(schema).unwrap();
        assert_eq!(Value::Object(got.schema), want);
        assert_eq!(got.moved, moved);
    }

    #[test]
    fn every_object_is_closed() {
        check(
            json!({"type": "object", "properties": {"a": {"type": "object", "properties": {}}}, "required": ["a"]}),
            json!({
                "type": "object",
                "properties": {"a": {"type": "object", "properties": {}, "additionalProperties": false}},
                "required": ["a"],
                "additionalProperties": false
            }),
            &[],
        );
    }

    #[test]
    fn keywords_outside_the_subset_go_into_the_description() {
        check(
            json!({"type": "array", "minItems": 3, "items": {"type": "integer", "description": "n", "minimum": 1}}),
            json!({
                "type": "array",
                "items": {"type": "integer", "description": "n\n\n{minimum: 1}"},
                "description": "{minItems: 3}"
            }),
            &["minItems", "minimum"],
        );
    }

    #[test]
    fn known_formats_and_small_minima_stay() {
        let schema = json!({"type": "array", "minItems": 1, "items": {"type": "string", "format": "uuid"}});
        check(schema.clone(), schema, &[]);
    }

    #[test]
    fn one_of_becomes_any_of_and_old_definitions_are_renamed() {
        check(
            json!({"oneOf": [{"$ref": "#/definitions/A"}, {"type": "null"}], "definitions": {"A": {"type": "string"}}}),
            json!({"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "$defs": {"A": {"type": "string"}}}),
            &[],
        );
    }

    #[test]
    fn an_open_object_does_not_fit() {
        let open = [
            json!({"type": "object"}),
            json!({"type": ["object", "null"]}),
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({"type": "object", "properties": {"a": {}}, "additionalProperties": {}}),
            json!({"type": "object", "properties": {}, "patternProperties": {"^x": {}}}),
            json!({"type": "object", "allOf": [{"type": "object", "properties": {"a": {}}}]}),
        ];
        for schema in open {
            assert_eq!(fitted(schema.clone()), None, "{schema}");
            let inner = json!({"type": "object", "properties": {"list": {"type": "array", "items": schema}}});
            assert_eq!(fitted(inner.clone()), None, "{inner}");
        }
        assert!(fitted(json!({"type": "object", "additionalProperties": false})).is_some());
    }

    #[test]
    fn a_schema_that_refers_to_itself_does_not_fit() {
        let node = json!({"type": "object", "properties": {"next": {"$ref": "#/$defs/N"}}});
        assert_eq!(fitted(json!({"$ref": "#/$defs/N", "$defs": {"N": node}})), None);
        assert_eq!(fitted(json!({"type": "object", "properties": {"me": {"$ref": "#"}}})), None);
        let chain = json!({"$ref": "#/$defs/A", "$defs": {
            "A": {"anyOf": [{"$ref": "#/$defs/B"}, {"$ref": "#/$defs/B"}]}, "B": {"type": "string"}}});
        assert!(fitted(chain).is_some());
    }

    #[test]
    fn optional_members_and_unions_are_counted() {
        let got =
            fitted(json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}, "b": {}}}));
        assert_eq!(got.map(|f| (f.optional, f.unions)), Some((2, 1)));
    }
}
