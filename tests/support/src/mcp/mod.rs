//! An MCP server on a real socket (streamable HTTP) that does what the test says, and remembers what it was asked.

mod serve;

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::provider::{Gate, Request};

const PATIENCE: Duration = Duration::from_secs(60);

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
    /// The same, as JSON text.
    Writes(Arc<str>),
    /// Waits until the gate is open, then says it.
    Waits(Gate, String),
    /// A JSON-RPC error with this code and text.
    Refuses(i32, String),
    /// This HTTP status, with what it was sent.
    Status(u16),
    /// A body of this type that makes no sense.
    Sends(&'static str, &'static str),
    /// A body of this type that never ends.
    Floods(&'static str),
    /// Tells of its progress in these words, then says the others, both in a stream of events.
    Reports(&'static str, &'static str),
    /// Nothing until the caller hangs up.
    Hangs,
    /// Closes the connection.
    Closes,
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
    /// A 307 to there, for every request of the path `/mcp`.
    pub redirect: Option<String>,
    /// Instead of JSON.
    pub nonsense: bool,
    /// Before every answer.
    pub pause: Duration,
    /// Before the answer to `tools/list`.
    pub list_pause: Duration,
    /// Number of the session, if it has sessions; others have expired.
    pub session: Option<u32>,
    /// The status that expired sessions get.
    pub expired: u16,
    /// The whole body that they get with it, of JSON or not.
    pub expired_body: Option<String>,
    /// Whether there is an event stream for GET.
    pub listens: bool,
    /// Only the protocol without `initialize` (2026-07-28).
    pub modern: bool,
}

impl Rules {
    fn new(pages: Vec<Vec<Value>>) -> Self {
        Self {
            pages,
            does: HashMap::from([("get_weather".to_owned(), Does::Says("seven".into()))]),
            status: None,
            redirect: None,
            nonsense: false,
            pause: Duration::ZERO,
            list_pause: Duration::ZERO,
            session: None,
            expired: 404,
            expired_body: None,
            listens: false,
            modern: false,
        }
    }
}

/// The server; ends with the test.
pub struct FakeMcp {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    rules: Mutex<Rules>,
    seen: Mutex<Vec<Request>>,
    /// The event streams that were opened.
    listeners: Mutex<Vec<Sender<Value>>>,
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
        let shared = Arc::new(Shared {
            rules: Mutex::new(Rules::new(pages)),
            seen: Mutex::default(),
            listeners: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let state = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if state.over.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, state) = (stream.unwrap(), Arc::clone(&state));
                std::thread::spawn(move || serve::connection(stream, &state));
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

    /// Requests of this JSON-RPC method, or of this HTTP method.
    pub fn asked(&self, method: &str) -> Vec<Request> {
        let is = |request: &Request| request.body["method"] == method || request.method == method;
        self.seen().into_iter().filter(is).collect()
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

    /// How many listen on an event stream.
    pub fn listeners(&self) -> usize {
        self.shared.listeners.lock().unwrap().len()
    }

    /// Tells them something.
    pub fn notify(&self, method: &str) {
        let event = json!({"jsonrpc": "2.0", "method": method});
        self.shared.listeners.lock().unwrap().retain(|listener| listener.send(event.clone()).is_ok());
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
