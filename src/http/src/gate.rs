//! Who may call: client keys, and the Host and Origin checks that stand in for them.

use actix_web::http::header::HeaderValue;
use or_protocol::{ApiError, ErrorKind};
use subtle::ConstantTimeEq as _;

/// One client key.
#[derive(Clone)]
pub struct ClientKey {
    /// Owner of the records made with it.
    pub name: String,
    /// The secret.
    pub key: std::sync::Arc<str>,
}

/// The rule at the door of `/v1`.
#[derive(Clone)]
pub struct Gate {
    /// Empty: nobody has to show a key.
    pub keys: Vec<ClientKey>,
    /// Whether only loopback Host headers are let in: a web page that rebinds its name to this machine
    /// must not spend the user's keys. Of use only without client keys.
    pub loopback_hosts_only: bool,
}

/// Owner of records when nobody has to show a key.
const LOCAL_OWNER: &str = "local";

/// Name of the key that made the request, in its extensions.
#[derive(Clone, Debug)]
pub(crate) struct Owner(pub(crate) String);

impl Gate {
    /// `listed_origin`: no web page makes the request, or one that the configuration lets in.
    pub(crate) fn admit(
        &self,
        host: Option<&str>,
        listed_origin: bool,
        authorization: Option<&str>,
    ) -> Result<Owner, ApiError> {
        if self.keys.is_empty() {
            if self.loopback_hosts_only && !host.is_some_and(is_loopback) {
                let text = "This server only answers requests to a loopback host name, because no client keys are configured.";
                return Err(ApiError::new(ErrorKind::Forbidden, text).with_code("host_not_allowed"));
            }
            // CORS only hides the answer from a foreign page; a body without a content type needs no
            // preflight, so the call itself would be made and paid for.
            if !listed_origin {
                let text = "This server only answers web pages whose origin is in cors_allowed_origins, because no client keys are configured.";
                return Err(ApiError::new(ErrorKind::Forbidden, text).with_code("origin_not_allowed"));
            }
            return Ok(Owner(LOCAL_OWNER.to_owned()));
        }
        let refused =
            |text: &str| Err(ApiError::new(ErrorKind::Unauthorized, text).with_code("invalid_api_key"));
        let Some(authorization) = authorization else {
            return refused(
                "You didn't provide an API key. Send it in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
            );
        };
        let given = match authorization.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => key.trim(),
            _ => {
                return refused(
                    "The Authorization header must use Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
                );
            }
        };
        // Every key is compared, so that the time tells nothing of which one came close.
        let mut found = None;
        for key in &self.keys {
            if bool::from(key.key.as_bytes().ct_eq(given.as_bytes())) {
                found = Some(key);
            }
        }
        match found {
            Some(key) => Ok(Owner(key.name.clone())),
            None => refused("Incorrect API key provided."),
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whether a page of this origin may call; without the header it is no page.
pub(crate) fn is_listed(origin: Option<&HeaderValue>, allowed: &[String]) -> bool {
    origin.is_none_or(|origin| allowed.iter().any(|a| a == "*" || a.as_bytes() == origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(keys: &[&str], host: &str, authorization: Option<&str>, want: Result<&str, u16>) {
        let keys = keys.iter().map(|k| ClientKey { name: format!("name-{k}"), key: (*k).into() }).collect();
        let gate = Gate { keys, loopback_hosts_only: true };
        let got = gate.admit(Some(host), true, authorization);
        assert_eq!(got.map(|o| o.0).map_err(|e| e.status()), want.map(str::to_owned));
    }

    #[test]
    fn without_keys_only_loopback_hosts_are_answered() {
        for host in ["localhost", "LOCALHOST:4000", "127.0.0.1:4000", "127.9.9.9", "[::1]:4000"] {
            check(&[], host, None, Ok("local"));
        }
        for host in ["evil.example", "127.0.0.1.evil.example:80", "localhost.evil.example", "", "[::2]"] {
            check(&[], host, None, Err(403));
        }
    }

    #[test]
    fn with_keys_the_right_one_is_needed_and_names_the_owner() {
        check(&["a", "b"], "any.example", Some("Bearer b"), Ok("name-b"));
        check(&["a", "b"], "any.example", Some("bearer  a"), Ok("name-a"));
        for wrong in [None, Some("Bearer c"), Some("Basic a"), Some("a"), Some("Bearer "), Some("")] {
            check(&["a", "b"], "localhost", wrong, Err(401));
        }
    }

    #[track_caller]
    fn check_origin(keys: &[&str], allowed: &[&str], origin: Option<&'static str>, want: Result<(), u16>) {
        let keys = keys.iter().map(|k| ClientKey { name: (*k).into(), key: (*k).into() }).collect();
        let gate = Gate { keys, loopback_hosts_only: true };
        let allowed: Vec<_> = allowed.iter().map(|o| (*o).to_owned()).collect();
        let listed = is_listed(origin.map(HeaderValue::from_static).as_ref(), &allowed);
        let got = gate.admit(Some("localhost"), listed, Some("Bearer k"));
        assert_eq!(got.map(drop).map_err(|e| e.status()), want);
    }

    #[test]
    fn without_keys_only_listed_origins_are_answered() {
        let app = "https://app.example";
        check_origin(&[], &[], None, Ok(()));
        check_origin(&[], &[app], Some(app), Ok(()));
        check_origin(&[], &["*"], Some("https://other.example"), Ok(()));
        for foreign in ["https://evil.example", "null", "http://localhost:3000", "https://app.example.evil"] {
            check_origin(&[], &[app], Some(foreign), Err(403));
        }
    }

    #[test]
    fn with_keys_the_origin_makes_no_difference() {
        check_origin(&["k"], &[], Some("https://other.example"), Ok(()));
    }
}
