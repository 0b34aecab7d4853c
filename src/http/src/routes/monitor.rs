//! `/health`, `/ready` and `/metrics`.

use actix_web::{HttpRequest, HttpResponse};
use or_store::Health;
use serde_json::json;

use crate::auth::refuse_metrics;
use crate::state::State;

/// The process answers.
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// The server takes work: it is not stopping and its store can commit.
pub(crate) async fn ready(state: State) -> HttpResponse {
    let stopping = state.node.running.stopping().then(|| "shutting down".to_owned());
    let unwell = || match state.node.store.health() {
        Health::Good => None,
        Health::Trouble(why) | Health::Dead(why) => Some(why),
    };
    match stopping.or_else(unwell) {
        Some(reason) => {
            HttpResponse::ServiceUnavailable().json(json!({"status": "not_ready", "reason": reason}))
        }
        None => HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ready"}"#),
    }
}

/// Prometheus text format.
pub(crate) async fn metrics(request: HttpRequest, state: State) -> HttpResponse {
    if let Some(refusal) = refuse_metrics(&request, &state) {
        return refusal;
    }
    let node = &state.node;
    let text = node.metrics.render(&node.levels());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
