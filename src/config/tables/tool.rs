//! `[tools.<tool>]`: what the server runs itself.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use or_tools::{HttpMethod, Offer};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::config::header::HeaderValue;

/// One tool, as configured. Its name is the key of the table.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ToolConfig {
    /// Never `None` in a loaded [`crate::config::Config`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<ToolKind>,
    /// For the model.
    pub description: String,
    pub parameters: Parameters,
    /// A file with the parameters, JSON; empty: none.
    pub parameters_file: PathBuf,
    /// Of the kind `http`.
    pub url: String,
    pub method: HttpMethod,
    pub headers: BTreeMap<String, HeaderValue>,
    /// Of the kind `command`: the program and its arguments.
    pub command: Vec<String>,
    /// Variables of the server that the program gets.
    pub env: Vec<String>,
    /// Empty: the server's own.
    pub working_directory: PathBuf,
    pub timeout_s: u64,
    pub max_output_bytes: usize,
    /// 0: no limit. `None`: a number by the machine for programs, no limit for endpoints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_concurrent: Option<usize>,
    pub idempotent: bool,
    pub offer: Offer,
}

impl Default for ToolConfig {
    fn default() -> Self {
        Self {
            kind: None,
            description: String::new(),
            parameters: Parameters::Table(Map::new()),
            parameters_file: PathBuf::new(),
            url: String::new(),
            method: HttpMethod::Post,
            headers: BTreeMap::new(),
            command: Vec::new(),
            env: vec!["PATH".into()],
            working_directory: PathBuf::new(),
            timeout_s: 30,
            max_output_bytes: 256 * 1024,
            max_concurrent: None,
            idempotent: false,
            offer: Offer::Requested,
        }
    }
}

impl ToolConfig {
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// How a tool is run.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ToolKind {
    Http,
    Command,
}

/// JSON Schema of a tool's arguments; an empty table: it takes none.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Parameters {
    Table(Map<String, Json>),
    /// JSON text.
    Text(String),
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::{Config, Env, Secret};

    const HTTP: &str =
        "[tools.weather]\nkind = 'http'\ndescription = 'The weather.'\nurl = 'http://x/run?a=b'\n";
    const COMMAND: &str =
        "[tools.clock]\nkind = 'command'\ndescription = 'The time.'\ncommand = ['date', '+%s']\n";

    #[track_caller]
    fn check(toml: &str, name: &str, want: ToolConfig) {
        let got = Config::from_toml(toml).unwrap();
        got.check().unwrap();
        assert_eq!(got.tools[name], want);
    }

    #[track_caller]
    fn check_error(toml: &str, want: &str) {
        let got = Config::from_toml(toml).unwrap_err().to_string();
        assert_eq!(got.replace(" in the given configuration", ""), want);
    }

    fn http() -> ToolConfig {
        ToolConfig {
            kind: Some(ToolKind::Http),
            description: "The weather.".into(),
            url: "http://x/run?a=b".into(),
            ..ToolConfig::default()
        }
    }

    #[test]
    fn an_endpoint_and_a_program_need_little() {
        check(HTTP, "weather", http());
        let clock = ToolConfig {
            kind: Some(ToolKind::Command),
            description: "The time.".into(),
            command: vec!["date".into(), "+%s".into()],
            ..ToolConfig::default()
        };
        check(COMMAND, "clock", clock);
    }

    #[test]
    fn parameters_are_a_table_or_json() {
        let table = "[tools.weather.parameters]\ntype = 'object'\nproperties.city.type = 'string'";
        let want = serde_json::json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let parameters = Parameters::Table(want.as_object().unwrap().clone());
        check(&format!("{HTTP}{table}"), "weather", ToolConfig { parameters, ..http() });
        let text = r#"{"type": "object"}"#;
        let parameters = Parameters::Text(text.into());
        check(&format!("{HTTP}parameters = '{text}'"), "weather", ToolConfig { parameters, ..http() });
    }

    #[test]
    fn the_configurations_of_the_examples_load() {
        for (text, name) in [
            (include_str!("../../../examples/http_tool.toml"), "get_weather"),
            (include_str!("../../../examples/command_tool.toml"), "count_words"),
        ] {
            assert!(Config::from_toml(text).unwrap().tools.contains_key(name));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        check_error("[tools.x]\nkind = 'http'", "`tools.x.description` is missing");
        check_error("[tools.x]\ndescription = 'x'", "`tools.x.kind` is missing");
        check_error("[tools.x]\nkind = 'http'\ndescription = 'x'", "`tools.x.url` is missing");
        check_error("[tools.x]\nkind = 'command'\ndescription = 'x'", "`tools.x.command` is missing");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        check_error(
            &format!("{HTTP}command = ['x']"),
            "`tools.weather.command` is for tools of the kind `command`",
        );
        check_error(
            &format!("{COMMAND}url = 'http://x'"),
            "`tools.clock.url` is for tools of the kind `http`",
        );
        check_error(
            &format!("{HTTP}parameters = '{{\"type\":\"object\"}}'\nparameters_file = 'x.json'"),
            "`tools.weather.parameters_file` and `parameters` are both given",
        );
    }

    #[test]
    fn an_unknown_key_and_a_bad_name_are_refused() {
        check_error(
            &format!("{HTTP}timeout = 1"),
            "unknown key `tools.weather.timeout`; did you mean `tools.weather.timeout_s`?",
        );
        check_error("[tools.'a.b']", "`tools.a.b` must have a name of 1 to 64 letters, digits, `_` or `-`");
    }

    #[test]
    fn headers_and_variables_come_from_the_environment_and_are_not_printed() {
        let toml = format!(
            "{HTTP}headers = {{ authorization = {{ env = 'A' }}, x-a = 'b' }}\n{COMMAND}env = ['PATH', 'B']"
        );
        let env = Env::from_iter([("A", "hush-a"), ("B", "hush-b"), ("PATH", "/bin"), ("C", "hush-c")]);
        let resolved = Config::from_toml(&toml).unwrap().resolve(&env).unwrap();
        let exposed = |list: &[(String, Secret)]| {
            list.iter().map(|(name, value)| format!("{name}={}", value.expose())).collect::<Vec<_>>()
        };
        assert_eq!(exposed(&resolved.tools["weather"].headers), ["authorization=hush-a", "x-a=b"]);
        assert_eq!(exposed(&resolved.tools["clock"].environment), ["PATH=/bin", "B=hush-b"]);
        assert!(!format!("{resolved:#?}{resolved}").contains("hush"));
        let error = Config::from_toml(&toml).unwrap().resolve(&Env::from_iter([("A", "a")])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "`tools.clock.env` names the variable `PATH`, which is not set or empty"
        );
    }
}
