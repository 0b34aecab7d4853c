//! `GET /v1/models` and `GET /v1/models/{id}`.

use actix_web::{HttpResponse, web};
use or_protocol::{ApiError, ErrorKind};
use serde::Serialize;
use serde_json::json;

use crate::AppState;
use crate::envelope::error_response;

/// A model that the server tells of. It may serve others too: only what is known without asking a provider is listed.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "object", rename = "model")]
pub struct ListedModel {
    /// What a request says to get it.
    pub id: String,
    /// Unix seconds. When the server learnt of it, as nobody tells when it was made.
    pub created: i64,
    /// Name of the provider that serves it.
    pub owned_by: String,
}

/// All models in one list.
pub(crate) async fn list(state: web::Data<AppState>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"object": "list", "data": state.models}))
}

/// One model of the list. Its id may have slashes.
pub(crate) async fn retrieve(id: web::Path<String>, state: web::Data<AppState>) -> HttpResponse {
    match state.models.iter().find(|model| model.id == *id) {
        Some(model) => HttpResponse::Ok().json(model),
        None => {
            let id: String = id.chars().take(100).collect();
            let text = format!("The model '{id}' is not in this server's list of models.");
            let error = ApiError::new(ErrorKind::NotFound, text).with_code("model_not_found");
            error_response(&error.with_param("model"))
        }
    }
}
