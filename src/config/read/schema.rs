//! Holds a file's tables against the list of [`KEYS`].

use toml::{Table, Value};

use super::keys::KEYS;
use super::rule::Rule;
use crate::config::error::{ConfigError, Origin, nearest};

/// What stands at a path.
#[derive(Debug, PartialEq)]
pub(crate) enum Shape {
    Value(Rule),
    /// A table with these keys.
    Table(Vec<&'static str>),
    /// A table with names of the user's choice; holds the placeholder.
    Named(&'static str),
    /// A list of tables.
    List,
}

/// A place in the configuration: as the list above has it, and as the user wrote it.
#[derive(Clone, Default)]
pub(crate) struct Place {
    pattern: String,
    pub(crate) path: String,
}

impl Place {
    /// The place of `key` in here. `step` is how the list above writes it.
    pub(crate) fn key(&self, step: &str, key: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { pattern: format!("{}{dot}{step}", self.pattern), path: format!("{}{dot}{key}", self.path) }
    }

    fn element(&self, index: usize) -> Self {
        Self { pattern: format!("{}[]", self.pattern), path: format!("{}[{index}]", self.path) }
    }

    /// What may stand here; an empty table if nothing may.
    pub(crate) fn node(&self) -> Shape {
        let mut keys = Vec::new();
        for (key, rule) in KEYS {
            let Some(rest) = key.strip_prefix(self.pattern.as_str()) else { continue };
            let rest = match (self.pattern.is_empty(), rest) {
                (_, "") => return Shape::Value(*rule),
                (true, rest) => rest,
                (false, rest) if rest.starts_with("[]") => return Shape::List,
                (false, rest) => match rest.strip_prefix('.') {
                    Some(rest) => rest,
                    None => continue,
                },
            };
            let step = rest.split(['.', '[']).next().unwrap_or(rest);
            if step.starts_with('<') {
                return Shape::Named(step);
            }
            if !keys.contains(&step) {
                keys.push(step);
            }
        }
        Shape::Table(keys)
    }

    /// The error for a key that does not exist here.
    pub(crate) fn unknown(&self, key: &str, origin: &Origin) -> ConfigError {
        let known = match self.node() {
            Shape::Table(keys) => keys,
            Shape::Value(_) | Shape::Named(_) | Shape::List => Vec::new(),
        };
        let elsewhere =
            || KEYS.iter().map(|(path, _)| *path).find(|path| path.rsplit('.').next() == Some(key));
        let nearest = nearest(key, known)
            .map(|near| self.key(near, near).path)
            .or_else(|| elsewhere().map(str::to_owned));
        ConfigError::UnknownKey { key: self.key("", key).path, origin: origin.clone(), nearest }
    }

    fn bad(&self, origin: &Origin, problem: impl Into<String>) -> ConfigError {
        ConfigError::BadValue { key: self.path.clone(), origin: origin.clone(), problem: problem.into() }
    }
}

/// Checks every key and value in a whole configuration.
pub(crate) fn check(table: &Table, origin: &Origin) -> Result<(), ConfigError> {
    check_table(table, &Place::default(), origin)
}

/// Checks a value and what is in it.
pub(crate) fn check_value(value: &Value, place: &Place, origin: &Origin) -> Result<(), ConfigError> {
    match (place.node(), value) {
        (Shape::Value(rule), value) => rule.check(value).map_err(|problem| place.bad(origin, problem)),
        (Shape::Table(_) | Shape::Named(_), Value::Table(table)) => check_table(table, place, origin),
        (Shape::List, Value::Array(list)) => {
            for (index, element) in list.iter().enumerate() {
                let place = place.element(index);
                check_value(element, &place, origin)?;
                require_all(element, &place, origin)?;
            }
            Ok(())
        }
        (Shape::Table(_) | Shape::Named(_), _) => Err(place.bad(origin, "must be a table")),
        (Shape::List, _) => Err(place.bad(origin, "must be a list of tables")),
    }
}

fn check_table(table: &Table, place: &Place, origin: &Origin) -> Result<(), ConfigError> {
    let node = place.node();
    for (key, value) in table {
        let step = match &node {
            Shape::Table(keys) => keys.iter().copied().find(|known| known == key),
            Shape::Named(placeholder) => Some(*placeholder),
            Shape::Value(_) | Shape::List => None,
        };
        let step = step.ok_or_else(|| place.unknown(key, origin))?;
        let inner = place.key(step, key);
        if let Some(problem) = name_problem(step, key) {
            return Err(inner.bad(origin, problem));
        }
        check_value(value, &inner, origin)?;
    }
    Ok(())
}

/// What is wrong with a name of the user's choice.
pub(crate) fn name_problem(placeholder: &str, name: &str) -> Option<&'static str> {
    match placeholder {
        "<name>" | "<endpoint>" => Rule::name_problem(name),
        "<tool>" | "<label>" => Rule::tool_name_problem(name),
        "<header>" => Rule::header_name_problem(name),
        _ => None,
    }
}

/// Tables of a list have no defaults: each key must be there, but for the optional ones, and in middlewares, whose
/// kinds have their own.
fn require_all(element: &Value, place: &Place, origin: &Origin) -> Result<(), ConfigError> {
    let Shape::Table(keys) = place.node() else { return Ok(()) };
    let is_over =
        |section: &str, key: &str| KEYS.iter().any(|(known, _)| *known == format!("{section}.{key}"));
    let may_be_missing = |key: &str| match place.pattern.as_str() {
        "middleware[]" => key != "kind",
        "middleware[].rules[]" => matches!(key, "replacement" | "on"),
        "routes[]" => matches!(key, "provider" | "targets" | "balance") || is_over("resilience", key),
        "routes[].targets[]" => matches!(key, "model" | "weight"),
        _ => is_over("key_limits", key),
    };
    match keys.into_iter().find(|key| element.get(key).is_none() && !may_be_missing(key)) {
        Some(key) => Err(ConfigError::MissingKey {
            key: place.key(key, key).path,
            origin: origin.clone(),
            nearest: None,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    KEYS.iter().map(|(key, _)| *key)
}

/// How each key's row in the reference begins: key, what is allowed, default if it is always the same.
#[cfg(test)]
pub(crate) fn rows() -> Vec<String> {
    let mut defaults = Table::try_from(crate::config::Config::default()).unwrap();
    let provider = Value::try_from(crate::config::ProviderConfig::default()).unwrap();
    defaults["providers"].as_table_mut().unwrap().insert("<name>".into(), provider);
    let tool = Value::try_from(crate::config::ToolConfig::default()).unwrap();
    defaults["tools"].as_table_mut().unwrap().insert("<tool>".into(), tool);
    let mcp = Value::try_from(crate::config::McpConfig::default()).unwrap();
    defaults["mcp"].as_table_mut().unwrap().insert("<label>".into(), mcp);
    let webhook = Value::try_from(crate::config::WebhookConfig::default()).unwrap();
    defaults["webhooks"].as_table_mut().unwrap().insert("<endpoint>".into(), webhook);
    let default = |key: &str| {
        key.split('.').try_fold(&Value::Table(defaults.clone()), |at, step| at.get(step)).cloned()
    };
    let by_kind = ["kind", "base_url", "api_key_env"].map(|key| format!("providers.<name>.{key}"));
    let row = |(key, rule): &(&str, Rule)| match default(key).filter(|_| !by_kind.contains(&(*key).into())) {
        Some(default) => format!("| `{key}` | {rule} | `{default}` |"),
        None => format!("| `{key}` | {rule} | "),
    };
    KEYS.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::super::keys::EVENTS;
    use super::*;
    use crate::config::{
        ApprovalWord, AuthKey, Balance, Config, HeaderValue, McpConfig, OwnLimits, OwnResilience, Pattern,
        RequireApproval, Route, RouteTarget, ToolConfig, ToolKind, WebhookConfig,
    };

    #[track_caller]
    fn check_error(toml: &str, want: &str) {
        let got = check(&toml.parse().unwrap(), &Origin::Given).unwrap_err().to_string();
        assert_eq!(got.replace(" in the given configuration", ""), want);
    }

    /// Paths of all leaves, as the list writes them.
    fn leaves(value: &Value, place: &Place, out: &mut Vec<String>) {
        match (place.node(), value) {
            (Shape::Named(step), Value::Table(table)) => {
                table.iter().for_each(|(key, value)| leaves(value, &place.key(step, key), out));
            }
            (Shape::Table(_), Value::Table(table)) => {
                table.iter().for_each(|(key, value)| leaves(value, &place.key(key, key), out));
            }
            (Shape::List, Value::Array(list)) => {
                list.iter().enumerate().for_each(|(i, value)| leaves(value, &place.element(i), out));
            }
            _ => out.push(place.pattern.clone()),
        }
    }

    #[test]
    fn the_list_has_the_keys_of_the_structs() {
        let mut config = Config::default();
        config.providers.retain(|name, _| name == "demo");
        let demo = config.providers.get_mut("demo").unwrap();
        demo.enabled = Some(true);
        demo.headers.insert("x".into(), HeaderValue::Text("y".into()));
        let target = RouteTarget { provider: "demo".into(), model: Some("m".into()), weight: Some(1) };
        let resilience = OwnResilience {
            retries: Some(1),
            retry_delay_ms: Some(1),
            max_retry_delay_ms: Some(1),
            retry_budget_percent: Some(1),
            retry_budget_floor: Some(1),
            hedge_after_ms: Some(1),
            mid_stream: Some(true),
        };
        config.routes.push(Route {
            targets: vec![target],
            balance: Some(Balance::Weight),
            resilience,
            ..Route::new(Pattern::new(".").unwrap(), "demo")
        });
        let mut tool =
            ToolConfig { kind: Some(ToolKind::Http), max_concurrent: Some(0), ..ToolConfig::default() };
        tool.headers.insert("x".into(), HeaderValue::Text("y".into()));
        config.tools.insert("t".into(), tool);
        let approval = RequireApproval::All(ApprovalWord::Always);
        let mut mcp = McpConfig { require_approval: Some(approval), ..McpConfig::default() };
        mcp.headers.insert("x".into(), HeaderValue::Text("y".into()));
        config.mcp.insert("m".into(), mcp);
        config.webhooks.insert("w".into(), WebhookConfig::default());
        let limits = OwnLimits {
            max_concurrent: Some(1),
            max_background: Some(1),
            max_readers: Some(1),
            max_tool_processes: Some(1),
            max_mcp_sessions: Some(1),
            max_stored_bytes: Some(1),
            max_stored_responses: Some(1),
        };
        let middleware = "[[middleware]]\nkind = 'turn_limit'\nname = 'a'\nmodels = 'x'\nclients = ['a']\nmax_turns = 1\n\
                          requests_per_minute = 1\ntokens_per_minute = 1\ngroup_requests_per_minute = 1\ngroup_tokens_per_minute = 1\n\
                          text = 'x'\nposition = 'append'\npath = 'x'\ncontent = 'on'\n\
                          max_file_bytes = 4096\nmax_file_age_s = 0\nmax_files = 0\n\
                          url = 'http://x'\nhooks = ['on_end']\ngathers = true\nheaders.x = 'y'\n[[middleware.rules]]\nname = 'r'\npattern = 'x'\n\
                          action = 'deny'\nreplacement = ''\non = ['input']";
        config.middleware = Config::from_toml(middleware).unwrap().middleware;
        config.auth.keys.push(AuthKey { name: "a".into(), key_env: "A".into(), limits });
        let mut got = Vec::new();
        leaves(&Value::try_from(&config).unwrap(), &Place::default(), &mut got);
        got.sort();
        let mut want: Vec<String> = keys().map(str::to_owned).collect();
        want.sort();
        assert_eq!(got, want);
    }

    #[test]
    fn the_events_of_webhooks_are_those_there_are() {
        assert_eq!(EVENTS, or_store::EventType::ALL.map(or_store::EventType::as_str));
    }

    #[test]
    fn an_unknown_key_is_named_with_the_nearest() {
        check_error("[server]\nbnd = ''", "unknown key `server.bnd`; did you mean `server.bind`?");
    }

    #[test]
    fn an_unknown_section_is_named_with_the_nearest() {
        check_error("[sevrer]\nbind = ''", "unknown key `sevrer`; did you mean `server`?");
    }

    #[test]
    fn a_key_in_the_wrong_section_is_pointed_home() {
        check_error("bind = ''", "unknown key `bind`; did you mean `server.bind`?");
    }

    #[test]
    fn an_unknown_key_of_a_provider_is_named_with_its_provider() {
        check_error(
            "[providers.my-vllm]\nbaseurl = ''",
            "unknown key `providers.my-vllm.baseurl`; did you mean `providers.my-vllm.base_url`?",
        );
    }

    #[test]
    fn an_unknown_key_in_a_list_is_named_with_its_index() {
        check_error("[[routes]]\npattern = ''\nprovider = 'x'\nmodle = 'y'", "unknown key `routes[0].modle`");
    }

    #[test]
    fn a_target_without_a_provider_is_refused() {
        check_error(
            "[[routes]]\npattern = ''\ntargets = [{ model = 'x' }]",
            "`routes[0].targets[0].provider` is missing",
        );
    }

    #[test]
    fn a_table_in_place_of_a_value_is_refused() {
        check_error("[server.bind]\nport = 1", "`server.bind` must be a string, found a table");
    }

    #[test]
    fn a_value_in_place_of_a_table_is_refused() {
        check_error("server = 1", "`server` must be a table");
        check_error("routes = 1", "`routes` must be a list of tables");
    }

    #[test]
    fn a_provider_name_must_fit_in_a_model_name() {
        check_error(
            "[providers.'a/b']",
            "`providers.a/b` must have a name of 1 to 64 letters, digits, `-`, `_` or `.`",
        );
    }
}
