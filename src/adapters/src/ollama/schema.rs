//! Parameter schemas in the few keywords that the server reads; it forgets all others without a word.

use std::collections::BTreeSet;

use or_protocol::RawJson;
use serde_json::{Value, json};

use crate::shared::schema::{self, Change, Rest, SchemaRules};

const RULES: SchemaRules = SchemaRules {
    // The last three say nothing about which arguments are right.
    kept: &["type", "required", "description", "enum", "title", "examples", "default"],
    kept_if: |_, _| false,
    inlines_refs: true,
    merges_all_of: true,
    scalar_enums: false,
    closes_objects: false,
    rest: Rest::Left,
};

/// What became of the schemas of one request.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Keywords that are lost on the server.
    pub(super) lost: BTreeSet<String>,
    /// Whether something was said in other keywords.
    pub(super) rewritten: bool,
}

/// The schema of a function's arguments as the server can read it.
pub(super) fn parameters(schema: Option<RawJson>, report: &mut Report) -> RawJson {
    let root = schema.as_ref().map(RawJson::object).unwrap_or_default();
    let fitted = schema::fit(&root, &RULES);
    report.lost.extend(fitted.of(Change::Lost).map(str::to_owned));
    report.rewritten |= fitted.of(Change::Rewritten).next().is_some();
    let mut out = fitted.schema;
    if fitted.kept_ref || fitted.unfinished {
        let definitions = root.iter().filter(|(key, _)| ["$defs", "definitions"].contains(&key.as_str()));
        out.extend(definitions.map(|(key, value)| (key.clone(), value.clone())));
    }
    if !out.get("type").is_some_and(Value::is_string) {
        out.insert("type".into(), "object".into());
    }
    if !out.get("properties").is_some_and(Value::is_object) {
        out.insert("properties".into(), json!({}));
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(schema: Value, want: Value, lost: &[&str]) {
        let mut report = Report::default();
        let got = parameters(Some(schema.into()), &mut report);
        assert_eq!(got.value(), want);
        assert_eq!(report.lost.iter().map(String::as_str).collect::<Vec<_>>(), lost);
    }

    #[test]
    fn a_schema_the_server_reads_is_left_alone() {
        let schema = json!({
            "type": "object", "required": ["a"],
            "properties": {"a": {"type": ["string", "null"], "enum": ["x"], "description": "d"}}
        });
        check(schema.clone(), schema, &[]);
    }

    #[test]
    fn a_missing_schema_takes_no_arguments() {
        check(Value::Null, json!({"type": "object", "properties": {}}), &[]);
    }

    #[test]
    fn references_are_written_out() {
        check(
            json!({
                "type": "object",
                "properties": {"p": {"description": "near", "$ref": "#/$defs/P"}, "l": {"items": {"$ref": "#/$defs/P"}}},
                "$defs": {"P": {"type": "object", "description": "far", "properties": {"n": {"const": 1}}}}
            }),
            json!({
                "type": "object",
                "properties": {
                    "p": {"description": "near", "type": "object", "properties": {"n": {"enum": [1]}}},
                    "l": {"items": {"type": "object", "description": "far", "properties": {"n": {"enum": [1]}}}}
                }
            }),
            &[],
        );
    }

    #[test]
    fn a_reference_inside_itself_is_reported() {
        let defs = json!({"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}});
        check(
            json!({"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}, "$defs": defs.clone()}),
            json!({
                "type": "object",
                "properties": {"t": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}},
                "$defs": defs
            }),
            &["$ref"],
        );
    }

    #[test]
    fn alternatives_are_said_in_the_servers_words() {
        check(
            json!({"properties": {"a": {"oneOf": [{"type": "string"}, true]}, "b": {"allOf": [{"type": "number"}]}, "c": true}}),
            json!({
                "properties": {"a": {"anyOf": [{"type": "string"}, {}]}, "b": {"type": "number"}, "c": {}},
                "type": "object"
            }),
            &[],
        );
    }

    #[test]
    fn what_stands_beside_a_reference_is_joined_with_it() {
        let defs =
            json!({"P": {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}});
        let beside = |own: Value| json!({"properties": {"p": own}, "$defs": defs.clone()});
        let joined = json!({
            "required": ["b", "a"], "properties": {"b": {}, "a": {"type": "string"}}, "type": "object"
        });
        check(
            beside(json!({"$ref": "#/$defs/P", "required": ["b"], "properties": {"b": {}}})),
            json!({"properties": {"p": joined}, "type": "object"}),
            &[],
        );
        let own = json!({"type": "string", "required": ["a"], "properties": {"a": {"type": "string"}}});
        check(
            beside(json!({"type": "string", "$ref": "#/$defs/P"})),
            json!({"properties": {"p": own}, "type": "object"}),
            &["$ref"],
        );
    }

    #[test]
    fn lost_keywords_are_reported() {
        check(
            json!({"type": "object", "additionalProperties": false, "title": "T", "properties": {"n": {"type": "integer", "minimum": 1}}}),
            json!({"type": "object", "additionalProperties": false, "title": "T", "properties": {"n": {"type": "integer", "minimum": 1}}}),
            &["additionalProperties", "minimum"],
        );
    }

    #[test]
    fn references_that_multiply_come_to_an_end() {
        let mut defs = serde_json::Map::new();
        for n in 0..30 {
            let next = json!({"$ref": format!("#/$defs/D{}", n + 1)});
            defs.insert(format!("D{n}"), json!({"properties": {"a": next.clone(), "b": next}}));
        }
        let schema = json!({"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": defs});
        let out = parameters(Some(schema.into()), &mut Report::default());
        assert!(out.as_str().len() < 1_000_000);
    }
}
