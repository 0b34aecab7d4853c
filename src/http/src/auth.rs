//! Applies the rule at the door to each request.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use or_keys::Client;
use or_protocol::{ApiError, ErrorKind};

use crate::connection;
use crate::gate::{NotLetIn, Shown, check_loopback, is_listed};
use crate::respond::error_response;
use crate::state::{AppState, State};

const METRICS: &str = "/metrics";
const ADMIN: &str = "/admin";

/// The listeners that are for one thing alone, as far as there are any.
#[derive(Debug, Default)]
pub(crate) struct Apart {
    pub(crate) metrics: OnceLock<SocketAddr>,
    pub(crate) admin: OnceLock<SocketAddr>,
}

/// What a path is for, and a listener.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Purpose {
    Api,
    Metrics,
    Admin,
}

impl Apart {
    /// What the listener at this address is for.
    fn of_listener(&self, here: SocketAddr) -> Purpose {
        match here {
            _ if self.metrics.get() == Some(&here) => Purpose::Metrics,
            _ if self.admin.get() == Some(&here) => Purpose::Admin,
            _ => Purpose::Api,
        }
    }

    /// Where a path is answered.
    fn of_path(&self, path: &str) -> Purpose {
        let is_admin = path.strip_prefix(ADMIN).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        match path {
            METRICS if self.metrics.get().is_some() => Purpose::Metrics,
            _ if is_admin && self.admin.get().is_some() => Purpose::Admin,
            _ => Purpose::Api,
        }
    }
}

/// Looks at where a request of any path came to, and under which name.
pub(crate) async fn door(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    match look(&request) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(error) => Ok(request.into_response(error_response(&error))),
    }
}

fn look(request: &ServiceRequest) -> Result<(), ApiError> {
    let state = State::of(request.request())?;
    let apart = request.app_data::<web::Data<Apart>>().ok_or_else(ApiError::internal)?;
    let Some(here) = connection::listener(request.request()) else { return Err(ApiError::internal()) };
    let purpose = apart.of_listener(here);
    // As routes read it: `%61dmin` is `admin`.
    if purpose != apart.of_path(request.match_info().as_str()) {
        let text = format!("Invalid URL ({} {})", request.method(), request.path());
        return Err(ApiError::new(ErrorKind::NotFound, text));
    }
    if purpose != Purpose::Api {
        // Whoever reaches it may need no key, so a page must not reach it under a name of its own.
        return if here.ip().to_canonical().is_loopback() {
            check_loopback(request.headers())
        } else {
            Ok(())
        };
    }
    state.options.gate.check_host(request.headers())
}

/// Lets a request to `/v1` through, or answers 400, 401, 403 or 429.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = match State::of(request.request()) {
        Ok(state) => state,
        Err(error) => return Ok(request.into_response(error_response(&error))),
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    let listed = is_listed(request.headers().get(ORIGIN), &state.options.cors_allowed_origins);
    match state.options.gate.admit(request.headers(), listed, peer) {
        Ok(shown) => {
            request.extensions_mut().insert(shown);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(refusal) => Ok(request.into_response(refuse(&refusal, &state))),
    }
}

/// The answer to whom the metrics are not told.
pub(crate) fn refuse_metrics(request: &HttpRequest, state: &AppState) -> Option<HttpResponse> {
    let listeners = request.app_data::<web::Data<Apart>>().zip(connection::listener(request));
    let apart = listeners.is_some_and(|(apart, here)| apart.of_listener(here) == Purpose::Metrics);
    let peer = request.peer_addr().map(|peer| peer.ip());
    let admitted = state.options.gate.admit_to_metrics(request.headers(), apart, peer);
    admitted.err().map(|refusal| refuse(&refusal, state))
}

pub(crate) fn refuse(refusal: &NotLetIn, state: &AppState) -> HttpResponse {
    if refusal.slowed {
        state.node.metrics.over_limit("failed_keys");
    }
    let mut response = error_response(&refusal.error);
    if refusal.wrong_key && refusal.error.status() == 401 {
        // RFC 6750, 3.1: who shows none is not told that it is wrong.
        let challenge = HeaderValue::from_static("Bearer realm=\"open-responses\", error=\"invalid_token\"");
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// Who made the request.
pub(crate) fn client(request: &HttpRequest) -> Result<Arc<Client>, ApiError> {
    request.extensions().get::<Shown>().map(|shown| Arc::clone(&shown.0)).ok_or_else(ApiError::internal)
}

/// Name of the client key that made the request.
pub(crate) fn owner(request: &HttpRequest) -> Result<String, ApiError> {
    client(request).map(|client| client.name.to_string())
}
