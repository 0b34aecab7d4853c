//! What no key of a route can tell alone.

use std::collections::BTreeSet;

use crate::config::error::{ConfigError, Origin, nearest};
use crate::config::tables::Config;
use crate::config::tables::provider::McpRunner;
use crate::config::tables::route::{Balance, Route};

/// Most targets of one route.
const MAX_TARGETS: usize = 16;

/// Checks the routes against the providers.
pub(super) fn check(config: &Config, origin_of: &dyn Fn(&str) -> Origin) -> Result<(), ConfigError> {
    for (index, route) in config.routes.iter().enumerate() {
        let place = format!("routes[{index}]");
        if let Some((key, problem)) = problem(config, route) {
            let key = format!("{place}.{key}");
            return Err(ConfigError::BadValue { origin: origin_of(&place), key, problem });
        }
        for (at, (provider, _)) in route.leads_to().enumerate() {
            if !config.providers.contains_key(provider) {
                let known = config.providers.keys().map(String::as_str);
                return Err(ConfigError::UnknownProvider {
                    origin: origin_of(&place),
                    key: match route.targets.is_empty() {
                        true => format!("{place}.provider"),
                        false => format!("{place}.targets[{at}].provider"),
                    },
                    nearest: nearest(provider, known).map(str::to_owned),
                    provider: provider.to_owned(),
                });
            }
        }
    }
    Ok(())
}

/// What is wrong with the keys of one route, and at which.
fn problem(config: &Config, route: &Route) -> Option<(&'static str, String)> {
    let weighted = route.balance() == Balance::Weight;
    let weights: u64 = route.targets.iter().map(|target| u64::from(target.weight.unwrap_or(1))).sum();
    let listed: BTreeSet<_> = route.leads_to().collect();
    let runners: Vec<McpRunner> =
        route.leads_to().filter_map(|(name, _)| config.providers.get(name)).map(|p| p.mcp).collect();
    let rules = route.resilience.over(&config.resilience);
    match (route.provider.is_empty(), route.targets.len()) {
        (true, 0) => return Some(("provider", "is missing, and so is `targets`".into())),
        (false, 1..) => return Some(("provider", "is given beside `targets`".into())),
        (true, count) if count > MAX_TARGETS => {
            return Some(("targets", format!("must have {MAX_TARGETS} tables at most, found {count}")));
        }
        (true, _) | (false, 0) => {}
    }
    if route.provider.is_empty() && listed.len() < route.targets.len() {
        return Some(("targets", "names the same model of the same provider twice".into()));
    }
    if weighted && weights == 0 {
        return Some(("targets", "has no target with a weight above 0".into()));
    }
    if !weighted && route.targets.iter().any(|target| target.weight.is_some()) {
        return Some(("targets", "has a `weight`, which is for `balance = \"weight\"`".into()));
    }
    // A response asks one list of tools, whoever of the targets answers.
    if runners.iter().any(|runner| Some(runner) != runners.first()) {
        return Some(("targets", "has providers that differ in who runs MCP tools (`mcp`)".into()));
    }
    if rules.retry_delay_ms > rules.max_retry_delay_ms {
        let (delay, most) = (rules.retry_delay_ms, rules.max_retry_delay_ms);
        return Some((
            "retry_delay_ms",
            format!("is {delay}, which is more than `max_retry_delay_ms` ({most})"),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(route: &str, want: &str) {
        let toml = format!("[providers.openai]\nmcp = 'provider'\n[[routes]]\npattern = '.'\n{route}");
        let got = Config::from_toml(&toml).map(drop).map_err(|error| error.to_string());
        let got = got.map_err(|error| error.replace(" in the given configuration", ""));
        assert_eq!(got.err().unwrap_or_default(), want);
    }

    #[test]
    fn what_a_route_leads_to_is_checked_as_a_whole() {
        check("", "`routes[0].provider` is missing, and so is `targets`");
        let both = "provider = 'demo'\ntargets = [{ provider = 'demo' }]";
        check(both, "`routes[0].provider` is given beside `targets`");
        check("targets = [{ provider = 'demo' }, { provider = 'ollama', model = 'x' }]", "");
        let unknown = "`routes[0].targets[1].provider` names the provider `olama`, which is not configured; did you mean `ollama`?";
        check("targets = [{ provider = 'demo' }, { provider = 'olama' }]", unknown);
        let twice = "`routes[0].targets` names the same model of the same provider twice";
        check("targets = [{ provider = 'demo' }, { provider = 'demo' }]", twice);
        let mcp = "`routes[0].targets` has providers that differ in who runs MCP tools (`mcp`)";
        check("targets = [{ provider = 'demo' }, { provider = 'openai' }]", mcp);
    }

    #[test]
    fn weights_belong_to_a_balance_by_weight() {
        let targets = "targets = [{ provider = 'demo', weight = 0 }]";
        check(targets, "`routes[0].targets` has a `weight`, which is for `balance = \"weight\"`");
        check(
            &format!("{targets}\nbalance = 'weight'"),
            "`routes[0].targets` has no target with a weight above 0",
        );
        check(
            "targets = [{ provider = 'demo', weight = 3 }, { provider = 'ollama' }]\nbalance = 'weight'",
            "",
        );
    }

    #[test]
    fn a_delay_is_not_longer_than_the_longest() {
        let long = "provider = 'demo'\nretry_delay_ms = 5000";
        check(long, "`routes[0].retry_delay_ms` is 5000, which is more than `max_retry_delay_ms` (2000)");
    }
}
