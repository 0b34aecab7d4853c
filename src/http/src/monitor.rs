//! `/health`, `/ready` and `/metrics`.

use actix_web::{HttpResponse, web};

use crate::AppState;

/// The process answers.
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ok"}"#)
}

/// The server takes work: it is not stopping and its store can commit.
pub(crate) async fn ready(state: web::Data<AppState>) -> HttpResponse {
    let reason = if state.node.stopping() {
        "shutting down"
    } else if !state.node.store.is_alive() {
        "the store is not running"
    } else {
        return HttpResponse::Ok().content_type("application/json").body(r#"{"status":"ready"}"#);
    };
    let body = format!(r#"{{"status":"not_ready","reason":"{reason}"}}"#);
    HttpResponse::ServiceUnavailable().content_type("application/json").body(body)
}

/// Prometheus text format.
pub(crate) async fn metrics(state: web::Data<AppState>) -> HttpResponse {
    let text = state.node.metrics.render(state.node.running());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text)
}
