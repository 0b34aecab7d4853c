//! A provider on a real socket that plays scripts, records what it was asked, and notices who hangs up.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How often a waiting script looks whether the gateway is still there.
const LOOK: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(60);

/// A door in a script that the test opens.
#[derive(Clone, Default)]
pub struct Gate(Arc<AtomicBool>);

impl Gate {
    pub fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
pub enum Step {
    Head {
        status: u16,
        headers: Vec<(String, String)>,
    },
    Send(Vec<u8>),
    Pause(Duration),
    Wait(Gate),
    /// Nothing more until the gateway hangs up.
    Hold,
    /// These bytes over and over until the gateway hangs up; counted.
    Flood(Vec<u8>),
    /// Closes the connection in the middle of the body.
    Cut,
    /// Bytes as they are, for answers that are written by hand.
    Raw(Vec<u8>),
    /// The answer is over as it is.
    Over,
}

/// What happens after one request; ends with a whole body unless a step prevents it.
#[derive(Clone, Default)]
pub struct Script(Vec<Step>);

impl Script {
    /// Not even a head.
    pub fn silent() -> Self {
        Self(vec![Step::Hold])
    }

    /// An answer that is written by hand, after which the connection stays or is closed.
    pub fn raw(bytes: impl Into<Vec<u8>>, closes: bool) -> Self {
        Self(vec![Step::Raw(bytes.into()), if closes { Step::Cut } else { Step::Over }])
    }

    pub fn head(status: u16, content_type: &str) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self(vec![Step::Head { status, headers }])
    }

    pub fn body(status: u16, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::head(status, content_type).then(Step::Send(body.into()))
    }

    pub fn json(status: u16, body: &Value) -> Self {
        Self::body(status, "application/json", body.to_string())
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        for step in &mut self.0 {
            if let Step::Head { headers, .. } = step {
                headers.push((name.to_owned(), value.to_owned()));
            }
        }
        self
    }

    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }

    pub fn send(self, bytes: impl Into<Vec<u8>>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Puts a step before all others.
    pub fn after(mut self, step: Step) -> Self {
        self.0.insert(0, step);
        self
    }
}

/// What the gateway asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: String,
    pub path: String,
    headers: Vec<(String, String)>,
    /// As it came.
    pub bytes: Vec<u8>,
    pub body: Value,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

struct Seen {
    request: Request,
    /// When the gateway hung up before the script was over.
    closed: Option<Instant>,
    written: usize,
}

type Answerer = Arc<dyn Fn(&Request) -> Script + Send + Sync>;

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    changed: Condvar,
    next: Mutex<VecDeque<Answerer>>,
    always: Mutex<Option<Answerer>>,
    over: AtomicBool,
}

/// The provider; ends with the test.
pub struct FakeProvider {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl FakeProvider {
    pub fn start() -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    pub fn start_at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
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

    /// A provider table `[providers.<kind>]` that points here, without a key. Models are `<kind>/…`.
    pub fn provider(&self, kind: &str) -> String {
        self.named_provider(kind, kind)
    }

    pub fn named_provider(&self, name: &str, kind: &str) -> String {
        format!("\n[providers.{name}]\nkind = '{kind}'\nbase_url = 'http://{}/v1'\n", self.address)
    }

    /// For one request, after those that were pushed before.
    pub fn push(&self, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) {
        self.shared.next.lock().unwrap().push_back(Arc::new(answer));
    }

    pub fn script(&self, script: Script) {
        self.push(move |_| script.clone());
    }

    /// For every request that nothing was pushed for.
    pub fn always(&self, answer: impl Fn(&Request) -> Script + Send + Sync + 'static) {
        *self.shared.always.lock().unwrap() = Some(Arc::new(answer));
    }

    #[track_caller]
    fn wait<T>(&self, what: &str, found: impl Fn(&[Seen]) -> Option<T>) -> T {
        let end = Instant::now() + PATIENCE;
        let mut seen = self.shared.seen.lock().unwrap();
        loop {
            if let Some(found) = found(&seen) {
                return found;
            }
            let left = end.checked_duration_since(Instant::now());
            let left = left.unwrap_or_else(|| panic!("the fake waited in vain: {what}"));
            seen = self.shared.changed.wait_timeout(seen, left).unwrap().0;
        }
    }

    /// The request with this number; waits for it.
    #[track_caller]
    pub fn request(&self, number: usize) -> Request {
        self.wait("no such request", |seen| seen.get(number).map(|s| s.request.clone()))
    }

    pub fn count(&self) -> usize {
        self.shared.seen.lock().unwrap().len()
    }

    /// When the gateway hung up on this request; waits for it.
    #[track_caller]
    pub fn closed(&self, number: usize) -> Instant {
        self.wait("the gateway did not hang up", |seen| seen.get(number).and_then(|s| s.closed))
    }

    pub fn is_closed(&self, number: usize) -> bool {
        self.shared.seen.lock().unwrap()[number].closed.is_some()
    }

    /// Body bytes that the gateway took of this answer so far.
    pub fn written(&self, number: usize) -> usize {
        self.shared.seen.lock().unwrap()[number].written
    }
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

pub fn read_request(reader: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let mut words = line.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let mut body = vec![0; length.and_then(|(_, value)| value.parse().ok()).unwrap_or_default()];
    reader.read_exact(&mut body).ok()?;
    let json = serde_json::from_slice(&body).unwrap_or_default();
    Some(Request { method, path, headers, bytes: body, body: json })
}

fn serve(stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let answer = shared.next.lock().unwrap().pop_front();
        let answer = answer.or_else(|| shared.always.lock().unwrap().clone());
        let script = answer.map_or_else(|| Script::body(599, "text/plain", "no script"), |a| a(&request));
        let number = {
            let mut seen = shared.seen.lock().unwrap();
            seen.push(Seen { request, closed: None, written: 0 });
            seen.len() - 1
        };
        shared.changed.notify_all();
        let mut play = Play { stream: reader.get_mut(), shared, number };
        match play.run(&script.0) {
            End::Whole => reader.get_mut().set_read_timeout(None).unwrap(),
            End::Cut => return,
            End::HungUp => {
                shared.seen.lock().unwrap()[number].closed = Some(Instant::now());
                return shared.changed.notify_all();
            }
        }
    }
}

enum End {
    Whole,
    Cut,
    HungUp,
}

struct Play<'a> {
    stream: &'a mut TcpStream,
    shared: &'a Shared,
    number: usize,
}

impl Play<'_> {
    fn run(&mut self, steps: &[Step]) -> End {
        for step in steps {
            let there = match step {
                Step::Head { status, headers } => self.head(*status, headers),
                Step::Send(bytes) => self.chunk(bytes),
                Step::Pause(time) => {
                    let end = Instant::now() + *time;
                    self.watch(|| Instant::now() >= end)
                }
                Step::Wait(gate) => self.watch(|| gate.is_open()),
                Step::Hold => self.watch(|| false),
                Step::Flood(bytes) => {
                    self.stream.set_write_timeout(Some(PATIENCE)).unwrap();
                    while self.chunk(bytes) {}
                    false
                }
                Step::Cut => return End::Cut,
                Step::Raw(bytes) => self.write(bytes),
                Step::Over => return End::Whole,
            };
            if !there {
                return End::HungUp;
            }
        }
        if self.write(b"0\r\n\r\n") { End::Whole } else { End::HungUp }
    }

    fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    fn head(&mut self, status: u16, headers: &[(String, String)]) -> bool {
        let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.write(format!("HTTP/1.1 {status} X\r\n{headers}transfer-encoding: chunked\r\n\r\n").as_bytes())
    }

    fn chunk(&mut self, bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return true;
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        let taken = self.write(&chunk);
        if taken {
            self.shared.seen.lock().unwrap()[self.number].written += bytes.len();
        }
        taken
    }

    /// Waits until `done`; false if the gateway hung up meanwhile.
    fn watch(&mut self, done: impl Fn() -> bool) -> bool {
        self.stream.set_read_timeout(Some(LOOK)).unwrap();
        let mut byte = [0];
        while !done() {
            match self.stream.peek(&mut byte) {
                Ok(0) => return false,
                Ok(_) => std::thread::sleep(LOOK),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => return false,
            }
        }
        true
    }
}
