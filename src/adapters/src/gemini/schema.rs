//! Makes a JSON Schema fit the keywords Gemini knows in `parametersJsonSchema` and `responseJsonSchema`.
//!
//! A keyword outside the list can fail the whole request, so its meaning moves into the description.

use serde_json::{Map, Value, json};

type Schema = Map<String, Value>;

/// Keywords whose value is kept as it is.
const PLAIN: &[&str] = &[
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
    "minimum",
    "maximum",
    "required",
    "propertyOrdering",
];
/// Keywords without a meaning for the answer: they go without a trace in the description.
const IDLE: &[&str] = &["$schema", "$comment", "$vocabulary", "readOnly", "writeOnly", "deprecated"];
/// How often references are followed while `allOf` is merged.
const MAX_MERGES: usize = 64;

/// The cleaned schema, and the keywords that were replaced, in order of appearance.
pub(super) fn clean(schema: &Schema) -> (Schema, Vec<String>) {
    let mut cleaner = Cleaner { root: schema, changed: Vec::new(), merges: 0 };
    let mut out = cleaner.object(schema);
    if !out.contains_key("type") && !out.contains_key("$ref") && !out.contains_key("anyOf") {
        out.insert("type".into(), "object".into());
    }
    (out, cleaner.changed)
}

/// Whether an object schema allows nothing to be said.
pub(super) fn is_empty_object(schema: &Schema) -> bool {
    let no = |key: &str| schema.get(key).and_then(Value::as_object).is_none_or(Map::is_empty);
    no("properties")
        && no("additionalProperties")
        && !["$ref", "anyOf", "oneOf", "allOf"].iter().any(|k| schema.contains_key(*k))
}

struct Cleaner<'a> {
    root: &'a Schema,
    changed: Vec<String>,
    merges: usize,
}

impl Cleaner<'_> {
    fn changed(&mut self, keyword: &str) {
        if !self.changed.iter().any(|k| k == keyword) {
            self.changed.push(keyword.to_owned());
        }
    }

    fn value(&mut self, value: &Value) -> Value {
        match value {
            Value::Object(schema) => Value::Object(self.object(schema)),
            // `true` allows everything. `false` has no equal; what it forbids is left open.
            _ => Value::Object(Map::new()),
        }
    }

    fn map(&mut self, value: &Value) -> Value {
        let Value::Object(map) = value else { return json!({}) };
        Value::Object(map.iter().map(|(key, schema)| (key.clone(), self.value(schema))).collect())
    }

    fn list(&mut self, value: &Value) -> Value {
        let Value::Array(list) = value else { return json!([]) };
        Value::Array(list.iter().map(|schema| self.value(schema)).collect())
    }

    fn object(&mut self, schema: &Schema) -> Schema {
        let merged;
        let schema = if schema.contains_key("allOf") {
            self.changed("allOf");
            merged = self.merge_all(schema);
            &merged
        } else {
            schema
        };
        if let Some(Value::String(target)) = schema.get("$ref") {
            return self.reference(schema, target);
        }
        let mut out = Map::new();
        let mut told: Vec<String> = Vec::new();
        for (key, value) in schema {
            match key.as_str() {
                "enum" => self.options(schema, value, &mut out, &mut told),
                key if PLAIN.contains(&key) => {
                    out.insert(key.to_owned(), value.clone());
                }
                "properties" => {
                    out.insert(key.clone(), self.map(value));
                }
                "$defs" | "definitions" => {
                    out.insert("$defs".into(), self.map(value));
                }
                "items" if value.is_array() => {
                    self.changed(key);
                    out.insert("prefixItems".into(), self.list(value));
                }
                "items" => {
                    out.insert(key.clone(), self.value(value));
                }
                "prefixItems" | "anyOf" => {
                    out.insert(key.clone(), self.list(value));
                }
                "oneOf" => {
                    self.changed(key);
                    out.insert("anyOf".into(), self.list(value));
                }
                "additionalProperties" => {
                    let value = if value.is_boolean() { value.clone() } else { self.value(value) };
                    out.insert(key.clone(), value);
                }
                "const" => {
                    self.changed(key);
                    match value {
                        Value::String(_) | Value::Number(_) => {
                            out.insert("enum".into(), json!([value]));
                        }
                        _ => told.push(format!("always {value}")),
                    }
                }
                "nullable" => {
                    self.changed(key);
                    if let (true, Some(Value::String(kind))) = (value == &json!(true), schema.get("type")) {
                        out.insert("type".into(), json!([kind, "null"]));
                    }
                }
                "exclusiveMinimum" | "exclusiveMaximum" => {
                    self.changed(key);
                    let (bound, step) =
                        if key == "exclusiveMinimum" { ("minimum", 1) } else { ("maximum", -1) };
                    let whole = schema.get("type") == Some(&json!("integer"));
                    match value.as_i64().and_then(|n| n.checked_add(step)) {
                        Some(n) if whole => {
                            out.insert(bound.into(), json!(n));
                        }
                        _ => told.push(format!("{key}: {value}")),
                    }
                }
                key if IDLE.contains(&key) => self.changed(key),
                key => {
                    self.changed(key);
                    told.push(format!("{key}: {value}"));
                }
            }
        }
        tell(&mut out, &told);
        out
    }

    /// Strings and numbers stay; null is what the type says.
    fn options(&mut self, schema: &Schema, value: &Value, out: &mut Schema, told: &mut Vec<String>) {
        let all = value.as_array().map(Vec::as_slice).unwrap_or_default();
        let kept: Vec<_> = all.iter().filter(|v| v.is_string() || v.is_number()).cloned().collect();
        let null = json!("null");
        let kind = schema.get("type");
        let words = kept.iter().all(Value::is_string);
        let nullable = kind.map_or(words, |t| t.as_array().is_some_and(|l| l.contains(&null)));
        let lost = all.iter().any(|v| !(v.is_string() || v.is_number() || v.is_null() && nullable));
        if kept.len() == all.len() {
            out.insert("enum".into(), value.clone());
            return;
        }
        self.changed("enum");
        if lost || kept.is_empty() {
            told.push(format!("one of {value}"));
            return;
        }
        if kind.is_none() {
            out.insert("type".into(), json!(["string", "null"]));
        }
        out.insert("enum".into(), Value::Array(kept));
    }

    /// No neighbours but `$…` may stand beside a reference.
    fn reference(&mut self, schema: &Schema, target: &str) -> Schema {
        let mut out = Map::new();
        out.insert("$ref".into(), target.replace("#/definitions/", "#/$defs/").into());
        for (key, value) in schema {
            match key.as_str() {
                "$ref" => {}
                "$defs" | "definitions" => {
                    out.insert("$defs".into(), self.map(value));
                }
                key if key.starts_with('$') && PLAIN.contains(&key) => {
                    out.insert(key.to_owned(), value.clone());
                }
                key => self.changed(key),
            }
        }
        out
    }

    /// The schema with the members of its `allOf` taken in.
    fn merge_all(&mut self, schema: &Schema) -> Schema {
        let mut out = schema.clone();
        let Some(Value::Array(list)) = out.remove("allOf") else { return out };
        let alone = list.len() == 1;
        for member in list {
            let Value::Object(mut member) = member else { continue };
            if member.contains_key("$ref") {
                if alone && !out.contains_key("properties") {
                    merge(&mut out, member);
                    continue;
                }
                member = self.resolve(&member);
            }
            if member.contains_key("allOf") {
                self.merges += 1;
                if self.merges > MAX_MERGES {
                    continue;
                }
                member = self.merge_all(&member);
            }
            merge(&mut out, member);
        }
        out
    }

    /// What a local reference points to; nothing if it points elsewhere, or in circles.
    fn resolve(&mut self, schema: &Schema) -> Schema {
        self.merges += 1;
        if self.merges > MAX_MERGES {
            return Map::new();
        }
        let target = schema.get("$ref").and_then(Value::as_str).unwrap_or_default();
        let name = target.strip_prefix("#/$defs/").or_else(|| target.strip_prefix("#/definitions/"));
        let list = |key: &str| self.root.get(key)?.get(name?)?.as_object();
        list("$defs").or_else(|| list("definitions")).cloned().unwrap_or_default()
    }
}

fn merge(into: &mut Schema, from: Schema) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (None, value) => {
                into.insert(key, value);
            }
            (Some(Value::Object(old)), Value::Object(new)) if key == "properties" || key == "$defs" => {
                for (name, schema) in new {
                    old.entry(name).or_insert(schema);
                }
            }
            (Some(Value::Array(old)), Value::Array(new)) if key == "required" => {
                for name in new {
                    if !old.contains(&name) {
                        old.push(name);
                    }
                }
            }
            // The outer schema's word counts.
            (Some(_), _) => {}
        }
    }
}

fn tell(schema: &mut Schema, told: &[String]) {
    if told.is_empty() {
        return;
    }
    let told = told.join("; ");
    let text = match schema.get("description").and_then(Value::as_str) {
        Some(text) if !text.is_empty() => format!("{text} ({told})"),
        _ => format!("({told})"),
    };
    schema.insert("description".into(), text.into());
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

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
                            "b": { "$ref": "#/$defs/B" }, "c": { "type": "array", "items": { "type": "integer", "minimum": 1 } } },
            "$defs": { "B": { "anyOf": [{ "type": "string" }, { "type": "number" }] } }
        });
        check(schema.clone(), schema, &[]);
    }

    #[test]
    fn unknown_keywords_move_into_the_description() {
        check(
            json!({ "$schema": "x", "type": "string", "minLength": 2, "description": "D", "pattern": "^a" }),
            json!({ "type": "string", "description": "D (minLength: 2; pattern: \"^a\")" }),
            &["$schema", "minLength", "pattern"],
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
