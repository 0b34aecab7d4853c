//! A client whose server may go away at any moment: that is an error here, not a failure.

use std::io::{BufRead as _, BufReader, Error, Read as _, Result, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(90);

/// An answer that is being read.
pub(crate) struct Call {
    pub(crate) status: u16,
    reader: BufReader<TcpStream>,
    /// Bytes of the body that are still to come; `None`: it comes in chunks.
    left: Option<usize>,
    pending: Vec<u8>,
    over: bool,
}

pub(crate) fn send(address: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Result<Call> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body.as_bytes()].concat())?;
    let mut call =
        Call { status: 0, reader: BufReader::new(stream), left: Some(0), pending: Vec::new(), over: false };
    let first = call.line()?;
    call.status =
        first.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or_else(|| Error::other("no head"))?;
    loop {
        let line = call.line()?.to_ascii_lowercase();
        match line.split_once(": ") {
            None => return Ok(call),
            Some(("content-length", length)) => call.left = length.parse().ok(),
            Some(("transfer-encoding", _)) => call.left = None,
            Some(_) => {}
        }
    }
}

/// A whole answer.
pub(crate) fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Vec<u8>)> {
    let call = send(address, method, path, body)?;
    let status = call.status;
    call.rest().map(|body| (status, body))
}

impl Call {
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.reader.read_line(&mut line)?;
        match line.strip_suffix("\r\n") {
            Some(line) => Ok(line.to_owned()),
            None => Err(Error::other(format!("cut behind {line:?} (status {})", self.status))),
        }
    }

    /// Reads on; `false` at the end of the body.
    fn more(&mut self) -> Result<bool> {
        if self.over {
            return Ok(false);
        }
        let size = match self.left {
            Some(size) => size,
            None => usize::from_str_radix(&self.line()?, 16).map_err(Error::other)?,
        };
        let mut piece = vec![0; size];
        self.reader.read_exact(&mut piece)?;
        self.over = self.left.is_some() || size == 0;
        if self.left.is_none() {
            self.line()?;
        }
        self.pending.extend_from_slice(&piece);
        Ok(!self.over)
    }

    /// What is still to come of the body.
    pub(crate) fn rest(mut self) -> Result<Vec<u8>> {
        while self.more()? {}
        Ok(self.pending)
    }

    /// The next SSE block with its empty line.
    pub(crate) fn block(&mut self) -> Result<Option<String>> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|w| w == b"\n\n") {
                let block = self.pending.drain(..end + 2).collect();
                return String::from_utf8(block).map(Some).map_err(Error::other);
            }
            if !self.more()? && !self.pending.windows(2).any(|w| w == b"\n\n") {
                assert!(self.pending.is_empty(), "half a frame: {}", String::from_utf8_lossy(&self.pending));
                return Ok(None);
            }
        }
    }
}
