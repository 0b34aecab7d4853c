//! Sockets of clients that behave badly.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

/// A connection that takes little before its reader must read.
pub(super) fn narrow(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    socket.connect(&address.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_write_timeout(Some(Duration::from_secs(1))).unwrap();
    stream
}

/// A connection over which this request was sent, and nothing is read.
pub(super) fn ask(address: SocketAddr, request: &[u8]) -> TcpStream {
    let mut stream = narrow(address);
    if request.starts_with(b"POST") {
        // A body is there as a whole before the server answers, which takes a while for a long one.
        stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    }
    // A server that takes no more is no failure here.
    let _ = stream.write_all(request);
    stream
}

pub(super) fn post(body: &str) -> Vec<u8> {
    let head = "POST /v1/responses HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

pub(super) fn get(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").into_bytes()
}

/// The beginning of a request whose body comes in chunks.
pub(super) fn chunked(path: &str) -> Vec<u8> {
    let head = format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json");
    format!("{head}\r\ntransfer-encoding: chunked\r\n\r\n").into_bytes()
}

/// Whether the server has closed the connection, without reading what it sent before that.
pub(super) fn is_reset(stream: &TcpStream) -> bool {
    stream.take_error().unwrap().is_some()
}

/// What the server says until it closes the connection, and when it did.
pub(super) fn to_the_end(mut stream: &TcpStream, begun: Instant) -> (String, Duration) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (mut all, mut some) = (Vec::new(), [0; 4096]);
    loop {
        match stream.read(&mut some) {
            Ok(0) => break,
            Ok(count) => all.extend_from_slice(&some[..count]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the connection stays open: {error}"),
        }
    }
    (String::from_utf8_lossy(&all).into_owned(), begun.elapsed())
}
