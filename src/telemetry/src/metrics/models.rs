//! What is counted by model. The series of one model are looked up once for a response, not once for each number.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use or_protocol::Usage;
use prometheus::{Error, Histogram, HistogramVec, IntCounter, IntCounterVec};

use super::Metrics;
use super::register::Register;

/// The label of all models that are not listed.
pub(crate) const OTHER: &str = "other";
/// Models that have a label because their provider says that it has them. What the configuration names is not counted
/// here.
const MAX_DISCOVERED: usize = 500;
/// How a response can end, as the metrics have it.
const OUTCOMES: [&str; 6] = ["completed", "incomplete", "failed", "cancelled", "refused", "parked"];
const TOKENS: [&str; 5] = ["input", "output", "cache_read", "cache_write", "reasoning"];

#[derive(Debug)]
pub(super) struct Models {
    requests: IntCounterVec,
    duration: HistogramVec,
    first_token: HistogramVec,
    between_tokens: HistogramVec,
    overhead: HistogramVec,
    iterations: IntCounterVec,
    tokens: IntCounterVec,
    known: RwLock<Known>,
}

/// By provider, then by model; `None`: nothing of it was counted yet.
#[derive(Debug, Default)]
struct Known {
    providers: HashMap<Arc<str>, HashMap<String, Option<Arc<ModelSeries>>>>,
    discovered: usize,
}

/// Where the numbers of one model go.
#[derive(Debug)]
pub(crate) struct ModelSeries {
    /// The label.
    pub(crate) model: String,
    outcomes: [IntCounter; OUTCOMES.len()],
    duration: Histogram,
    first_token: Histogram,
    between_tokens: Histogram,
    overhead: Histogram,
    iterations: IntCounter,
    tokens: [IntCounter; TOKENS.len()],
}

impl Models {
    pub(super) fn new(register: &Register<'_>) -> Result<Self, Error> {
        let by_model = &["model", "provider"];
        Ok(Self {
            requests: register.counters(
                "open_responses_requests_total",
                "Requests to the API, by model and provider (empty when none was chosen) and HTTP status or outcome.",
                &["model", "provider", "outcome"],
            )?,
            duration: register.seconds_by(
                "open_responses_response_duration_seconds",
                "From request to the end of the answer.",
                by_model,
            )?,
            first_token: register.seconds_by(
                "open_responses_time_to_first_token_seconds",
                "From request to the first model output.",
                by_model,
            )?,
            between_tokens: register.fractions_by(
                "open_responses_time_between_tokens_seconds",
                "From the first output of a streamed turn to its end, by the tokens that came in it: their mean.",
                by_model,
            )?,
            overhead: register.fractions_by(
                "open_responses_overhead_seconds",
                "What a response took beside its calls of providers and its rounds of tools.",
                by_model,
            )?,
            iterations: register.counters(
                "open_responses_loop_iterations_total",
                "Turns of loops: calls of a model, those that were made again included.",
                by_model,
            )?,
            tokens: register.counters(
                "open_responses_tokens_total",
                "Tokens as the providers count them. Those of the cache are input too, and reasoning is output too.",
                &["model", "provider", "type"],
            )?,
            known: RwLock::default(),
        })
    }

    fn series(&self, model: &str, provider: &str) -> ModelSeries {
        let labels = [model, provider];
        ModelSeries {
            model: model.to_owned(),
            outcomes: OUTCOMES.map(|word| self.requests.with_label_values(&[model, provider, word])),
            duration: self.duration.with_label_values(&labels),
            first_token: self.first_token.with_label_values(&labels),
            between_tokens: self.between_tokens.with_label_values(&labels),
            overhead: self.overhead.with_label_values(&labels),
            iterations: self.iterations.with_label_values(&labels),
            tokens: TOKENS.map(|word| self.tokens.with_label_values(&[model, provider, word])),
        }
    }

    pub(super) fn refused(&self, status: &str) {
        self.requests.with_label_values(&["", "", status]).inc();
    }
}

impl ModelSeries {
    /// A turn begins.
    pub(crate) fn iteration(&self) {
        self.iterations.inc();
    }

    /// The first output of a response.
    pub(crate) fn first_token(&self, after: Duration) {
        self.first_token.observe(after.as_secs_f64());
    }

    /// A streamed turn gave so many tokens in this time, the first one left out.
    pub(crate) fn between_tokens(&self, took: Duration, tokens: u64) {
        if tokens > 0 {
            self.between_tokens.observe(took.as_secs_f64() / tokens as f64);
        }
    }

    /// The end of a response. `outside`: the part of `took` in which a provider or tools were at work.
    pub(crate) fn ended(&self, outcome: &str, took: Duration, outside: Duration) {
        if let Some(at) = OUTCOMES.iter().position(|word| *word == outcome) {
            self.outcomes[at].inc();
        }
        self.duration.observe(took.as_secs_f64());
        self.overhead.observe(took.saturating_sub(outside).as_secs_f64());
    }

    /// The tokens of a response that came since it had used `before`.
    pub(crate) fn tokens(&self, before: &Usage, usage: &Usage) {
        for ((counter, before), now) in self.tokens.iter().zip(counts(before)).zip(counts(usage)) {
            if now > before {
                counter.inc_by(now - before);
            }
        }
    }
}

/// By the words of `TOKENS`.
fn counts(usage: &Usage) -> [u64; TOKENS.len()] {
    let input = &usage.input_tokens_details;
    [
        usage.input_tokens,
        usage.output_tokens,
        input.cached_tokens,
        input.cache_write_tokens,
        usage.output_tokens_details.reasoning_tokens,
    ]
}

impl Metrics {
    /// These models of a provider, by the names that it knows, have labels of their own: the configuration names them.
    pub fn configured_models<'a>(&self, provider: &str, models: impl IntoIterator<Item = &'a str>) {
        self.learn(provider, models, usize::MAX);
    }

    /// The same of those that a provider says it has, for 500 of all providers.
    pub fn discovered_models<'a>(&self, provider: &str, models: impl IntoIterator<Item = &'a str>) {
        self.learn(provider, models, MAX_DISCOVERED);
    }

    fn learn<'a>(&self, provider: &str, models: impl IntoIterator<Item = &'a str>, most: usize) {
        let mut known = self.0.models.known.write().unwrap_or_else(PoisonError::into_inner);
        let Known { providers, discovered } = &mut *known;
        let of_provider = providers.entry(provider.into()).or_default();
        for model in models {
            if of_provider.contains_key(model) {
                continue;
            }
            if most != usize::MAX {
                if *discovered >= most {
                    return;
                }
                *discovered += 1;
            }
            of_provider.insert(model.to_owned(), None);
        }
    }

    /// The series of a model; those of `other` if it is not listed. `model`: as its provider knows it.
    pub(crate) fn of_model(&self, model: &str, provider: &str) -> Arc<ModelSeries> {
        let models = &self.0.models;
        let known = models.known.read().unwrap_or_else(PoisonError::into_inner);
        let provider = if known.providers.contains_key(provider) { provider } else { OTHER };
        let of_provider = known.providers.get(provider);
        let listed = of_provider.is_some_and(|models| models.contains_key(model));
        let model = if listed { model } else { OTHER };
        if let Some(Some(series)) = of_provider.and_then(|models| models.get(model)) {
            return Arc::clone(series);
        }
        drop(known);
        let series = Arc::new(models.series(model, provider));
        let mut known = models.known.write().unwrap_or_else(PoisonError::into_inner);
        let of_provider = known.providers.entry(provider.into()).or_default();
        of_provider.insert(model.to_owned(), Some(Arc::clone(&series)));
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Levels;

    #[track_caller]
    fn check(metrics: &Metrics, provider: &str, model: &str, want: [&str; 2]) {
        let before = metrics.render(&Levels::default());
        metrics.of_model(model, provider).iteration();
        let [provider, model] = want;
        let name =
            format!("open_responses_loop_iterations_total{{model=\"{model}\",provider=\"{provider}\"}} ");
        let count = |text: &str| -> u64 {
            text.lines().find_map(|line| line.strip_prefix(&name)).map_or(0, |value| value.parse().unwrap())
        };
        assert_eq!(count(&metrics.render(&Levels::default())), count(&before) + 1);
    }

    #[test]
    fn only_listed_models_have_labels_of_their_own() {
        let metrics = Metrics::new().unwrap();
        metrics.configured_models("p", ["a", "b"]);
        metrics.configured_models("q", []);
        check(&metrics, "p", "a", ["p", "a"]);
        check(&metrics, "p", "c", ["p", "other"]);
        check(&metrics, "q", "a", ["q", "other"]);
        check(&metrics, "gone", "a", ["other", "other"]);
        metrics.discovered_models("p", ["a", "c"]);
        check(&metrics, "p", "c", ["p", "c"]);
    }

    #[test]
    fn what_providers_say_they_have_is_bounded() {
        let metrics = Metrics::new().unwrap();
        let many: Vec<_> = (0..10_000).map(|n| format!("m{n}")).collect();
        metrics.discovered_models("p", many.iter().map(String::as_str));
        check(&metrics, "p", "m499", ["p", "m499"]);
        check(&metrics, "p", "m500", ["p", "other"]);
        metrics.configured_models("p", ["mine"]);
        check(&metrics, "p", "mine", ["p", "mine"]);
    }
}
