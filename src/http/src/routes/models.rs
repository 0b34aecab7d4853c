//! `GET /v1/models` and `GET /v1/models/{id}`.

use std::sync::Arc;

use actix_web::{HttpResponse, web};
use or_actors::{DiscoverModels, Found};
use or_adapters::Abilities;
use or_protocol::{ApiError, ErrorKind};
use serde::Serialize;
use serde_json::json;

use crate::AppState;
use crate::respond::error_response;
use crate::server::Worker;

/// A model that the server tells of. It may serve others too.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ListedModel {
    /// What a request says to get it.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Unix seconds. As the provider says, or when the server was started.
    pub created: i64,
    /// Name of the provider that serves it.
    pub owned_by: String,
    /// What OpenAI's list does not have.
    pub open_responses: Card,
}

/// Where a model comes from and what it can do.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Card {
    /// Name of the provider that serves it.
    pub provider: String,
    /// The provider's wire.
    pub kind: &'static str,
    /// How the server knows of it.
    pub source: Source,
    /// Always: every kind streams.
    pub streaming: bool,
    /// Kinds of input that this server can pass on to the provider, whatever the model.
    pub carries: &'static [&'static str],
    /// What is known of the model itself.
    #[serde(flatten)]
    pub abilities: Abilities,
}

/// How the server knows of a model.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// The adapter knows it without asking.
    BuiltIn,
    /// The configuration names it.
    Configured,
    /// The provider lists it.
    Discovered,
}

/// Makes the list of what the providers told.
pub type Listing = dyn Fn(&Found) -> Vec<ListedModel> + Send + Sync;

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
