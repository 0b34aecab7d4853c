//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use or_actors::DiscoverModels;
use or_protocol::{ApiError, ErrorKind};
use serde_json::json;

use crate::listing::ListedModel;
use crate::respond::error_response;
use crate::state::{AppState, Worker};

async fn listed(state: &AppState, worker: &Worker) -> Vec<ListedModel> {
    let found = match &state.discovery {
        Some(discovery) => {
            let message = DiscoverModels { discovery: Arc::clone(discovery) };
            worker.supervisor.send(message).await.unwrap_or_default()
        }
        None => Arc::default(),
    };
    (state.listing)(&found)
}

/// All models in one list.
pub(crate) async fn list(state: web::Data<AppState>, worker: web::Data<Worker>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"object": "list", "data": listed(&state, &worker).await}))
}

/// One model of the list. Its id may have slashes.
pub(crate) async fn retrieve(
    id: web::Path<String>,
    state: web::Data<AppState>,
    worker: web::Data<Worker>,
) -> HttpResponse {
    match listed(&state, &worker).await.into_iter().find(|model| model.id == *id) {
        Some(model) => HttpResponse::Ok().json(model),
        None => {
            let id: String = id.chars().take(100).collect();
            let text = format!("The model '{id}' is not in this server's list of models.");
            let error = ApiError::new(ErrorKind::NotFound, text).with_code("model_not_found");
            error_response(&error.with_param("model"))
        }
    }
}
