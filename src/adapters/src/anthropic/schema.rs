//! JSON Schema as the provider's constrained decoding takes it.
//!
//! Keywords outside its subset are moved into `description`, where the model at least reads them.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// Formats of strings that are enforced.
const FORMATS: &[&str] =
    &["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];
/// Keywords that stay as they are.
const KEPT: &[&str] = &["type", "enum", "const", "title", "description", "required"];
/// Keywords without meaning for the answer.
const IGNORED: &[&str] = &["$schema", "$id", "$comment", "readOnly", "writeOnly", "deprecated"];
/// Deeper schemas are not looked into.
const MAX_DEPTH: usize = 64;

/// A schema in the provider's subset.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fitted {
    pub(super) schema: Map<String, Value>,
    /// Keywords that went into descriptions, each once.
    pub(super) moved: Vec<String>,
    /// Properties that may be left out.
    pub(super) optional: usize,
    /// Schemas of more than one type.
    pub(super) unions: usize,
}

/// Rewrites a schema. `None` if it refers to itself, which the provider cannot enforce.
pub(super) fn fit(schema: &Map<String, Value>) -> Option<Fitted> {
    let mut out = Fitted::default();
    if recursive(schema) {
        return None;
    }
    let fitted = out.object(schema, 0)?;
    out.schema = fitted;
    Some(out)
}

impl Fitted {
    fn value(&mut self, schema: &Value, depth: usize) -> Option<Value> {
        match schema {
            Value::Object(map) => self.object(map, depth).map(Value::Object),
            // `true` allows anything; `false` nothing, which cannot be said.
            _ => Some(Value::Object(Map::new())),
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Option<Map<String, Value>> {
        if depth > MAX_DEPTH {
            return None;
        }
        let mut out = Map::new();
        if let Some(Value::String(target)) = schema.get("$ref") {
            out.insert("$ref".into(), Value::String(renamed(target)));
            self.definitions(schema, &mut out, depth)?;
            return Some(out);
        }
        let mut moved = Vec::new();
        for (key, value) in schema {
            match (key.as_str(), value) {
                ("type", Value::Array(_)) => {
                    self.unions += 1;
                    out.insert(key.clone(), value.clone());
                }
                (kept, _) if KEPT.contains(&kept) => {
                    out.insert(key.clone(), value.clone());
                }
                ("properties", Value::Object(properties)) => {
                    out.insert(key.clone(), Value::Object(self.each(properties, depth)?));
                }
                ("items", items) => {
                    out.insert(key.clone(), self.value(items, depth + 1)?);
                }
                ("anyOf" | "oneOf", Value::Array(list)) => {
                    self.unions += 1;
                    let list: Option<Vec<_>> = list.iter().map(|s| self.value(s, depth + 1)).collect();
                    out.insert("anyOf".into(), Value::Array(list?));
                }
                ("allOf", Value::Array(list)) => {
                    let list: Option<Vec<_>> = list.iter().map(|s| self.value(s, depth + 1)).collect();
                    out.insert(key.clone(), Value::Array(list?));
                }
                ("format", Value::String(format)) if FORMATS.contains(&format.as_str()) => {
                    out.insert(key.clone(), value.clone());
                }
                ("minItems", Value::Number(n)) if n.as_u64().is_some_and(|n| n < 2) => {
                    out.insert(key.clone(), value.clone());
                }
                ("$defs" | "definitions" | "additionalProperties", _) => {}
                (ignored, _) if IGNORED.contains(&ignored) => {}
                _ => moved.push((key.as_str(), value)),
            }
        }
        self.definitions(schema, &mut out, depth)?;
        if is_object(&out) {
            self.close(schema, &mut out, &mut moved);
        }
        self.describe(&mut out, &moved);
        Some(out)
    }

    /// Every object must say that it has no further members.
    fn close<'a>(
        &mut self,
        schema: &'a Map<String, Value>,
        out: &mut Map<String, Value>,
        moved: &mut Vec<(&'a str, &'a Value)>,
    ) {
        if let Some((key, extra)) = schema.get_key_value("additionalProperties")
            && *extra != Value::Bool(false)
        {
            moved.push((key, extra));
        }
        out.insert("additionalProperties".into(), Value::Bool(false));
        let properties = out
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()))
            .as_object()
            .map_or(0, Map::len);
        let required = out.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        self.optional += properties.saturating_sub(required);
    }

    fn definitions(
        &mut self,
        schema: &Map<String, Value>,
        out: &mut Map<String, Value>,
        depth: usize,
    ) -> Option<()> {
        let mut all = Map::new();
        for key in ["definitions", "$defs"] {
            if let Some(Value::Object(list)) = schema.get(key) {
                all.append(&mut self.each(list, depth)?);
            }
        }
        if !all.is_empty() {
            out.insert("$defs".into(), Value::Object(all));
        }
        Some(())
    }

    fn each(&mut self, schemas: &Map<String, Value>, depth: usize) -> Option<Map<String, Value>> {
        schemas.iter().map(|(name, schema)| Some((name.clone(), self.value(schema, depth + 1)?))).collect()
    }

    fn describe(&mut self, out: &mut Map<String, Value>, moved: &[(&str, &Value)]) {
        if moved.is_empty() {
            return;
        }
        let words: Vec<String> = moved.iter().map(|(key, value)| format!("{key}: {value}")).collect();
        let before = out.get("description").and_then(Value::as_str).unwrap_or_default();
        let gap = if before.is_empty() { "" } else { "\n\n" };
        let text = format!("{before}{gap}{{{}}}", words.join(", "));
        out.insert("description".into(), Value::String(text));
        for (key, _) in moved {
            if !self.moved.iter().any(|known| known == key) {
                self.moved.push((*key).to_owned());
            }
        }
    }
}

fn is_object(schema: &Map<String, Value>) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    }
}

fn renamed(target: &str) -> String {
    match target.strip_prefix("#/definitions/") {
        Some(name) => format!("#/$defs/{name}"),
        None => target.to_owned(),
    }
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
    if depth > 2 * MAX_DEPTH {
        return;
    }
    for schema in schemas {
        match schema {
            Value::Object(map) => {
                if let Some(Value::String(target)) = map.get("$ref") {
                    out.push(renamed(target));
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

    fn fitted(schema: Value) -> Option<Fitted> {
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
            json!({"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}),
            json!({
                "type": "object",
                "properties": {"a": {"type": "object", "additionalProperties": false, "properties": {}}},
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
            &["minimum", "minItems"],
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
    fn open_objects_are_closed_and_say_so() {
        check(
            json!({"type": "object", "additionalProperties": {"type": "string"}}),
            json!({
                "type": "object",
                "additionalProperties": false,
                "properties": {},
                "description": "{additionalProperties: {\"type\":\"string\"}}"
            }),
            &["additionalProperties"],
        );
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
