//! One connection of the server: requests in, what its rules say out.

use std::io::{BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Does, Rules, Shared};
use crate::provider::{Request, read_request};

/// How long an endless body goes on in one write.
const FLOOD: usize = 64 * 1024;

enum Reply {
    /// Status, headers, body.
    Whole(u16, String, String),
    /// The event stream.
    Listen,
    Flood(&'static str),
    Hang,
    Close,
}

pub(super) fn connection(stream: TcpStream, shared: &Shared) {
    stream.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader) {
        let rules = shared.rules.lock().unwrap().clone();
        shared.seen.lock().unwrap().push(request.clone());
        std::thread::sleep(rules.pause);
        let stream = reader.get_mut();
        match answer(&rules, &request, shared) {
            Reply::Whole(status, headers, body) => {
                let length = body.len();
                let head = format!("HTTP/1.1 {status} X\r\n{headers}content-length: {length}\r\n\r\n{body}");
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
            }
            Reply::Listen => return listen(stream, shared),
            Reply::Flood(media_type) => {
                let _ = stream.write_all(unbounded(media_type).as_bytes());
                let _ = stream.write_all(b"data: ");
                while stream.write_all(&[b'x'; FLOOD]).is_ok() {}
                return;
            }
            Reply::Hang => {
                let _ = reader.read(&mut [0]);
                return;
            }
            Reply::Close => return,
        }
    }
}

/// The head of a body without a length.
fn unbounded(media_type: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\n\r\n")
}

fn listen(stream: &mut TcpStream, shared: &Shared) {
    let (listener, events) = mpsc::channel();
    let _ = stream.write_all(unbounded("text/event-stream").as_bytes());
    shared.listeners.lock().unwrap().push(listener);
    for event in events {
        if stream.write_all(frame(&event).as_bytes()).is_err() {
            return;
        }
    }
}

fn frame(message: &Value) -> String {
    format!("event: message\ndata: {message}\n\n")
}

fn answer(rules: &Rules, request: &Request, shared: &Shared) -> Reply {
    if let Some(to) = rules.redirect.as_ref().filter(|_| request.path == "/mcp") {
        return Reply::Whole(307, format!("location: {to}\r\n"), String::new());
    }
    if let Some(status) = rules.status {
        return told_off(status, request);
    }
    if rules.nonsense {
        return json_body(200, "", &json!({"what": 1}));
    }
    if let Some(refusal) = expired(rules, request) {
        return refusal;
    }
    match request.method.as_str() {
        "GET" if rules.listens => return Reply::Listen,
        "POST" => {}
        _ => return Reply::Whole(405, String::new(), String::new()),
    }
    let params = &request.body["params"];
    match request.body["method"].as_str().unwrap_or_default() {
        "initialize" if rules.modern => {
            let supported = json!({"supported": ["2026-07-28"]});
            let error = json!({"code": -32022, "message": "unsupported", "data": supported});
            json_body(400, "", &json!({"jsonrpc": "2.0", "id": request.body["id"], "error": error}))
        }
        "server/discover" if rules.modern => {
            let result = json!({"resultType": "complete", "supportedVersions": ["2026-07-28"],
                                "capabilities": {"tools": {}}, "ttlMs": 0, "cacheScope": "private"});
            result_of(request, &result)
        }
        "initialize" => {
            let result = json!({"protocolVersion": params["protocolVersion"],
                                "capabilities": {"tools": {"listChanged": true}},
                                "serverInfo": {"name": "fake", "version": "1"}});
            let session = rules.session.map(|session| format!("mcp-session-id: {session}\r\n"));
            let body = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result});
            json_body(200, &session.unwrap_or_default(), &body)
        }
        "tools/list" => {
            std::thread::sleep(rules.list_pause);
            let page: usize = params["cursor"].as_str().map_or(0, |cursor| cursor.parse().unwrap());
            let mut result = json!({"tools": rules.pages.get(page)});
            if page + 1 < rules.pages.len() {
                result["nextCursor"] = json!((page + 1).to_string());
            }
            result_of(request, &result)
        }
        "tools/call" => call(rules, request, shared),
        _ => Reply::Whole(202, String::new(), String::new()),
    }
}

/// The answer to a session that is none any more; servers differ in how they say it.
fn expired(rules: &Rules, request: &Request) -> Option<Reply> {
    let session = rules.session?.to_string();
    request.header("mcp-session-id").filter(|id| *id != session)?;
    if let Some(body) = &rules.expired_body {
        let media_type = if body.starts_with('{') { "application/json" } else { "text/plain" };
        return Some(Reply::Whole(rules.expired, format!("content-type: {media_type}\r\n"), body.clone()));
    }
    if rules.expired == 404 {
        return Some(Reply::Whole(404, String::new(), String::new()));
    }
    let error = json!({"code": -32000, "message": "no valid session ID"});
    Some(json_body(rules.expired, "", &json!({"jsonrpc": "2.0", "id": null, "error": error})))
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
        Does::Writes(content) => {
            let id = &request.body["id"];
            let body = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{"content":{content}}}}}"#);
            Reply::Whole(200, "content-type: application/json\r\n".into(), body)
        }
        Does::Waits(gate, words) => {
            while !gate.is_open() && !shared.over.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(5));
            }
            result_of(request, &text(words))
        }
        Does::Refuses(code, words) => {
            let error = json!({"code": code, "message": words});
            json_body(200, "", &json!({"jsonrpc": "2.0", "id": request.body["id"], "error": error}))
        }
        Does::Status(status) => told_off(*status, request),
        Does::Sends(media_type, body) => {
            Reply::Whole(200, format!("content-type: {media_type}\r\n"), (*body).to_owned())
        }
        Does::Floods(media_type) => Reply::Flood(media_type),
        Does::Reports(progress, words) => {
            let token = &params["_meta"]["progressToken"];
            let progress = json!({"progressToken": token, "progress": 1, "total": 2, "message": progress});
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress});
            let result = json!({"jsonrpc": "2.0", "id": request.body["id"], "result": text(words)});
            let body = frame(&progress) + &frame(&result);
            Reply::Whole(200, "content-type: text/event-stream\r\n".into(), body)
        }
        Does::Hangs => Reply::Hang,
        Does::Closes => Reply::Close,
    }
}

/// Some servers repeat what they got, secrets included.
fn told_off(status: u16, request: &Request) -> Reply {
    Reply::Whole(status, String::new(), format!("you sent {request:?}"))
}

fn result_of(request: &Request, result: &Value) -> Reply {
    json_body(200, "", &json!({"jsonrpc": "2.0", "id": request.body["id"], "result": result}))
}

fn json_body(status: u16, headers: &str, body: &Value) -> Reply {
    Reply::Whole(status, format!("content-type: application/json\r\n{headers}"), body.to_string())
}
