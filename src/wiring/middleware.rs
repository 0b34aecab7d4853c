//! Middlewares of their tables.

use std::sync::Arc;

use or_middleware::Middleware;
use or_middleware::builtin::{AuditLog, ContentFilter, RateLimit, SystemPrompt, TurnLimit, Webhook};
use serde::de::DeserializeOwned;
use toml::Value;

use crate::StartError;
use crate::config::{MiddlewareConfig, MiddlewareKind, Resolved, Secret};

/// The middlewares of the configuration, in their order.
pub(crate) fn middlewares(resolved: &Resolved) -> Result<Vec<Arc<dyn Middleware>>, StartError> {
    let tables = resolved.config.middleware.iter().zip(&resolved.middleware_headers).enumerate();
    tables
        .map(|(index, (table, headers))| {
            let bad = |reason| StartError::MiddlewareTable { index, kind: table.kind.as_str(), reason };
            middleware(table, headers).map_err(bad)
        })
        .collect()
}

fn middleware(table: &MiddlewareConfig, headers: &[(String, Secret)]) -> Result<Arc<dyn Middleware>, String> {
    let spec = table.spec();
    if !headers.is_empty() && table.kind != MiddlewareKind::Webhook {
        return Err("`headers` are for the kind `webhook`".into());
    }
    Ok(match table.kind {
        MiddlewareKind::AuditLog => Arc::new(AuditLog::new(spec, options(table)?)),
        MiddlewareKind::ContentFilter => Arc::new(ContentFilter::new(spec, &options(table)?)?),
        MiddlewareKind::TurnLimit => Arc::new(TurnLimit::new(spec, options(table)?)?),
        MiddlewareKind::RateLimit => Arc::new(RateLimit::new(spec, options(table)?)?),
        MiddlewareKind::Webhook => {
            Arc::new(Webhook::new(spec, options(table)?, Secret::expose_all(headers))?)
        }
        MiddlewareKind::SystemPrompt => Arc::new(SystemPrompt::new(spec, options(table)?)?),
    })
}

/// The keys of its kind. Those of another are refused here.
fn options<T: DeserializeOwned>(table: &MiddlewareConfig) -> Result<T, String> {
    Value::Table(table.own.clone()).try_into().map_err(|error: toml::de::Error| error.message().to_owned())
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::config::{Config, Env};

    #[track_caller]
    fn check(toml: &str, want: Result<&[&str], &str>) {
        let got = Config::from_toml(toml)
            .and_then(|config| config.resolve(&Env::default()))
            .map_err(|error| error.to_string().replace(" in the given configuration", ""))
            .and_then(|resolved| middlewares(&resolved).map_err(|error| error.to_string()));
        let names = got.map(|all| all.iter().map(|one| one.spec().name).collect::<Vec<_>>());
        assert_eq!(
            names,
            want.map(|all| all.iter().map(ToString::to_string).collect()).map_err(str::to_owned)
        );
    }

    const LIMIT: &str = "[[middleware]]\nkind = 'turn_limit'\n";
    const FILTER: &str =
        "[[middleware]]\nkind = 'content_filter'\n[[middleware.rules]]\nname = 'r'\naction = 'deny'\n";

    #[test]
    fn middlewares_are_made_of_their_tables_in_their_order() {
        check(
            &format!("{FILTER}pattern = 'x'\n{LIMIT}name = 'three'\nmax_turns = 3\n"),
            Ok(&["content_filter", "three"]),
        );
    }

    #[test]
    fn what_is_wrong_is_named() {
        check(LIMIT, Err("middleware[0] (turn_limit): missing field `max_turns`"));
        check("[[middleware]]\nmax_turns = 3", Err("`middleware[0].kind` is missing"));
        check(
            &format!("{LIMIT}max_turns = 3\ntext = 'x'"),
            Err("middleware[0] (turn_limit): unknown field `text`, expected `max_turns`"),
        );
        check(
            &format!("{LIMIT}max_turn = 3"),
            Err("unknown key `middleware[0].max_turn`; did you mean `middleware[0].max_turns`?"),
        );
        check(
            &format!("{FILTER}pattern = 'x+'"),
            Err(
                "middleware[0] (content_filter): the pattern of the rule `r` matches any number of bytes; a rule on `output` \
                 may match no more than 1024, because so much text is held back: write `{1,64}` for `+`",
            ),
        );
        check(
            &format!("{FILTER}pattern = 'x'\non = ['outputs']"),
            Err(
                "`middleware[0].rules[0].on` must be one of `input`, `tool_results`, `output`; did you mean `output`?",
            ),
        );
    }
}
