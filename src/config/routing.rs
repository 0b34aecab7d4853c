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

impl Config {
    /// Picks the provider for a model name, or none if nothing matches.
    ///
    /// Order: the user's routes, first match wins; then `provider/model` with
    /// the name of a configured provider; then the built-in routes; then what
    /// the user wrote below a copy of the built-in ones. A provider is picked
    /// whether or not it is on.
    pub fn pick<'a>(&'a self, model: &'a str) -> Option<Target<'a>> {
        let routed = |routes: &'a [Route]| {
            let route = routes.iter().find(|route| route.pattern.is_match(model))?;
            Some(Target { provider: &route.provider, model })
        };
        let prefixed = || {
            let (name, model) = model.split_once('/')?;
            let (provider, _) = self.providers.get_key_value(name)?;
            (!model.is_empty()).then_some(Target { provider, model })
        };
        let (first, last) = self.user_routes();
        routed(first).or_else(prefixed).or_else(|| routed(built_in_routes())).or_else(|| routed(last))
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
        let got = config.pick(model).map(|target| (target.provider, target.model));
        assert_eq!(got, want);
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
}
