//! The admin API: `/admin/v1`, for whoever shows the admin key.

mod keys;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, Route, web};

use crate::auth::refuse;
use crate::request::request_id;
use crate::respond::{self, error_response};
use crate::state::State;

/// What was done with what, for the audit line.
#[derive(Clone, Debug, Default)]
struct Audited {
    action: &'static str,
    /// Name or id of the key that it was about.
    key: Option<String>,
    /// Code of the error.
    error: Option<String>,
}

/// The routes, for a server that has an admin key. `only`: answers a resource's other methods.
pub(crate) fn routes(config: &mut web::ServiceConfig, only: fn(&'static str) -> Route) {
    config.service(
        web::scope("/admin/v1")
            .wrap(from_fn(guard))
            .service(
                web::resource("/keys")
                    .route(web::post().to(keys::create))
                    .route(web::get().to(keys::list))
                    .default_service(only("GET, POST")),
            )
            .service(
                web::resource("/keys/{key}")
                    .route(web::get().to(keys::show))
                    .route(web::patch().to(keys::update))
                    .route(web::delete().to(keys::delete))
                    .default_service(only("GET, PATCH, DELETE")),
            )
            .service(
                web::resource("/keys/{key}/rotate")
                    .route(web::post().to(keys::rotate))
                    .default_service(only("POST")),
            )
            .service(
                web::resource("/keys/{key}/revoke")
                    .route(web::post().to(keys::revoke))
                    .default_service(only("POST")),
            )
            .default_service(web::to(respond::not_found)),
    );
}

/// Lets a request through that shows the admin key, and writes the audit line of each, also of those it refuses.
async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = match State::of(request.request()) {
        Ok(state) => state,
        Err(error) => return Ok(request.into_response(error_response(&error))),
    };
    let peer = request.peer_addr().map(|peer| peer.ip());
    let (admin, mut response) = match state.options.gate.admit_to_admin(request.headers(), peer) {
        Ok(admin) => (Some(admin), next.call(request).await?.map_into_boxed_body()),
        Err(refusal) => {
            let mut response = refuse(&refusal, &state);
            let error = Some(refusal.error.code().to_owned());
            response.extensions_mut().insert(Audited { action: "admit", key: None, error });
            (None, request.into_response(response))
        }
    };
    let status = response.status().as_u16();
    // Nobody keeps an answer that has a secret.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let audited = response.response().extensions().get::<Audited>().cloned().unwrap_or_default();
    let Audited { action, key, error } = audited;
    let action = if action.is_empty() { "unknown" } else { action };
    tracing::info!(
        target: "audit",
        request_id = request_id(response.request()),
        admin = admin.as_deref(),
        peer = peer.map(tracing::field::display),
        action,
        key,
        outcome = error.as_deref().unwrap_or(if status < 400 { "ok" } else { "refused" }),
        http_status = status,
        "admin"
    );
    Ok(response)
}
