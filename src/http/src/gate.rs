//! Who may call: client keys, and the Host and Origin checks that stand in for them.

mod failed_keys;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use actix_web::http::header::{AUTHORIZATION, HOST, HeaderMap, HeaderValue, ORIGIN};
use or_keys::{Client, Clients, Hash, LOCAL, hash};
use or_protocol::{ApiError, ErrorKind};
use subtle::ConstantTimeEq as _;

use crate::headers::only_one;

use failed_keys::FailedKeys;

/// One client key.
#[derive(Clone)]
pub struct ClientKey {
    /// Owner of the records made with it.
    pub name: String,
    /// The secret.
    pub key: Arc<str>,
}

/// Who may read the metrics.
#[derive(Clone)]
pub enum MetricsReader {
    /// Whoever shows a client key; without client keys whoever may call.
    Client,
    /// Whoever shows this key.
    Key(Arc<str>),
    /// Everybody.
    Anybody,
}

/// The rule at the door.
#[derive(Clone)]
pub struct Gate {
    /// The configuration's client keys and their hashes: comparing hashes takes the same time for keys of all lengths.
    keys: Vec<(Arc<Client>, Hash)>,
    /// The store's; without any of both nobody has to show one.
    stored: Arc<Clients>,
    /// Whether one has to be shown though there is none.
    always: bool,
    /// Who shows no key.
    local: Arc<Client>,
    /// Name and hash of the admin key; none: there is no admin API.
    admin: Option<(Arc<str>, Hash)>,
    metrics: MetricsReader,
    loopback_hosts_only: bool,
    failed: Arc<FailedKeys>,
}

/// Who made the request, in its extensions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shown(pub(crate) Arc<Client>);

/// Why somebody is not let in.
#[derive(Debug)]
pub(crate) struct NotLetIn {
    pub(crate) error: ApiError,
    /// Whether a key was shown, and was wrong.
    pub(crate) wrong_key: bool,
    /// Whether there were too many of those.
    pub(crate) slowed: bool,
}

impl From<ApiError> for NotLetIn {
    fn from(error: ApiError) -> Self {
        Self { error, wrong_key: false, slowed: false }
    }
}

impl Gate {
    /// `loopback_hosts_only`: whether without client keys only loopback Host headers are let in: a web page that rebinds
    /// its name to this machine must not spend the user's keys.
    pub fn new(keys: Vec<ClientKey>, metrics: MetricsReader, loopback_hosts_only: bool) -> Self {
        let keys = keys.into_iter().map(|key| (Arc::new(Client::named(key.name)), hash(&key.key))).collect();
        Self {
            keys,
            stored: Arc::default(),
            always: false,
            local: Arc::new(Client::named(LOCAL)),
            admin: None,
            metrics,
            loopback_hosts_only,
            failed: Arc::default(),
        }
    }

    /// Lets in the store's keys too. `always`: a key has to be shown while there is none yet.
    #[must_use]
    pub fn with_stored(self, stored: Arc<Clients>, always: bool) -> Self {
        Self { stored, always, ..self }
    }

    /// Goes on counting wrong keys where `before` is.
    #[must_use]
    pub fn in_place_of(self, before: &Self) -> Self {
        Self { failed: Arc::clone(&before.failed), ..self }
    }

    /// Has an admin API, for whoever shows this key. Then clients have to show one too, also while there is none.
    #[must_use]
    pub fn with_admin(self, key: &str) -> Self {
        let hash = hash(key);
        let name: String = hash.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Self { admin: Some((format!("admin-{name}").into(), hash)), always: true, ..self }
    }

    /// Whether there is an admin API.
    pub(crate) fn has_admin(&self) -> bool {
        self.admin.is_some()
    }

    /// Whether a client key has to be shown.
    fn wants_key(&self) -> bool {
        !self.keys.is_empty() || self.always || self.stored.has_any()
    }

    /// Whether a request with this Host is answered at all, on any path.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Result<(), ApiError> {
        if self.wants_key() || !self.loopback_hosts_only {
            return Ok(());
        }
        check_loopback(headers)
    }

    /// Lets a request to `/v1` in. `listed_origin`: no web page makes it, or one that the configuration lets in.
    pub(crate) fn admit(
        &self,
        headers: &HeaderMap,
        listed_origin: bool,
        peer: Option<IpAddr>,
    ) -> Result<Shown, NotLetIn> {
        let authorization = only_one(headers, AUTHORIZATION)?;
        if !self.wants_key() {
            // CORS only hides the answer from a foreign page; a body without a content type needs no
            // preflight, so the call itself would be made and paid for.
            if !listed_origin {
                let text = "This server only answers web pages whose origin is in cors_allowed_origins, because no client keys are configured.";
                return Err(forbidden("origin_not_allowed", text).into());
            }
            return Ok(Shown(Arc::clone(&self.local)));
        }
        let shown = bearer(authorization)?;
        let given = hash(shown);
        // Every key is compared, so that the time tells nothing of which one came close.
        let mut found = None;
        for (client, key) in &self.keys {
            if bool::from(key.ct_eq(&given)) {
                found = Some(client);
            }
        }
        let found = found.cloned().or_else(|| self.stored.find(shown, &given, unix_now));
        found.map(Shown).ok_or_else(|| self.refuse(peer))
    }

    /// Lets a request to `/metrics` in. `apart`: it came to the listener that is for nothing else.
    pub(crate) fn admit_to_metrics(
        &self,
        headers: &HeaderMap,
        apart: bool,
        peer: Option<IpAddr>,
    ) -> Result<(), NotLetIn> {
        if headers.contains_key(ORIGIN) {
            return Err(forbidden("origin_not_allowed", "Web pages are not told the metrics.").into());
        }
        match &self.metrics {
            MetricsReader::Key(key) => {
                let given = hash(bearer(only_one(headers, AUTHORIZATION)?)?);
                if bool::from(hash(key).ct_eq(&given)) { Ok(()) } else { Err(self.refuse(peer)) }
            }
            MetricsReader::Client if !apart => self.admit(headers, true, peer).map(drop),
            MetricsReader::Client | MetricsReader::Anybody => Ok(()),
        }
    }

    /// Lets a request to the admin API in, and names the key that it shows.
    pub(crate) fn admit_to_admin(
        &self,
        headers: &HeaderMap,
        peer: Option<IpAddr>,
    ) -> Result<Arc<str>, NotLetIn> {
        if headers.contains_key(ORIGIN) {
            return Err(forbidden("origin_not_allowed", "Web pages may not use the admin API.").into());
        }
        let given = hash(bearer(only_one(headers, AUTHORIZATION)?)?);
        match &self.admin {
            Some((name, key)) if bool::from(key.ct_eq(&given)) => Ok(Arc::clone(name)),
            Some(_) | None => Err(self.refuse(peer)),
        }
    }

    fn refuse(&self, peer: Option<IpAddr>) -> NotLetIn {
        let Some(wait) = self.failed.count(peer, Instant::now()) else {
            return NotLetIn {
                error: unauthorized("Incorrect API key provided."),
                wrong_key: true,
                slowed: false,
            };
        };
        let text =
            "Too many requests with an incorrect API key came from your address. Please try again later.";
        let error = ApiError::new(ErrorKind::TooManyRequests, text).with_code("too_many_failed_keys");
        let seconds = wait.as_millis().div_ceil(Duration::from_secs(1).as_millis());
        let retry_after_s = Some(u64::try_from(seconds).unwrap_or(1).max(1));
        NotLetIn { error: ApiError { retry_after_s, ..error }, wrong_key: true, slowed: true }
    }
}

/// Unix seconds.
pub(crate) fn unix_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

pub(crate) fn forbidden(code: &str, text: &str) -> ApiError {
    ApiError::new(ErrorKind::Forbidden, text).with_code(code)
}

fn unauthorized(text: &str) -> ApiError {
    ApiError::new(ErrorKind::Unauthorized, text).with_code("invalid_api_key")
}

/// The key that a request shows.
fn bearer(authorization: Option<&HeaderValue>) -> Result<&str, ApiError> {
    let Some(value) = authorization else {
        return Err(unauthorized(
            "You didn't provide an API key. Send it in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ));
    };
    match value.to_str().ok().and_then(|value| value.split_once(' ')) {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty() => {
            Ok(key.trim())
        }
        _ => Err(unauthorized(
            "The Authorization header must use Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        )),
    }
}

/// Refuses a Host that is not this machine's own.
pub(crate) fn check_loopback(headers: &HeaderMap) -> Result<(), ApiError> {
    let host = only_one(headers, HOST)?.and_then(|host| host.to_str().ok());
    if host.is_some_and(is_loopback) {
        return Ok(());
    }
    let text =
        "This server only answers requests to a loopback host name, because no client keys are configured.";
    Err(forbidden("host_not_allowed", text))
}

/// Whether this is `name` or `name:port`, and the name a loopback one. Nothing else is taken for it: what cannot be
/// read as a whole may mean something else to whoever stands before us.
fn is_loopback(host: &str) -> bool {
    let (address, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((inside, port)) => (inside.parse().map(IpAddr::V6).ok(), port),
            None => return false,
        },
        None => {
            let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
            if name.eq_ignore_ascii_case("localhost") {
                return is_port(port);
            }
            (name.parse().map(IpAddr::V4).ok(), port)
        }
    };
    address.is_some_and(|address| address.to_canonical().is_loopback()) && is_port(port)
}

/// Nothing, or a colon and a port.
fn is_port(text: &str) -> bool {
    let is_number = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    text.is_empty() || text.strip_prefix(':').is_some_and(is_number)
}

/// Whether a page of this origin may call; without the header it is no page.
pub(crate) fn is_listed(origin: Option<&HeaderValue>, allowed: &[String]) -> bool {
    origin.is_none_or(|origin| allowed.iter().any(|a| a == "*" || a.as_bytes() == origin.as_bytes()))
}

#[cfg(test)]
#[path = "tests/gate.rs"]
mod tests;
