use pretty_assertions::assert_eq;
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn made(schema: &Value, text: &str) -> Option<Value> {
    sample(schema, &Topic::of(text))
}

/// The sampler's value, after an independent validator has accepted it.
#[track_caller]
fn check(schema: Value, text: &str, want: Value) {
    let got = made(&schema, text).unwrap();
    assert_valid(&schema, &got);
    assert_eq!(got, want);
}

#[track_caller]
fn assert_valid(schema: &Value, value: &Value) {
    let validator = jsonschema::options().should_validate_formats(true).build(schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{value} against {schema}: {errors:?}");
}

#[test]
fn arguments_come_from_the_text() {
    check(
        json!({
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
                "verbose": {"type": "boolean"}
            },
            "required": ["location", "unit", "days"],
            "additionalProperties": false
        }),
        "What's the weather in San Francisco for 3 days, in Fahrenheit?",
        json!({"location": "San Francisco", "unit": "fahrenheit", "days": 3}),
    );
}

#[test]
fn numbers_are_taken_in_order() {
    let number = json!({"type": "number"});
    check(
        json!({"type": "object", "properties": {"a": number, "b": number}, "required": ["a", "b"]}),
        "Add 2 and 3.5",
        json!({"a": 2, "b": 3.5}),
    );
}

#[test]
fn lists_of_names_fill_arrays() {
    let names = json!({"type": "array", "items": {"type": "string"}});
    check(
        json!({"type": "object", "properties": {"participants": names}, "required": ["participants"]}),
        "Alice and Bob are going to a fair.",
        json!({"participants": ["Alice", "Bob"]}),
    );
}

#[test]
fn references_lead_through_recursive_schemas() {
    check(
        json!({
            "$ref": "#/$defs/node",
            "$defs": {"node": {
                "type": "object",
                "properties": {
                    "value": {"type": "string"},
                    "next": {"anyOf": [{"type": "null"}, {"$ref": "#/$defs/node"}]}
                },
                "required": ["value", "next"],
                "additionalProperties": false
            }}
        }),
        "Oslo",
        json!({"value": "Oslo", "next": null}),
    );
}

#[test]
fn endless_recursion_ends_at_the_simplest_branch() {
    let schema = json!({
        "type": "object",
        "properties": {"child": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}},
        "required": ["child"]
    });
    let value = made(&schema, "").unwrap();
    assert_valid(&schema, &value);
}

#[test]
fn unique_items_differ() {
    check(
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": true}),
        "take b",
        json!(["b", "c", "a"]),
    );
    check(
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": true}),
        "",
        json!([1, 2, 3]),
    );
}

#[test]
fn branches_keep_what_stands_beside_them() {
    check(
        json!({
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
            "anyOf": [{"required": ["a"]}, {"required": ["b"]}]
        }),
        "",
        json!({"a": 1}),
    );
}

#[test]
fn impossible_schemas_have_no_value() {
    for schema in [
        json!({"not": {}, "allOf": [false]}),
        json!({"anyOf": [{"$ref": "#"}]}),
        json!({"type": "object", "required": ["a"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
        json!({"type": "array", "minItems": 1e9}),
        json!({"type": "string", "minLength": 1e12}),
        json!({"type": "planet"}),
        json!({"anyOf": [{"$ref": "#"}, {"$ref": "#"}], "oneOf": [{"$ref": "#"}, {"$ref": "#"}]}),
    ] {
        assert_eq!(made(&schema, "Hello"), None, "{schema}");
    }
}

#[test]
fn large_schemas_are_given_up_in_time() {
    let big = "x".repeat(1_000_000);
    let tree = json!({"type": "array", "items": {"$ref": "#"}, "minItems": 3});
    for mut schema in [
        json!({"type": "array", "items": {"const": big}, "minItems": 4000}),
        json!({"type": "array", "items": {"enum": [big]}, "minItems": 4000}),
        json!({"type": "array", "items": {"type": "string", "minLength": 100_000}, "minItems": 4000}),
        json!({"anyOf": [tree, tree, {"const": big}]}),
        json!({"allOf": [tree], "title": big, "oneOf": [tree, tree]}),
    ] {
        assert_eq!(made(&schema, "Hello"), None);
        schema["$defs"] = json!({"more": vec![json!({"a": 1}); 10_000]});
        assert_eq!(made(&schema, &big), None);
    }
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"$ref": "#/$defs/tree"})),
        Just(json!({"type": ["string", "null"]})),
        (0u64..6, 0u64..6).prop_map(|(a, b)| json!({"type": "string", "minLength": a, "maxLength": a + b})),
        (-9i64..9, 0i64..9).prop_map(|(a, b)| json!({"type": "integer", "minimum": a, "maximum": a + b})),
        (-9i64..9, 1i64..9)
            .prop_map(|(a, b)| json!({"type": "number", "exclusiveMinimum": a, "exclusiveMaximum": a + b})),
        (1i64..7).prop_map(|m| json!({"type": "integer", "multipleOf": m, "minimum": 10})),
        proptest::sample::select(vec![
            "date",
            "date-time",
            "time",
            "email",
            "uuid",
            "uri",
            "ipv4",
            "duration"
        ])
        .prop_map(|f| json!({"type": "string", "format": f})),
        proptest::collection::vec("[a-z]{1,4}", 1..4).prop_map(|v| json!({"enum": v})),
        any::<i32>().prop_map(|n| json!({"const": n})),
    ]
}

fn schema() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        let list = || proptest::collection::vec(inner.clone(), 1..4);
        let fields = proptest::collection::btree_map("[a-z]{1,5}", (inner.clone(), any::<bool>()), 0..4);
        prop_oneof![
            (inner.clone(), 0u64..3).prop_map(|(s, n)| json!({"type": "array", "items": s, "minItems": n})),
            list().prop_map(|v| json!({"type": "array", "prefixItems": v})),
            list().prop_map(|v| json!({"anyOf": v})),
            inner.clone().prop_map(|s| json!({"allOf": [s]})),
            (fields, any::<bool>()).prop_map(|(fields, open)| {
                let required: Vec<_> =
                    fields.iter().filter(|(_, (_, r))| *r).map(|(k, _)| k.clone()).collect();
                let properties: Map<_, _> = fields.into_iter().map(|(k, (s, _))| (k, s)).collect();
                json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": open
                })
            }),
        ]
    })
}

proptest! {
    #[test]
    fn values_satisfy_random_schemas(inner in schema(), text in "[A-Za-z0-9 ,.]{0,40}") {
        let schema = json!({
            "type": "object",
            "properties": {"inner": inner},
            "required": ["inner"],
            "$defs": {"tree": {
                "type": "object",
                "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}},
                "required": ["kids"]
            }}
        });
        let value = made(&schema, &text).unwrap();
        assert_valid(&schema, &value);
        prop_assert_eq!(made(&schema, &text), Some(value));
    }

    #[test]
    fn any_json_as_a_schema_is_harmless(text in r#"[{}\[\]:,"a-z0-9$#/]{0,40}"#) {
        if let Ok(schema) = serde_json::from_str(&format!("{{{text}}}")) {
            sample(&schema, &Topic::of(&text));
        }
    }
}
