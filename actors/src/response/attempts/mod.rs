//! Whom a turn is asked of: again after a failure, then the next target.

use std::rc::Rc;
use std::time::Duration;

use actix::Addr;
use or_protocol::ApiError;
use or_telemetry::{Attempt, Metrics};

use crate::limits::Limits;
use crate::provider::policy::{self, Patience, Says, Verdict};
use crate::provider::{BreakerState, ProviderActor, SampleError, Target, health};
use crate::response::request::Request;

/// Whom the running turn is asked of, and what was tried for it.
///
/// A tool loop stays with the target that answered. Each turn asks each target at most once, and the retries at it.
pub(crate) struct Attempts {
    request: Rc<Request>,
    metrics: Metrics,
    /// Of each target of the route.
    providers: Vec<Addr<ProviderActor>>,
    /// Targets that were asked in this turn, a bit for each.
    tried: u32,
    /// Calls made again at the target that is asked now.
    retries: u32,
    /// Turns that have begun.
    turns: u32,
    /// Calls that were made.
    calls: u32,
    /// Why the call under way is made.
    why: Attempt,
    /// The next call belongs to the turn that runs.
    goes_on: bool,
    call: Call,
    /// What the targets that failed in this turn had to say, as far as one said most.
    said: Option<(Says, ApiError)>,
}

/// How far the call under way is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Call {
    Asked,
    Answers,
    Over,
}

/// A call that failed.
pub(crate) struct Failure<'a> {
    pub(crate) error: &'a SampleError,
    /// Something of the turn was shown.
    pub(crate) shown: bool,
    /// What was shown can be gone on with elsewhere.
    pub(crate) can_go_on: bool,
    /// How long the response may still take.
    pub(crate) left: Duration,
}

/// What follows from it.
#[derive(Debug)]
pub(crate) enum Then {
    /// The same target is asked again after a pause.
    Again(Duration),
    /// Another target is asked, which is set already.
    Next,
    /// Nobody is left to ask.
    Fail(ApiError),
}

impl Attempts {
    pub(crate) fn new(request: Rc<Request>, metrics: Metrics, providers: Vec<Addr<ProviderActor>>) -> Self {
        Self {
            request,
            metrics,
            providers,
            tried: 0,
            retries: 0,
            turns: 0,
            calls: 0,
            why: Attempt::First,
            goes_on: false,
            call: Call::Over,
            said: None,
        }
    }

    /// A call begins: the first of a turn, unless a failure has set whom to ask.
    pub(crate) fn begin(&mut self) {
        self.call = Call::Asked;
        let now = health::now();
        let goes_on = std::mem::take(&mut self.goes_on);
        // A target may have been passed over before.
        if !goes_on || self.turns == 0 {
            self.turns += 1;
        }
        if !goes_on {
            (self.why, self.tried, self.retries, self.said) = (Attempt::First, 0, 0, None);
            self.request.route.rules.budget.earn();
            if self.request.route.targets.len() > 1
                && let Some(place) = self.choose(now)
            {
                self.request.ask(place);
            }
        }
        self.tried |= bit(self.request.asked());
        if let Some(target) = self.request.target() {
            self.tell(target, target.breaker.begins(now));
        }
    }

    /// The way to the target that is asked now.
    pub(crate) fn provider(&self) -> Option<&Addr<ProviderActor>> {
        self.providers.get(self.request.asked())
    }

    /// Turns that have begun, however many calls each took.
    pub(crate) fn turns(&self) -> u32 {
        self.turns
    }

    /// The call is made.
    pub(crate) fn asks(&mut self) {
        self.calls += 1;
    }

    /// Which call an answer is that begins now, if calls beyond the first are counted of each turn; 1 if none failed.
    pub(crate) fn number(&self) -> u32 {
        1 + self.calls.saturating_sub(self.turns)
    }

    /// Why the call under way is made.
    pub(crate) fn why(&self) -> Attempt {
        self.why
    }

    /// Calls made again at the target that is asked now.
    pub(crate) fn retries(&self) -> u32 {
        self.retries
    }

    /// The provider has begun to answer.
    pub(crate) fn answers(&mut self) {
        if self.call == Call::Asked {
            self.call = Call::Answers;
            if let Some(target) = self.request.target() {
                self.tell(target, target.breaker.answers());
            }
        }
    }

    /// The call is over; it went well, unless it was said to have failed.
    pub(crate) fn over(&mut self) {
        if self.call == Call::Answers
            && let Some(target) = self.request.target()
        {
            target.breaker.succeeded();
        }
        self.call = Call::Over;
    }

    /// What follows from a call that failed.
    pub(crate) fn failed(&mut self, failure: &Failure<'_>, limits: &Limits) -> Then {
        let (error, now) = (failure.error, health::now());
        self.blame(error, now);
        let told = error.to_api(self.request.route.uses_client_key());
        let verdict = match failure.shown {
            // What a provider refuses in the middle is nobody else's to say.
            true if failure.can_go_on && (policy::is_outage(error) || Says::of(error) == Says::ComeAgain) => {
                Verdict::Next
            }
            true => Verdict::Stop,
            false => policy::after(error, self.retries, failure.left, self.patience(limits, now)),
        };
        match verdict {
            Verdict::Again { after, counts } if !counts || self.may_ask_again(now) => {
                self.retries += u32::from(counts);
                self.goes_on(Attempt::Retry);
                return Then::Again(after);
            }
            Verdict::Again { .. } | Verdict::Next if self.fall_back(now) => {
                self.hear(Says::of(error), told);
                return Then::Next;
            }
            Verdict::Again { .. } | Verdict::Next | Verdict::Stop => {}
        }
        // What was shown was this one's, so it is this one that has to say why it ends.
        Then::Fail(if failure.shown { told } else { self.loudest(Says::of(error), told) })
    }

    /// The turn cannot be put in the words of the target that was to be asked. `None`: another one is, which is set
    /// already.
    pub(crate) fn pass_over(&mut self, error: ApiError) -> Option<ApiError> {
        self.tried |= bit(self.request.asked());
        self.call = Call::Over;
        if self.fall_back(health::now()) {
            self.hear(Says::WhatIsWrong, error);
            return None;
        }
        Some(self.loudest(Says::WhatIsWrong, error))
    }

    /// When the next target is asked as well, if the one that is asked has not begun.
    pub(crate) fn hedge_after(&self) -> Option<Duration> {
        let route = &self.request.route;
        route.rules.hedge_after.filter(|_| route.targets.len() > 1)
    }

    /// The target that is asked beside the one that does not begin, if there is one and the budget allows it.
    pub(crate) fn hedge(&mut self) -> Option<usize> {
        let now = health::now();
        let place = self.choose(now)?;
        if !self.request.route.rules.budget.spend(now) {
            return None;
        }
        self.tried |= bit(place);
        self.calls += 1;
        if let Some(target) = self.request.route.targets.get(place) {
            self.tell(target, target.breaker.begins(now));
        }
        Some(place)
    }

    /// One of two failed; the other one is waited for.
    pub(crate) fn hedge_failed(&self, place: usize, error: &SampleError) {
        self.find_fault(place, error, health::now());
    }

    /// The target that was asked beside another is the one that is heard.
    pub(crate) fn hedge_heard(&mut self) {
        (self.why, self.retries) = (Attempt::Hedge, 0);
    }

    fn patience(&self, limits: &Limits, now: u64) -> Patience {
        let rules = &self.request.route.rules;
        let other_key =
            self.request.target().is_some_and(|t| !t.uses_client_key() && t.provider.keys.has_other(now));
        let (other_key, chance) = (other_key, fastrand::f64());
        match self.request.facts.background {
            true => Patience {
                retries: limits.background_max_retries,
                first: Duration::from_secs(1).min(limits.background_max_retry_delay),
                delay: limits.background_max_retry_delay,
                waits_for_place: self.is_last(now),
                other_key,
                chance,
            },
            false => Patience {
                retries: rules.retries,
                first: rules.delay,
                delay: rules.max_delay,
                waits_for_place: false,
                other_key,
                chance,
            },
        }
    }

    /// Whether the target may be asked again. Nobody waits for a background response, so its calls are few.
    fn may_ask_again(&self, now: u64) -> bool {
        let Some(target) = self.request.target() else { return false };
        self.request.facts.background
            || target.breaker.free_in(now) == 0 && self.request.route.rules.budget.spend(now)
    }

    /// Whether no other target is left to ask in this turn.
    fn is_last(&self, now: u64) -> bool {
        self.choose(now).is_none()
    }

    /// Who of those that were not asked in this turn is asked next: in the order of the route, but for the one that is
    /// asked now, which comes first. One that is to be left alone is asked only if nobody else was: then it is the one
    /// that will be free first.
    fn choose(&self, now: u64) -> Option<usize> {
        let (current, targets) = (self.request.asked(), &self.request.route.targets);
        let places = std::iter::once(current).chain((0..targets.len()).filter(|place| *place != current));
        let free_in = |place: usize| targets.get(place).map(|target| (target.free_in(now), place));
        let untried = places.filter(|place| self.tried & bit(*place) == 0).filter_map(free_in);
        // The first of equals.
        let (wait, place) = untried.min_by_key(|(wait, _)| *wait)?;
        (wait == 0 || self.tried == 0).then_some(place)
    }

    /// Sets the next target, if there is one.
    fn fall_back(&mut self, now: u64) -> bool {
        let Some(place) = self.choose(now) else { return false };
        // It is made whatever is left: who else can serve the request shall. But retries have to spare what it takes.
        self.request.route.rules.budget.take(now);
        self.request.ask(place);
        self.retries = 0;
        self.goes_on(Attempt::Fallback);
        true
    }

    fn goes_on(&mut self, why: Attempt) {
        (self.why, self.goes_on) = (why, true);
    }

    /// A call failed: lets its target's breaker know.
    fn blame(&mut self, error: &SampleError, now: u64) {
        self.find_fault(self.request.asked(), error, now);
        self.call = Call::Over;
    }

    fn find_fault(&self, place: usize, error: &SampleError, now: u64) {
        if let Some(target) = self.request.route.targets.get(place)
            && policy::is_outage(error)
        {
            self.tell(target, target.breaker.failed(now));
        }
    }

    fn tell(&self, target: &Target, state: Option<BreakerState>) {
        let Some(state) = state else { return };
        let (provider, model) = (&*target.provider.name, target.breaker.model());
        self.metrics.breaker(provider, model, state as i64);
        match state {
            BreakerState::Open => tracing::warn!(provider, model, "a target that fails is left alone"),
            BreakerState::HalfOpen => tracing::info!(provider, model, "a target is tried again"),
            BreakerState::Closed => tracing::info!(provider, model, "a target answers again"),
        }
    }

    /// Keeps an error if none before it said more.
    fn hear(&mut self, says: Says, error: ApiError) {
        if self.said.as_ref().is_none_or(|(most, _)| *most <= says) {
            self.said = Some((says, error));
        }
    }

    /// The last of the errors that say most.
    fn loudest(&mut self, says: Says, error: ApiError) -> ApiError {
        match self.said.take() {
            Some((most, louder)) if most > says => louder,
            Some(_) | None => error,
        }
    }
}

fn bit(place: usize) -> u32 {
    u32::try_from(place).ok().and_then(|place| 1_u32.checked_shl(place)).unwrap_or(0)
}
