//! JSON Schemas in the keywords that a provider reads: one walk, and a table of rules for each provider.

mod flatten;

use std::collections::HashSet;

use serde_json::{Map, Value, json};

type Schema = Map<String, Value>;

/// What a provider reads of a JSON Schema. All read `properties`, `items` and `anyOf`; `oneOf` becomes
/// `anyOf`, `nullable` a type, `definitions` become `$defs`.
#[derive(Debug)]
pub(crate) struct SchemaRules {
    /// Further keywords that stay.
    pub(crate) kept: &'static [&'static str],
    /// Keywords that stay for some of their values.
    pub(crate) kept_if: fn(&str, &Value) -> bool,
    /// References to the schema's own definitions are written out; else they stay, without neighbours.
    pub(crate) inlines_refs: bool,
    /// The members of `allOf` are taken in.
    pub(crate) merges_all_of: bool,
    /// An `enum` may hold strings and numbers only.
    pub(crate) scalar_enums: bool,
    /// Every object must say that it has no further members.
    pub(crate) closes_objects: bool,
    /// Where all other keywords go.
    pub(crate) rest: Rest,
}

/// Where keywords go that a provider does not read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rest {
    /// Into the description, where the model at least reads them.
    Described {
        /// Before them, behind a description.
        open: &'static str,
        between: &'static str,
        close: &'static str,
    },
    /// They stay: the provider passes over them.
    Left,
}

/// What became of a keyword.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Change {
    /// Said in other keywords.
    Rewritten,
    /// Only told in the description.
    Described,
    /// Without effect.
    Lost,
}

/// A schema in a provider's keywords.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Fitted {
    pub(crate) schema: Schema,
    /// Keywords that did not stay as they were, in order of appearance, each with one change once.
    pub(crate) changed: Vec<(String, Change)>,
    /// Properties that may be left out.
    pub(crate) optional: usize,
    /// Schemas of more than one type.
    pub(crate) unions: usize,
    /// Too deep, or too many schemas: from somewhere on it is as it came.
    pub(crate) unfinished: bool,
    /// A reference that could not be written out.
    pub(crate) kept_ref: bool,
    /// An object was closed that may have members nobody named.
    pub(crate) closed_open: bool,
}

impl Fitted {
    /// Keywords that changed in this way.
    pub(crate) fn of(&self, change: Change) -> impl Iterator<Item = &str> {
        self.changed.iter().filter(move |(_, c)| *c == change).map(|(word, _)| word.as_str())
    }
}

/// Keywords without meaning for the answer: they go without a word.
const IDLE: &[&str] = &["$schema", "$id", "$comment", "$vocabulary", "readOnly", "writeOnly", "deprecated"];
/// Deeper schemas are not looked into.
const MAX_DEPTH: usize = 64;
/// Most schemas that are looked into: references may multiply.
const MAX_SCHEMAS: usize = 5_000;

/// Rewrites a schema.
pub(crate) fn fit(schema: &Schema, rules: &SchemaRules) -> Fitted {
    let (out, path, seen) = (Fitted::default(), Vec::new(), HashSet::new());
    let mut walk = Walk { rules, root: schema, out, path, seen, schemas: 0, merges: 0, copied: 0 };
    let fitted = walk.object(schema, 0);
    Fitted { schema: fitted, ..walk.out }
}

struct Walk<'r> {
    rules: &'r SchemaRules,
    root: &'r Schema,
    out: Fitted,
    /// References that are being written out; one inside itself cannot be.
    path: Vec<String>,
    /// What is in the list of changes.
    seen: HashSet<(String, Change)>,
    schemas: usize,
    merges: usize,
    /// Values taken from definitions.
    copied: usize,
}

/// A schema that is being made.
#[derive(Default)]
struct Made {
    schema: Schema,
    /// What goes into the description.
    told: Vec<String>,
}

impl Walk<'_> {
    fn changed(&mut self, keyword: &str, change: Change) {
        if self.seen.insert((keyword.to_owned(), change)) {
            self.out.changed.push((keyword.to_owned(), change));
        }
    }

    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        match schema {
            Value::Object(map) => Value::Object(self.object(map, depth + 1)),
            // `true` allows everything, and so does an empty schema; `false` cannot be said.
            Value::Bool(true) => json!({}),
            _ => {
                self.changed("false", Change::Lost);
                json!({})
            }
        }
    }

    fn each(&mut self, schemas: &Schema, depth: usize) -> Value {
        schemas.iter().map(|(name, schema)| (name.clone(), self.value(schema, depth))).collect()
    }

    fn list(&mut self, schemas: &[Value], depth: usize) -> Value {
        schemas.iter().map(|schema| self.value(schema, depth)).collect()
    }

    fn object(&mut self, schema: &Schema, depth: usize) -> Schema {
        self.schemas += 1;
        if depth > MAX_DEPTH || self.schemas > MAX_SCHEMAS {
            self.out.unfinished = true;
            if self.rules.inlines_refs {
                self.changed("$ref", Change::Lost);
            }
            return schema.clone();
        }
        let outside = self.path.len();
        let schema = self.flattened(schema);
        let made = match schema.get("$ref") {
            Some(Value::String(target)) if !self.rules.inlines_refs => self.reference(&schema, target, depth),
            _ => self.keywords(&schema, depth),
        };
        self.path.truncate(outside);
        made
    }

    fn keywords(&mut self, schema: &Schema, depth: usize) -> Schema {
        let mut made = Made::default();
        for (key, value) in schema {
            self.keyword(schema, key, value, depth, &mut made);
        }
        if self.rules.closes_objects && is_object(&made.schema) {
            self.close(schema, &mut made);
        }
        if let (Rest::Described { open, between, close }, false) = (self.rules.rest, made.told.is_empty()) {
            let before = made.schema.get("description").and_then(Value::as_str).unwrap_or_default();
            let open = if before.is_empty() { open.trim_start() } else { open };
            let text = format!("{before}{open}{}{close}", made.told.join(between));
            made.schema.insert("description".into(), text.into());
        }
        made.schema
    }

    fn keyword(&mut self, schema: &Schema, key: &str, value: &Value, depth: usize, made: &mut Made) {
        let kept = self.rules.kept.contains(&key);
        let new = match (key, value) {
            ("properties", Value::Object(list)) => self.each(list, depth),
            ("items", Value::Object(_) | Value::Bool(_)) => self.value(value, depth),
            ("items", Value::Array(list)) if self.rules.kept.contains(&"prefixItems") => {
                self.changed(key, Change::Rewritten);
                let list = self.list(list, depth);
                made.schema.insert("prefixItems".into(), list);
                return;
            }
            ("anyOf", Value::Array(list)) => {
                self.out.unions += 1;
                self.list(list, depth)
            }
            ("oneOf", Value::Array(list)) if !schema.contains_key("anyOf") => {
                self.out.unions += 1;
                self.changed(key, Change::Rewritten);
                let list = self.list(list, depth);
                made.schema.insert("anyOf".into(), list);
                return;
            }
            ("allOf" | "prefixItems", Value::Array(list)) if kept => self.list(list, depth),
            ("$defs" | "definitions", Value::Object(list)) => {
                // Where references are written out, the definitions have no use.
                if !self.rules.inlines_refs {
                    let list = self.each(list, depth);
                    add_definitions(&mut made.schema, list);
                }
                return;
            }
            ("additionalProperties", _) if self.rules.closes_objects => return,
            ("additionalProperties", Value::Object(_)) if kept => self.value(value, depth),
            ("type", _) => {
                self.out.unions += usize::from(value.is_array());
                value.clone()
            }
            ("enum", Value::Array(list)) if self.rules.scalar_enums => {
                self.options(schema, list, made);
                return;
            }
            ("const", _) if !kept && !schema.contains_key("enum") => {
                self.changed(key, Change::Rewritten);
                if self.rules.scalar_enums && !(value.is_string() || value.is_number()) {
                    made.told.push(format!("always {value}"));
                } else {
                    made.schema.insert("enum".into(), json!([value]));
                }
                return;
            }
            ("nullable", Value::Bool(nullable)) => {
                self.changed(key, Change::Rewritten);
                if let (true, Some(Value::String(kind))) = (nullable, schema.get("type")) {
                    self.out.unions += 1;
                    made.schema.insert("type".into(), json!([kind, "null"]));
                }
                return;
            }
            ("exclusiveMinimum" | "exclusiveMaximum", _) if self.bound(schema, key, value, made) => return,
            _ if kept || (self.rules.kept_if)(key, value) => value.clone(),
            _ => return self.rest(key, value, made),
        };
        made.schema.insert(key.to_owned(), new);
    }

    /// A keyword that the provider does not read.
    fn rest(&mut self, key: &str, value: &Value, made: &mut Made) {
        let idle = IDLE.contains(&key);
        match self.rules.rest {
            Rest::Described { .. } if idle => {}
            Rest::Described { .. } => {
                self.changed(key, Change::Described);
                made.told.push(format!("{key}: {value}"));
            }
            Rest::Left => {
                if !idle {
                    self.changed(key, Change::Lost);
                }
                made.schema.insert(key.to_owned(), value.clone());
            }
        }
    }

    /// An exclusive bound of whole numbers is an inclusive one beside it.
    fn bound(&mut self, schema: &Schema, key: &str, value: &Value, made: &mut Made) -> bool {
        let (bound, step) = if key == "exclusiveMinimum" { ("minimum", 1) } else { ("maximum", -1) };
        let whole = schema.get("type").is_some_and(|kind| kind == "integer");
        match value.as_i64().and_then(|n| n.checked_add(step)) {
            Some(n) if whole && self.rules.kept.contains(&bound) => {
                self.changed(key, Change::Rewritten);
                made.schema.insert(bound.into(), json!(n));
                true
            }
            _ => false,
        }
    }

    /// Strings and numbers stay; null is what the type says.
    fn options(&mut self, schema: &Schema, all: &[Value], made: &mut Made) {
        let kept: Vec<_> = all.iter().filter(|v| v.is_string() || v.is_number()).cloned().collect();
        if kept.len() == all.len() {
            made.schema.insert("enum".into(), Value::Array(kept));
            return;
        }
        let null = json!("null");
        let kind = schema.get("type");
        let words = kept.iter().all(Value::is_string);
        let nullable = kind.map_or(words, |t| t.as_array().is_some_and(|l| l.contains(&null)));
        let lost = all.iter().any(|v| !(v.is_string() || v.is_number() || v.is_null() && nullable));
        self.changed("enum", Change::Rewritten);
        if lost || kept.is_empty() {
            made.told.push(format!("one of {}", Value::from(all)));
            return;
        }
        if kind.is_none() {
            made.schema.insert("type".into(), json!(["string", "null"]));
        }
        made.schema.insert("enum".into(), Value::Array(kept));
    }

    /// No neighbours but `$…` may stand beside a reference.
    fn reference(&mut self, schema: &Schema, target: &str, depth: usize) -> Schema {
        let mut out = Map::new();
        out.insert("$ref".into(), target.replace("#/definitions/", "#/$defs/").into());
        for (key, value) in schema {
            match (key.as_str(), value) {
                ("$ref", _) => {}
                ("$defs" | "definitions", Value::Object(list)) => {
                    let list = self.each(list, depth);
                    add_definitions(&mut out, list);
                }
                (key, _) if key.starts_with('$') && self.rules.kept.contains(&key) => {
                    out.insert(key.to_owned(), value.clone());
                }
                (key, _) if IDLE.contains(&key) => {}
                (key, _) => self.changed(key, Change::Lost),
            }
        }
        out
    }

    fn close(&mut self, schema: &Schema, made: &mut Made) {
        let is_open = match schema.get("additionalProperties") {
            Some(extra) => *extra != Value::Bool(false),
            None => !schema.contains_key("properties"),
        };
        self.out.closed_open |= is_open || schema.contains_key("patternProperties");
        made.schema.insert("additionalProperties".into(), Value::Bool(false));
        let properties = made.schema.entry("properties").or_insert_with(|| json!({}));
        let properties = properties.as_object().map_or(0, Map::len);
        let required = made.schema.get("required").and_then(Value::as_array).map_or(0, Vec::len);
        self.out.optional += properties.saturating_sub(required);
    }
}

fn add_definitions(schema: &mut Schema, more: Value) {
    match (schema.get_mut("$defs"), more) {
        (Some(Value::Object(here)), Value::Object(mut more)) => here.append(&mut more),
        (_, more) => {
            schema.insert("$defs".into(), more);
        }
    }
}

fn is_object(schema: &Schema) -> bool {
    match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ => schema.contains_key("properties"),
    }
}

#[cfg(test)]
#[path = "schema_tests.rs"]
mod tests;
