//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, web};
use or_actors::DiscoverModels;
use or_protocol::{ApiError, ErrorKind};
use serde_json::json;

use crate::auth::client;
use crate::listing::ListedModel;
use crate::request::allowed_route;
use crate::respond::error_response;
use crate::state::{AppState, State, Worker};

async fn listed(
    request: &HttpRequest,
    state: &AppState,
    worker: &Worker,
) -> Result<Vec<ListedModel>, ApiError> {
    let client = client(request)?;
    let found = match &state.discovery {
        Some(discovery) => {
            let message = DiscoverModels { discovery: Arc::clone(discovery) };
            worker.supervisor.send(message).await.unwrap_or_default()
        }
        None => Arc::default(),
    };
    let mut listed = (state.listing)(&found);
    listed.retain(|model| allowed_route(&client, &model.id, state).is_ok());
    Ok(listed)
}

/// All models that the client may use, in one list.
pub(crate) async fn list(request: HttpRequest, state: State, worker: web::Data<Worker>) -> HttpResponse {
    match listed(&request, &state, &worker).await {
        Ok(listed) => HttpResponse::Ok().json(json!({"object": "list", "data": listed})),
        Err(error) => error_response(&error),
    }
}

/// One model of the list. Its id may have slashes.
pub(crate) async fn retrieve(
    request: HttpRequest,
    id: web::Path<String>,
    state: State,
    worker: web::Data<Worker>,
) -> HttpResponse {
    let listed = match listed(&request, &state, &worker).await {
        Ok(listed) => listed,
        Err(error) => return error_response(&error),
    };
    match listed.into_iter().find(|model| model.id == *id) {
        Some(model) => HttpResponse::Ok().json(model),
        None => {
            let id: String = id.chars().take(100).collect();
            let text = format!("The model '{id}' is not in this server's list of models.");
            let error = ApiError::new(ErrorKind::NotFound, text).with_code("model_not_found");
            error_response(&error.with_param("model"))
        }
    }
}
