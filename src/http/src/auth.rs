//! Applies the rule at the door of `/v1` to each request.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HOST, ORIGIN};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use or_protocol::ApiError;

use crate::gate::{Owner, is_listed};
use crate::respond::error_response;
use crate::state::AppState;

/// Lets a request through, or answers 401 or 403.
pub(crate) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let verdict = match request.app_data::<web::Data<AppState>>() {
        Some(state) => {
            let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
            let listed = is_listed(request.headers().get(ORIGIN), &state.options.cors_allowed_origins);
            state.options.gate.admit(header(HOST), listed, header(AUTHORIZATION))
        }
        None => Err(ApiError::internal()),
    };
    match verdict {
        Ok(owner) => {
            request.extensions_mut().insert(owner);
            Ok(next.call(request).await?.map_into_boxed_body())
        }
        Err(error) => Ok(request.into_response(error_response(&error))),
    }
}

/// Name of the client key that made the request.
pub(crate) fn owner(request: &HttpRequest) -> Result<String, ApiError> {
    request.extensions().get::<Owner>().map(|o| o.0.clone()).ok_or_else(ApiError::internal)
}
