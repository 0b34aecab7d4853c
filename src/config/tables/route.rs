//! `[[routes]]`: which provider serves a model name.

pub(crate) mod resilience;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use self::resilience::OwnResilience;

/// Models whose name matches `pattern` go to `provider`, or to `targets`: a route has one of the two.
///
/// Unknown keys are refused before this is made, because serde cannot do so beside a flattened field.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Route {
    pub pattern: Pattern,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<RouteTarget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
    #[serde(flatten)]
    pub resilience: OwnResilience,
}

impl Route {
    /// Models whose name matches go to this provider.
    pub fn new(pattern: Pattern, provider: impl Into<String>) -> Self {
        let provider = provider.into();
        Self { pattern, provider, targets: Vec::new(), balance: None, resilience: OwnResilience::default() }
    }

    /// How the targets share the requests.
    pub fn balance(&self) -> Balance {
        self.balance.unwrap_or(Balance::Order)
    }

    /// Providers and models that it leads to, in their order; `None`: the model that the client names.
    pub fn leads_to(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let one = (!self.provider.is_empty()).then_some((self.provider.as_str(), None));
        one.into_iter().chain(self.targets.iter().map(|t| (t.provider.as_str(), t.model.as_deref())))
    }
}

/// One of several that a route leads to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouteTarget {
    pub provider: String,
    /// Name of the model there; `None`: as the client names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its share of the requests, with `balance = "weight"`; `None`: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<u32>,
}

/// Which target of a route is asked first.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Balance {
    /// The first of the list.
    Order,
    /// One drawn by weight, for each request.
    Weight,
}

/// A regular expression that has been compiled. Equal if the text is.
#[derive(Clone, Debug)]
pub struct Pattern(regex::Regex);

impl Pattern {
    pub fn new(pattern: &str) -> Result<Self, regex::Error> {
        regex::Regex::new(pattern).map(Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The one model name that matches, if the pattern is for one: `^gpt-5\.1$`.
    pub fn only_model(&self) -> Option<String> {
        let inner = self.as_str().strip_prefix('^')?.strip_suffix('$')?;
        let mut name = String::with_capacity(inner.len());
        let mut chars = inner.chars();
        while let Some(c) = chars.next() {
            let c = match c {
                // Anything else behind it stands for a class.
                '\\' => chars.next().filter(char::is_ascii_punctuation)?,
                '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$' => return None,
                c => c,
            };
            name.push(c);
        }
        self.is_match(&name).then_some(name)
    }

    pub fn is_match(&self, model: &str) -> bool {
        self.0.is_match(model)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Pattern {}

impl Serialize for Pattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// The routes that every configuration has, in this order.
pub fn built_in_routes() -> &'static [Route] {
    static ROUTES: std::sync::LazyLock<Vec<Route>> = std::sync::LazyLock::new(|| {
        BUILT_IN
            .iter()
            .filter_map(|(pattern, provider)| Some(Route::new(Pattern::new(pattern).ok()?, *provider)))
            .collect()
    });
    &ROUTES
}

const BUILT_IN: [(&str, &str); 5] = [
    ("^demo", "demo"),
    ("^(llama|mistral|phi|qwen|gemma|deepseek|gpt-oss)", "ollama"),
    ("^(gpt-|o[0-9]|chatgpt-|codex-)", "openai"),
    ("^claude-", "anthropic"),
    ("^gemini-", "gemini"),
];

/// Drops a copy of the built-in routes from the end of a file's routes, where it changes nothing.
pub(crate) fn without_built_in(mut routes: Vec<Route>) -> Vec<Route> {
    if routes.ends_with(built_in_routes()) {
        routes.truncate(routes.len() - built_in_routes().len());
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_only(pattern: &str, want: Option<&str>) {
        assert_eq!(Pattern::new(pattern).unwrap().only_model().as_deref(), want);
    }

    #[test]
    fn a_pattern_for_one_model_is_known() {
        check_only("^gpt-5\\.1$", Some("gpt-5.1"));
        check_only("^a/b:c$", Some("a/b:c"));
        check_only("^a.b$", None);
        check_only("^a|b$", None);
        check_only("^a\\d$", None);
        check_only("^gpt-", None);
        check_only("gpt$", None);
    }

    #[test]
    fn every_built_in_pattern_compiles() {
        assert_eq!(built_in_routes().len(), BUILT_IN.len());
    }
}
