//! `rate_limit`: how much a client, and a group of clients, may ask for in any minute.

mod bucket;

use std::collections::HashMap;
use std::future::ready;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use or_protocol::ErrorKind;
use or_telemetry::Metrics;
use serde::{Deserialize, Serialize};

use self::bucket::{Bucket, Level};
use crate::{
    End, EndFuture, Facts, Halt, Headers, HookFuture, Hooks, Middleware, MiddlewareSpec, SampledTurn, Stop,
    TurnRequest, Wants,
};

/// Bytes of a request that count as a token before the provider has counted it.
const BYTES_PER_TOKEN: u64 = 4;
/// From so many buckets on, those that are full are forgotten: they are as good as new.
const TIDY: usize = 1024;

/// Settings of a `rate_limit`. Without a bound nothing is bounded; a stored key's own `rates` take the place of the first two.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitOptions {
    /// Requests that call a model, of each client.
    pub requests_per_minute: Option<u64>,
    /// Tokens, input and output together, of each client.
    pub tokens_per_minute: Option<u64>,
    /// The same of all clients of a group together.
    pub group_requests_per_minute: Option<u64>,
    /// The same of all clients of a group together.
    pub group_tokens_per_minute: Option<u64>,
}

/// The middleware.
pub struct RateLimit {
    spec: MiddlewareSpec,
    options: RateLimitOptions,
    shared: Arc<Shared>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Kind {
    Requests,
    Tokens,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
        }
    }
}

/// Whose bucket it is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
enum Whose {
    Client(Arc<str>),
    Group(Arc<str>),
}

struct Shared {
    began: Instant,
    buckets: Mutex<HashMap<(Whose, Kind), Bucket>>,
    metrics: OnceLock<Metrics>,
}

impl RateLimit {
    /// With these settings.
    ///
    /// # Errors
    /// For a bound of 0.
    pub fn new(spec: MiddlewareSpec, options: RateLimitOptions) -> Result<Self, String> {
        let RateLimitOptions {
            requests_per_minute,
            tokens_per_minute,
            group_requests_per_minute,
            group_tokens_per_minute,
        } = options;
        let bounds =
            [requests_per_minute, tokens_per_minute, group_requests_per_minute, group_tokens_per_minute];
        if bounds.contains(&Some(0)) {
            return Err("a bound must be at least 1".into());
        }
        let wants = Wants { before_sample: true, after_sample: true, ..Wants::NONE };
        let shared = Shared { began: Instant::now(), buckets: Mutex::default(), metrics: OnceLock::new() };
        let spec = MiddlewareSpec { in_place: true, wants, ..spec };
        Ok(Self { spec, options, shared: Arc::new(shared) })
    }
}

impl Middleware for RateLimit {
    fn spec(&self) -> MiddlewareSpec {
        self.spec.clone()
    }

    fn start(&self, metrics: &Metrics) -> Result<(), String> {
        // A second start has the same ones.
        let _ = self.shared.metrics.set(metrics.clone());
        Ok(())
    }

    fn begin(&self, facts: &Arc<Facts>) -> Option<Box<dyn Hooks>> {
        let (client, options) = (&facts.client, &self.options);
        let own = Whose::Client(Arc::clone(&client.name));
        let mut bounds = Vec::new();
        let mut add = |whose: &Whose, kind, limit: Option<u64>| {
            bounds.extend(limit.map(|limit| Bound { whose: whose.clone(), kind, limit }));
        };
        add(&own, Kind::Requests, client.rates.requests_per_minute.or(options.requests_per_minute));
        add(&own, Kind::Tokens, client.rates.tokens_per_minute.or(options.tokens_per_minute));
        if let Some(group) = &client.group {
            let group = Whose::Group(Arc::clone(group));
            add(&group, Kind::Requests, options.group_requests_per_minute);
            add(&group, Kind::Tokens, options.group_tokens_per_minute);
        }
        let (shared, client) = (Arc::clone(&self.shared), Arc::clone(&client.name));
        (!bounds.is_empty()).then(|| {
            Box::new(Limited { shared, client, bounds, resumed: facts.resumed, held: 0 }) as Box<dyn Hooks>
        })
    }
}

/// One bound of a response.
struct Bound {
    whose: Whose,
    kind: Kind,
    limit: u64,
}

/// What one bound says of a request.
struct Seen {
    kind: Kind,
    level: Level,
    /// Until there is room for it; 0: there is.
    wait_ms: u64,
}

impl Shared {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Takes from all of these, or if `asks` and one of them has no room from none. Says how full each is then.
    fn take(&self, bounds: &[Bound], asks: bool, units: impl Fn(Kind) -> i64) -> Vec<Seen> {
        let now = self.now_ms();
        // A panic cannot leave a half-made change.
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= TIDY && buckets.len().is_power_of_two() {
            buckets.retain(|_, bucket| !bucket.is_full(now));
        }
        let of = |buckets: &HashMap<_, Bucket>, bound: &Bound| {
            let known = buckets.get(&(bound.whose.clone(), bound.kind)).copied();
            known.map_or_else(|| Bucket::new(bound.limit, now), |bucket| bucket.under(bound.limit, now))
        };
        let wait = |bucket: Bucket, kind| bucket.wait_ms(u64::try_from(units(kind)).unwrap_or_default(), now);
        let waits: Vec<u64> = bounds.iter().map(|bound| wait(of(&buckets, bound), bound.kind)).collect();
        let goes = !asks || waits.iter().all(|wait| *wait == 0);
        let mut seen = Vec::with_capacity(bounds.len());
        for (bound, wait_ms) in bounds.iter().zip(waits) {
            let mut bucket = of(&buckets, bound);
            if goes {
                bucket.take(units(bound.kind), now);
            }
            seen.push(Seen {
                kind: bound.kind,
                level: bucket.level(now),
                wait_ms: if asks { wait_ms } else { 0 },
            });
            buckets.insert((bound.whose.clone(), bound.kind), bucket);
        }
        seen
    }
}

/// One response under its bounds.
struct Limited {
    shared: Arc<Shared>,
    client: Arc<str>,
    bounds: Vec<Bound>,
    /// Whether its request was counted by the process before.
    resumed: bool,
    /// Tokens taken for the turn under way, before it is known how many it has.
    held: i64,
}

impl Limited {
    /// The first turn has to find room; later ones are counted, because what was begun is not thrown away.
    fn enter(&mut self, turn: &mut TurnRequest) -> Result<(), Stop> {
        if self.held != 0 {
            // Asked again: it is counted already.
            return Ok(());
        }
        let input = i64::try_from(turn.context_bytes / BYTES_PER_TOKEN).unwrap_or(i64::MAX).max(1);
        let begins = turn.turn == 1 && turn.attempt == 1 && !self.resumed;
        let units = |kind| match kind {
            Kind::Requests => i64::from(begins),
            Kind::Tokens => input,
        };
        let seen = self.shared.take(&self.bounds, begins, units);
        let mut headers = Headers::default();
        tell(&seen, &mut headers);
        match seen.iter().max_by_key(|seen| seen.wait_ms).filter(|seen| seen.wait_ms > 0) {
            Some(full) => Err(self.refuse(full, headers).into()),
            None => {
                self.held = input;
                turn.headers.extend(headers);
                Ok(())
            }
        }
    }

    fn refuse(&self, full: &Seen, headers: Headers) -> Halt {
        let (kind, seconds) = (full.kind.as_str(), full.wait_ms.div_ceil(1000));
        if let Some(metrics) = self.shared.metrics.get() {
            metrics.rate_limited(&self.client, kind);
        }
        let text = format!(
            "Rate limit reached: {} {kind} per minute. Please try again in {}.",
            full.level.limit,
            span(Duration::from_millis(full.wait_ms))
        );
        let halt = Halt::new(ErrorKind::TooManyRequests, "rate_limit_exceeded", text).retry_after_s(seconds);
        Halt { headers, ..halt }
    }

    /// The turn has used so many tokens.
    fn settle(&mut self, used: i64) {
        let more = used.saturating_sub(std::mem::take(&mut self.held));
        self.shared.take(&self.bounds, false, |kind| match kind {
            Kind::Requests => 0,
            Kind::Tokens => more,
        });
    }
}

impl Hooks for Limited {
    fn before_sample<'a>(&'a mut self, turn: &'a mut TurnRequest) -> HookFuture<'a> {
        Box::pin(ready(self.enter(turn)))
    }

    fn after_sample<'a>(&'a mut self, turn: &'a mut SampledTurn) -> HookFuture<'a> {
        // A provider that counts nothing leaves the estimate.
        if let Some(usage) = &turn.usage {
            self.settle(i64::try_from(usage.total_tokens).unwrap_or(i64::MAX));
        }
        self.held = 0;
        Box::pin(ready(Ok(())))
    }

    fn on_end<'a>(&'a mut self, _: &'a End) -> EndFuture<'a> {
        // A turn that never came to its end keeps what its input was thought to be.
        self.held = 0;
        Box::pin(ready(()))
    }
}

/// Says how full the buckets are; of several of one kind that with the least in it.
fn tell(seen: &[Seen], headers: &mut Headers) {
    for kind in [Kind::Requests, Kind::Tokens] {
        let of_kind = seen.iter().filter(|seen| seen.kind == kind);
        let Some(Seen { level, .. }) = of_kind.min_by_key(|seen| seen.level.remaining) else { continue };
        let kind = kind.as_str();
        headers.set(format!("x-ratelimit-limit-{kind}"), level.limit.to_string());
        headers.set(format!("x-ratelimit-remaining-{kind}"), level.remaining.to_string());
        headers.set(format!("x-ratelimit-reset-{kind}"), span(level.reset));
    }
}

/// As OpenAI writes it: `120ms`, `1s`, `6m0s`.
fn span(time: Duration) -> String {
    let ms = time.as_millis();
    match ms {
        0 => "0s".into(),
        1..1000 => format!("{ms}ms"),
        _ => {
            let s = ms.div_ceil(1000);
            if s < 60 { format!("{s}s") } else { format!("{}m{}s", s / 60, s % 60) }
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[test]
    fn spans_are_written_as_openai_writes_them() {
        let spans = [0, 120, 1000, 1001, 59_000, 360_000].map(|ms| span(Duration::from_millis(ms)));
        assert_eq!(spans, ["0s", "120ms", "1s", "2s", "59s", "6m0s"]);
    }

    #[test]
    fn of_two_bounds_none_is_taken_from_if_one_is_empty() {
        let limit = RateLimit::new(MiddlewareSpec::new("x"), RateLimitOptions::default()).unwrap();
        let whose = [Whose::Client("a".into()), Whose::Group("g".into())];
        let bound = |place: usize, limit| Bound { whose: whose[place].clone(), kind: Kind::Requests, limit };
        let bounds = [bound(0, 5), bound(1, 1)];
        let take = || limit.shared.take(&bounds, true, |_| 1);
        assert!(take().iter().all(|seen| seen.wait_ms == 0));
        let second = take();
        assert_eq!(second.iter().map(|seen| seen.level.remaining).collect::<Vec<_>>(), [4, 0]);
        assert!(second[0].wait_ms == 0 && second[1].wait_ms > 59_000);
    }

    #[test]
    fn buckets_that_are_full_again_are_forgotten() {
        let limit = RateLimit::new(MiddlewareSpec::new("x"), RateLimitOptions::default()).unwrap();
        for n in 0..5000 {
            let whose = Whose::Client(format!("c{n}").into());
            // Nothing is taken, so it stays full.
            limit.shared.take(&[Bound { whose, kind: Kind::Tokens, limit: 9 }], false, |_| 0);
        }
        assert!(limit.shared.buckets.lock().unwrap().len() <= TIDY);
    }
}
