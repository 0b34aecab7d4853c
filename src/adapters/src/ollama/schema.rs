//! Parameter schemas in the few keywords that the server reads; it forgets all others without a word.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Keywords the server reads.
const READ: &[&str] = &["type", "items", "required", "properties", "description", "enum", "anyOf", "$defs"];
/// Keywords that say nothing about which arguments are right.
const HARMLESS: &[&str] = &[
    "title",
    "$schema",
    "$id",
    "$comment",
    "examples",
    "default",
    "deprecated",
    "readOnly",
    "writeOnly",
    "definitions",
];
/// Deepest nesting that is rewritten.
const MAX_DEPTH: usize = 32;
/// Most schemas that are rewritten in one tool: references may multiply.
const MAX_NODES: usize = 5_000;

/// What became of the schemas of one request.
#[derive(Debug, Default)]
pub(super) struct Report {
    /// Keywords that are lost on the server.
    pub(super) lost: BTreeSet<String>,
    /// Whether something was said in other keywords.
    pub(super) rewritten: bool,
}

/// The schema of a function's arguments as the server can read it: references to the schema's own
/// definitions are written out, `oneOf` becomes `anyOf`, `const` a list of one, a lone `allOf` is merged.
pub(super) fn parameters(schema: Option<Map<String, Value>>, report: &mut Report) -> Map<String, Value> {
    let root = schema.unwrap_or_default();
    let mut walk = Walk { root: &root, report, path: Vec::new(), nodes: 0, kept_ref: false };
    let mut out = walk.object(&root, 0);
    if !walk.kept_ref {
        out.remove("$defs");
        out.remove("definitions");
    }
    if !out.get("type").is_some_and(Value::is_string) {
        out.insert("type".into(), "object".into());
    }
    if !out.get("properties").is_some_and(Value::is_object) {
        out.insert("properties".into(), json!({}));
    }
    out
}

struct Walk<'r> {
    root: &'r Map<String, Value>,
    report: &'r mut Report,
    /// References being written out; one inside itself cannot be.
    path: Vec<&'r str>,
    nodes: usize,
    /// A reference was left, so the definitions stay.
    kept_ref: bool,
}

impl<'r> Walk<'r> {
    fn schema(&mut self, schema: &'r Value, depth: usize) -> Value {
        match schema {
            Value::Object(map) => Value::Object(self.object(map, depth)),
            // `true` allows everything, and so does an empty schema; `false` is not to be said.
            Value::Bool(true) => json!({}),
            _ => {
                self.report.lost.insert("false".into());
                json!({})
            }
        }
    }

    fn object(&mut self, map: &'r Map<String, Value>, depth: usize) -> Map<String, Value> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            self.kept_ref = true;
            self.report.lost.insert("$ref".into());
            return map.clone();
        }
        let mut out = Map::new();
        // What comes from elsewhere is added to what is said here.
        let mut more: Vec<(&str, Map<String, Value>)> = Vec::new();
        for (key, value) in map {
            match (key.as_str(), value) {
                ("$ref", Value::String(target)) => match self.reference(target, depth) {
                    Some(found) => more.push(("$ref", found)),
                    None => {
                        self.kept_ref = true;
                        self.report.lost.insert("$ref".into());
                        out.insert(key.clone(), value.clone());
                    }
                },
                ("properties", Value::Object(list)) => {
                    let list = list.iter().map(|(k, v)| (k.clone(), self.schema(v, depth + 1))).collect();
                    out.insert(key.clone(), Value::Object(list));
                }
                ("items", Value::Object(_) | Value::Bool(_)) => {
                    out.insert(key.clone(), self.schema(value, depth + 1));
                }
                ("oneOf", Value::Array(list)) if !map.contains_key("anyOf") => {
                    self.report.rewritten = true;
                    out.insert("anyOf".into(), self.list(list, depth));
                }
                ("anyOf", Value::Array(list)) => {
                    out.insert(key.clone(), self.list(list, depth));
                }
                ("allOf", Value::Array(list)) if list.len() == 1 => {
                    if let Some(Value::Object(only)) = list.first() {
                        self.report.rewritten = true;
                        more.push(("allOf", self.object(only, depth + 1)));
                    }
                }
                ("const", only) if !map.contains_key("enum") => {
                    self.report.rewritten = true;
                    out.insert("enum".into(), json!([only]));
                }
                (word, _) => {
                    if !READ.contains(&word) && !HARMLESS.contains(&word) {
                        self.report.lost.insert(word.to_owned());
                    }
                    out.insert(key.clone(), value.clone());
                }
            }
        }
        for (word, more) in more {
            if !merge(&mut out, more) {
                self.report.lost.insert(word.to_owned());
            }
        }
        out
    }

    fn list(&mut self, list: &'r [Value], depth: usize) -> Value {
        list.iter().map(|schema| self.schema(schema, depth + 1)).collect()
    }

    /// The definition that is meant, unless it is not there or stands inside itself.
    fn reference(&mut self, target: &'r str, depth: usize) -> Option<Map<String, Value>> {
        let (place, name) = target
            .strip_prefix("#/$defs/")
            .map(|name| ("$defs", name))
            .or_else(|| target.strip_prefix("#/definitions/").map(|name| ("definitions", name)))?;
        let found = self.root.get(place)?.get(name)?.as_object()?;
        if self.path.contains(&target) {
            return None;
        }
        self.report.rewritten = true;
        self.path.push(target);
        let found = self.object(found, depth + 1);
        self.path.pop();
        Some(found)
    }
}

/// Adds what is not said yet: properties and required names are joined, and words beside a reference are
/// nearer to the matter. False if two demands could not be joined.
fn merge(out: &mut Map<String, Value>, more: Map<String, Value>) -> bool {
    let mut whole = true;
    for (key, value) in more {
        match (out.get_mut(&key), value) {
            (None, value) => {
                out.insert(key, value);
            }
            (Some(Value::Object(here)), Value::Object(more)) if key == "properties" => {
                for (name, schema) in more {
                    whole &= here.get(&name).is_none_or(|own| *own == schema);
                    here.entry(name).or_insert(schema);
                }
            }
            (Some(Value::Array(here)), Value::Array(more)) if key == "required" => {
                for name in more {
                    if !here.contains(&name) {
                        here.push(name);
                    }
                }
            }
            (Some(here), value) => {
                whole &= *here == value || key == "description" || HARMLESS.contains(&key.as_str());
            }
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(schema: Value, want: Value, lost: &[&str]) {
        let mut report = Report::default();
        let got = parameters(schema.as_object().cloned(), &mut report);
        assert_eq!(Value::Object(got), want);
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
        let mut defs = Map::new();
        for n in 0..30 {
            let next = json!({"$ref": format!("#/$defs/D{}", n + 1)});
            defs.insert(format!("D{n}"), json!({"properties": {"a": next.clone(), "b": next}}));
        }
        let schema = json!({"properties": {"x": {"$ref": "#/$defs/D0"}}, "$defs": defs});
        let out = parameters(schema.as_object().cloned(), &mut Report::default());
        assert!(Value::Object(out).to_string().len() < 1_000_000);
    }
}
