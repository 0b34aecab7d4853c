//! The environment: a copy taken once, and the `OR__SECTION__KEY` overrides in it.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use super::rule::Rule;
use super::schema::{self, Place, Shape};
use crate::config::error::{ConfigError, Origin};

/// The variables of the process, as they were when this was made.
#[derive(Clone, Default)]
pub struct Env(BTreeMap<String, String>);

impl Env {
    /// Reads the process's environment. Variables that are not Unicode are
    /// left out: no key, path or URL of ours can be one.
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable. An empty one counts as unset, because that is
    /// what compose files make of a variable they do not have.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.trim().is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Env({} variables)", self.0.len())
    }
}

/// Writes each `OR__…` variable over its key. Returns which variable set which path.
pub(crate) fn apply(env: &Env, table: &mut Table) -> Result<BTreeMap<String, String>, ConfigError> {
    let mut set_by = BTreeMap::new();
    for (name, raw) in &env.0 {
        let Some(keys) = name.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("OR__")) else { continue };
        let keys: Vec<&str> = name[keys.len()..].split("__").collect();
        let origin = Origin::Variable(name.clone());
        let place = set(table, &Place::default(), &keys, raw, &origin)?;
        if let Some(other) = set_by.insert(place.path.clone(), name.clone()) {
            return Err(bad(&place, &origin, format!("is also set by the variable `{other}`")));
        }
    }
    Ok(set_by)
}

/// Writes one value; `keys` are the parts of the variable's name from here on.
fn set(
    table: &mut Table,
    place: &Place,
    keys: &[&str],
    raw: &str,
    origin: &Origin,
) -> Result<Place, ConfigError> {
    let Some((first, rest)) = keys.split_first() else {
        return Err(bad(place, origin, "is a table: set one of its keys".into()));
    };
    let (step, key) = match place.node() {
        Shape::Table(known) => {
            let key = first.to_ascii_lowercase();
            let known = known.into_iter().find(|known| *known == key);
            let step = known.ok_or_else(|| place.unknown(&key, origin))?;
            (step, step.to_owned())
        }
        Shape::Named(placeholder) => (placeholder, named(table, placeholder, first, place, origin)?),
        Shape::Value(_) | Shape::List => return Err(place.unknown(first, origin)),
    };
    let inner = place.key(step, &key);
    let value = match (inner.node(), rest) {
        (Shape::Table(_) | Shape::Named(_), rest) => {
            let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
            return match entry {
                Value::Table(table) => set(table, &inner, rest, raw, origin),
                _ => Err(bad(&inner, origin, "is not a table".into())),
            };
        }
        (Shape::Value(Rule::AnyTable), [_, ..]) => {
            let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
            return set_free(entry, inner, rest, raw, origin);
        }
        (Shape::Value(rule), []) => parse(rule, raw),
        (Shape::List, []) => literal(raw).unwrap_or_else(|| Value::String(raw.into())),
        (Shape::Value(_) | Shape::List, [deeper, ..]) => return Err(inner.unknown(deeper, origin)),
    };
    schema::check_value(&value, &inner, origin)?;
    table.insert(key, value);
    Ok(inner)
}

/// The name in a table that a part of a variable's name stands for.
///
/// Most shells cannot write `-` or `.` in a name, so `_` stands for them if
/// the table has such a name; otherwise a new name is what was written, in
/// lower case. Headers never have `_` in practice, so there it is always `-`.
fn named(
    table: &Table,
    step: &str,
    part: &str,
    place: &Place,
    origin: &Origin,
) -> Result<String, ConfigError> {
    let part = part.to_ascii_lowercase();
    let fold = |name: &str| name.to_ascii_lowercase().replace(['-', '.'], "_");
    if let Some(name) = table.keys().find(|name| name.to_ascii_lowercase() == part) {
        return Ok(name.clone());
    }
    let mut alike = table.keys().filter(|name| fold(name) == fold(&part));
    let name = match (alike.next(), alike.next()) {
        (Some(one), Some(other)) => {
            let problem = format!("could be `{one}` or `{other}`: rename one of them");
            return Err(bad(&place.key(step, &part), origin, problem));
        }
        (Some(name), None) => name.clone(),
        (None, _) if step == "<header>" => part.replace('_', "-"),
        (None, _) => part,
    };
    match schema::name_problem(step, &name) {
        Some(problem) => Err(bad(&place.key(step, &name), origin, problem.into())),
        None => Ok(name),
    }
}

/// Writes into a table whose keys only the adapter knows.
fn set_free(
    entry: &mut Value,
    place: Place,
    keys: &[&str],
    raw: &str,
    origin: &Origin,
) -> Result<Place, ConfigError> {
    let Some((first, rest)) = keys.split_first() else {
        *entry = literal(raw).unwrap_or_else(|| Value::String(raw.into()));
        return Ok(place);
    };
    let Value::Table(table) = entry else {
        return Err(bad(&place, origin, "is not a table".into()));
    };
    let key = first.to_ascii_lowercase();
    let inner = place.key("", &key);
    let entry = table.entry(key).or_insert_with(|| Value::Table(Table::new()));
    set_free(entry, inner, rest, raw, origin)
}

/// Reads a variable's text as a value that fits the rule, else as a string,
/// which the rule then refuses with its own words.
fn parse(rule: Rule, raw: &str) -> Value {
    let parsed = literal(raw).filter(|value| rule.check(value).is_ok() || !rule.is_text() && !rule.is_list());
    match parsed {
        Some(value) => value,
        None if rule.is_list() && !raw.trim_start().starts_with('[') => {
            let elements = raw.split(',').map(str::trim).filter(|element| !element.is_empty());
            Value::Array(elements.map(|element| Value::String(element.into())).collect())
        }
        None => Value::String(raw.into()),
    }
}

fn literal(raw: &str) -> Option<Value> {
    format!("v = {raw}").parse::<Table>().ok().filter(|table| table.len() == 1)?.remove("v")
}

fn bad(place: &Place, origin: &Origin, problem: String) -> ConfigError {
    ConfigError::BadValue { key: place.path.clone(), origin: origin.clone(), problem }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const BEFORE: &str =
        "[providers.my-vllm]\nkind = 'openai-chat'\n[providers.openai]\nkind = 'openai-responses'\n";

    /// `want` is TOML that the variables must amount to, on top of `BEFORE`.
    #[track_caller]
    fn check(variables: &[(&str, &str)], want: &str) {
        let mut got: Table = BEFORE.parse().unwrap();
        apply(&variables.iter().copied().collect(), &mut got).unwrap();
        let mut before: Table = BEFORE.parse().unwrap();
        merge(&mut before, want.parse().unwrap());
        assert_eq!(got, before);
    }

    fn merge(into: &mut Table, from: Table) {
        for (key, value) in from {
            match (into.get_mut(&key), value) {
                (Some(Value::Table(into)), Value::Table(from)) => merge(into, from),
                (_, value) => drop(into.insert(key, value)),
            }
        }
    }

    #[track_caller]
    fn check_error(variables: &[(&str, &str)], want: &str) {
        let mut table: Table = BEFORE.parse().unwrap();
        let got = apply(&variables.iter().copied().collect(), &mut table).unwrap_err();
        assert_eq!(got.to_string(), want);
    }

    #[test]
    fn a_string_needs_no_quotes() {
        check(&[("OR__SERVER__BIND", "127.0.0.1:80")], "server.bind = '127.0.0.1:80'");
        check(&[("OR__SERVER__BIND", "'127.0.0.1:80'")], "server.bind = '127.0.0.1:80'");
        check(&[("OR__STORE__PATH", "2026")], "store.path = '2026'");
    }

    #[test]
    fn integers_and_booleans_are_literals() {
        check(&[("OR__SERVER__WORKERS", "4")], "server.workers = 4");
        check(&[("OR__STORE__POWER_LOSS_SAFE", "true")], "store.power_loss_safe = true");
    }

    #[test]
    fn a_list_is_commas_or_a_literal() {
        let want = "server.cors_allowed_origins = ['http://a', 'http://b']";
        check(&[("OR__SERVER__CORS_ALLOWED_ORIGINS", "http://a, http://b")], want);
        check(&[("OR__SERVER__CORS_ALLOWED_ORIGINS", "['http://a', 'http://b']")], want);
        check(&[("OR__SERVER__CORS_ALLOWED_ORIGINS", "*")], "server.cors_allowed_origins = ['*']");
        check(&[("OR__SERVER__CORS_ALLOWED_ORIGINS", "")], "server.cors_allowed_origins = []");
    }

    #[test]
    fn a_list_of_tables_is_a_literal() {
        check(
            &[("OR__ROUTES", "[{ pattern = '^x', provider = 'openai' }]")],
            "routes = [{ pattern = '^x', provider = 'openai' }]",
        );
    }

    #[test]
    fn case_does_not_matter() {
        check(&[("or__Server__workers", "4")], "server.workers = 4");
    }

    #[test]
    fn an_underscore_reaches_a_name_with_a_hyphen() {
        check(&[("OR__PROVIDERS__MY_VLLM__ENABLED", "false")], "providers.my-vllm.enabled = false");
        check(&[("OR__PROVIDERS__MY-VLLM__ENABLED", "false")], "providers.my-vllm.enabled = false");
    }

    #[test]
    fn a_new_provider_is_made() {
        check(&[("OR__PROVIDERS__GROQ__KIND", "openai-chat")], "providers.groq.kind = 'openai-chat'");
    }

    #[test]
    fn headers_and_quirks_are_reached() {
        check(
            &[("OR__PROVIDERS__OPENAI__HEADERS__X_TITLE", "{ env = 'TITLE' }")],
            "providers.openai.headers.x-title = { env = 'TITLE' }",
        );
        check(
            &[
                ("OR__PROVIDERS__OPENAI__QUIRKS__DEVELOPER_ROLE", "system"),
                ("OR__PROVIDERS__OPENAI__QUIRKS__STREAM_USAGE", "false"),
            ],
            "providers.openai.quirks = { developer_role = 'system', stream_usage = false }",
        );
    }

    #[test]
    fn other_variables_are_left_alone() {
        check(&[("OR_SERVER", "x"), ("ORACLE__HOME", "x"), ("é__", "x")], "");
    }

    #[test]
    fn a_wrong_type_is_refused_by_key_and_variable() {
        check_error(
            &[("OR__SERVER__WORKERS", "many")],
            "`server.workers` in the variable `OR__SERVER__WORKERS` must be an integer, found a string",
        );
        check_error(
            &[("OR__SERVER__WORKERS", "2000")],
            "`server.workers` in the variable `OR__SERVER__WORKERS` must be from 0 to 1024, found 2000",
        );
    }

    #[test]
    fn an_unknown_key_is_refused_with_the_nearest() {
        check_error(
            &[("OR__SERVER__WORKER", "1")],
            "unknown key `server.worker` in the variable `OR__SERVER__WORKER`; did you mean `server.workers`?",
        );
    }

    #[test]
    fn a_whole_table_is_refused() {
        check_error(
            &[("OR__SERVER", "{}")],
            "`server` in the variable `OR__SERVER` is a table: set one of its keys",
        );
    }

    #[test]
    fn one_key_set_by_two_variables_is_refused() {
        check_error(
            &[("OR__SERVER__WORKERS", "1"), ("or__server__workers", "2")],
            "`server.workers` in the variable `or__server__workers` is also set by the variable `OR__SERVER__WORKERS`",
        );
    }

    #[test]
    fn a_literal_cannot_smuggle_in_other_keys() {
        check_error(
            &[("OR__SERVER__WORKERS", "1\nx = 2")],
            "`server.workers` in the variable `OR__SERVER__WORKERS` must be an integer, found a string",
        );
    }

    #[test]
    fn the_environment_is_not_printed() {
        assert_eq!(format!("{:?}", Env::from_iter([("OPENAI_API_KEY", "sk-1")])), "Env(1 variables)");
    }
}
