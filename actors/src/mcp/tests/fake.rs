//! A scripted MCP server over HTTP, and a client for tests.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use actix_rt::net::{TcpListener, TcpStream};
use or_protocol::ResponseId;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::mcp::{CallMcpTool, ListMcpTools, McpPool};
use or_telemetry::Metrics;
use or_tools::mcp::{AddressGuard, McpBounds, McpError, McpLimits, McpPlace, McpServer, McpTool};
use or_tools::{ToolContext, ToolRun};

/// One request that the server got.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) headers: HashMap<String, String>,
    pub(super) body: Value,
}

/// How the server behaves. May be changed while it runs.
#[derive(Clone)]
pub(super) struct Rules {
    /// The tools, page by page.
    pub(super) pages: Vec<Vec<Value>>,
    /// Number of the session; others have expired.
    pub(super) session: u32,
    /// What expired sessions get.
    pub(super) expired: u16,
    /// Instead of an answer to every request.
    pub(super) status: Option<u16>,
    /// A 307 to there, for every request of the path `/mcp`.
    pub(super) redirect: Option<String>,
    /// Whether there is an event stream for GET.
    pub(super) listens: bool,
    /// Before the answer to `tools/list`.
    pub(super) list_pause: Duration,
    /// Only the protocol without sessions (2026-07-28).
    pub(super) modern: bool,
}

#[derive(Clone)]
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    rules: Arc<Mutex<Rules>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    events: broadcast::Sender<Value>,
}

pub(super) fn tool(name: &str) -> Value {
    json!({"name": name, "description": "d", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}})
}

impl Fake {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rules = Rules {
            pages: vec![vec![tool("a"), tool("b")], vec![tool("c")]],
            session: 1,
            expired: 404,
            status: None,
            redirect: None,
            listens: false,
            list_pause: Duration::ZERO,
            modern: false,
        };
        let fake = Self {
            address: listener.local_addr().unwrap(),
            rules: Arc::new(Mutex::new(rules)),
            seen: Arc::default(),
            events: broadcast::channel(16).0,
        };
        let serving = fake.clone();
        actix_rt::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                actix_rt::spawn(serving.clone().serve(stream));
            }
        });
        fake
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Rules> {
        self.rules.lock().unwrap()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// What it got with this JSON-RPC method, or this HTTP method.
    pub(super) fn seen(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|seen| seen.body["method"] == method || seen.method == method).cloned().collect()
    }

    pub(super) fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    /// Waits until it got so many.
    pub(super) async fn until(&self, method: &str, count: usize) {
        until(|| self.seen(method).len() >= count).await;
    }

    /// Sends a notification on the event stream.
    pub(super) fn notify(&self, method: &str) {
        self.events.send(json!({"jsonrpc": "2.0", "method": method})).unwrap();
    }

    pub(super) fn listeners(&self) -> usize {
        self.events.receiver_count()
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some(seen) = read(&mut stream).await {
            self.seen.lock().unwrap().push(seen.clone());
            let rules = self.rules().clone();
            match self.answer(&rules, &seen).await {
                Answer::Head(status, headers, body) => {
                    let length = body.len();
                    let head =
                        format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
                    if stream.write_all(head.as_bytes()).await.is_err() {
                        return;
                    }
                }
                Answer::Never => {
                    // Until the client closes the connection.
                    let _ = stream.read(&mut [0; 1]).await;
                    return;
                }
                Answer::Close => return,
                Answer::Endless(media_type) => {
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n\r\ndata: ");
                    let mut sent = stream.write_all(head.as_bytes()).await;
                    while sent.is_ok() {
                        sent = stream.write_all(&[b'x'; 65536]).await;
                    }
                    return;
                }
                Answer::Listen => {
                    let mut events = self.events.subscribe();
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
                    stream.write_all(head.as_bytes()).await.unwrap();
                    while let Ok(event) = events.recv().await {
                        if stream.write_all(frame(&event).as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    async fn answer(&self, rules: &Rules, seen: &Seen) -> Answer {
        if let Some(to) = &rules.redirect
            && seen.path == "/mcp"
        {
            return Answer::Head(307, format!("location: {to}\r\n"), String::new());
        }
        if let Some(status) = rules.status {
            return Answer::Head(status, String::new(), format!("secret {:?}", seen.headers));
        }
        let session = rules.session.to_string();
        let ours = seen.headers.get("mcp-session-id").is_none_or(|id| *id == session);
        if !ours && rules.expired == 404 {
            return Answer::Head(404, String::new(), String::new());
        }
        if !ours {
            let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32000, "message": "no valid session ID"}});
            return Answer::Head(
                rules.expired,
                "content-type: application/json\r\n".into(),
                error.to_string(),
            );
        }
        if seen.method == "GET" && rules.listens {
            return Answer::Listen;
        }
        if seen.method != "POST" {
            return Answer::Head(405, String::new(), String::new());
        }
        let params = &seen.body["params"];
        match seen.body["method"].as_str().unwrap_or_default() {
            "initialize" if rules.modern => {
                let error =
                    json!({"code": -32022, "message": "unsupported", "data": {"supported": ["2026-07-28"]}});
                let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error});
                Answer::Head(400, "content-type: application/json\r\n".into(), body.to_string())
            }
            "server/discover" if rules.modern => {
                let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                    "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"});
                reply(seen, &result, "")
            }
            "initialize" => {
                let capabilities = json!({"tools": {"listChanged": true}});
                let result = json!({"protocolVersion": params["protocolVersion"], "capabilities": capabilities,
                    "serverInfo": {"name": "fake", "version": "1"}});
                reply(seen, &result, &format!("mcp-session-id: {session}\r\n"))
            }
            "tools/list" => {
                actix_rt::time::sleep(rules.list_pause).await;
                let page: usize = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
                let mut result = json!({"tools": rules.pages[page]});
                if page + 1 < rules.pages.len() {
                    result["nextCursor"] = json!((page + 1).to_string());
                }
                reply(seen, &result, "")
            }
            "tools/call" => call(seen, params),
            _ => Answer::Head(202, String::new(), String::new()),
        }
    }
}

enum Answer {
    Head(u16, String, String),
    Never,
    Close,
    Listen,
    /// A body of this type that never ends.
    Endless(&'static str),
}

fn reply(seen: &Seen, result: &Value, headers: &str) -> Answer {
    let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": result});
    Answer::Head(200, format!("content-type: application/json\r\n{headers}"), body.to_string())
}

fn frame(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

/// The tool's name says what comes of it.
fn call(seen: &Seen, params: &Value) -> Answer {
    let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    match params["name"].as_str().unwrap() {
        "echo" => reply(seen, &text(&params["arguments"].to_string()), ""),
        "fail" => {
            let mut result = text("it went wrong");
            result["isError"] = json!(true);
            reply(seen, &result, "")
        }
        "huge" => reply(seen, &text(&"x".repeat(2000)), ""),
        "never" => Answer::Never,
        "break" => Answer::Close,
        "endless_event" => Answer::Endless("text/event-stream"),
        "endless_json" => Answer::Endless("application/json"),
        "denied" => Answer::Head(401, String::new(), format!("{:?}", seen.headers)),
        "error" => Answer::Head(500, String::new(), format!("{:?}", seen.headers)),
        "refused" => {
            let message = format!("Unknown tool; you sent {:?}", seen.headers.get("authorization"));
            let error = json!({"code": -32602, "message": message});
            let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error});
            Answer::Head(200, "content-type: application/json\r\n".into(), body.to_string())
        }
        "no_json" => Answer::Head(200, "content-type: text/html\r\n".into(), "<p>".into()),
        "no_message" => Answer::Head(200, "content-type: application/json\r\n".into(), "[]x".into()),
        "no_result" => reply(seen, &json!({"content": 5}), ""),
        "where" => {
            let message = format!("no such place {} or also hush", seen.path);
            let error = json!({"code": -32602, "message": message});
            let body = json!({"jsonrpc": "2.0", "id": seen.body["id"], "error": error});
            Answer::Head(200, "content-type: application/json\r\n".into(), body.to_string())
        }
        "progress" => {
            let token = &params["_meta"]["progressToken"];
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": token, "progress": 1, "total": 2, "message": "half way"}});
            let result = json!({"jsonrpc": "2.0", "id": seen.body["id"], "result": text("done")});
            let body = format!("{}{}", frame(&progress), frame(&result));
            Answer::Head(200, "content-type: text/event-stream\r\n".into(), body)
        }
        other => panic!("no tool '{other}'"),
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => break,
        };
    }
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { method, path, headers, body: serde_json::from_slice(&body).unwrap_or_default() })
}

/// Waits for what must come.
pub(super) async fn until(mut good: impl FnMut() -> bool) {
    let started = Instant::now();
    while !good() {
        assert!(started.elapsed() < Duration::from_secs(10), "it does not come");
        actix_rt::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client of one server.
pub(super) struct User {
    pub(super) pool: Arc<McpPool>,
    pub(super) server: Arc<McpServer>,
    metrics: Metrics,
}

impl User {
    /// One that a configuration trusts.
    pub(super) fn of(fake: &Fake) -> Self {
        Self::with(fake, |_| {})
    }

    pub(super) fn with(fake: &Fake, change: impl FnOnce(&mut McpServer)) -> Self {
        Self::at(McpPlace::Url(fake.url()), &[], change)
    }

    pub(super) fn at(place: McpPlace, allowed: &[String], change: impl FnOnce(&mut McpServer)) -> Self {
        let mut server = McpServer {
            label: "fake".into(),
            place,
            headers: vec![("Authorization".into(), "Bearer hush-hush".into())],
            trusted: true,
            limits: McpLimits::default(),
        };
        change(&mut server);
        let metrics = Metrics::new().unwrap();
        let pool = McpPool::new(AddressGuard::new(allowed), metrics.clone(), McpBounds::default());
        Self { pool: Arc::new(pool), server: Arc::new(server), metrics }
    }

    /// Another server in the same pool.
    pub(super) fn beside(&self, change: impl FnOnce(&mut McpServer)) -> Self {
        let mut server = (*self.server).clone();
        change(&mut server);
        Self { server: Arc::new(server), pool: Arc::clone(&self.pool), metrics: self.metrics.clone() }
    }

    pub(super) async fn list(&self) -> Result<Arc<Vec<McpTool>>, McpError> {
        let (_here, gone) = oneshot::channel();
        self.pool.actor(&self.server).send(ListMcpTools { gone }).await.unwrap()
    }

    /// Names of the tools.
    pub(super) async fn names(&self) -> Vec<String> {
        self.list().await.unwrap().iter().map(|tool| tool.name.clone()).collect()
    }

    pub(super) async fn call(&self, tool: &str, arguments: &str) -> ToolRun {
        let (_here, gone) = oneshot::channel();
        self.start(tool, arguments, gone).await.0
    }

    /// The result, and what was reported on the way.
    pub(super) async fn start(
        &self,
        tool: &str,
        arguments: &str,
        gone: oneshot::Receiver<()>,
    ) -> (ToolRun, Vec<String>) {
        let (progress, mut reports) = mpsc::channel(16);
        let id = ResponseId::new();
        let context = ToolContext::new(id, "call_1", 1, "default", Arc::default()).with_progress(progress);
        let message = CallMcpTool { tool: tool.into(), arguments: arguments.into(), context, gone };
        let run = self.pool.actor(&self.server).send(message).await.unwrap();
        let mut said = Vec::new();
        while let Ok(report) = reports.try_recv() {
            said.push(report);
        }
        (run, said)
    }

    /// The whole text of the metrics.
    pub(super) fn metrics(&self) -> String {
        self.metrics.render(0, true)
    }

    /// The same server, in a pool with other bounds.
    pub(super) fn bounded(self, idle: Duration, servers: usize) -> Self {
        let bounds = McpBounds { idle, servers, ..McpBounds::default() };
        let pool = McpPool::new(AddressGuard::default(), self.metrics.clone(), bounds);
        Self { pool: Arc::new(pool), ..self }
    }
}
