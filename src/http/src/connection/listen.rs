//! Listening, and what each connection is served with.

use std::fmt::Debug;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use actix_http::body::MessageBody;
use actix_http::{HttpService, Request, Response};
use actix_server::ServerBuilder;
use actix_service::{
    IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config,
};
use actix_web::Error;
use actix_web::dev::AppConfig;
use or_telemetry::Metrics;
use socket2::{Domain, Socket, Type};
use tokio::net::TcpStream;

use super::stream::{ClientStream, Clocks};

/// From the first byte of a connection to the end of its first head.
const FIRST_HEAD: Duration = Duration::from_secs(5);
/// How long a connection may be idle between two requests.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
/// How long the rest of a body is taken in after an early answer.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// What connections are measured by.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) clocks: Clocks,
    pub(crate) metrics: Metrics,
}

/// A listener on `address`, with room for `backlog` connections that are not accepted yet.
pub(crate) fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    // A server that starts again must not wait for the old connections to be forgotten.
    #[cfg(not(windows))]
    socket.set_reuse_address(true)?;
    #[cfg(windows)]
    if address.is_ipv6() {
        let _ = socket.set_only_v6(false);
    }
    socket.bind(&address.into())?;
    socket.listen(i32::try_from(backlog).unwrap_or(i32::MAX))?;
    Ok(socket.into())
}

impl Door {
    /// Serves what comes to `listener` with the application that `factory` makes for each worker.
    pub(crate) fn open<F, I, S, B>(
        &self,
        server: ServerBuilder,
        listener: TcpListener,
        factory: F,
    ) -> io::Result<ServerBuilder>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: IntoServiceFactory<S, Request>,
        S: ServiceFactory<Request, Config = AppConfig> + 'static,
        S::Future: 'static,
        S::Error: Into<Error> + 'static,
        S::InitError: Debug,
        S::Response: Into<Response<B>> + 'static,
        <S::Service as Service<Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let stop = server.graceful_shutdown_signal();
        let door = self.clone();
        let address = listener.local_addr()?;
        let name = format!("http on {address}");
        server.listen(name, listener, move || {
            let (stop, Door { clocks, metrics }) = (stop.clone(), door.clone());
            let app = factory().into_factory().map_err(|error| error.into().error_response());
            let http = HttpService::build()
                .graceful_shutdown_signal(move || {
                    let stop = stop.clone();
                    async move { stop.notified().await }
                })
                .keep_alive(KEEP_ALIVE)
                .client_request_timeout(FIRST_HEAD)
                .client_disconnect_timeout(LAST_BYTES)
                // Otherwise a client's leaving is noticed late.
                .h1_allow_half_closed(false)
                .on_connect_ext(|stream: &ClientStream, extensions| {
                    extensions.insert(stream.presence().clone());
                })
                .h1(map_config(app, |()| AppConfig::default()));
            fn_service(move |io: TcpStream| {
                let peer = io.peer_addr().ok();
                let stream = ClientStream::new(io, address, clocks, metrics.clone());
                async move { Ok((stream, peer)) }
            })
            .and_then(http)
        })
    }
}
