//! An OpenTelemetry collector that keeps what it gets, and reads as much of its protobuf as tests ask for.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    status: Arc<AtomicU16>,
}

/// A span as it was sent.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Span {
    pub(crate) trace: String,
    pub(crate) id: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) failed: bool,
    pub(crate) nanos: u64,
}

impl Collector {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (received, status) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU16::new(200)));
        let (all, answer) = (Arc::clone(&received), Arc::clone(&status));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let (all, answer) = (Arc::clone(&all), Arc::clone(&answer));
                thread::spawn(move || serve(connection, &all, &answer));
            }
        });
        Self { address, received, status }
    }

    /// Answers with this status from now on.
    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    pub(crate) fn received(&self, path: &str) -> Vec<Received> {
        self.received.lock().unwrap().iter().filter(|one| one.path == path).cloned().collect()
    }

    /// All spans, once there is one of this name.
    pub(crate) fn spans_with(&self, name: &str) -> Vec<Span> {
        let end = Instant::now() + PATIENCE;
        loop {
            let spans: Vec<_> = self.received("/v1/traces").iter().flat_map(|one| spans(&one.body)).collect();
            if spans.iter().any(|span| span.name == name) {
                return spans;
            }
            assert!(Instant::now() < end, "no {name} in {spans:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

fn serve(connection: TcpStream, all: &Mutex<Vec<Received>>, status: &AtomicU16) {
    let mut reader = BufReader::new(connection.try_clone().unwrap());
    let mut writer = connection;
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if !matches!(reader.read_line(&mut line), Ok(read) if read > 0) {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head.push_str(&line);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let path = head.split(' ').nth(1).unwrap().to_owned();
        all.lock().unwrap().push(Received { path, headers: head.to_ascii_lowercase(), body });
        let status = status.load(Ordering::SeqCst);
        write!(writer, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n").unwrap();
    }
}

/// The value of a field.
enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// All fields of a message, by the numbers of opentelemetry-proto.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = varint(&mut bytes);
                Field::Bytes(take(&mut bytes, length as usize))
            }
            5 => Field::Number(u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap()).into()),
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

/// The messages of one field.
fn inner(bytes: &[u8], field: u64) -> Vec<&[u8]> {
    let of_field = fields(bytes).into_iter().filter(|(number, _)| *number == field);
    of_field
        .filter_map(|(_, value)| if let Field::Bytes(bytes) = value { Some(bytes) } else { None })
        .collect()
}

fn text(bytes: &[u8], field: u64) -> String {
    inner(bytes, field).first().map(|text| String::from_utf8(text.to_vec()).unwrap()).unwrap_or_default()
}

fn number(bytes: &[u8], field: u64) -> u64 {
    let found = fields(bytes).into_iter().find(|(number, _)| *number == field);
    if let Some((_, Field::Number(number))) = found { number } else { 0 }
}

fn hex(bytes: &[u8], field: u64) -> String {
    inner(bytes, field)
        .first()
        .map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect())
        .unwrap_or_default()
}

fn attributes(bytes: &[u8], field: u64) -> BTreeMap<String, String> {
    let value = |any: &[u8]| match fields(any).first() {
        Some((1, Field::Bytes(text))) => String::from_utf8(text.to_vec()).unwrap(),
        Some((2, Field::Number(flag))) => (*flag == 1).to_string(),
        Some((3, Field::Number(number))) => number.to_string(),
        Some((4, Field::Number(bits))) => f64::from_bits(*bits).to_string(),
        Some((5, Field::Bytes(list))) => inner(list, 1).iter().map(|any| text(any, 1)).collect(),
        _ => panic!("an attribute without a value"),
    };
    inner(bytes, field).iter().map(|pair| (text(pair, 1), value(inner(pair, 2)[0]))).collect()
}

/// The spans of an `ExportTraceServiceRequest`.
pub(crate) fn spans(request: &[u8]) -> Vec<Span> {
    let scopes = inner(request, 1).into_iter().flat_map(|resource| inner(resource, 2));
    scopes
        .flat_map(|scope| inner(scope, 2))
        .map(|span| Span {
            trace: hex(span, 1),
            id: hex(span, 2),
            parent: hex(span, 4),
            name: text(span, 5),
            kind: number(span, 6),
            attributes: attributes(span, 9),
            failed: inner(span, 15).iter().any(|status| number(status, 3) == 2),
            nanos: number(span, 8) - number(span, 7),
        })
        .collect()
}

/// The attributes of the process in a request of either kind.
pub(crate) fn resource(request: &[u8]) -> BTreeMap<String, String> {
    attributes(inner(inner(request, 1)[0], 1)[0], 1)
}

/// The first value of each counter or gauge, and the count of each histogram, of an `ExportMetricsServiceRequest`.
pub(crate) fn metrics(request: &[u8]) -> BTreeMap<String, f64> {
    let scopes = inner(request, 1).into_iter().flat_map(|resource| inner(resource, 2));
    let metrics = scopes.flat_map(|scope| inner(scope, 2));
    metrics
        .map(|metric| {
            let kind = fields(metric).into_iter().find(|(number, _)| [5, 7, 9].contains(number));
            let Some((kind, Field::Bytes(points))) = kind else { panic!("a metric without points") };
            let point = inner(points, 1)[0];
            let value = number(point, 4);
            (text(metric, 1), if kind == 9 { value as f64 } else { f64::from_bits(value) })
        })
        .collect()
}
