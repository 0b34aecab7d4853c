//! Makes the connections that awc uses, or takes one that waits.

use std::rc::Rc;
use std::sync::Arc;

use actix_rt::net::TcpStream;
use actix_service::{Service, always_ready};
use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use awc::http::Uri;
use awc::http::uri::Authority;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::exchange::Exchange;
use super::pool::Pool;
use super::socket::Socket;

/// How a connection to a host is had.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) pool: Rc<Pool>,
    /// None: without TLS.
    pub(crate) tls: Option<Arc<ClientConfig>>,
    /// Whether one that waits may be used.
    pub(crate) reuse: bool,
}

impl Connector {
    async fn connect(self, uri: Uri) -> Result<Connection<Uri, Exchange>, ConnectError> {
        let host = uri.authority().cloned().ok_or(ConnectError::Unresolved)?;
        let waiting = if self.reuse { self.pool.take(&host) } else { None };
        let used = waiting.is_some();
        let (socket, born) = match waiting {
            Some(waiting) => waiting,
            None => (self.dial(&host).await?, Instant::now()),
        };
        let exchange = Exchange::new(socket, self.pool, host, born, used);
        Ok(Connection::new(uri, exchange))
    }

    async fn dial(&self, host: &Authority) -> Result<Socket, ConnectError> {
        let name = host.host().trim_start_matches('[').trim_end_matches(']');
        let port = host.port_u16().ok_or(ConnectError::Unresolved)?;
        let tcp = TcpStream::connect((name, port)).await.map_err(ConnectError::Io)?;
        // What is written is whole; nothing is gained by waiting for more.
        tcp.set_nodelay(true).map_err(ConnectError::Io)?;
        let Some(tls) = &self.tls else { return Ok(Socket::Plain(tcp)) };
        let name = ServerName::try_from(name.to_owned()).map_err(|_| ConnectError::Unresolved)?;
        let tls = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await;
        tls.map(|tls| Socket::Tls(Box::new(tls))).map_err(ConnectError::Io)
    }
}

impl Service<ConnectInfo<Uri>> for Connector {
    type Response = Connection<Uri, Exchange>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    always_ready!();

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        self.clone().connect(info.request().clone()).boxed_local()
    }
}

/// The one protocol that is offered.
pub(crate) const ALPN: &[u8] = b"http/1.1";

/// TLS with the authorities that browsers trust.
pub(crate) fn tls() -> Option<Arc<ClientConfig>> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().ok()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    Some(Arc::new(config))
}
