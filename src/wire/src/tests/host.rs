//! A host that does as it is told, with threads and plain sockets.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a host does behind a request.
#[derive(Clone)]
pub(super) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Closes the connection.
    Close,
    /// Does nothing more with the connection, and keeps it open.
    Stay,
}

/// The number of the connection, of the request on it, and the request's body.
type Answerer = dyn Fn(usize, usize, &str) -> Vec<Step> + Send + Sync;

type Early = dyn Fn(usize) -> Vec<Step> + Send + Sync;

#[derive(Default)]
struct Ways {
    /// Asked before the body of a request is read.
    early: Mutex<Option<Arc<Early>>>,
    connections: Mutex<usize>,
    requests: Mutex<Vec<String>>,
    /// Answers that are being given.
    busy: AtomicUsize,
}

pub(super) struct Host {
    pub(super) address: SocketAddr,
    ways: Arc<Ways>,
}

impl Host {
    pub(super) fn start(answer: impl Fn(usize, usize, &str) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (ways, answer): (_, Arc<Answerer>) = (Arc::<Ways>::default(), Arc::new(answer));
        let known = Arc::clone(&ways);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (ways, answer) = (Arc::clone(&known), Arc::clone(&answer));
                let number = {
                    let mut connections = ways.connections.lock().unwrap();
                    *connections += 1;
                    *connections - 1
                };
                std::thread::spawn(move || serve(stream.unwrap(), number, &ways, &*answer));
            }
        });
        Self { address, ways }
    }

    pub(super) fn before_body(&self, early: impl Fn(usize) -> Vec<Step> + Send + Sync + 'static) {
        *self.ways.early.lock().unwrap() = Some(Arc::new(early));
    }

    pub(super) fn connections(&self) -> usize {
        *self.ways.connections.lock().unwrap()
    }

    pub(super) fn is_busy(&self) -> bool {
        self.ways.busy.load(Ordering::SeqCst) > 0
    }

    /// Bodies of the requests that came whole.
    pub(super) fn requests(&self) -> Vec<String> {
        self.ways.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, connection: usize, ways: &Ways, answer: &Answerer) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    for number in 0.. {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if !reader.read_line(&mut line).is_ok_and(|read| read > 0) {
                return;
            }
            match line.trim_end().split_once(": ") {
                Some(("content-length", value)) => length = value.parse().unwrap(),
                _ if line == "\r\n" => break,
                _ => {}
            }
        }
        let early = ways.early.lock().unwrap().clone();
        if let Some(early) = early
            && !play(reader.get_mut(), early(connection))
        {
            return;
        }
        let mut body = vec![0; length];
        if reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8(body).unwrap();
        ways.requests.lock().unwrap().push(body.clone());
        ways.busy.fetch_add(1, Ordering::SeqCst);
        let goes_on = play(reader.get_mut(), answer(connection, number, &body));
        if !goes_on {
            let _ = reader.get_ref().shutdown(Shutdown::Both);
        }
        ways.busy.fetch_sub(1, Ordering::SeqCst);
        if !goes_on {
            return;
        }
    }
}

/// False if the connection is over.
fn play(stream: &mut TcpStream, steps: Vec<Step>) -> bool {
    for step in steps {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).is_err() {
                    return false;
                }
            }
            Step::Pause(time) => std::thread::sleep(time),
            Step::Close => return false,
            Step::Stay => {
                // Until the other side leaves.
                let mut byte = [0];
                let _ = stream.peek(&mut byte);
                std::thread::sleep(Duration::from_secs(2));
                return false;
            }
        }
    }
    true
}
