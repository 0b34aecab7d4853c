//! What the value of a key must be.

use std::fmt;

use actix_web::http::Uri;
use actix_web::http::header::HeaderName;
use toml::Value;

use crate::config::Pattern;
use crate::config::address::parse_address;
use crate::config::error::nearest;

/// Type, range and form of one value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    Bool,
    /// From, to, both included.
    Int(i64, i64),
    OneOf(&'static [&'static str]),
    Address,
    OptionalAddress,
    Path,
    OptionalPath,
    Text,
    OptionalText,
    Name,
    Variable,
    OptionalVariable,
    Variables,
    BaseUrl,
    Url,
    OptionalUrl,
    Pattern,
    Header,
    Models,
    AnyTable,
    Schema,
    Command,
    ToolNames,
    Clients,
    /// A list of these words.
    SomeOf(&'static [&'static str]),
    HeaderNames,
    Approval,
    Origins,
    HostPorts,
}

impl Rule {
    /// Says what is wrong with a value, to follow the name of the key.
    ///
    /// Free text is not repeated: people paste keys into the wrong places.
    pub(crate) fn check(self, value: &Value) -> Result<(), String> {
        match self {
            Self::Bool => typed(value, "true or false", Value::as_bool).map(drop),
            Self::Int(from, to) => match typed(value, "an integer", Value::as_integer)? {
                int if (from..=to).contains(&int) => Ok(()),
                int => Err(format!("must be from {from} to {to}, found {int}")),
            },
            Self::OneOf(choices) => one_of(choices, text(value)?),
            Self::Address => holds(
                parse_address(text(value)?).is_some(),
                "must be an address with a port, such as `127.0.0.1:4000` or `localhost:4000`",
            ),
            Self::OptionalAddress => match text(value)? {
                "" => Ok(()),
                _ => Self::Address.check(value),
            },
            Self::Path | Self::Text => holds(!text(value)?.is_empty(), "must not be empty"),
            Self::OptionalPath | Self::OptionalText => text(value).map(drop),
            Self::Name => text(value).map(Self::name_problem)?.map_or(Ok(()), |problem| Err(problem.into())),
            Self::Variable => holds(is_variable(text(value)?), VARIABLE),
            Self::OptionalVariable => {
                let name = text(value)?;
                holds(name.is_empty() || is_variable(name), VARIABLE)
            }
            Self::Variables => holds(
                texts(value)?.into_iter().all(is_variable),
                "must be a list of names of environment variables",
            ),
            Self::BaseUrl => base_url(text(value)?),
            Self::Url => url(text(value)?),
            Self::OptionalUrl => match text(value)? {
                "" => Ok(()),
                text => url(text),
            },
            Self::Pattern => match Pattern::new(text(value)?) {
                Ok(_) => Ok(()),
                Err(error) => Err(format!("is not a regular expression: {error}")),
            },
            Self::Header => header(value),
            Self::Models => holds(
                texts(value)?.into_iter().all(is_model),
                "must be a list of model names, without white space",
            ),
            Self::AnyTable => typed(value, "a table", Value::as_table).map(drop),
            Self::Schema => schema(value),
            Self::Command => holds(
                texts(value)?.first().is_none_or(|program| !program.is_empty()),
                "must be a list of a program and its arguments",
            ),
            Self::ToolNames => holds(tool_names(value)?, "must be a list of names of tools"),
            Self::Clients => holds(
                texts(value)?.into_iter().all(|name| Self::name_problem(name).is_none()),
                "must be a list of names of client keys",
            ),
            Self::SomeOf(choices) => texts(value)?.into_iter().try_for_each(|word| one_of(choices, word)),
            Self::HeaderNames => holds(
                texts(value)?.into_iter().all(|name| HeaderName::from_bytes(name.as_bytes()).is_ok()),
                "must be a list of names of headers",
            ),
            Self::Approval => approval(value),
            Self::Origins => origins(&texts(value)?),
            Self::HostPorts => holds(
                texts(value)?.into_iter().all(is_host_port),
                "must be a list of `host:port`, such as `127.0.0.1:8080`",
            ),
        }
    }

    /// What is wrong with a name, of a provider, a kind or a client key.
    pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let fits = (1..=64).contains(&name.len()) && name.chars().all(good);
        (!fits).then_some("must have a name of 1 to 64 letters, digits, `-`, `_` or `.`")
    }

    /// What is wrong with the name of a tool, by the providers' own rule, or the label of an MCP server.
    pub(crate) fn tool_name_problem(name: &str) -> Option<&'static str> {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        let fits = (1..=64).contains(&name.len()) && name.chars().all(good);
        (!fits).then_some("must have a name of 1 to 64 letters, digits, `_` or `-`")
    }

    pub(crate) fn header_name_problem(name: &str) -> Option<&'static str> {
        const OURS: [&str; 5] = ["host", "content-length", "content-type", "connection", "transfer-encoding"];
        match HeaderName::from_bytes(name.as_bytes()) {
            Err(_) => Some("is not a header name"),
            Ok(name) if OURS.contains(&name.as_str()) => Some("is a header that the server sets itself"),
            Ok(_) => None,
        }
    }

    /// Whether the value is a list of strings, which a variable may give with commas.
    pub(crate) fn is_list(self) -> bool {
        use Rule::{Clients, Command, HeaderNames, HostPorts, Models, Origins, SomeOf, ToolNames, Variables};
        matches!(
            self,
            Clients
                | SomeOf(_)
                | Models
                | Origins
                | HostPorts
                | Variables
                | Command
                | ToolNames
                | HeaderNames
        )
    }

    /// Whether the value is one string, which a variable may give without quotes.
    pub(crate) fn is_text(self) -> bool {
        match self {
            Self::OneOf(_) | Self::Address | Self::Path | Self::Name | Self::Variable => true,
            Self::OptionalVariable | Self::BaseUrl | Self::Url | Self::Pattern | Self::Header => true,
            Self::OptionalAddress | Self::OptionalUrl => true,
            Self::Text | Self::OptionalText | Self::OptionalPath | Self::Approval => true,
            Self::Bool | Self::Int(..) | Self::AnyTable | Self::Schema => false,
            Self::Models | Self::Origins | Self::HostPorts => false,
            Self::Variables | Self::Command | Self::ToolNames | Self::HeaderNames => false,
            Self::Clients | Self::SomeOf(_) => false,
        }
    }
}

/// As the reference puts it.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool => f.write_str("bool"),
            Self::Int(from, to) => write!(f, "{from} to {to}"),
            Self::OneOf(choices) => f.write_str(&quoted(choices)),
            Self::Address => f.write_str("`address:port`"),
            Self::OptionalAddress => f.write_str("`address:port` or empty"),
            Self::Path => f.write_str("path"),
            Self::OptionalPath => f.write_str("path or empty"),
            Self::Text => f.write_str("text"),
            Self::OptionalText => f.write_str("text or empty"),
            Self::Name => f.write_str("name"),
            Self::Variable => f.write_str("variable"),
            Self::OptionalVariable => f.write_str("variable or empty"),
            Self::Variables => f.write_str("list of variables"),
            Self::BaseUrl | Self::Url => f.write_str("URL"),
            Self::OptionalUrl => f.write_str("URL or empty"),
            Self::Pattern => f.write_str("regular expression"),
            Self::Header => f.write_str("text or `{ env = \"…\" }`"),
            Self::Models => f.write_str("list of model names"),
            Self::AnyTable => f.write_str("table"),
            Self::Schema => f.write_str("JSON Schema, as a table or JSON text"),
            Self::Command => f.write_str("list of texts"),
            Self::ToolNames => f.write_str("list of names of tools"),
            Self::Clients => f.write_str("list of names of client keys"),
            Self::SomeOf(choices) => write!(f, "list of {}", quoted(choices)),
            Self::HeaderNames => f.write_str("list of names of headers"),
            Self::Approval => f.write_str("`always`, `never` or `{ always = […], never = […] }`"),
            Self::Origins => f.write_str("origins or `[\"*\"]`"),
            Self::HostPorts => f.write_str("list of `host:port`"),
        }
    }
}

const VARIABLE: &str = "must be the name of an environment variable, not what is in it";

fn holds(good: bool, problem: &str) -> Result<(), String> {
    if good { Ok(()) } else { Err(problem.into()) }
}

fn typed<'a, T>(value: &'a Value, want: &str, get: impl Fn(&'a Value) -> Option<T>) -> Result<T, String> {
    get(value).ok_or_else(|| {
        let found = match value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date",
            Value::Array(_) => "a list",
            Value::Table(_) => "a table",
        };
        format!("must be {want}, found {found}")
    })
}

fn text(value: &Value) -> Result<&str, String> {
    typed(value, "a string", Value::as_str)
}

fn texts(value: &Value) -> Result<Vec<&str>, String> {
    typed(value, "a list of strings", Value::as_array)?
        .iter()
        .map(|element| element.as_str().ok_or_else(|| "must be a list of strings".into()))
        .collect()
}

fn quoted(choices: &[&str]) -> String {
    choices.iter().map(|choice| format!("`{choice}`")).collect::<Vec<_>>().join(", ")
}

fn one_of(choices: &[&str], found: &str) -> Result<(), String> {
    if choices.contains(&found) {
        return Ok(());
    }
    let list = quoted(choices);
    let hint = nearest(found, choices.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    Err(format!("must be one of {list}{}", hint.unwrap_or_default()))
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn base_url(text: &str) -> Result<(), String> {
    holds(!text.contains(['?', '#']), "must not hold a query or fragment")?;
    url(text)
}

/// Empty is allowed here: whether the kind needs a URL is not known to one key.
fn url(url: &str) -> Result<(), String> {
    if url.is_empty() {
        return Ok(());
    }
    let uri: Uri = url.parse().map_err(|_| "is not a URL")?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let host = uri.host().unwrap_or_default();
    holds(
        matches!(uri.scheme_str(), Some("http" | "https")) && !host.is_empty(),
        "must begin with `http://` or `https://` and a host",
    )?;
    holds(!authority.contains('@'), "must not hold a user or password; use api_key_env or headers")?;
    let port = authority.strip_prefix(host).and_then(|rest| rest.strip_prefix(':'));
    let has_good_port = port.is_none_or(|port| port.parse().is_ok_and(|port: u16| port > 0));
    holds(has_good_port, "must have a port from 1 to 65535, or none")?;
    holds(!url.contains('#'), "must not hold a fragment")
}

/// Whether it is a schema that works is known when it is compiled.
fn schema(value: &Value) -> Result<(), String> {
    let problem = "must be a table, or JSON text of an object";
    match value {
        Value::Table(_) => Ok(()),
        Value::String(text) => {
            holds(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text).is_ok(), problem)
        }
        _ => Err(problem.into()),
    }
}

fn header(value: &Value) -> Result<(), String> {
    let problem = "must be text or `{ env = \"VARIABLE\" }`";
    match value {
        Value::String(text) => {
            holds(text.bytes().all(|b| matches!(b, b' '..=b'~' | b'\t')), "must be printable ASCII")
        }
        Value::Table(table) if table.len() == 1 => {
            holds(table.get("env").and_then(Value::as_str).is_some_and(is_variable), problem)
        }
        _ => Err(problem.into()),
    }
}

fn tool_names(value: &Value) -> Result<bool, String> {
    Ok(texts(value)?.iter().all(|name| !name.is_empty()))
}

fn approval(value: &Value) -> Result<(), String> {
    let good = match value {
        Value::String(word) => matches!(word.as_str(), "always" | "never"),
        Value::Table(lists) => lists.iter().all(|(list, names)| {
            matches!(list.as_str(), "always" | "never") && tool_names(names) == Ok(true)
        }),
        _ => false,
    };
    let problem =
        "must be `always`, `never` or a table such as `{ always = [\"tool\"], never = [\"tool\"] }`";
    holds(good, problem)
}

fn origins(origins: &[&str]) -> Result<(), String> {
    if origins == ["*"] {
        return Ok(());
    }
    let is_origin = |origin: &&str| {
        origin.split_once("://").is_some_and(|(scheme, host)| {
            let scheme = !scheme.is_empty()
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
            scheme && !host.is_empty() && !host.contains(['/', '*', '?', '#', '@', ' '])
        })
    };
    holds(
        origins.iter().all(is_origin),
        "must be `[\"*\"]` or a list of origins such as `https://app.example.com`, without a path or slash at the end",
    )
}

fn is_model(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_host_port(target: &str) -> bool {
    target.rsplit_once(':').is_some_and(|(host, port)| {
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(['/', ':', '@', ' ', '*']),
        };
        host && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
#[path = "rule_tests.rs"]
mod tests;
