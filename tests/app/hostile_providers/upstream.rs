//! A host that answers each request with its own number, and misbehaves in a way that the number decides.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

/// What stands in a request and must stand in its answer and in no other.
pub(super) fn number(n: usize) -> String {
    format!("number-{n:06}")
}

/// Stands for the number in what an answer is made of.
pub(super) const NUMBER: &str = "number-XXXXXX";

/// Label and body of a good answer to a request, which is given as text, with [`NUMBER`] in it.
type Answerer = dyn Fn(&str) -> (String, String) + Send + Sync;

pub(super) fn start(answer: impl Fn(&str) -> (String, String) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer: Arc<Answerer> = Arc::new(answer);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, answer) = (stream.unwrap(), Arc::clone(&answer));
            std::thread::spawn(move || serve(stream, &*answer));
        }
    });
    address
}

/// A connection, to its end.
fn serve(mut stream: TcpStream, answer: &Answerer) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut seen = Vec::new();
    loop {
        // Up to the number, which may be before the end.
        let (number, text) = loop {
            let text = String::from_utf8_lossy(&seen).into_owned();
            let head = text.find("\r\n\r\n");
            let found = text.find("number-").and_then(|at| text.get(at..at + NUMBER.len()));
            match (head, found) {
                (Some(_), Some(number)) => break (number.to_owned(), text),
                _ => more(&mut stream, &mut seen)?,
            }
        };
        let mut rng = fastrand::Rng::with_seed(number[7..].parse().ok()?);
        let (label, body) = answer(&text);
        let body = body.replace(NUMBER, &number);
        let early = rng.u8(..8) == 0;
        if !early {
            rest(&mut stream, &mut seen)?;
        }
        let stays = misbehave(&mut stream, &mut rng, &label, &body)?;
        if early {
            rest(&mut stream, &mut seen)?;
        }
        if !stays {
            return None;
        }
        seen.clear();
    }
}

fn more(stream: &mut TcpStream, seen: &mut Vec<u8>) -> Option<()> {
    let mut bytes = [0; 8192];
    let read = stream.read(&mut bytes).ok().filter(|read| *read > 0)?;
    seen.extend_from_slice(&bytes[..read]);
    Some(())
}

/// Reads the request to its end.
fn rest(stream: &mut TcpStream, seen: &mut Vec<u8>) -> Option<()> {
    let head = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok());
    while seen.len() < head + length.unwrap_or(0) {
        more(stream, seen)?;
    }
    Some(())
}

/// Answers in one of many ways; says whether the connection goes on.
fn misbehave(stream: &mut TcpStream, rng: &mut fastrand::Rng, label: &str, body: &str) -> Option<bool> {
    let mut send = |text: &str| stream.write_all(text.as_bytes()).ok();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: {label}\r\n");
    let length = format!("content-length: {}\r\n\r\n", body.len());
    let whole = format!("{head}{length}{body}");
    let pause = Duration::from_millis(rng.u64(..60));
    match rng.u8(..10) {
        0 => send(&whole)?,
        1 => {
            send(&format!("{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()))?
        }
        // The answer comes when a client that took this for it has long sent another request.
        2 | 3 => {
            for _ in 0..rng.u8(1..5) {
                send("HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n")?;
            }
            sleep(pause * 5);
            send(&whole)?;
        }
        4 => {
            send(&format!("{head}{length}"))?;
            sleep(pause);
            send(body)?;
        }
        5 => {
            send(&format!("{head}{length}{}", &body[..body.len() / 2]))?;
            return Some(false);
        }
        // A second answer, with the first or just behind it.
        6 => send(&format!("{whole}{whole}"))?,
        7 => {
            send(&whole)?;
            sleep(pause / 3);
            send(&whole)?;
        }
        8 => {
            send(&format!("{head}\r\n"))?;
            sleep(pause);
            send(body)?;
            return Some(false);
        }
        _ => return Some(false),
    }
    Some(true)
}
