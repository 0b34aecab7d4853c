//! Validates our JSON against the published OpenAPI document in the shared folder.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{Options, shared};

/// The types of items, tools, choices of tools and annotations in the official, closed unions.
const ITEMS: [&str; 5] = ["message", "function_call", "function_call_output", "reasoning", "compaction"];
const TOOLS: [&str; 1] = ["function"];
const CHOICES: [&str; 2] = ["function", "allowed_tools"];
const ANNOTATIONS: [&str; 1] = ["url_citation"];

/// The compiled schemas.
pub struct Schemas {
    response: Validator,
    /// By event type.
    events: BTreeMap<String, Validator>,
    components: Value,
}

/// The schemas, compiled once, or `None` in a bare clone.
///
/// # Panics
/// When `openapi.json` is there and cannot be used.
pub fn schemas() -> Option<&'static Schemas> {
    static SCHEMAS: OnceLock<Schemas> = OnceLock::new();
    let folder = shared::folder()?;
    Some(SCHEMAS.get_or_init(|| {
        #[expect(clippy::panic, reason = "a broken specification must fail the run")]
        Schemas::read(&folder.join("spec/openapi.json"))
            .unwrap_or_else(|error| panic!("openapi.json: {error}"))
    }))
}

impl Schemas {
    fn read(path: &std::path::Path) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
        let document: Value = serde_json::from_slice(&bytes).map_err(|error| error.to_string())?;
        let components = document["components"].clone();
        let mut events = BTreeMap::new();
        for (name, schema) in components["schemas"].as_object().into_iter().flatten() {
            if let Some(kind) = schema["properties"]["type"]["enum"][0].as_str()
                && name.ends_with("StreamingEvent")
            {
                events.insert(kind.to_owned(), compile(&components, name)?);
            }
        }
        Ok(Self { response: compile(&components, "ResponseResource")?, events, components })
    }

    /// Checks a response object against `ResponseResource`.
    ///
    /// # Errors
    /// What does not fit, with its path.
    pub fn check_response(&self, response: &Value, options: Options) -> Result<(), Vec<String>> {
        findings(&self.response, &normal_response(response, options))
    }

    /// Checks a stream event against the schema of its type.
    ///
    /// # Errors
    /// What does not fit, with its path; an unknown type unless hosted ones are allowed.
    pub fn check_event(&self, event: &Value, options: Options) -> Result<(), Vec<String>> {
        let kind = event["type"].as_str().unwrap_or_default();
        let mut event = event.clone();
        if event.get("response").is_some() {
            event["response"] = normal_response(&event["response"], options);
        }
        if options.allow_hosted && event["item"]["type"].as_str().is_some_and(|kind| !ITEMS.contains(&kind)) {
            // The schema allows a null item, so the other fields are still checked.
            event["item"] = Value::Null;
        }
        if options.allow_hosted {
            keep_known_annotations(&mut event["item"]);
            keep_known(&mut event["part"], "annotations", &ANNOTATIONS);
            if event["annotation"]["type"].as_str().is_some_and(|kind| !ANNOTATIONS.contains(&kind)) {
                // A null annotation is allowed too.
                event["annotation"] = Value::Null;
            }
        }
        match self.events.get(kind) {
            Some(validator) => findings(validator, &event),
            None if options.allow_hosted => Ok(()),
            None => Err(vec![format!("there is no schema for event `{kind}`")]),
        }
    }

    /// Checks any value against a named schema, such as `CompactResource`.
    ///
    /// # Errors
    /// What does not fit, with its path, or that there is no such schema.
    pub fn check_named(&self, name: &str, value: &Value) -> Result<(), Vec<String>> {
        let validator = compile(&self.components, name).map_err(|error| vec![error])?;
        findings(&validator, value)
    }

    /// The event types that have a schema.
    pub fn event_types(&self) -> impl Iterator<Item = &str> {
        self.events.keys().map(String::as_str)
    }
}

/// A validator of one schema; its references point into `components`.
fn compile(components: &Value, name: &str) -> Result<Validator, String> {
    if components["schemas"].get(name).is_none() {
        return Err(format!("there is no schema `{name}`"));
    }
    let root = json!({"$ref": format!("#/components/schemas/{name}"), "components": components});
    jsonschema::draft202012::new(&root).map_err(|error| format!("{name}: {error}"))
}

fn findings(validator: &Validator, value: &Value) -> Result<(), Vec<String>> {
    let list: Vec<String> =
        validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    if list.is_empty() { Ok(()) } else { Err(list) }
}

/// The response as the published schema can take it.
///
/// Known departures: the schema allows only `null` for `text.format.schema` of a json_schema
/// format, while clients expect the schema that they sent to be echoed (rules 7.2); and its unions of items,
/// tools and annotations are closed, so hosted ones are taken out where the test allows them (rules 14.5,
/// 5.2).
fn normal_response(response: &Value, options: Options) -> Value {
    let mut response = response.clone();
    if response["text"]["format"]["type"] == "json_schema" && response["text"]["format"]["schema"].is_object()
    {
        response["text"]["format"]["schema"] = Value::Null;
    }
    if options.allow_hosted {
        keep_known(&mut response, "output", &ITEMS);
        keep_known(&mut response, "tools", &TOOLS);
        if response["tool_choice"]["type"].as_str().is_some_and(|kind| !CHOICES.contains(&kind)) {
            response["tool_choice"] = "auto".into();
        }
        response["output"].as_array_mut().into_iter().flatten().for_each(keep_known_annotations);
    }
    response
}

/// The file tools annotate texts with files, not with URLs.
fn keep_known_annotations(item: &mut Value) {
    for part in item.get_mut("content").and_then(Value::as_array_mut).into_iter().flatten() {
        keep_known(part, "annotations", &ANNOTATIONS);
    }
}

fn keep_known(response: &mut Value, list: &str, known: &[&str]) {
    if let Some(list) = response.get_mut(list).and_then(Value::as_array_mut) {
        list.retain(|entry| entry["type"].as_str().is_none_or(|kind| known.contains(&kind)));
    }
}
