//! All tools of the server by name, with their compiled schemas and their places.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use jsonschema::{PatternOptions, Validator};
use or_protocol::{FunctionTool, RawJson, Tool as RequestTool, ToolChoice};
use or_telemetry::ToolKind;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::{HttpTool, Offer, Places, Tool, ToolSpec};

/// A tool of any kind.
pub enum AnyTool {
    /// Runs on the tools' own threads.
    Rust(Arc<dyn Tool>),
    /// Runs on the arbiter, which has an HTTP client.
    Http(Arc<HttpTool>),
}

impl AnyTool {
    fn spec(&self) -> ToolSpec {
        match self {
            Self::Rust(tool) => tool.spec(),
            Self::Http(tool) => tool.spec.clone(),
        }
    }

    pub(crate) fn runs_program(&self) -> bool {
        match self {
            Self::Rust(tool) => tool.runs_program(),
            Self::Http(_) => false,
        }
    }
}

/// Why a tool cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// Providers take no other names.
    #[error("the tool `{name}` must have a name of 1 to 64 letters, digits, `_` or `-`")]
    BadName {
        /// As given.
        name: String,
    },
    /// Two have it.
    #[error("two tools have the name `{name}`")]
    Duplicate {
        /// Which.
        name: String,
    },
    /// No model can give such arguments.
    #[error("the parameters of the tool `{name}` are no JSON Schema of an object: {reason}")]
    BadParameters {
        /// Whose.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// The system gives no threads.
    #[error("the threads for tools could not be started")]
    Threads(#[source] std::io::Error),
}

/// A registered tool.
pub(crate) struct Entry {
    pub(crate) tool: AnyTool,
    pub(crate) spec: ToolSpec,
    parameters: RawJson,
    /// Whether a provider can enforce them.
    closed: bool,
    pub(crate) schema: Validator,
    /// `None`: as many as come.
    pub(crate) places: Option<Arc<Semaphore>>,
}

/// All tools of the server. Made once, at start, outside of the arbiters: compiling schemas takes time.
#[derive(Default)]
pub struct Registry {
    tools: BTreeMap<String, Arc<Entry>>,
    /// For programs, by whose they are.
    owners: Arc<Places>,
    /// `None` without tools.
    threads: Option<Runtime>,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.tools.keys()).finish()
    }
}

impl Registry {
    /// Checks the tools and compiles their schemas.
    pub fn new(tools: impl IntoIterator<Item = AnyTool>) -> Result<Self, RegistryError> {
        let mut entries = BTreeMap::new();
        for tool in tools {
            let entry = entry(tool)?;
            let name = entry.spec.name.clone();
            if entries.insert(name.clone(), Arc::new(entry)).is_some() {
                return Err(RegistryError::Duplicate { name });
            }
        }
        let threads = if entries.is_empty() { None } else { Some(threads()?) };
        Ok(Self { tools: entries, owners: Arc::default(), threads })
    }

    /// Bounds the programs of each owner.
    #[must_use]
    pub fn with_places(mut self, owners: Arc<Places>) -> Self {
        self.owners = owners;
        self
    }

    /// Decides which functions of a request the server runs; returns their names.
    ///
    /// The name decides: a function with the name of a registered tool is run by the server, and the model is
    /// shown the registered parameters, because they are what the arguments are checked by. A description of
    /// the request's own stays, and `strict` does if the registered parameters allow it. Tools that are offered to
    /// every request are added, unless the request has taken their name for something else or its `tool_choice`
    /// rules them out.
    pub fn plan(&self, tools: &mut Vec<RequestTool>, choice: &ToolChoice) -> BTreeSet<String> {
        let mut ours = BTreeSet::new();
        for tool in tools.iter_mut() {
            let RequestTool::Function(function) = tool else { continue };
            let Some(entry) = self.tools.get(&function.name) else { continue };
            function.parameters = Some(entry.parameters.clone());
            function.strict = function.strict.map(|strict| strict && entry.closed);
            let own = function.description.take().filter(|own| !own.is_empty());
            function.description = Some(own.unwrap_or_else(|| entry.spec.description.clone()));
            ours.insert(function.name.clone());
        }
        for (name, entry) in &self.tools {
            let free = !tools.iter().any(|tool| tool.name() == Some(name));
            if entry.spec.offer == Offer::Always && free && choice.permits(name) {
                tools.push(RequestTool::Function(FunctionTool {
                    description: Some(entry.spec.description.clone()),
                    parameters: Some(entry.parameters.clone()),
                    ..FunctionTool::named(name)
                }));
                ours.insert(name.clone());
            }
        }
        ours
    }

    /// Whether a call of this tool that a crash has cut off may be made again.
    pub fn is_idempotent(&self, name: &str) -> bool {
        self.tools.get(name).is_some_and(|entry| entry.spec.idempotent)
    }

    /// What runs this tool.
    pub fn kind(&self, name: &str) -> ToolKind {
        match self.tools.get(name).map(|entry| &entry.tool) {
            Some(AnyTool::Http(_)) => ToolKind::Http,
            Some(AnyTool::Rust(tool)) if tool.runs_program() => ToolKind::Command,
            Some(AnyTool::Rust(_)) => ToolKind::Rust,
            None => ToolKind::Unknown,
        }
    }

    /// Names of all tools.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tools.keys().map(String::as_str)
    }

    pub(crate) fn owners(&self) -> &Places {
        &self.owners
    }

    pub(crate) fn get(&self, name: &str) -> Option<(Arc<Entry>, &Runtime)> {
        Some((Arc::clone(self.tools.get(name)?), self.threads.as_ref()?))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(threads) = self.threads.take() {
            // A tool that does not end must not hold up the end of the server.
            threads.shutdown_background();
        }
    }
}

fn entry(tool: AnyTool) -> Result<Entry, RegistryError> {
    let spec = tool.spec();
    let name = spec.name.clone();
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
    if !(1..=64).contains(&name.len()) || !name.chars().all(good) {
        return Err(RegistryError::BadName { name });
    }
    let bad = |reason: String| RegistryError::BadParameters { name: name.clone(), reason };
    // Patterns without backtracking: the text they are tried on is the model's.
    let schema = jsonschema::options()
        .with_pattern_options(PatternOptions::regex())
        .build(&spec.parameters)
        .map_err(|error| bad(error.to_string()))?;
    let parameters = match &spec.parameters {
        schema if schema.get("type").and_then(Value::as_str) == Some("object") => RawJson::from(schema),
        _ => return Err(bad("its `type` must be `object`".into())),
    };
    let closed = is_closed(&spec.parameters);
    let places = (spec.max_concurrent > 0).then(|| Arc::new(Semaphore::new(spec.max_concurrent)));
    Ok(Entry { tool, spec, parameters, closed, schema, places })
}

/// Whether every object in a schema has just the properties that it requires, as providers demand of strict tools: they
/// refuse the request otherwise.
fn is_closed(schema: &Value) -> bool {
    let Value::Object(map) = schema else {
        return schema.as_array().is_none_or(|list| list.iter().all(is_closed));
    };
    let required = map.get("required").and_then(Value::as_array);
    let requires = |name: &String| required.is_some_and(|list| list.iter().any(|r| r == name.as_str()));
    let is_object = map.get("type").is_some_and(|kind| {
        kind == "object" || kind.as_array().is_some_and(|kinds| kinds.contains(&"object".into()))
    });
    let properties = map.get("properties").and_then(Value::as_object);
    let closed = !is_object
        || map.get("additionalProperties") == Some(&Value::Bool(false))
            && properties.into_iter().flat_map(serde_json::Map::keys).all(requires);
    closed && map.values().all(is_closed)
}

/// Threads for tools alone, so that one that blocks holds up neither requests nor streams.
fn threads() -> Result<Runtime, RegistryError> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    Builder::new_multi_thread()
        .worker_threads(cores.max(2))
        .thread_name("tools")
        .enable_all()
        .build()
        .map_err(RegistryError::Threads)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;
    use crate::{FunctionTool as Function, ToolContext, ToolError, ToolOutput};

    #[derive(schemars::JsonSchema, serde::Deserialize)]
    struct City {
        /// Its name.
        #[expect(dead_code, reason = "only the schema is looked at")]
        city: String,
    }

    fn tool(spec: ToolSpec) -> AnyTool {
        let run = |_: City, _: ToolContext| async { Ok::<ToolOutput, ToolError>("".into()) };
        AnyTool::Rust(Arc::new(Function::new(spec, run)))
    }

    fn registry() -> Registry {
        let always = ToolSpec { offer: Offer::Always, ..ToolSpec::new("clock", "The time.") };
        Registry::new([tool(ToolSpec::new("weather", "The weather.")), tool(always)]).unwrap()
    }

    fn function(name: &str, description: Option<&str>, parameters: Option<Value>) -> RequestTool {
        RequestTool::Function(FunctionTool {
            description: description.map(str::to_owned),
            parameters: parameters.map(RawJson::from),
            ..FunctionTool::named(name)
        })
    }

    fn schema() -> Option<Value> {
        Some(json!({"type": "object", "properties": {"city": {"type": "string", "description": "Its name."}},
            "required": ["city"]}))
    }

    #[track_caller]
    fn check(mut tools: Vec<RequestTool>, choice: &ToolChoice, want: Vec<RequestTool>, ours: &[&str]) {
        let got = registry().plan(&mut tools, choice);
        assert_eq!(serde_json::to_value(tools).unwrap(), serde_json::to_value(want).unwrap());
        assert_eq!(got.iter().map(String::as_str).collect::<Vec<_>>(), ours);
    }

    fn clock() -> RequestTool {
        function("clock", Some("The time."), schema())
    }

    #[test]
    fn a_name_is_enough() {
        let want = vec![function("weather", Some("The weather."), schema()), clock()];
        check(vec![function("weather", None, None)], &ToolChoice::Auto, want, &["clock", "weather"]);
    }

    #[test]
    fn the_name_decides_and_the_registered_parameters_are_shown() {
        let own = function("weather", Some("Mine."), Some(json!({"type": "object"})));
        let want = vec![function("weather", Some("Mine."), schema()), clock()];
        check(vec![own], &ToolChoice::Auto, want, &["clock", "weather"]);
    }

    #[test]
    fn strict_stays_if_the_registered_parameters_allow_it() {
        let inner = |closed: bool| json!({"type": "object", "additionalProperties": !closed});
        let spec = |name: &str, parameters: Value| ToolSpec { parameters, ..ToolSpec::new(name, "") };
        let object = |required: Value, at: Value| json!({"type": "object", "properties": {"at": at}, "required": required, "additionalProperties": false});
        let cases = [
            (object(json!(["at"]), inner(true)), true),
            (object(json!([]), inner(true)), false),
            (object(json!(["at"]), inner(false)), false),
            (object(json!(["at"]), json!({"anyOf": [{"type": "null"}, inner(false)]})), false),
            (object(json!(["at"]), json!({"type": ["object", "null"]})), false),
            (json!({"type": "object"}), false),
        ];
        for (parameters, want) in cases {
            let http = HttpTool {
                spec: spec("f", parameters.clone()),
                url: String::new(),
                method: crate::HttpMethod::Post,
                headers: Vec::new(),
            };
            let registry = Registry::new([AnyTool::Http(Arc::new(http))]).unwrap();
            for (asked, want) in [(Some(true), Some(want)), (Some(false), Some(false)), (None, None)] {
                let mut tools = vec![function("f", None, None)];
                if let RequestTool::Function(function) = &mut tools[0] {
                    function.strict = asked;
                }
                registry.plan(&mut tools, &ToolChoice::Auto);
                let RequestTool::Function(shown) = &tools[0] else { panic!("{tools:?}") };
                assert_eq!(shown.strict, want, "{parameters}");
            }
        }
    }

    #[test]
    fn other_functions_stay_the_clients() {
        let own = || function("mine", None, Some(json!({"type": "object"})));
        check(vec![own()], &ToolChoice::None, vec![own()], &[]);
    }

    #[test]
    fn what_is_offered_always_keeps_to_tool_choice() {
        check(vec![], &ToolChoice::Auto, vec![clock()], &["clock"]);
        check(vec![], &ToolChoice::None, vec![], &[]);
        check(vec![], &ToolChoice::Function("mine".into()), vec![], &[]);
    }

    #[track_caller]
    fn check_error(tools: Vec<AnyTool>, want: &str) {
        assert_eq!(Registry::new(tools).unwrap_err().to_string(), want);
    }

    #[test]
    fn names_are_checked() {
        let long = "x".repeat(65);
        for name in ["", "a b", "a.b", "ä", long.as_str()] {
            let want = format!("the tool `{name}` must have a name of 1 to 64 letters, digits, `_` or `-`");
            check_error(vec![tool(ToolSpec::new(name, ""))], &want);
        }
        let twice = vec![tool(ToolSpec::new("a", "")), tool(ToolSpec::new("a", ""))];
        check_error(twice, "two tools have the name `a`");
    }

    #[test]
    fn parameters_are_a_schema_of_an_object() {
        let run = |(): (), _: ToolContext| async { Ok::<ToolOutput, ToolError>("".into()) };
        let none = AnyTool::Rust(Arc::new(Function::new(ToolSpec::new("a", ""), run)));
        let text = "the parameters of the tool `a` are no JSON Schema of an object: ";
        check_error(vec![none], &format!("{text}its `type` must be `object`"));
        for property in [json!({"$ref": "http://127.0.0.1:1/x"}), json!({"pattern": "(?=a)b"}), json!(1)] {
            let parameters = json!({"type": "object", "properties": {"a": property}});
            let http = HttpTool {
                spec: ToolSpec { parameters, ..ToolSpec::new("a", "") },
                url: String::new(),
                method: crate::HttpMethod::Post,
                headers: Vec::new(),
            };
            let error = Registry::new([AnyTool::Http(Arc::new(http))]).unwrap_err().to_string();
            assert!(error.starts_with(text), "{error}");
        }
    }
}
