//! What a configuration amounts to, in words.

use std::fmt::{self, Write};

use or_tools::Offer;

use super::{
    ApprovalWord, Balance, McpConfig, McpRunner, ProviderState, RequireApproval, Resolved, Route,
    RouteTarget, ToolKind, WebhookConfig, built_in_routes,
};

impl Resolved {
    /// What the operator most likely does not want, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let server = &self.config.server;
        let mut warnings = Vec::new();
        if !self.wants_key() && !server.bind.ip().to_canonical().is_loopback() {
            warnings.push(format!("everybody who reaches {} can use every provider", server.bind));
        }
        if !self.wants_key() && server.cors_allowed_origins == ["*"] {
            warnings.push("every web page that a user opens can use every provider".into());
        }
        let metrics = &self.config.metrics;
        if let Some(bind) = metrics.bind.filter(|bind| !bind.ip().to_canonical().is_loopback())
            && self.metrics_key.is_none()
        {
            warnings.push(format!("everybody who reaches {bind} can read the metrics"));
        }
        for route in &self.config.routes {
            for (provider, _) in route.leads_to() {
                if let Some(ProviderState::Off(reason)) = self.providers.get(provider).map(|p| &p.state) {
                    let pattern = route.pattern.as_str();
                    warnings
                        .push(format!("the route `{pattern}` leads to `{provider}`, which is off: {reason}"));
                }
            }
        }
        warnings
    }
}

/// A summary of several lines, without secrets.
impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "bind         {}", self.config.server.bind)?;
        let names: Vec<_> = self.client_keys.iter().map(|key| key.name.as_str()).collect();
        let clients = match (names.as_slice(), self.wants_key()) {
            ([], false) => "none but those of the store; without any everybody may call".into(),
            ([], true) => "those of the store".into(),
            (names, _) => names.join(", "),
        };
        writeln!(f, "client keys  {clients}")?;
        if self.admin_key.is_some() {
            let place = self.config.admin.bind.unwrap_or(self.config.server.bind);
            writeln!(f, "admin API    {place}, key from {}", self.config.admin.key_env)?;
        }
        let kept = match self.config.store.retention_days {
            0 => "for ever".into(),
            days => format!("for {days} days"),
        };
        writeln!(f, "store        {}, kept {kept}", self.config.store.path.display())?;
        for (name, provider) in &self.providers {
            let config = &provider.config;
            let state = match &provider.state {
                ProviderState::On { keys } if keys.is_empty() => "on, no key".into(),
                ProviderState::On { keys } => {
                    let variables = config.key_variables().collect::<Vec<_>>().join(", ");
                    format!("on, {} from {variables}", if keys.len() == 1 { "key" } else { "keys" })
                }
                ProviderState::ClientKeyOnly => {
                    let variable = config.key_variables().next().unwrap_or_default();
                    format!("only with a client's own key: {variable} is not set")
                }
                ProviderState::Off(reason) => format!("off: {reason}"),
            };
            let mut place = config.kind.to_string();
            if !config.base_url.is_empty() {
                write!(place, " at {}", config.base_url)?;
            }
            let mcp = match config.mcp {
                McpRunner::Server => "",
                McpRunner::Provider => ", runs MCP tools itself",
            };
            writeln!(f, "provider     {name} ({place}): {state}{mcp}")?;
        }
        for (name, tool) in &self.tools {
            let config = &tool.config;
            let place = match config.kind {
                Some(ToolKind::Http) => at(&config.url),
                Some(ToolKind::Command) | None => program(&config.command),
            };
            writeln!(f, "tool         {name} ({place}): {}", offered(config.offer))?;
        }
        for (label, server) in &self.mcp {
            let config = &server.config;
            let place = if config.url.is_empty() { program(&config.command) } else { at(&config.url) };
            let (offer, approval) = (offered(config.offer), approval(config));
            writeln!(f, "mcp          {label} ({place}): {offer}, {approval}")?;
        }
        for (name, webhook) in &self.config.webhooks {
            writeln!(f, "webhook      {name} ({}): {}", at(&webhook.url), told(webhook))?;
        }
        let (first, last) = self.config.user_routes();
        for route in first.iter().chain(built_in_routes()).chain(last) {
            writeln!(f, "route        {} -> {}", route.pattern.as_str(), leads_to(route))?;
        }
        self.warnings().iter().try_for_each(|warning| writeln!(f, "warning      {warning}"))
    }
}

/// Where a route leads to, in the order in which it is asked, with weights if these decide.
fn leads_to(route: &Route) -> String {
    let weighted = route.balance() == Balance::Weight;
    let target = |target: &RouteTarget| {
        let model = target.model.as_ref().map(|model| format!("/{model}")).unwrap_or_default();
        let weight = if weighted { format!(" ({})", target.weight.unwrap_or(1)) } else { String::new() };
        format!("{}{model}{weight}", target.provider)
    };
    match route.targets.as_slice() {
        [] => route.provider.clone(),
        targets => {
            targets.iter().map(target).collect::<Vec<_>>().join(if weighted { " | " } else { ", then " })
        }
    }
}

/// Without the query, which may hold a key.
fn at(url: &str) -> String {
    format!("http at {}", url.split('?').next().unwrap_or_default())
}

/// Without the arguments, which may hold one too.
fn program(command: &[String]) -> String {
    format!("command {}", command.first().map_or("", String::as_str))
}

fn offered(offer: Offer) -> &'static str {
    match offer {
        Offer::Requested => "for requests that name it",
        Offer::Always => "for every request",
    }
}

fn approval(config: &McpConfig) -> &'static str {
    match config.require_approval {
        None => "approval as the request says",
        Some(RequireApproval::All(ApprovalWord::Always)) => "every call needs approval",
        Some(RequireApproval::All(ApprovalWord::Never)) => "no call needs approval",
        Some(RequireApproval::ByTool(_)) => "approval by tool",
    }
}

fn told(webhook: &WebhookConfig) -> String {
    let names: Vec<_> = webhook.events.iter().map(|event| event.as_str()).collect();
    let events = if names.is_empty() { "all events".into() } else { names.join(", ") };
    let clients = if webhook.clients.is_empty() { "all clients".into() } else { webhook.clients.join(", ") };
    format!("{events} of {clients}")
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use crate::config::{Config, Env};

    #[track_caller]
    fn check_warnings(toml: &str, want: &[&str]) {
        assert_eq!(Config::from_toml(toml).unwrap().resolve(&Env::default()).unwrap().warnings(), want);
    }

    #[test]
    fn the_defaults_warn_of_nothing() {
        check_warnings("", &[]);
    }

    #[test]
    fn an_open_server_is_warned_of() {
        check_warnings(
            "server = { bind = '0.0.0.0:1', allow_unauthenticated = true, cors_allowed_origins = ['*'] }",
            &[
                "everybody who reaches 0.0.0.0:1 can use every provider",
                "every web page that a user opens can use every provider",
            ],
        );
    }

    #[test]
    fn open_metrics_are_warned_of() {
        check_warnings("metrics.bind = '127.0.0.1:9090'", &[]);
        check_warnings(
            "metrics.bind = '0.0.0.0:9090'",
            &["everybody who reaches 0.0.0.0:9090 can read the metrics"],
        );
    }

    #[test]
    fn a_route_to_nowhere_is_warned_of() {
        check_warnings(
            "providers.demo.enabled = false\n[[routes]]\npattern = '^x'\nprovider = 'demo'",
            &["the route `^x` leads to `demo`, which is off: `enabled` is false"],
        );
    }

    #[test]
    fn the_summary_says_where_routes_lead() {
        let ordered = "targets = [{ provider = 'ollama', model = 'a' }, { provider = 'demo' }]";
        let shared =
            "balance = 'weight'\ntargets = [{ provider = 'ollama', weight = 3 }, { provider = 'demo' }]";
        let toml = format!("[[routes]]\npattern = '^a'\n{ordered}\n[[routes]]\npattern = '^b'\n{shared}");
        let got = Config::from_toml(&toml).unwrap().resolve(&Env::default()).unwrap().to_string();
        for line in ["route        ^a -> ollama/a, then demo", "route        ^b -> ollama (3) | demo (1)"] {
            assert!(got.lines().any(|got| got == line), "{got}");
        }
    }

    #[test]
    fn the_summary_lists_the_tools_without_their_queries() {
        let http = "[tools.weather]\nkind = 'http'\ndescription = 'x'\nurl = 'http://x/run?key=hush'\n";
        let command = "[tools.clock]\nkind = 'command'\ndescription = 'x'\ncommand = ['date', 'hush']\n";
        let toml = format!("{http}{command}env = []\noffer = 'always'");
        let got = Config::from_toml(&toml).unwrap().resolve(&Env::default()).unwrap().to_string();
        let lines: Vec<_> = got.lines().filter(|line| line.starts_with("tool ")).collect();
        let want = [
            "tool         clock (command date): for every request",
            "tool         weather (http at http://x/run): for requests that name it",
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn the_summary_lists_the_mcp_servers_and_who_runs_their_tools() {
        let toml = "\
[mcp.docs]
url = 'https://x/mcp?key=hush'
[mcp.files]
command = ['mcp-files', 'hush']
env = []
offer = 'always'
require_approval = 'never'
[mcp.mail]
url = 'https://y'
require_approval = { always = ['send'] }
[mcp.shop]
url = 'https://z'
require_approval = 'always'
[providers.openai]
mcp = 'provider'";
        let got = Config::from_toml(toml).unwrap().resolve(&Env::default()).unwrap().to_string();
        let lines: Vec<_> = got.lines().filter(|line| line.to_lowercase().contains("mcp")).collect();
        let want = [
            "provider     openai (openai-responses at https://api.openai.com/v1): only with a client's own key: \
             OPENAI_API_KEY is not set, runs MCP tools itself",
            "mcp          docs (http at https://x/mcp): for requests that name it, approval as the request says",
            "mcp          files (command mcp-files): for every request, no call needs approval",
            "mcp          mail (http at https://y): for requests that name it, approval by tool",
            "mcp          shop (http at https://z): for requests that name it, every call needs approval",
        ];
        assert_eq!(lines, want);
    }

    #[test]
    fn the_summary_says_what_is_on_and_no_secret() {
        let env = Env::from_iter([("OPENAI_API_KEY", "sk-secret"), ("KEYS", "client-secret-of-somebody")]);
        let toml = "auth.client_keys_env = 'KEYS'\nproviders.gemini.enabled = false";
        let got = Config::from_toml(toml).unwrap().resolve(&env).unwrap().to_string();
        let want = "\
bind         127.0.0.1:4000
client keys  key-c5297f2348d7
store        data, kept for 30 days
provider     anthropic (anthropic at https://api.anthropic.com/v1): only with a client's own key: ANTHROPIC_API_KEY is not set
provider     demo (demo): off: it is on by itself only without other providers and client keys; `providers.demo.enabled = true` keeps it on
provider     gemini (gemini at https://generativelanguage.googleapis.com/v1beta): off: `enabled` is false
provider     ollama (ollama at http://127.0.0.1:11434): on, no key
provider     openai (openai-responses at https://api.openai.com/v1): on, key from OPENAI_API_KEY
route        ^demo -> demo
route        ^(llama|mistral|phi|qwen|gemma|deepseek|gpt-oss) -> ollama
route        ^(gpt-|o[0-9]|chatgpt-|codex-) -> openai
route        ^claude- -> anthropic
route        ^gemini- -> gemini
";
        assert_eq!(got, want);
    }
}
