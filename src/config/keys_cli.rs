//! `keys`: client keys on the command line.

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

/// Members of a key's settings that `--limit` names, by the object that they are in.
const LIMITS: [(&str, &[&str]); 3] = [
    (
        "limits",
        &[
            "max_concurrent",
            "max_background",
            "max_readers",
            "max_tool_processes",
            "max_mcp_sessions",
            "max_stored_bytes",
            "max_stored_responses",
        ],
    ),
    ("rates", &["requests_per_minute", "tokens_per_minute"]),
    ("budgets", &["tokens_per_day", "tokens_per_month", "usd_per_day", "usd_per_month"]),
];

/// Client keys in the store: of a running server with `--url`, else in the folder of one that is stopped.
#[derive(Args, Clone, Debug, Eq, PartialEq)]
pub struct Keys {
    #[command(subcommand)]
    pub command: KeysCommand,
    /// Address of a running server's admin API, such as http://127.0.0.1:4000 [env: OPEN_RESPONSES_URL]. Its admin key
    /// is read from the variable that `admin.key_env` names, or else from OPEN_RESPONSES_ADMIN_KEY
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// Print the admin API's JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// What to do with client keys. A key is given by its name or its id.
#[derive(Clone, Debug, Eq, PartialEq, Subcommand)]
pub enum KeysCommand {
    /// Make a key; its secret is printed to standard output, now and never again
    Create {
        name: String,
        /// Give it the responses that are stored under the name
        #[arg(long)]
        inherit_responses: bool,
        #[command(flatten)]
        settings: Settings,
    },
    /// List all keys in the order of their names: id, name, state, group, expiry, last use
    List,
    /// Show one key
    Show { key: String },
    /// Change a key's settings
    Update {
        key: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Give a key another secret, which is printed to standard output
    Rotate {
        key: String,
        /// How long the one before goes on working: seconds, or with `m`, `h`, `d`
        #[arg(long, value_name = "TIME", value_parser = seconds, default_value = "0")]
        overlap: u64,
    },
    /// Revoke a key at once and for good; it stays in the list
    Revoke { key: String },
    /// Forget a key; what it has stored stays until its time is over
    Delete { key: String },
}

/// Settings of a key. What is not given stays as it is, in a new key as it is without.
#[derive(Args, Clone, Debug, Default, Eq, PartialEq)]
pub struct Settings {
    /// Group that it has budgets in common with; empty: none
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Models that it may use, such as `gpt-*`; may be given several times [default: all]
    #[arg(long = "model", value_name = "PATTERN")]
    pub models: Vec<String>,
    /// Providers that it may use, by their names in the configuration; several times [default: all]
    #[arg(long = "provider", value_name = "PATTERN")]
    pub providers: Vec<String>,
    /// When it ends, from now: seconds, or with `m`, `h`, `d`; or `never`
    #[arg(long, value_name = "TIME", value_parser = expiry)]
    pub expires_in: Option<Expiry>,
    /// A tag `NAME=TEXT`; several times; without a text it is taken away
    #[arg(long = "tag", value_name = "NAME=TEXT", value_parser = pair)]
    pub tags: Vec<(String, String)>,
    /// A bound `NAME=NUMBER` of `[key_limits]`, or one of requests_per_minute, tokens_per_minute, tokens_per_day,
    /// tokens_per_month, usd_per_day, usd_per_month; several times; `NAME=none` takes it away
    #[arg(long = "limit", value_name = "NAME=NUMBER", value_parser = limit)]
    pub limits: Vec<(String, String)>,
}

/// When a key ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Expiry {
    Never,
    /// Seconds from now.
    In(u64),
}

impl Settings {
    /// As members of the admin API's body.
    pub fn to_json(&self, now: i64) -> Map<String, Value> {
        let mut members = Map::new();
        if let Some(group) = &self.group {
            members.insert("group".into(), if group.is_empty() { Value::Null } else { json!(group) });
        }
        for (name, patterns) in [("models", &self.models), ("providers", &self.providers)] {
            if !patterns.is_empty() {
                members.insert(name.into(), json!(patterns));
            }
        }
        match self.expires_in {
            Some(Expiry::Never) => drop(members.insert("expires_at".into(), Value::Null)),
            Some(Expiry::In(time)) => {
                members.insert("expires_at".into(), json!(now.saturating_add_unsigned(time)));
            }
            None => {}
        }
        let mut insert = |object: &str, name: &str, value: Value| {
            let object = members.entry(object).or_insert_with(|| json!({}));
            object[name] = value;
        };
        for (name, text) in &self.tags {
            insert("tags", name, if text.is_empty() { Value::Null } else { json!(text) });
        }
        for (name, number) in &self.limits {
            if let Some((object, _)) = LIMITS.iter().find(|(_, names)| names.contains(&name.as_str())) {
                insert(object, name, serde_json::from_str(number).unwrap_or(Value::Null));
            }
        }
        members
    }
}

fn seconds(text: &str) -> Result<u64, String> {
    let unit = |end| match end {
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        _ => None,
    };
    let (number, factor) = match text.char_indices().last().map(|(at, end)| (at, unit(end))) {
        Some((at, Some(factor))) => (&text[..at], factor),
        Some((_, None)) | None => (text, 1),
    };
    let number = number.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "it is a number of seconds, or one with `m`, `h` or `d` behind it".into())
}

fn expiry(text: &str) -> Result<Expiry, String> {
    if text == "never" { Ok(Expiry::Never) } else { seconds(text).map(Expiry::In) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    pair.ok_or_else(|| "it is a name, `=` and a value".into())
}

fn limit(text: &str) -> Result<(String, String), String> {
    let (name, number) = pair(text)?;
    if !LIMITS.iter().any(|(_, names)| names.contains(&name.as_str())) {
        let known: Vec<_> = LIMITS.iter().flat_map(|(_, names)| *names).copied().collect();
        return Err(format!("there is no bound `{name}`; there are {}", known.join(", ")));
    }
    if number != "none" && number.parse::<f64>().is_err() {
        return Err("it is a number, or `none`".into());
    }
    Ok((name, number))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn times_have_units() {
        let all = ["0", "90", "5m", "24h", "30d"].map(|text| seconds(text).unwrap());
        assert_eq!(all, [0, 90, 300, 86_400, 2_592_000]);
        for bad in ["", "d", "-1", "1w", "1.5h", "99999999999999999999", "999999999999999999d", "5é"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_are_members_of_a_body() {
        let settings = Settings {
            group: Some(String::new()),
            models: vec!["gpt-*".into()],
            providers: Vec::new(),
            expires_in: Some(Expiry::In(60)),
            tags: vec![pair("team=x").unwrap(), pair("old=").unwrap()],
            limits: ["max_concurrent=3", "usd_per_day=2.5", "tokens_per_day=none"]
                .map(|l| limit(l).unwrap())
                .into(),
        };
        let want = json!({"group": null, "models": ["gpt-*"], "expires_at": 160, "tags": {"team": "x", "old": null},
                          "limits": {"max_concurrent": 3}, "budgets": {"usd_per_day": 2.5, "tokens_per_day": null}});
        assert_eq!(Value::Object(settings.to_json(100)), want);
        assert_eq!(Settings::default().to_json(100), Map::new());
        assert!(limit("max_concurent=3").unwrap_err().contains("max_concurrent"));
        assert!(limit("max_concurrent=many").is_err() && limit("max_concurrent").is_err());
    }
}
