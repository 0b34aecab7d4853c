//! An MCP server on a real socket (streamable HTTP) that does what the test says, and remembers what it was asked.

use std::collections::HashMap;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::provider::{Gate, Request, read_request};

const PATIENCE: Duration = Duration::from_secs(20);

/// What a tool does with a call.
#[derive(Clone)]
pub enum Does {
    /// Answers with this text.
    Says(String),
    /// Answers with its arguments.
    Echoes,
    /// Answers with `isError`.
    Fails(String),
    /// Answers with these parts of content.
    Shows(Value),
    /// Waits until the gate is open, then says it.
    Waits(Gate, String),
    /// A JSON-RPC error with this code and text.
    Refuses(i32, String),
    /// This HTTP status.
    Status(u16),
}

/// How the server behaves. May be changed while it runs.
#[derive(Clone)]
pub struct Rules {
    /// The tools, page by page.
    pub pages: Vec<Vec<Value>>,
    /// By name; other tools echo.
    pub does: HashMap<String, Does>,
    /// Instead of an answer to every request.
    pub status: Option<u16>,
    /// A 307 to there, instead of an answer to every request.
    pub redirect: Option<String>,
    /// Instead of JSON.
    pub nonsense: bool,
    /// Before every answer.
    pub pause: Duration,
}

/// The server; ends with the test.
pub struct FakeMcp {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Mutex<Rules>,
    seen: Mutex<Vec<Request>>,
    over: AtomicBool,
}

/// A tool as the server lists it.
pub fn listed(name: &str) -> Value {
    json!({"name": name, "description": format!("Does {name}"),
           "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}}})
}

/// The same, which changes nothing.
pub fn reading(name: &str) -> Value {
    let mut tool = listed(name);
    tool["annotations"] = json!({"readOnlyHint": true});
    tool
}

impl FakeMcp {
    /// With the tool `get_weather`, which says `seven`, on the first page, and `look` and `write` on the second;
    /// `look` only reads.
    pub fn start() -> Self {
        Self::with(vec![vec![listed("get_weather")], vec![reading("look"), listed("write")]])
    }

    pub fn with(pages: Vec<Vec<Value>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let does = HashMap::from([("get_weather".to_owned(), Does::Says("seven".into()))]);
        let rules =
            Rules { pages, does, status: None, redirect: None, nonsense: false, pause: Duration::ZERO };
        let shared = Arc::new(Shared {
            rules: Mutex::new(rules),
            seen: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.over.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state) = (stream.unwrap(), Arc::clone(&state));
                std::thread::spawn(move || serve(stream, &state));
            }
        });
        Self { address, shared }
    }

    pub fn rules(&self) -> MutexGuard<'_, Rules> {
        self.shared.rules.lock().unwrap()
    }

    pub fn does(&self, tool: &str, does: Does) {
        self.rules().does.insert(tool.to_owned(), does);
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// A tool of a request for this server, without approvals.
    pub fn tool(&self, label: &str) -> Value {
        json!({"type": "mcp", "server_label": label, "server_url": self.url(), "require_approval": "never"})
    }

    /// A line of configuration that lets requests name this server.
    pub fn allowed(&self) -> String {
        format!("security.allow_private_hosts = ['{}']\n", self.address)
    }

    /// Everything it was asked.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// Requests of this JSON-RPC method.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.body["method"] == method).collect()
    }

    pub fn count(&self, method: &str) -> usize {
        self.asked(method).len()
    }

    /// Names and arguments of the calls.
    pub fn calls(&self) -> Vec<(String, Value)> {
        let call = |request: Request| {
            let params = &request.body["params"];
            (params["name"].as_str().unwrap_or_default().to_owned(), params["arguments"].clone())
        };
        self.asked("tools/call").into_iter().map(call).collect()
    }

    /// Waits until it was asked so often.
    #[track_caller]
    pub fn until(&self, method: &str, count: usize) {
        let end = Instant::now() + PATIENCE;
        while self.count(method) < count {
            assert!(Instant::now() < end, "no `{method}`");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for FakeMcp {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let rules = shared.rules.lock().unwrap().clone();
        shared.seen.lock().unwrap().push(request.clone());
        std::thread::sleep(rules.pause);
        let (status, headers, body) = answer(&rules, &request, shared);
        let length = body.len();
        let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
        if reader.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

type Reply = (u16, String, String);

fn answer(rules: &Rules, request: &Request, shared: &Shared) -> Reply {
    if let Some(to) = &rules.redirect {
        return (307, format!("location: {to}\r\n"), String::new());
    }
    if let Some(status) = rules.status {
        // Some servers repeat what they got.
        return (status, String::new(), format!("you sent {request:?}"));
    }
    if rules.nonsense {
        return (200, "content-type: application/json\r\n".into(), "{\"what\": 1}".into());
    }
    if request.method != "POST" {
        return (405, String::new(), String::new());
    }
    let params = &request.body["params"];
    match request.body["method"].as_str().unwrap_or_default() {
        "initialize" => {
            let result = json!({"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                                "serverInfo": {"name": "fake", "version": "1"}});
            result_of(request, &result)
        }
        "tools/list" => {
            let page: usize = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
            let mut result = json!({"tools": rules.pages.get(page)});
            if page + 1 < rules.pages.len() {
                result["nextCursor"] = json!((page + 1).to_string());
            }
            result_of(request, &result)
        }
        "tools/call" => call(rules, request, shared),
        _ => (202, String::new(), String::new()),
    }
}

fn call(rules: &Rules, request: &Request, shared: &Shared) -> Reply {
    let params = &request.body["params"];
    let does = params["name"].as_str().and_then(|name| rules.does.get(name)).unwrap_or(&Does::Echoes);
    let text = |text: &str| json!({"content": [{"type": "text", "text": text}]});
    match does {
        Does::Says(words) => result_of(request, &text(words)),
        Does::Echoes => result_of(request, &text(&params["arguments"].to_string())),
        Does::Fails(words) => {
            let mut result = text(words);
            result["isError"] = json!(true);
            result_of(request, &result)
        }
        Does::Shows(content) => result_of(request, &json!({"content": content})),
        Does::Waits(gate, words) => {
            while !gate.is_open() && !shared.over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            result_of(request, &text(words))
        }
        Does::Refuses(code, words) => {
            let error = json!({"code": code, "message": words});
            let answer = json!({"jsonrpc": "2.0", "id": request.body["id"], "error": error});
            (200, "content-type: application/json\r\n".into(), answer.to_string())
        }
        Does::Status(status) => (*status, String::new(), String::new()),
    }
}

fn result_of(request: &Request, result: &Value) -> Reply {
    let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result});
    (200, "content-type: application/json\r\n".into(), body.to_string())
}
