//! `keys`: makes, lists and changes client keys, of a stopped server in its folder, of a running one by its admin API.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::StreamExt as _;
use open_responses::config::{Config, Env, Keys, KeysCommand};
use open_responses::init_log;
use open_responses::keys::{KeyError, KeyRecord, KeyView, NewKey, NewSecret, Ring};
use open_responses::protocol::ApiError;
use open_responses::store::{KeyChange, KeyShelf, StoreOpenError, TransferError};
use or_wire::{Client, Method, Request, Settings, StatusCode};
use serde_json::{Value, json};

/// Variables that name a running server and hold its admin key.
const URL: &str = "OPEN_RESPONSES_URL";
const ADMIN_KEY: &str = "OPEN_RESPONSES_ADMIN_KEY";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const MAX_ANSWER: usize = 16 << 20;

/// Why it was not done, and the exit code that says so.
struct Failed {
    code: u8,
    text: String,
}

impl Failed {
    fn new(text: impl Into<String>) -> Self {
        Self { code: 1, text: text.into() }
    }

    /// 2: what was asked for is wrong; 3: there is no such key; 4: its name or state forbids it; 1: all else.
    fn of_status(status: u16, text: impl Into<String>) -> Self {
        let code = match status {
            400 => 2,
            404 => 3,
            409 => 4,
            _ => 1,
        };
        Self { code, text: text.into() }
    }
}

impl From<KeyError> for Failed {
    fn from(error: KeyError) -> Self {
        let ApiError { message, .. } = error.to_api();
        Self::of_status(error.to_api().status(), message)
    }
}

impl From<TransferError> for Failed {
    fn from(error: TransferError) -> Self {
        let next = match &error {
            TransferError::Open(StoreOpenError::Locked { .. }) => {
                "if a server is running there, give the address of its admin API with --url and its admin key in \
                 OPEN_RESPONSES_ADMIN_KEY; `admin.key_env` of its configuration turns that API on"
            }
            TransferError::Missing(_) => "`keys create` makes one; for a running server give --url",
            TransferError::Open(_) | TransferError::Store(_) | TransferError::Text(_) => {
                "nothing was changed"
            }
        };
        Self::new(format!("{:#}; {next}", anyhow::Error::from(error)))
    }
}

/// Carries out a command. What it could not do it says itself, by its exit code too.
pub(crate) fn run(config: &Config, env: &Env, keys: &Keys) -> ExitCode {
    let _log = init_log(config.server.log_format);
    let url = keys.url.clone().or_else(|| env.get(URL).map(str::to_owned));
    let done = match &url {
        Some(url) => Server::new(url, config, env).and_then(|server| server.ask(&keys.command)),
        None => in_folder(config, &keys.command, now()),
    };
    let told = done.and_then(|answer| {
        print(&keys.command, &answer, keys.json)
            .map_err(|e| Failed::new(format!("the answer cannot be written: {e}")))
    });
    match told {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { code, text }) => {
            let _ = writeln!(io::stderr(), "error: {text}");
            ExitCode::from(code)
        }
    }
}

/// Unix seconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_secs()).unwrap_or(i64::MAX)
}

fn body(command: &KeysCommand, now: i64) -> Value {
    match command {
        KeysCommand::Create { name, inherit_responses, settings } => {
            let mut members = settings.to_json(now);
            members.insert("name".into(), json!(name));
            members.insert("inherit_responses".into(), json!(inherit_responses));
            Value::Object(members)
        }
        KeysCommand::Update { settings, .. } => Value::Object(settings.to_json(now)),
        KeysCommand::Rotate { overlap, .. } => json!({ "overlap_s": overlap }),
        KeysCommand::List
        | KeysCommand::Show { .. }
        | KeysCommand::Revoke { .. }
        | KeysCommand::Delete { .. } => json!({}),
    }
}

/// Does it in the folder of a store that no server has open. The answer is as the admin API's.
fn in_folder(config: &Config, command: &KeysCommand, now: i64) -> Result<Value, Failed> {
    let shelf = KeyShelf::open(&config.store.path, matches!(command, KeysCommand::Create { .. }))?;
    let configured = config.auth.keys.iter().map(|key| key.name.clone());
    let ring = Ring::new(shelf.records()?, configured);
    let keep = |record: KeyRecord, secret: Option<NewSecret>| -> Result<Value, Failed> {
        let secret = secret.map(|secret| secret.expose().to_owned());
        let view = KeyView { secret, ..ring.view(&record, now) };
        shelf.change(KeyChange::Put(record.into()))?;
        as_json(&view)
    };
    match command {
        KeysCommand::Create { .. } => {
            let new = NewKey::parse(body(command, now), now)?;
            let (record, secret) = ring.create(new, |name| shelf.has_responses(name), now)?;
            keep(record, Some(secret))
        }
        KeysCommand::List => {
            let all: Vec<_> = ring.records().map(|record| ring.view(record, now)).collect();
            Ok(json!({"object": "list", "data": as_json(&all)?, "has_more": false}))
        }
        KeysCommand::Show { key } => as_json(&ring.view(ring.find(key)?, now)),
        KeysCommand::Update { key, .. } => keep(ring.update(key, &body(command, now), now)?, None),
        KeysCommand::Rotate { key, overlap } => {
            let (record, secret) = ring.rotate(key, *overlap, now)?;
            keep(record, Some(secret))
        }
        KeysCommand::Revoke { key } => keep(ring.revoke(key, now)?, None),
        KeysCommand::Delete { key } => {
            let record = ring.find(key)?;
            shelf.change(KeyChange::Remove(record.id))?;
            Ok(json!({"object": "client_key.deleted", "id": record.id, "name": record.name, "deleted": true}))
        }
    }
}

fn as_json(value: &impl serde::Serialize) -> Result<Value, Failed> {
    serde_json::to_value(value).map_err(|e| Failed::new(e.to_string()))
}

/// A running server's admin API.
struct Server {
    url: String,
    key: String,
}

impl Server {
    fn new(url: &str, config: &Config, env: &Env) -> Result<Self, Failed> {
        let own = Some(config.admin.key_env.as_str()).filter(|variable| !variable.is_empty());
        let key = own.and_then(|variable| env.get(variable)).or_else(|| env.get(ADMIN_KEY));
        let Some(key) = key else {
            let variable = own.map(|own| format!("{own} or ")).unwrap_or_default();
            let text = format!("{variable}{ADMIN_KEY} must hold the admin key of the server at {url}");
            return Err(Failed { code: 2, text });
        };
        let url = format!("{}/admin/v1/keys", url.trim_end_matches('/'));
        Ok(Self { url, key: key.trim().to_owned() })
    }

    fn ask(&self, command: &KeysCommand) -> Result<Value, Failed> {
        let (method, path) = match command {
            KeysCommand::Create { .. } => (Method::POST, String::new()),
            KeysCommand::List => return self.list(),
            KeysCommand::Show { key } => (Method::GET, one(key)?),
            KeysCommand::Update { key, .. } => (Method::PATCH, one(key)?),
            KeysCommand::Rotate { key, .. } => (Method::POST, one(key)? + "/rotate"),
            KeysCommand::Revoke { key } => (Method::POST, one(key)? + "/revoke"),
            KeysCommand::Delete { key } => (Method::DELETE, one(key)?),
        };
        let body = (method != Method::GET && method != Method::DELETE).then(|| body(command, now()));
        self.send(&method, &path, body)
    }

    /// All pages as one.
    fn list(&self) -> Result<Value, Failed> {
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let mut page = self.send(&Method::GET, &format!("?limit=100{after}"), None)?;
            if let Some(Value::Array(keys)) = page.get_mut("data") {
                all.append(keys);
            }
            match (page["has_more"].as_bool(), page["last_id"].as_str()) {
                (Some(true), Some(last)) => after = format!("&after={last}"),
                _ => return Ok(json!({"object": "list", "data": all, "has_more": false})),
            }
        }
    }

    fn send(&self, method: &Method, path: &str, body: Option<Value>) -> Result<Value, Failed> {
        let exchange = async {
            let settings = Settings { connect_timeout: PATIENCE, head_timeout: Some(PATIENCE) };
            let headers = vec![
                ("authorization", format!("Bearer {}", self.key)),
                ("content-type", "application/json".to_owned()),
            ];
            let url = format!("{}{path}", self.url);
            let body = body.map(|body| body.to_string().into());
            let request = Request { method: method.clone(), url: &url, headers, body };
            let mut answer = Client::new(&settings).send(request).await.map_err(|e| e.to_string())?;
            let mut bytes = Vec::new();
            while let Some(part) = answer.body.next().await {
                bytes.extend_from_slice(&part.map_err(|e| e.to_string())?);
                if bytes.len() > MAX_ANSWER {
                    return Err("its answer is too long".to_owned());
                }
            }
            Ok((answer.status, bytes))
        };
        let exchange = async {
            tokio::time::timeout(PATIENCE, exchange)
                .await
                .unwrap_or_else(|_| Err("it does not answer".into()))
        };
        let (status, bytes) = actix::System::new().block_on(exchange).map_err(|error| {
            Failed::new(format!(
                "the server at {} cannot be asked: {error}; if it is stopped, leave --url and {URL} away and its folder is opened",
                self.url
            ))
        })?;
        let answer = serde_json::from_slice::<Value>(&bytes).unwrap_or_default();
        if status.is_success() && answer.is_object() {
            return Ok(answer);
        }
        Err(self.refused(status, &answer))
    }

    fn refused(&self, status: StatusCode, answer: &Value) -> Failed {
        let said = answer["error"]["message"].as_str().unwrap_or("it did not say why");
        match (status.as_u16(), answer["error"]["code"].as_str()) {
            (401, _) => Failed::new(format!("the server at {} does not know the admin key", self.url)),
            (404, code) if code != Some("key_not_found") => Failed::new(format!(
                "there is no admin API at {}; `admin.key_env` of the server's configuration turns it on, and `admin.bind` says where it is",
                self.url
            )),
            (status, _) => Failed::of_status(status, said),
        }
    }
}

/// The path of one key. Names and ids have nothing that a path would read otherwise.
fn one(key: &str) -> Result<String, Failed> {
    if !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return Ok(format!("/{key}"));
    }
    Err(KeyError::NotFound(key.to_owned()).into())
}

fn print(command: &KeysCommand, answer: &Value, json: bool) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let name = answer["name"].as_str().unwrap_or_default();
    let told = |what: &str| {
        let _ = writeln!(io::stderr(), "the client key {name} {what}");
        Ok(())
    };
    let written = match command {
        _ if json => writeln!(out, "{answer}"),
        KeysCommand::Create { .. } | KeysCommand::Rotate { .. } => {
            let written = writeln!(out, "{}", answer["secret"].as_str().unwrap_or_default());
            told("has this secret, which nobody can show again; keep it where its client finds it")?;
            written
        }
        KeysCommand::List => {
            let columns = ["id", "name", "state", "group", "expires_at", "last_used_at"];
            writeln!(out, "{}", columns.join("\t")).and_then(|()| {
                answer["data"].as_array().into_iter().flatten().try_for_each(|key| {
                    writeln!(out, "{}", columns.map(|column| cell(&key[column])).join("\t"))
                })
            })
        }
        KeysCommand::Show { .. } => answer
            .as_object()
            .into_iter()
            .flatten()
            .try_for_each(|(member, value)| writeln!(out, "{member}\t{}", cell(value))),
        KeysCommand::Update { .. } => told("was changed"),
        KeysCommand::Revoke { .. } => told("was revoked"),
        KeysCommand::Delete { .. } => told("was deleted"),
    };
    match written.and_then(|()| out.flush()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// A value in a line of its own.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.escape_debug().to_string(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}
