//! A small HTTP client on a bare socket: it reads byte by byte what the server wrote, and leaves when told to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Options;
use crate::order::{check_events_with, parse_sse};
use crate::schema::schemas;

/// Longer than anything takes here: who waits so long waits for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// Status, headers and what came of the body.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the connection ended inside the body.
    pub cut: bool,
}

/// One SSE event: its name and its data.
pub type Event = (String, Value);

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?} {}", self.text()))
    }

    /// The response object of a 200, checked against the published schema.
    #[track_caller]
    pub fn response(&self) -> Value {
        self.response_with(Options::STRICT)
    }

    #[track_caller]
    pub fn response_with(&self, options: Options) -> Value {
        assert_eq!(self.status, 200, "{}", self.text());
        assert_eq!(self.header("content-type"), Some("application/json"));
        let response = self.json();
        check_response(&response, options);
        response
    }

    /// The events of a 200 stream, checked for order, `[DONE]` and schema.
    #[track_caller]
    pub fn events(&self) -> Vec<Event> {
        self.events_with(Options::STRICT)
    }

    #[track_caller]
    pub fn events_with(&self, options: Options) -> Vec<Event> {
        assert_eq!(self.status, 200, "{}", self.text());
        assert!(self.header("content-type").is_some_and(|t| t.starts_with("text/event-stream")), "{self:?}");
        assert!(!self.cut, "the stream was cut: {}", self.text());
        let events = parse_sse(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()));
        if let Err(findings) = check_events_with(&events, options) {
            panic!("{findings:#?} in {}", self.text());
        }
        for (_, event) in &events {
            if let Some(Err(findings)) = schemas().map(|s| s.check_event(event, options)) {
                panic!("{findings:#?} in {event}");
            }
        }
        events
    }

    /// The snapshot of the terminal event.
    #[track_caller]
    pub fn last_response(&self) -> Value {
        self.last_response_with(Options::STRICT)
    }

    #[track_caller]
    pub fn last_response_with(&self, options: Options) -> Value {
        let events = self.events_with(options);
        events.last().map(|(_, event)| event["response"].clone()).unwrap_or_default()
    }

    /// Status, type, code and param of an error answer in the spec's shape.
    #[track_caller]
    pub fn error(&self) -> (u16, String, Option<String>, Option<String>) {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "no x-request-id: {self:?}");
        let body = self.json();
        let keys: Vec<_> = body["error"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        assert_eq!(keys, ["message", "type", "param", "code"], "{body}");
        assert!(body["error"]["message"].as_str().is_some_and(|m| m.len() > 3), "{body}");
        let text = |key: &str| body["error"][key].as_str().map(str::to_owned);
        (self.status, text("type").unwrap_or_default(), text("code"), text("param"))
    }

    pub fn message(&self) -> String {
        self.json()["error"]["message"].as_str().unwrap_or_default().to_owned()
    }
}

#[track_caller]
pub fn check_response(response: &Value, options: Options) {
    if let Some(Err(findings)) = schemas().map(|s| s.check_response(response, options)) {
        panic!("{findings:#?} in {response:#}");
    }
}

/// A request on its own connection.
pub struct Connection {
    stream: BufReader<TcpStream>,
    chunked: bool,
    left: usize,
    over: bool,
    pending: Vec<u8>,
    answer: Answer,
}

impl Connection {
    /// Connects and writes `bytes`, whatever they are. A server that stops reading is no failure here.
    pub fn raw(address: SocketAddr, bytes: &[u8]) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        let _ = stream.write_all(bytes);
        let answer = Answer { status: 0, headers: Vec::new(), body: Vec::new(), cut: false };
        Self {
            stream: BufReader::new(stream),
            chunked: false,
            left: 0,
            over: false,
            pending: Vec::new(),
            answer,
        }
    }

    /// Writes a request with a body.
    pub fn send(
        address: SocketAddr,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Self {
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        let mut add = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\r\n"));
        let given = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
        if !given("host") {
            add("host", &address.to_string());
        }
        if let Some(body) = body {
            if !given("content-type") {
                add("content-type", "application/json");
            }
            add("content-length", &body.len().to_string());
        }
        headers.iter().filter(|(_, value)| *value != "-").for_each(|(name, value)| add(name, value));
        let mut bytes = format!("{text}\r\n").into_bytes();
        bytes.extend_from_slice(body.unwrap_or_default());
        Self::raw(address, &bytes)
    }

    /// Writes more of the request.
    pub fn write(&mut self, bytes: &[u8]) {
        let _ = self.stream.get_mut().write_all(bytes);
    }

    /// Reads `100 Continue`: the server has begun with this request.
    #[track_caller]
    pub fn wait_for_leave_to_send(&mut self) {
        assert!(self.line().starts_with("HTTP/1.1 100"));
        self.line();
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap_or_else(|e| panic!("no answer: {e}"));
        line
    }

    /// Reads status and headers, once.
    pub fn head(&mut self) -> &Answer {
        if self.answer.status != 0 {
            return &self.answer;
        }
        let mut line = self.line();
        if line.starts_with("HTTP/1.1 100") {
            self.line();
            line = self.line();
        }
        let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
        self.answer.status = status.unwrap_or_else(|| panic!("empty reply: `{line}`"));
        loop {
            let line = self.line();
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            self.answer.headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        self.chunked = self.answer.header("transfer-encoding") == Some("chunked");
        self.left = self.answer.header("content-length").and_then(|v| v.parse().ok()).unwrap_or_default();
        self.over = !self.chunked && self.left == 0;
        &self.answer
    }

    /// Reads one piece of the body; `None` at its end, good or bad.
    fn piece(&mut self) -> Option<Vec<u8>> {
        self.head();
        if self.over {
            return None;
        }
        let mut take = self.left;
        if self.chunked {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            if let Err(e) = &read
                && matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
            {
                panic!("hang: nothing came for {PATIENCE:?} after {}", self.answer.text());
            }
            match usize::from_str_radix(line.trim(), 16) {
                Ok(size) if read.is_ok() => take = size,
                _ => {
                    (self.over, self.answer.cut) = (true, true);
                    return None;
                }
            }
        }
        let mut piece = vec![0; take + if self.chunked { 2 } else { 0 }];
        self.answer.cut = self.stream.read_exact(&mut piece).is_err();
        piece.truncate(take);
        self.over = self.answer.cut || !self.chunked || take == 0;
        self.answer.body.extend_from_slice(&piece);
        (take > 0 && !self.answer.cut).then_some(piece)
    }

    /// The next SSE block, comments included, as text without its empty line.
    pub fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.pending.windows(2).position(|w| w == b"\n\n") {
                let block = String::from_utf8(self.pending.drain(..end + 2).collect()).unwrap();
                return Some(block.trim_end().to_owned());
            }
            let piece = self.piece()?;
            self.pending.extend_from_slice(&piece);
        }
    }

    /// Reads up to an event of this type and returns it.
    #[track_caller]
    pub fn until(&mut self, kind: &str) -> Value {
        loop {
            let Some(block) = self.block() else { panic!("no `{kind}` in {}", self.answer.text()) };
            if let Some(data) = block.strip_prefix(&format!("event: {kind}\ndata: ")) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// Reads to the end and returns everything since the beginning.
    pub fn finish(mut self) -> Answer {
        self.head();
        while self.piece().is_some() {}
        self.answer
    }

    /// Goes away in the middle of whatever is going on.
    pub fn leave(self) {
        let _ = self.stream.get_ref().shutdown(Shutdown::Both);
    }
}
