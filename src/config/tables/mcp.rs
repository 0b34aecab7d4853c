//! `[mcp.<label>]`: MCP servers that requests may name by their label, or that every request gets.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use or_tools::Offer;
use serde::{Deserialize, Serialize};

use crate::config::header::HeaderValue;

/// One MCP server, as configured. Its label is the key of the table.
///
/// In a loaded [`crate::config::Config`] it has a `url` or a `command`, never both.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct McpConfig {
    /// Of a server that is reached by streamable HTTP.
    pub url: String,
    pub headers: BTreeMap<String, HeaderValue>,
    /// Headers that a request may set.
    pub allow_client_headers: Vec<String>,
    /// Of a server that is a program: it and its arguments.
    pub command: Vec<String>,
    /// Variables of the server that the program gets.
    pub env: Vec<String>,
    /// Empty: the server's own.
    pub working_directory: PathBuf,
    /// For the model.
    pub description: String,
    /// Empty: all.
    pub allowed_tools: Vec<String>,
    /// `None`: as the request says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub require_approval: Option<RequireApproval>,
    /// `Always` only if no call needs approval.
    pub offer: Offer,
    /// One session for all client keys.
    pub share_session: bool,
    pub connect_timeout_s: u64,
    /// Of one call.
    pub timeout_s: u64,
    pub max_output_bytes: usize,
    /// Of one message, which holds a whole result.
    pub max_message_bytes: usize,
    /// 0: no limit.
    pub max_concurrent: usize,
}

impl Default for McpConfig {
    fn default() -> Self {
        Self {
            url: String::new(),
            headers: BTreeMap::new(),
            allow_client_headers: Vec::new(),
            command: Vec::new(),
            env: vec!["PATH".into()],
            working_directory: PathBuf::new(),
            description: String::new(),
            allowed_tools: Vec::new(),
            require_approval: None,
            offer: Offer::Requested,
            share_session: false,
            connect_timeout_s: 10,
            timeout_s: 60,
            max_output_bytes: 256 * 1024,
            max_message_bytes: 2 * 1024 * 1024,
            max_concurrent: 0,
        }
    }
}

impl McpConfig {
    pub fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_s)
    }

    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// Which calls wait for an approval.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(untagged)]
pub enum RequireApproval {
    All(ApprovalWord),
    ByTool(ApprovalLists),
}

/// The same for all tools.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalWord {
    Always,
    Never,
}

/// Names of tools. No tool is in both; one that is in neither needs approval.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ApprovalLists {
    pub always: Vec<String>,
    pub never: Vec<String>,
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::{Config, Env, Secret};

    const HTTP: &str = "[mcp.docs]\nurl = 'https://x/mcp?a=b'\n";
    const COMMAND: &str = "[mcp.files]\ncommand = ['mcp-files', '/srv']\n";

    #[track_caller]
    fn check(toml: &str, label: &str, want: McpConfig) {
        let got = Config::from_toml(toml).unwrap();
        got.check().unwrap();
        assert_eq!(got.mcp[label], want);
    }

    #[track_caller]
    fn check_error(toml: &str, want: &str) {
        let got = Config::from_toml(toml).unwrap_err().to_string();
        assert_eq!(got.replace(" in the given configuration", ""), want);
    }

    fn http() -> McpConfig {
        McpConfig { url: "https://x/mcp?a=b".into(), ..McpConfig::default() }
    }

    #[test]
    fn an_address_or_a_program_is_enough() {
        check(HTTP, "docs", http());
        let command = vec!["mcp-files".into(), "/srv".into()];
        check(COMMAND, "files", McpConfig { command, ..McpConfig::default() });
    }

    #[test]
    fn approval_is_a_word_or_two_lists() {
        let lists = |always: &[&str], never: &[&str]| {
            let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
            RequireApproval::ByTool(ApprovalLists { always: owned(always), never: owned(never) })
        };
        for (toml, want) in [
            ("'always'", RequireApproval::All(ApprovalWord::Always)),
            ("'never'", RequireApproval::All(ApprovalWord::Never)),
            ("{}", lists(&[], &[])),
            ("{ never = ['read'] }", lists(&[], &["read"])),
            ("{ always = ['write'], never = ['read', 'find it'] }", lists(&["write"], &["read", "find it"])),
        ] {
            let want = McpConfig { require_approval: Some(want), ..http() };
            check(&format!("{HTTP}require_approval = {toml}"), "docs", want);
        }
    }

    #[test]
    fn a_word_that_is_no_approval_is_refused() {
        let problem = "`mcp.docs.require_approval` must be `always`, `never` or a table such as \
                       `{ always = [\"tool\"], never = [\"tool\"] }`";
        for toml in
            ["'sometimes'", "true", "{ allways = [] }", "{ always = 'x' }", "{ never = [''] }", "['x']"]
        {
            check_error(&format!("{HTTP}require_approval = {toml}"), problem);
        }
    }

    #[test]
    fn a_server_is_an_address_or_a_program() {
        check_error("[mcp.x]", "`mcp.x.url` or `mcp.x.command` is missing");
        check_error(&format!("{HTTP}command = ['x']"), "`mcp.docs.command` and `url` are both given");
        check_error(&format!("{HTTP}env = []"), "`mcp.docs.env` is for servers with a `command`");
        check_error(
            &format!("{HTTP}working_directory = '/'"),
            "`mcp.docs.working_directory` is for servers with a `command`",
        );
        check_error(
            &format!("{COMMAND}headers.x-a = 'b'"),
            "`mcp.files.headers` is for servers with a `url`",
        );
    }

    #[test]
    fn an_address_has_no_user_and_is_http() {
        check_error(
            "[mcp.x]\nurl = 'https://u:p@x/mcp'",
            "`mcp.x.url` must not hold a user or password; use api_key_env or headers",
        );
        check_error(
            "[mcp.x]\nurl = 'ws://x'",
            "`mcp.x.url` must begin with `http://` or `https://` and a host",
        );
    }

    #[test]
    fn headers_of_the_protocol_are_not_for_users() {
        for name in ["Mcp-Session-Id", "accept", "mcp-method"] {
            check_error(
                &format!("{HTTP}headers.{name} = 'x'"),
                &format!("`mcp.docs.headers.{name}` is a header that the server sets itself"),
            );
        }
    }

    #[test]
    fn headers_that_requests_may_set_are_names_and_no_others_than_an_operator_may() {
        let names = vec!["X-Role".to_owned(), "authorization".to_owned()];
        let want = McpConfig { allow_client_headers: names, ..http() };
        check(&format!("{HTTP}allow_client_headers = ['X-Role', 'authorization']"), "docs", want);
        check_error(
            &format!("{HTTP}allow_client_headers = ['x role']"),
            "`mcp.docs.allow_client_headers` must be a list of names of headers",
        );
        check_error(
            &format!("{HTTP}allow_client_headers = ['Transfer-Encoding']"),
            "`mcp.docs.allow_client_headers` names `Transfer-Encoding`, a header that the server sets itself",
        );
        check_error(
            &format!("{COMMAND}allow_client_headers = ['x-role']"),
            "`mcp.files.allow_client_headers` is for servers with a `url`",
        );
    }

    #[test]
    fn a_header_stands_once() {
        check_error(
            &format!("{HTTP}headers = {{ X-A = 'x', x-a = 'y' }}"),
            "`mcp.docs.headers.x-a` is given twice, in other letters",
        );
    }

    #[test]
    fn a_tool_has_one_rule_and_is_allowed() {
        check_error(
            &format!("{HTTP}require_approval = {{ always = ['a', 'b'], never = ['b'] }}"),
            "`mcp.docs.require_approval` names the tool `b` in both lists",
        );
        check_error(
            &format!("{HTTP}allowed_tools = ['a']\nrequire_approval.always = ['aa']"),
            "`mcp.docs.require_approval` names the tool `aa`, which is not in `allowed_tools`",
        );
        check_error(
            &format!("{HTTP}allowed_tools = ['']"),
            "`mcp.docs.allowed_tools` must be a list of names of tools",
        );
    }

    #[test]
    fn what_every_request_gets_needs_no_approval() {
        let always = format!("{HTTP}offer = 'always'\n");
        let never = Some(RequireApproval::All(ApprovalWord::Never));
        let want = McpConfig { offer: Offer::Always, require_approval: never, ..http() };
        check(&format!("{always}require_approval = 'never'"), "docs", want);
        for approval in ["", "require_approval = 'always'", "require_approval.never = ['a']"] {
            check_error(
                &format!("{always}{approval}"),
                "`mcp.docs.offer` can be `always` only with `require_approval = \"never\"`: \
                 who does not name the server does not expect to be asked for an approval",
            );
        }
    }

    #[test]
    fn an_unknown_key_and_a_bad_label_are_refused() {
        check_error(
            &format!("{HTTP}timeout = 1"),
            "unknown key `mcp.docs.timeout`; did you mean `mcp.docs.timeout_s`?",
        );
        check_error("[mcp.'a.b']", "`mcp.a.b` must have a name of 1 to 64 letters, digits, `_` or `-`");
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
        assert_eq!(exposed(&resolved.mcp["docs"].headers), ["authorization=hush-a", "x-a=b"]);
        assert_eq!(exposed(&resolved.mcp["docs"].environment), Vec::<String>::new());
        assert_eq!(exposed(&resolved.mcp["files"].environment), ["PATH=/bin", "B=hush-b"]);
        assert!(!format!("{resolved:#?}{resolved}").contains("hush"));
        let error = |env: Env| Config::from_toml(&toml).unwrap().resolve(&env).unwrap_err().to_string();
        assert_eq!(
            error(Env::from_iter([("B", "b"), ("PATH", "/bin")])),
            "`mcp.docs.headers.authorization` names the variable `A`, which is not set or empty"
        );
        assert_eq!(
            error(Env::from_iter([("A", "a"), ("PATH", "/bin")])),
            "`mcp.files.env` names the variable `B`, which is not set or empty"
        );
    }

    #[test]
    fn variables_set_its_keys() {
        let env = Env::from_iter([
            ("OR__MCP__DOCS__URL", "http://y/mcp"),
            ("OR__MCP__DOCS__REQUIRE_APPROVAL", "{ never = ['a'] }"),
            ("OR__MCP__DOCS__ALLOWED_TOOLS", "a, b"),
            ("OR__MCP__OWN__COMMAND", "mcp-own"),
            ("OR__MCP__OWN__REQUIRE_APPROVAL", "always"),
        ]);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("c.toml");
        std::fs::write(&file, HTTP).unwrap();
        let got = Config::load(Some(&file), &env, &crate::config::Overrides::default()).unwrap();
        let lists = ApprovalLists { never: vec!["a".into()], ..ApprovalLists::default() };
        let docs = McpConfig {
            url: "http://y/mcp".into(),
            require_approval: Some(RequireApproval::ByTool(lists)),
            allowed_tools: vec!["a".into(), "b".into()],
            ..McpConfig::default()
        };
        assert_eq!(got.mcp["docs"], docs);
        let own = McpConfig {
            command: vec!["mcp-own".into()],
            require_approval: Some(RequireApproval::All(ApprovalWord::Always)),
            ..McpConfig::default()
        };
        assert_eq!(got.mcp["own"], own);
    }
}
