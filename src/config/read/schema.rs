//! Every key there is, with the rule its value must keep.
//!
//! One list serves the file, the `OR__…` variables and the tests that compare
//! it with the structs, `config.toml` and the reference.

use toml::{Table, Value};

use super::rule::Rule;
use crate::config::error::{ConfigError, Origin, nearest};

/// A path like `providers.<name>.kind`: `<…>` stands for any name, `[]` for each table of a list.
const KEYS: &[(&str, Rule)] = &[
    ("server.bind", Rule::Address),
    ("server.allow_unauthenticated", Rule::Bool),
    ("server.workers", Rule::Int(0, 1024)),
    ("server.max_body_bytes", Rule::Int(1024, 1 << 30)),
    ("server.max_bytes_in_flight", Rule::Int(0, 1 << 50)),
    ("server.max_context_bytes", Rule::Int(1024, 1 << 40)),
    ("server.max_concurrent_responses", Rule::Int(1, 1_000_000)),
    ("server.shutdown_grace_s", Rule::Int(0, 3600)),
    ("server.keepalive_s", Rule::Int(1, 3600)),
    ("server.client_write_timeout_s", Rule::Int(1, 3600)),
    ("server.upload_timeout_s", Rule::Int(1, 86_400)),
    ("server.min_upload_bytes_per_s", Rule::Int(0, 1 << 30)),
    ("server.max_connections", Rule::Int(1, 10_000_000)),
    ("server.max_readers_per_response", Rule::Int(1, 1_000_000)),
    ("server.max_response_s", Rule::Int(1, 604_800)),
    ("server.max_output_bytes", Rule::Int(1024, 64 << 20)),
    ("server.max_upstream_bytes", Rule::Int(65_536, 1 << 40)),
    ("server.model_discovery_s", Rule::Int(0, 86_400)),
    ("server.cors_allowed_origins", Rule::Origins),
    ("server.reasoning_events", Rule::OneOf(&["auto", "spec", "openai"])),
    ("server.strict_translation", Rule::Bool),
    ("server.log_format", Rule::OneOf(&["auto", "pretty", "json"])),
    ("server.watch_config", Rule::Bool),
    ("auth.client_keys_env", Rule::OptionalVariable),
    ("auth.client_provider_keys", Rule::OneOf(&["allow", "deny"])),
    ("auth.require_key", Rule::Bool),
    ("auth.keys[].name", Rule::Name),
    ("auth.keys[].key_env", Rule::Variable),
    ("key_limits.max_concurrent", Rule::Int(0, 1_000_000)),
    ("key_limits.max_background", Rule::Int(0, 1_000_000)),
    ("key_limits.max_readers", Rule::Int(0, 1_000_000)),
    ("key_limits.max_tool_processes", Rule::Int(0, 1_000_000)),
    ("key_limits.max_mcp_sessions", Rule::Int(0, 1_000_000)),
    ("key_limits.max_stored_bytes", Rule::Int(0, 1 << 50)),
    ("key_limits.max_stored_responses", Rule::Int(0, 1 << 40)),
    ("auth.keys[].max_concurrent", Rule::Int(0, 1_000_000)),
    ("auth.keys[].max_background", Rule::Int(0, 1_000_000)),
    ("auth.keys[].max_readers", Rule::Int(0, 1_000_000)),
    ("auth.keys[].max_tool_processes", Rule::Int(0, 1_000_000)),
    ("auth.keys[].max_mcp_sessions", Rule::Int(0, 1_000_000)),
    ("auth.keys[].max_stored_bytes", Rule::Int(0, 1 << 50)),
    ("auth.keys[].max_stored_responses", Rule::Int(0, 1 << 40)),
    ("metrics.public", Rule::Bool),
    ("metrics.key_env", Rule::OptionalVariable),
    ("metrics.bind", Rule::OptionalAddress),
    ("telemetry.otlp_endpoint", Rule::OptionalUrl),
    ("admin.key_env", Rule::OptionalVariable),
    ("admin.bind", Rule::OptionalAddress),
    ("store.path", Rule::Path),
    ("store.on_corruption", Rule::OneOf(&["quarantine", "fail"])),
    ("store.retention_days", Rule::Int(0, 36_500)),
    ("store.power_loss_safe", Rule::Bool),
    ("store.max_record_bytes", Rule::Int(65_536, 240_000_000)),
    ("background.max_concurrent", Rule::Int(0, 1_000_000)),
    ("background.max_retries", Rule::Int(0, 1000)),
    ("background.max_retry_delay_s", Rule::Int(1, 3600)),
    ("providers.<name>.kind", Rule::Name),
    ("providers.<name>.enabled", Rule::Bool),
    ("providers.<name>.base_url", Rule::BaseUrl),
    ("providers.<name>.api_key_env", Rule::OptionalVariable),
    ("providers.<name>.connect_timeout_ms", Rule::Int(1, 600_000)),
    ("providers.<name>.first_byte_timeout_s", Rule::Int(1, 86_400)),
    ("providers.<name>.idle_timeout_s", Rule::Int(1, 86_400)),
    ("providers.<name>.max_concurrent", Rule::Int(0, 1_000_000)),
    ("providers.<name>.models", Rule::Models),
    ("providers.<name>.headers.<header>", Rule::Header),
    ("providers.<name>.quirks", Rule::AnyTable),
    ("providers.<name>.mcp", Rule::OneOf(&["server", "provider"])),
    ("security.allow_private_hosts", Rule::HostPorts),
    ("security.seal_key_env", Rule::OptionalVariable),
    ("tools.<tool>.kind", Rule::OneOf(&["http", "command"])),
    ("tools.<tool>.description", Rule::Text),
    ("tools.<tool>.parameters", Rule::Schema),
    ("tools.<tool>.parameters_file", Rule::OptionalPath),
    ("tools.<tool>.url", Rule::Url),
    ("tools.<tool>.method", Rule::OneOf(&["GET", "POST", "PUT", "PATCH", "DELETE"])),
    ("tools.<tool>.headers.<header>", Rule::Header),
    ("tools.<tool>.command", Rule::Command),
    ("tools.<tool>.env", Rule::Variables),
    ("tools.<tool>.working_directory", Rule::OptionalPath),
    ("tools.<tool>.timeout_s", Rule::Int(1, 86_400)),
    ("tools.<tool>.max_output_bytes", Rule::Int(1, 32 << 20)),
    ("tools.<tool>.max_concurrent", Rule::Int(0, 1_000_000)),
    ("tools.<tool>.idempotent", Rule::Bool),
    ("tools.<tool>.offer", Rule::OneOf(&["requested", "always"])),
    ("mcp.<label>.url", Rule::Url),
    ("mcp.<label>.headers.<header>", Rule::Header),
    ("mcp.<label>.allow_client_headers", Rule::HeaderNames),
    ("mcp.<label>.command", Rule::Command),
    ("mcp.<label>.env", Rule::Variables),
    ("mcp.<label>.working_directory", Rule::OptionalPath),
    ("mcp.<label>.description", Rule::OptionalText),
    ("mcp.<label>.allowed_tools", Rule::ToolNames),
    ("mcp.<label>.require_approval", Rule::Approval),
    ("mcp.<label>.offer", Rule::OneOf(&["requested", "always"])),
    ("mcp.<label>.share_session", Rule::Bool),
    ("mcp.<label>.connect_timeout_s", Rule::Int(1, 600)),
    ("mcp.<label>.timeout_s", Rule::Int(1, 86_400)),
    ("mcp.<label>.max_output_bytes", Rule::Int(1, 32 << 20)),
    ("mcp.<label>.max_message_bytes", Rule::Int(16_384, 128 << 20)),
    ("mcp.<label>.max_concurrent", Rule::Int(0, 1_000_000)),
    ("tool_limits.max_turns", Rule::Int(0, 1_000_000)),
    ("tool_limits.max_tool_calls", Rule::Int(0, 1_000_000)),
    ("tool_limits.max_repeats", Rule::Int(0, 1_000_000)),
    ("tool_limits.max_total_tokens", Rule::Int(0, 1 << 40)),
    ("tool_limits.max_concurrent_per_response", Rule::Int(0, 1_000_000)),
    ("mcp_limits.request_urls", Rule::Bool),
    ("mcp_limits.connect_timeout_s", Rule::Int(1, 600)),
    ("mcp_limits.timeout_s", Rule::Int(1, 86_400)),
    ("mcp_limits.max_output_bytes", Rule::Int(1, 32 << 20)),
    ("mcp_limits.max_message_bytes", Rule::Int(16_384, 128 << 20)),
    ("mcp_limits.max_concurrent", Rule::Int(0, 1_000_000)),
    ("mcp_limits.list_timeout_s", Rule::Int(1, 600)),
    ("mcp_limits.list_max_age_s", Rule::Int(1, 86_400)),
    ("mcp_limits.max_tools", Rule::Int(1, 100_000)),
    ("mcp_limits.max_definition_bytes", Rule::Int(1024, 2 << 20)),
    ("mcp_limits.max_sessions", Rule::Int(1, 100_000)),
    ("mcp_limits.idle_timeout_s", Rule::Int(1, 86_400)),
    ("webhooks.<endpoint>.url", Rule::Url),
    ("webhooks.<endpoint>.secret_env", Rule::OptionalVariable),
    ("webhooks.<endpoint>.events", Rule::SomeOf(EVENTS)),
    ("webhooks.<endpoint>.clients", Rule::Clients),
    ("webhook_limits.timeout_s", Rule::Int(1, 300)),
    ("webhook_limits.max_concurrent", Rule::Int(1, 1000)),
    ("webhook_limits.first_retry_s", Rule::Int(1, 3600)),
    ("webhook_limits.give_up_after_s", Rule::Int(1, 2_592_000)),
    ("webhook_limits.max_waiting_per_client", Rule::Int(1, 1_000_000)),
    (
        "middleware[].kind",
        Rule::OneOf(&["audit_log", "content_filter", "turn_limit", "system_prompt", "webhook"]),
    ),
    ("middleware[].name", Rule::Name),
    ("middleware[].on_failure", Rule::OneOf(&["fail", "pass"])),
    ("middleware[].timeout_ms", Rule::Int(1, 600_000)),
    ("middleware[].models", Rule::Pattern),
    ("middleware[].clients", Rule::Clients),
    ("middleware[].rules[].name", Rule::Name),
    ("middleware[].rules[].pattern", Rule::Pattern),
    ("middleware[].rules[].action", Rule::OneOf(&["deny", "redact"])),
    ("middleware[].rules[].replacement", Rule::OptionalText),
    ("middleware[].rules[].on", Rule::SomeOf(&["input", "tool_results", "output"])),
    ("middleware[].path", Rule::Path),
    ("middleware[].content", Rule::OneOf(&["off", "hashed", "on"])),
    ("middleware[].max_file_bytes", Rule::Int(4096, 1 << 50)),
    ("middleware[].max_file_age_s", Rule::Int(0, 315_360_000)),
    ("middleware[].max_files", Rule::Int(0, 10_000)),
    ("middleware[].max_turns", Rule::Int(1, 1_000_000)),
    ("middleware[].url", Rule::Url),
    ("middleware[].hooks", Rule::SomeOf(&["before_sample", "after_sample", "on_tool_result", "on_end"])),
    ("middleware[].gathers", Rule::Bool),
    ("middleware[].headers.<header>", Rule::Header),
    ("middleware[].text", Rule::Text),
    ("middleware[].position", Rule::OneOf(&["prepend", "append"])),
    ("routes[].pattern", Rule::Pattern),
    ("routes[].provider", Rule::Name),
];

/// Of [`or_store::EventType`].
const EVENTS: &[&str] = &[
    "response.completed",
    "response.failed",
    "response.incomplete",
    "response.cancelled",
    "response.approval_required",
];

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

/// Tables of a list have no defaults: each key must be there, but for those that stand over a key elsewhere, and in
/// middlewares, whose kinds have their own.
fn require_all(element: &Value, place: &Place, origin: &Origin) -> Result<(), ConfigError> {
    let Shape::Table(keys) = place.node() else { return Ok(()) };
    let may_be_missing = |key: &str| match place.pattern.as_str() {
        "middleware[]" => key != "kind",
        "middleware[].rules[]" => matches!(key, "replacement" | "on"),
        _ => KEYS.iter().any(|(known, _)| *known == format!("key_limits.{key}")),
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

    use super::*;
    use crate::config::{
        ApprovalWord, AuthKey, Config, HeaderValue, McpConfig, OwnLimits, Pattern, RequireApproval, Route,
        ToolConfig, ToolKind, WebhookConfig,
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
        config.routes.push(Route { pattern: Pattern::new(".").unwrap(), provider: "demo".into() });
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
    fn a_route_without_a_provider_is_refused() {
        check_error("[[routes]]\npattern = ''", "`routes[0].provider` is missing");
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
