//! HTTP clients: what they trust, where they connect, and what they send with each request.

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::HeaderMap;
use http::{HeaderName, HeaderValue};
use or_protocol::MCP_HEADERS;
use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use rustls::{ClientConfig, RootCertStore, crypto::ring};
use url::Url;

use super::{AddressGuard, McpError, McpServer};
use crate::answer::head;

/// Each call that runs has a connection of its own.
const MAX_IDLE_CONNECTIONS: usize = 16;
/// A client that follows no redirects and uses no proxy.
pub(super) fn builder(connect_timeout: Duration) -> Result<reqwest::ClientBuilder, McpError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|_| McpError::Internal)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .no_proxy()
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(MAX_IDLE_CONNECTIONS)
        .tcp_nodelay(true))
}

/// The same, for one host. It goes to the addresses that were checked and looks up nothing again.
pub(super) async fn pinned(
    guard: &AddressGuard,
    url: &Url,
    connect_timeout: Duration,
) -> Result<reqwest::ClientBuilder, McpError> {
    let addresses = guard.resolve(url).await?;
    Ok(builder(connect_timeout)?.dns_resolver(Pinned(addresses)))
}

/// The answer to every question for a name.
struct Pinned(Vec<SocketAddr>);

impl Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        Box::pin(future::ready(Ok(addresses)))
    }
}

/// What the server gets with each request.
pub(super) fn headers(server: &McpServer) -> Result<HeaderMap, McpError> {
    let mut headers = HeaderMap::new();
    for (name, value) in &server.headers {
        let wrong =
            |why: &str| McpError::Refused(format!("the header '{}' {why}", head(name, 64).escape_debug()));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong("has no valid name"))?;
        if MCP_HEADERS.contains(&key.as_str()) {
            return Err(wrong("cannot be set"));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| wrong("has no valid value"))?;
        value.set_sensitive(true);
        headers.try_append(key, value).map_err(|_| wrong("is one too many"))?;
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use or_test_support::mcp::FakeMcp;

    use super::*;

    #[actix_rt::test]
    async fn a_pinned_client_asks_no_dns() {
        let fake = FakeMcp::start();
        let client = builder(Duration::from_secs(1)).unwrap().dns_resolver(Pinned(vec![fake.address]));
        let url = format!("http://nowhere.invalid:{}/", fake.address.port());
        client.build().unwrap().get(url).send().await.unwrap();
        assert_eq!(fake.seen().len(), 1);
    }
}
