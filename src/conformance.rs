//! `conformance`: tests a server, by requests that are bounded in time and bytes.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::StreamExt as _;
use open_responses::config::{Conformance, Env};
use or_conformance::{Answer, Key, Report, Request, Target, Transport, cases, run as run_cases};
use or_wire::{Client, Method, Settings};
use serde_json::json;

/// How long one exchange may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

const WRONG_USE: u8 = 2;
const NOT_REACHED: u8 = 3;

/// Carries it out. What could not be done it says itself, by its exit code too.
pub(crate) fn run(env: &Env, asked: &Conformance) -> ExitCode {
    let done = test(env, asked).and_then(|(text, code)| match io::stdout().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err((WRONG_USE, format!("the report cannot be written: {error}")))
        }
        _ => Ok(code),
    });
    done.unwrap_or_else(|(code, text)| {
        let _ = writeln!(io::stderr(), "error: {text}");
        ExitCode::from(code)
    })
}

type Failed = (u8, String);

fn test(env: &Env, asked: &Conformance) -> Result<(String, ExitCode), Failed> {
    let wanted = |name: &str| asked.only.is_empty() || asked.only.iter().any(|only| name.starts_with(only));
    for only in &asked.only {
        if !cases().any(|case| case.name.starts_with(only)) {
            return Err((WRONG_USE, format!("no case begins with `{only}`; --list names them")));
        }
    }
    let (Some(url), Some(model), false) = (&asked.url, &asked.model, asked.list) else {
        return Ok((list(asked.json, wanted), ExitCode::SUCCESS));
    };
    let of_env = |variable: &Option<String>| match variable {
        None => Ok(None),
        Some(variable) => match env.get(variable).map(str::trim) {
            Some(key) if !key.is_empty() => Ok(Some(key.to_owned())),
            _ => Err((WRONG_USE, format!("the variable {variable} holds no key"))),
        },
    };
    let key = asked.key.clone().map_or_else(|| of_env(&asked.key_env), |key| Ok(Some(key)))?;
    let second = of_env(&asked.second_key_env)?;
    let url = url.trim_end_matches('/');
    let url = url.strip_suffix("/v1").unwrap_or(url).to_owned();
    if !(url.starts_with("http://") || url.starts_with("https://")) {
        return Err((WRONG_USE, format!("`{url}` is no address; it begins with http:// or https://")));
    }
    let target =
        Target { url: url.clone(), model: model.clone(), keyed: key.is_some(), second_key: second.is_some() };
    let server = Server { url, key, second };
    server.reach().map_err(|text| (NOT_REACHED, text))?;
    let bar = !asked.json && !asked.junit && io::stderr().is_terminal();
    let report = run_cases(&server, &target, &wanted, &mut |verdict| {
        if bar {
            let _ = write!(io::stderr(), "\r\u{1b}[K{}\r", verdict.case);
        }
    });
    if bar {
        let _ = write!(io::stderr(), "\r\u{1b}[K");
    }
    let code = if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    Ok((told(asked, &report), code))
}

fn told(asked: &Conformance, report: &Report) -> String {
    match (asked.json, asked.junit) {
        (true, _) => format!("{}\n", json!(report)),
        (_, true) => report.junit(),
        _ => report.text(io::stdout().is_terminal()),
    }
}

fn list(as_json: bool, wanted: impl Fn(&str) -> bool) -> String {
    let cases = cases().filter(|case| wanted(case.name));
    if as_json {
        let cases: Vec<_> = cases.map(|case| json!({"case": case.name, "rule": case.rule})).collect();
        return format!("{}\n", json!(cases));
    }
    cases.map(|case| format!("{}\t{}\n", case.name, case.rule)).collect()
}

/// The server under test.
struct Server {
    url: String,
    key: Option<String>,
    second: Option<String>,
}

impl Server {
    /// Whether anything answers there, whatever it says.
    fn reach(&self) -> Result<(), String> {
        let request = Request {
            method: "GET",
            path: "/v1/models".into(),
            body: None,
            key: Key::First,
            leave_after: Some(""),
        };
        self.send(&request)
            .map(drop)
            .map_err(|error| format!("the server at {} is not reached: {error}", self.url))
    }

    async fn exchange(&self, request: &Request) -> Result<Answer, String> {
        let settings = Settings { connect_timeout: CONNECT, head_timeout: Some(PATIENCE) };
        let key = match request.key {
            Key::First => &self.key,
            Key::Second => &self.second,
        };
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(key.iter().map(|key| ("authorization", format!("Bearer {key}"))));
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|e| e.to_string())?;
        let url = format!("{}{}", self.url, request.path);
        let body = request.body.clone().map(Into::into);
        let sent = or_wire::Request { method, url: &url, headers, body };
        let mut answer = Client::new(&settings).send(sent).await.map_err(|e| e.to_string())?;
        let content_type = answer.headers.get("content-type").and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let mut bytes = Vec::new();
        while let Some(part) = answer.body.next().await {
            bytes.extend_from_slice(&part.map_err(|e| format!("the answer breaks off: {e}"))?);
            if request.leave_after.is_some_and(|text| has(&bytes, text.as_bytes())) {
                break;
            }
            if bytes.len() > MAX_ANSWER {
                return Err("the answer is longer than 16 MiB".to_owned());
            }
        }
        Ok(Answer { status: answer.status.as_u16(), content_type, body: bytes })
    }
}

/// Whether the bytes have the text; what is waited for stands near their beginning.
fn has(bytes: &[u8], text: &[u8]) -> bool {
    const FIRST: usize = 64 << 10;
    let bytes = bytes.get(..FIRST).unwrap_or(bytes);
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

impl Transport for Server {
    fn send(&self, request: &Request) -> Result<Answer, String> {
        let exchange = async {
            tokio::time::timeout(PATIENCE, self.exchange(request))
                .await
                .unwrap_or_else(|_| Err(format!("no whole answer within {} seconds", PATIENCE.as_secs())))
        };
        actix::System::new().block_on(exchange)
    }
}
