//! Puts the routes together and starts the workers.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::Actor as _;
use actix_cors::Cors;
use actix_web::dev::Server;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App, HttpRequest, Route, web};
use actix_web_lab::middleware::CatchPanic;
use or_actors::LoopSupervisor;
use or_actors::store::StoreHandle;

use crate::admin;
use crate::auth::{self, Apart};
use crate::connection::{Clocks, Door, bind};
use crate::idempotency::Keys;
use crate::respond;
use crate::routes::{cancel, create, delete, input_items, input_tokens, models, monitor, retrieve};
use crate::state::{Live, Worker};
use crate::whole::Answers;

/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;

/// The process answers: by our name, and by those that charts and probes take for granted.
const HEALTH: [&str; 4] = ["/health", "/healthz", "/livez", "/health/liveliness"];
/// The same of being ready for work.
const READY: [&str; 3] = ["/ready", "/readyz", "/health/readiness"];

fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST", "DELETE", "OPTIONS"])
        .allow_any_header()
        .expose_headers([
            "x-request-id",
            "openresponses-translation",
            "openresponses-provider",
            "openresponses-attempts",
            "x-ratelimit-limit-requests",
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-requests",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-requests",
            "x-ratelimit-reset-tokens",
            "idempotent-replayed",
            "openresponses-token-count",
            "openresponses-response-id",
            "retry-after",
            "openai-processing-ms",
            "traceparent",
        ])
        .max_age(3600);
    if origins.iter().any(|origin| origin == "*") {
        return cors.allow_any_origin();
    }
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

/// For a resource's other methods: every error has our shape.
fn only(allow: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move { respond::method_not_allowed(&request, allow) })
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::scope("/v1")
                .wrap(from_fn(auth::check))
                .service(
                    web::resource("/responses")
                        .route(web::post().to(create::create))
                        .default_service(only("POST")),
                )
                .service(
                    web::resource("/responses/input_tokens")
                        .route(web::post().to(input_tokens::count))
                        .default_service(only("POST")),
                )
                .service(
                    web::resource("/responses/{id}")
                        .route(web::get().to(retrieve::retrieve))
                        .route(web::delete().to(delete::delete))
                        .default_service(only("GET, DELETE")),
                )
                .service(
                    web::resource("/responses/{id}/cancel")
                        .route(web::post().to(cancel::cancel))
                        .default_service(only("POST")),
                )
                .service(
                    web::resource("/responses/{id}/input_items")
                        .route(web::get().to(input_items::list))
                        .default_service(only("GET")),
                )
                .service(
                    web::resource("/models").route(web::get().to(models::list)).default_service(only("GET")),
                )
                .service(
                    web::resource("/models/{id:.+}")
                        .route(web::get().to(models::retrieve))
                        .default_service(only("GET")),
                )
                .default_service(web::to(respond::not_found)),
        )
        .service(
            web::resource(HEALTH)
                .route(web::get().to(monitor::health))
                .route(web::head().to(monitor::health))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource(READY)
                .route(web::get().to(monitor::ready))
                .route(web::head().to(monitor::ready))
                .default_service(only("GET, HEAD")),
        )
        .service(
            web::resource("/metrics").route(web::get().to(monitor::metrics)).default_service(only("GET")),
        )
        .default_service(web::to(respond::not_found));
}

/// Binds and starts the workers. The returned server is a future; its addresses are those it listens on, that of the
/// metrics and that of the admin API last.
pub fn start(live: Arc<Live>) -> std::io::Result<(Server, Vec<SocketAddr>)> {
    let state = live.now();
    let options = state.options.clone();
    let clocks = Clocks { write: options.client_write_timeout, behind: options.max_lag };
    let door = Door { clocks, metrics: state.node.metrics.clone() };
    let (live, answers) = (web::Data::from(live), web::Data::new(Answers::default()));
    let origins = options.cors_allowed_origins.clone();
    let keys = web::Data::new(Keys::default());
    // Known when it is bound, and looked at when the workers run.
    let apart = web::Data::new(Apart::default());
    let known = apart.clone();
    let has_admin = options.gate.has_admin();
    let app = move || {
        let node = live.now().node.clone();
        let store = StoreHandle::new(Arc::clone(&node.store));
        let supervisor = LoopSupervisor::new(live.node(), store.clone()).start();
        node.metrics.worker();
        App::new()
            .app_data(live.clone())
            .app_data(answers.clone())
            .app_data(apart.clone())
            .app_data(keys.clone())
            .app_data(web::Data::new(Worker { live: live.node(), store, supervisor }))
            .wrap(CatchPanic::default())
            .wrap(from_fn(auth::door))
            .wrap(Condition::new(!origins.is_empty(), cors(&origins)))
            .wrap(from_fn(respond::finish))
            .configure(|config| {
                if has_admin {
                    admin::routes(config, only);
                }
                routes(config);
            })
    };
    let server = Server::build()
        .workers(options.workers)
        .max_concurrent_connections(options.max_connections.div_ceil(options.workers))
        .shutdown_timeout(options.shutdown_timeout.as_secs())
        .disable_signals();
    let listener = bind(options.bind, BACKLOG)?;
    let mut addresses = vec![listener.local_addr()?];
    let mut server = door.open(server, listener, app.clone())?;
    for (address, known) in [(options.metrics_bind, &known.metrics), (options.admin_bind, &known.admin)] {
        let Some(address) = address else { continue };
        let listener = bind(address, BACKLOG)?;
        let address = listener.local_addr()?;
        let _ = known.set(address);
        addresses.push(address);
        server = door.open(server, listener, app.clone())?;
    }
    Ok((server.run(), addresses))
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test;

    use super::*;

    #[actix_web::test]
    async fn another_method_gets_an_error_with_the_allowed_ones() {
        let monitors = HEALTH.into_iter().chain(READY).map(|path| (path, "GET, HEAD"));
        for (path, allowed) in monitors.chain([("/metrics", "GET")]) {
            let app = test::init_service(App::new().configure(routes)).await;
            let request = test::TestRequest::with_uri(path).method(Method::PUT).to_request();
            let response = test::call_service(&app, request).await;
            assert_eq!(response.status().as_u16(), 405, "{path}");
            assert_eq!(response.headers().get("allow").unwrap(), allowed, "{path}");
            let body = test::read_body(response).await;
            assert!(body.starts_with(b"{\"error\":{\"message\":\"Method PUT"), "{path}");
        }
    }
}
