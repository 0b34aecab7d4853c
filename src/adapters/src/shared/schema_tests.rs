use pretty_assertions::assert_eq;

use super::*;

const RULES: SchemaRules = SchemaRules {
    kept: &["type", "description", "enum", "minimum"],
    kept_if: |key, value| key == "format" && value == "date",
    inlines_refs: false,
    merges_all_of: true,
    scalar_enums: false,
    closes_objects: false,
    rest: Rest::Described { open: " [", between: ", ", close: "]" },
};

#[track_caller]
fn check(rules: &SchemaRules, schema: Value, want: Value, changed: &[(&str, Change)]) {
    let got = fit(schema.as_object().unwrap(), rules);
    assert_eq!(Value::Object(got.schema), want);
    assert_eq!(got.changed.iter().map(|(word, fate)| (word.as_str(), *fate)).collect::<Vec<_>>(), changed);
}

#[test]
fn the_rest_goes_where_the_rules_say() {
    let schema = json!({"type": "string", "format": "time", "$comment": "c", "description": "d"});
    let told = json!({"type": "string", "description": "d [format: \"time\"]"});
    check(&RULES, schema.clone(), told, &[("format", Change::Described)]);
    let left = SchemaRules { rest: Rest::Left, ..RULES };
    check(&left, schema.clone(), schema, &[("format", Change::Lost)]);
    check(&RULES, json!({"format": "date"}), json!({"format": "date"}), &[]);
}

#[test]
fn a_nullable_type_and_an_exclusive_bound_are_said_in_kept_words() {
    check(
        &RULES,
        json!({"type": "integer", "exclusiveMinimum": 2, "exclusiveMaximum": 9, "nullable": true}),
        json!({"type": ["integer", "null"], "minimum": 3, "description": "[exclusiveMaximum: 9]"}),
        &[
            ("exclusiveMinimum", Change::Rewritten),
            ("exclusiveMaximum", Change::Described),
            ("nullable", Change::Rewritten),
        ],
    );
}

#[test]
fn what_cannot_be_said_is_reported() {
    check(
        &RULES,
        json!({"properties": {"a": false, "b": {"$ref": "#/definitions/B", "description": "d"}}}),
        json!({"properties": {"a": {}, "b": {"$ref": "#/$defs/B"}}}),
        &[("false", Change::Lost), ("description", Change::Lost)],
    );
}

#[test]
fn demands_that_cannot_be_joined_are_reported() {
    check(
        &RULES,
        json!({"type": "string", "allOf": [{"minimum": 1}, {"type": "number"}]}),
        json!({"type": "string", "minimum": 1}),
        &[("allOf", Change::Rewritten), ("allOf", Change::Lost)],
    );
}
