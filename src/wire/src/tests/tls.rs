//! The client against a host with TLS, whose certificate it is told to trust.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use pretty_assertions::assert_eq;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use crate::client::{Client, Request, Settings};
use crate::connector::{ALPN, tls};
use crate::pool::SETTLE;
use crate::{BodyError, Method, WireError};

/// Made for `localhost`, by itself.
const CERTIFICATE: &[u8] = include_bytes!("certificate/cert.der");
const KEY: &[u8] = include_bytes!("certificate/key.der");

/// What a host was asked, and how often it was connected to.
#[derive(Clone, Default)]
struct Seen {
    connections: Arc<AtomicUsize>,
    protocols: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A host that answers each request with these bytes, and then closes or not; it would rather speak HTTP/2.
async fn host(answer: &'static str, closes: bool) -> (SocketAddr, Seen) {
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(KEY));
    let certificate = CertificateDer::from(CERTIFICATE);
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let mut config = config.with_single_cert(vec![certificate], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Seen::default());
    let known = seen.clone();
    actix_rt::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let (acceptor, seen) = (acceptor.clone(), known.clone());
            actix_rt::spawn(async move {
                let Ok(mut stream) = acceptor.accept(tcp).await else { return };
                seen.connections.fetch_add(1, Ordering::SeqCst);
                let protocol = stream.get_ref().1.alpn_protocol().unwrap_or_default().to_vec();
                seen.protocols.lock().unwrap().push(protocol);
                let mut request = Vec::new();
                while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
                    if !request.ends_with(b"\r\n\r\nx") {
                        continue;
                    }
                    request.clear();
                    stream.write_all(answer.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                    if closes {
                        return stream.shutdown().await.unwrap();
                    }
                }
            });
        }
    });
    (address, seen)
}

fn client() -> Client {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(CERTIFICATE)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![ALPN.to_vec()];
    let settings = Settings { connect_timeout: Duration::from_secs(5), head_timeout: None };
    Client::with_tls(&settings, Some(Arc::new(config)))
}

async fn ask(client: &Client, address: SocketAddr) -> Result<String, WireError> {
    let url = format!("https://localhost:{}/", address.port());
    let body = Some(Bytes::from_static(b"x"));
    let request = Request { method: Method::POST, url: &url, headers: Vec::new(), body };
    let mut answer = client.send(request).await?;
    let mut text = Vec::new();
    while let Some(piece) = answer.body.next().await {
        text.extend_from_slice(&piece.map_err(|error: BodyError| WireError::Broken(error.to_string()))?);
    }
    Ok(String::from_utf8(text).unwrap())
}

#[actix_rt::test]
async fn http_1_is_spoken_and_a_clean_connection_is_used_again() {
    let answer = "HTTP/1.1 103 X\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
    let ((address, seen), client) = (host(answer, false).await, client());
    for _ in 0..3 {
        assert_eq!(ask(&client, address).await, Ok("hi".into()));
        tokio::time::sleep(SETTLE * 2).await;
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1);
    assert_eq!(*seen.protocols.lock().unwrap(), [b"http/1.1"]);
    assert_eq!(tls().unwrap().alpn_protocols, [ALPN], "the roots are the one difference");
}

#[actix_rt::test]
async fn bytes_behind_an_answer_end_the_connection() {
    let answer =
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nno";
    let ((address, seen), client) = (host(answer, false).await, client());
    for _ in 0..2 {
        assert_eq!(ask(&client, address).await, Ok("hi".into()));
        tokio::time::sleep(SETTLE * 2).await;
    }
    assert_eq!(seen.connections.load(Ordering::SeqCst), 2);
}

#[actix_rt::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let (address, _) = host("HTTP/1.1 200 OK\r\n\r\nhi", true).await;
    assert_eq!(ask(&client(), address).await, Ok("hi".into()));
}

#[actix_rt::test]
async fn a_host_that_nobody_vouches_for_is_not_asked() {
    let (address, seen) = host("HTTP/1.1 200 OK\r\n\r\nhi", true).await;
    let settings = Settings { connect_timeout: Duration::from_secs(5), head_timeout: None };
    let refused = ask(&Client::new(&settings), address).await;
    assert!(
        matches!(&refused, Err(WireError::Unreachable(why)) if why.contains("certificate")),
        "{refused:?}"
    );
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}
