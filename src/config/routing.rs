//! Which provider serves a model name.

use super::{Config, Route, built_in_routes};

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Target<'a> {
    /// Key of [`Config::providers`].
    pub provider: &'a str,
    /// The model name to send upstream, without a `provider/` prefix.
    pub model: &'a str,
}

/// Who serves a model, by the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Picked<'a> {
    /// The place in [`Config::routes`] of the route that says so; none for a built-in route and for `provider/model`.
    pub route: Option<usize>,
    by: By<'a>,
    model: &'a str,
}

#[derive(Clone, Copy, Debug)]
enum By<'a> {
    Route(&'a Route),
    /// The model's name begins with the provider's.
    Prefix(&'a str),
}

impl<'a> Picked<'a> {
    /// In the order of the route; one at least.
    pub fn targets(&self) -> impl Iterator<Item = Target<'a>> + use<'a> {
        let asked = self.model;
        let (route, prefix) = match self.by {
            By::Route(route) => (Some(route), None),
            By::Prefix(provider) => (None, Some(Target { provider, model: asked })),
        };
        let listed = route.into_iter().flat_map(Route::leads_to);
        let listed = listed.map(move |(provider, model)| Target { provider, model: model.unwrap_or(asked) });
        prefix.into_iter().chain(listed)
    }
}

impl Config {
    /// Picks the providers for a model name, or none if nothing matches.
    ///
    /// Order: the user's routes, first match wins; then `provider/model` with
    /// the name of a configured provider; then the built-in routes; then what
    /// the user wrote below a copy of the built-in ones. A provider is picked
    /// whether or not it is on.
    pub fn pick<'a>(&'a self, model: &'a str) -> Option<Picked<'a>> {
        let matching = |routes: &'a [Route]| routes.iter().position(|route| route.pattern.is_match(model));
        let picked = |routes: &'a [Route], before: Option<usize>| {
            let at = matching(routes)?;
            let route = before.map(|before| before + at);
            Some(Picked { route, by: By::Route(routes.get(at)?), model })
        };
        let prefixed = || {
            let (name, model) = model.split_once('/')?;
            let (provider, _) = self.providers.get_key_value(name)?;
            (!model.is_empty()).then_some(Picked { route: None, by: By::Prefix(provider), model })
        };
        let (first, last) = self.user_routes();
        picked(first, Some(0))
            .or_else(prefixed)
            .or_else(|| picked(built_in_routes(), None))
            .or_else(|| picked(last, Some(self.routes.len() - last.len())))
    }

    /// The user's routes that come before the built-in ones, and those after.
    ///
    /// Only a file that repeats all built-in routes, as the shown one does, can
    /// have some after them: what stands below the copy stays below it.
    pub(crate) fn user_routes(&self) -> (&[Route], &[Route]) {
        let built_in = built_in_routes();
        match self.routes.windows(built_in.len()).position(|routes| routes == built_in) {
            Some(at) => (&self.routes[..at], &self.routes[at + built_in.len()..]),
            None => (&self.routes, &[]),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const SHOWN: &str = include_str!("../../config.toml");

    #[track_caller]
    fn check(toml: &str, model: &str, want: Option<(&str, &str)>) {
        let config = Config::from_toml(toml).unwrap();
        let picked = config.pick(model).and_then(|picked| picked.targets().next());
        assert_eq!(picked.map(|target| (target.provider, target.model)), want);
    }

    #[test]
    fn built_in_routes_send_models_to_their_makers() {
        check("", "demo-tools", Some(("demo", "demo-tools")));
        check("", "gpt-oss:20b", Some(("ollama", "gpt-oss:20b")));
        check("", "gpt-5.1", Some(("openai", "gpt-5.1")));
        check("", "o3-mini", Some(("openai", "o3-mini")));
        check("", "claude-opus-4", Some(("anthropic", "claude-opus-4")));
        check("", "gemini-3-pro", Some(("gemini", "gemini-3-pro")));
    }

    #[test]
    fn an_unknown_model_goes_nowhere() {
        check("", "glm-5", None);
    }

    #[test]
    fn user_routes_come_before_built_in_ones() {
        let routes = "[[routes]]\npattern = '^gpt-'\nprovider = 'demo'";
        check(routes, "gpt-5.1", Some(("demo", "gpt-5.1")));
        check(routes, "claude-opus-4", Some(("anthropic", "claude-opus-4")));
    }

    #[test]
    fn user_routes_come_before_a_provider_prefix() {
        check("[[routes]]\npattern = '.'\nprovider = 'demo'", "openai/x", Some(("demo", "openai/x")));
    }

    #[test]
    fn a_provider_prefix_is_taken_off() {
        check("", "ollama/hf.co/some/model", Some(("ollama", "hf.co/some/model")));
    }

    #[test]
    fn a_provider_prefix_comes_before_built_in_routes() {
        let mistral = "[providers.mistral]\nkind = 'openai-chat'\nbase_url = 'https://x/v1'";
        check(mistral, "mistral/large", Some(("mistral", "large")));
        check(&format!("{SHOWN}\n{mistral}"), "mistral/large", Some(("mistral", "large")));
    }

    #[test]
    fn a_prefix_without_a_model_is_no_match() {
        check("", "openai/", None);
    }

    #[test]
    fn routes_below_a_copy_of_the_built_in_ones_come_last() {
        let last = "[[routes]]\npattern = '.'\nprovider = 'demo'";
        let toml = format!("{SHOWN}\n{last}");
        check(&toml, "gpt-5.1", Some(("openai", "gpt-5.1")));
        check(&toml, "openai/x", Some(("openai", "x")));
        check(&toml, "glm-5", Some(("demo", "glm-5")));
    }

    #[test]
    fn a_route_may_lead_to_several_targets() {
        let route = "[[routes]]\npattern = '^smart$'\ntargets = [{ provider = 'openai', model = 'gpt-5.1' }, { provider = 'ollama' }]";
        let config = Config::from_toml(route).unwrap();
        let picked = config.pick("smart").unwrap();
        let got: Vec<_> = picked.targets().map(|target| (target.provider, target.model)).collect();
        assert_eq!((picked.route, got), (Some(0), vec![("openai", "gpt-5.1"), ("ollama", "smart")]));
    }
}
