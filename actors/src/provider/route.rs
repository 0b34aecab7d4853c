//! Whom a request goes to.

use std::sync::Arc;
use std::time::Duration;

use super::health::{Breaker, RetryBudget};
use super::spec::{ProviderKey, ProviderSpec};

/// Whom to ask for a request: the first, and who comes after it.
///
/// Empty only for a response that goes on after a restart and whose provider is not there any more: there is no call
/// to make, but an end to tell.
#[derive(Clone, Debug, Default)]
pub struct Route {
    /// In the order in which they are asked.
    pub targets: Vec<Target>,
    /// What follows when one of them fails; shared by all requests of this route.
    pub rules: Arc<RouteRules>,
}

/// One provider, and how it is asked.
#[derive(Clone, Debug)]
pub struct Target {
    /// Who serves the model.
    pub provider: Arc<ProviderSpec>,
    /// Name the provider knows.
    pub model: String,
    /// Whose key.
    pub key: ProviderKey,
    /// Its share of the requests.
    pub weight: u32,
    /// Whether it is left alone for a while; shared by all routes that lead to it.
    pub(crate) breaker: Arc<Breaker>,
}

/// What follows when a target of a route fails.
#[derive(Debug)]
pub struct RouteRules {
    /// Whether the one that is asked first is drawn by weight, for each request.
    pub weighted: bool,
    /// How often a call whose client waits is made again at one target.
    pub retries: u32,
    /// Before the first of them, doubled for each further one.
    pub delay: Duration,
    /// The longest of these pauses, and the longest wait that a provider may ask for.
    pub max_delay: Duration,
    /// When the next target is asked as well because the first has not begun.
    pub hedge_after: Option<Duration>,
    /// Whether a stream that breaks goes on at the next target.
    pub mid_stream: bool,
    /// For calls that are made again, and hedges.
    pub budget: RetryBudget,
}

impl Default for RouteRules {
    /// One call, and no other.
    fn default() -> Self {
        Self {
            weighted: false,
            retries: 0,
            delay: Duration::from_millis(250),
            max_delay: Duration::from_secs(2),
            hedge_after: None,
            mid_stream: false,
            budget: RetryBudget::new(0, 0),
        }
    }
}

impl Route {
    /// The route to one provider, with the server's key.
    pub fn to(provider: Arc<ProviderSpec>, model: impl Into<String>) -> Self {
        Self { targets: vec![Target::new(provider, model)], rules: Arc::default() }
    }

    /// With the client's own key. It belongs to the provider that the client wrote for, the first of the list, so
    /// nobody else gets the request.
    #[must_use]
    pub fn with_client_key(mut self, key: Arc<str>) -> Self {
        self.targets.truncate(1);
        self.targets.iter_mut().for_each(|target| target.key = ProviderKey::Client(Arc::clone(&key)));
        self
    }

    /// With the server's keys: without the providers that it has none for, unless there are no others, and in the order
    /// in which they are asked.
    #[must_use]
    pub fn with_server_keys(self) -> Self {
        self.ordered(|below| fastrand::u64(..below))
    }

    /// `draw`: a random number below the one it is given, which is 1 or more.
    fn ordered(mut self, mut draw: impl FnMut(u64) -> u64) -> Self {
        if self.targets.len() < 2 {
            return self;
        }
        if self.targets.iter().any(|target| !target.provider.client_keys_only) {
            self.targets.retain(|target| !target.provider.client_keys_only);
        }
        if self.rules.weighted {
            for place in 0..self.targets.len() {
                let rest = self.targets.get(place..).unwrap_or_default();
                let drawn = drawn(rest, &mut draw);
                if let Some(rest) = self.targets.get_mut(place..=place + drawn) {
                    rest.rotate_right(1);
                }
            }
        }
        self
    }

    /// Who is asked first.
    pub fn first(&self) -> Option<&Target> {
        self.targets.first()
    }

    /// Whether a key of the client is used.
    pub(crate) fn uses_client_key(&self) -> bool {
        self.first().is_some_and(Target::uses_client_key)
    }
}

/// The place of one that is drawn by weight; of those without weight the first.
fn drawn(targets: &[Target], draw: &mut impl FnMut(u64) -> u64) -> usize {
    let all: u64 = targets.iter().map(|target| u64::from(target.weight)).sum();
    if all == 0 {
        return 0;
    }
    let mut left = draw(all);
    for (place, target) in targets.iter().enumerate() {
        match left.checked_sub(u64::from(target.weight)) {
            Some(less) => left = less,
            None => return place,
        }
    }
    0
}

impl Target {
    /// With the server's key.
    pub fn new(provider: Arc<ProviderSpec>, model: impl Into<String>) -> Self {
        let model = model.into();
        let breaker = Arc::clone(provider.breakers.of(&model));
        Self { provider, model, key: ProviderKey::Server, weight: 1, breaker }
    }

    /// With this share of the requests.
    #[must_use]
    pub fn weighing(self, weight: u32) -> Self {
        Self { weight, ..self }
    }

    /// Whether a key of the client is used.
    pub(crate) fn uses_client_key(&self) -> bool {
        matches!(self.key, ProviderKey::Client(_))
    }

    /// Whether it can be asked with a key of the client only, and there is none.
    pub fn needs_client_key(&self) -> bool {
        self.provider.client_keys_only && !self.uses_client_key()
    }

    /// Milliseconds until it can be asked without a fault that is known; 0: now.
    pub(crate) fn free_in(&self, now: u64) -> u64 {
        let rests = if self.uses_client_key() { 0 } else { self.provider.keys.free_in(now) };
        rests.max(self.breaker.free_in(now))
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::provider::spec::tests::spec;

    /// Providers named `a`, `b`, … with these weights; `draws`: what is drawn.
    #[track_caller]
    fn check(weights: &[u32], draws: &[u64], want: &str) {
        let targets = ('a'..).zip(weights).map(|(name, weight)| Target {
            weight: *weight,
            ..Target::new(Arc::new(spec(&name.to_string(), &[])), "m")
        });
        let rules = RouteRules { weighted: true, ..RouteRules::default() };
        let route = Route { targets: targets.collect(), rules: Arc::new(rules) };
        let mut draws = draws.iter();
        let route = route.ordered(|below| (*draws.next().unwrap()).min(below - 1));
        let got: String = route.targets.iter().map(|target| &*target.provider.name).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn the_first_is_drawn_by_weight_and_so_are_those_behind_it() {
        check(&[3, 1], &[0, 0], "ab");
        check(&[3, 1], &[2, 0], "ab");
        check(&[3, 1], &[3, 0], "ba");
        check(&[1, 1, 1], &[2, 1, 0], "cba");
        check(&[1, 1, 1], &[1, 0, 0], "bac");
    }

    #[test]
    fn what_has_no_weight_comes_last() {
        check(&[0, 2], &[0], "ba");
        check(&[0, 0, 5], &[4], "cab");
    }

    #[test]
    fn shares_are_as_the_weights_say() {
        let target = |name: &str, weight| Target { weight, ..Target::new(Arc::new(spec(name, &[])), "m") };
        let rules = Arc::new(RouteRules { weighted: true, ..RouteRules::default() });
        let route = Route { targets: vec![target("a", 3), target("b", 1)], rules };
        let firsts = (0..400_u64).filter(|n| {
            let route = route.clone().ordered(|below| n % below);
            &*route.targets[0].provider.name == "a"
        });
        assert_eq!(firsts.count(), 300);
    }

    #[test]
    fn a_clients_key_is_for_one_provider() {
        let target = |name: &str| Target::new(Arc::new(spec(name, &[])), "m");
        let route = Route { targets: vec![target("a"), target("b")], rules: Arc::default() };
        let route = route.with_client_key("sk-mine".into());
        assert_eq!((route.targets.len(), route.uses_client_key()), (1, true));
    }
}
