//! An HTTP endpoint as a tool: arguments as JSON in the body, the result in the answer's.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use futures_util::StreamExt as _;
use or_wire::{Body, Client, HeaderMap, Method, Request, Settings, StatusCode, WireError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{MAX_ERROR, SLACK, read};
use crate::{ToolContext, ToolError, ToolOutput, ToolSpec};

/// To make a connection; the answer has the tool's own time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for the endpoints of all tools. Lives on one arbiter.
pub fn client() -> Client {
    // How many run at the same time is the tool's limit, not the client's.
    Client::new(&Settings { connect_timeout: CONNECT_TIMEOUT, head_timeout: None })
}

/// An endpoint that is asked for each call.
pub struct HttpTool {
    /// Name, schema, limits.
    pub spec: ToolSpec,
    /// `http` or `https`; may have a query.
    pub url: String,
    /// How it is asked.
    pub method: HttpMethod,
    /// Sent with each call; may hold keys.
    pub headers: Vec<(String, String)>,
}

impl fmt::Debug for HttpTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL and the headers may hold keys.
        f.debug_struct("HttpTool").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

/// How an endpoint is asked.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// Arguments in the query.
    Get,
    /// Arguments in the body.
    Post,
    /// Arguments in the body.
    Put,
    /// Arguments in the body.
    Patch,
    /// Arguments in the query.
    Delete,
}

impl HttpTool {
    /// Asks once. Dropping the future closes the connection.
    pub(crate) async fn call(
        &self,
        http: &Client,
        arguments: Value,
        context: &ToolContext,
    ) -> Result<Answer, ToolError> {
        let (method, in_query) = match self.method {
            HttpMethod::Get => (Method::GET, true),
            HttpMethod::Delete => (Method::DELETE, true),
            HttpMethod::Post => (Method::POST, false),
            HttpMethod::Put => (Method::PUT, false),
            HttpMethod::Patch => (Method::PATCH, false),
        };
        let (url, body) = match in_query {
            true => (self.url_with(&arguments), None),
            false => (self.url.clone(), Some(arguments.to_string().into())),
        };
        // The later ones win.
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        headers.extend(told(&self.spec.name, context));
        if body.is_some() {
            headers.push(("content-type", "application/json".to_owned()));
        }
        let request = Request { method, url: &url, headers, body };
        let mut answer = http.send(request).await.map_err(|error| unanswered(&error))?;
        let status = answer.status;
        if status.is_redirection() {
            let text = format!("it answered with HTTP status {status}, and redirects are not followed");
            return Err(ToolError::new(text));
        }
        let good = status.is_success();
        let limit = if good { self.spec.max_output_bytes + SLACK } else { MAX_ERROR };
        let form = Form::of(&answer.headers);
        let (bytes, more) = read_body(&mut answer.body, limit).await?;
        if !good {
            return Err(refused(status, &bytes));
        }
        Ok(Answer { form, bytes, more })
    }

    /// The URL with the arguments in its query: texts as they are, everything else as JSON.
    fn url_with(&self, arguments: &Value) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in arguments.as_object().into_iter().flatten() {
            match value {
                Value::String(text) => query.append_pair(name, text),
                other => query.append_pair(name, &other.to_string()),
            };
        }
        let (query, url) = (query.finish(), &self.url);
        match (query.as_str(), url.contains('?')) {
            ("", _) => url.clone(),
            (query, true) => format!("{url}&{query}"),
            (query, false) => format!("{url}?{query}"),
        }
    }
}

/// Headers that say what is called and by whom.
fn told(tool: &str, context: &ToolContext) -> Vec<(&'static str, String)> {
    let call_id = ascii(&context.call_id);
    let mut headers = vec![
        // Call ids of some providers are unique in their response only.
        ("idempotency-key", format!("{}.{call_id}", context.response_id)),
        ("openresponses-tool", tool.to_owned()),
        ("openresponses-response-id", context.response_id.to_string()),
        ("openresponses-call-id", call_id),
        ("openresponses-iteration", context.iteration.to_string()),
        ("openresponses-client", ascii(&context.owner)),
    ];
    if let Some(trace) = &context.trace {
        headers.extend(trace.headers());
    }
    if !context.metadata.is_empty() {
        let metadata = serde_json::to_string(&*context.metadata).unwrap_or_default();
        headers.push(("openresponses-metadata", ascii(&metadata)));
    }
    headers
}

/// A text that a header can carry: everything but printable ASCII is escaped as in JSON.
fn ascii(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' '..='~') {
            out.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing into memory does not fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// Without the URL and what the system says: they are the operator's business and not the model's.
fn unanswered(error: &WireError) -> ToolError {
    match error {
        WireError::Closed => ToolError::new("it closed the connection"),
        WireError::Unreachable(_) | WireError::ConnectTimeout => ToolError::new("it could not be reached"),
        WireError::Broken(_) | WireError::HeadTimeout => ToolError::new("the connection to it broke"),
        WireError::Malformed(_) | WireError::Encoded(_) => {
            ToolError::new(format!("its answer cannot be read: {error}"))
        }
    }
}

fn refused(status: StatusCode, body: &[u8]) -> ToolError {
    let said = String::from_utf8_lossy(body);
    ToolError::of(format!("it answered with HTTP status {status}"), &said)
}

/// The beginning of a body, and whether there is more.
async fn read_body(body: &mut Body, limit: usize) -> Result<(Vec<u8>, bool), ToolError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|_| ToolError::new("the connection to it broke"))?;
        let room = limit - bytes.len();
        bytes.extend_from_slice(&chunk[..room.min(chunk.len())]);
        if bytes.len() == limit {
            return Ok((bytes, true));
        }
    }
    Ok((bytes, false))
}

/// What an endpoint answered. Reading a large one takes time: not on an arbiter.
pub(crate) struct Answer {
    form: Form,
    bytes: Vec<u8>,
    /// Whether there was more than the limit.
    more: bool,
}

impl Answer {
    pub(crate) fn output(self, spec: &ToolSpec) -> Result<ToolOutput, ToolError> {
        match self.form {
            Form::Text => read(self.bytes, self.more),
            Form::Image(_) | Form::Pdf if self.more => {
                Err(ToolError::new(format!("the result has more than {} bytes", spec.max_output_bytes)))
            }
            Form::Image(media_type) => Ok(ToolOutput::image(&media_type, &self.bytes)),
            Form::Pdf => Ok(ToolOutput::file(format!("{}.pdf", spec.name), "application/pdf", &self.bytes)),
            Form::Other(media_type) => {
                Err(ToolError::new(format!("the result has the type '{media_type}', which no model reads")))
            }
        }
    }
}

/// What a body is, by its content type.
enum Form {
    Text,
    /// Its media type.
    Image(String),
    Pdf,
    Other(String),
}

impl Form {
    fn of(headers: &HeaderMap) -> Self {
        let full = headers.get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let media_type = full.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media_type.split_once('/') {
            None | Some(("text", _)) => Self::Text,
            Some(("application", "pdf")) => Self::Pdf,
            Some(("application", kind))
                if ["json", "xml", "yaml", "x-ndjson"].contains(&kind)
                    || kind.ends_with("+json")
                    || kind.ends_with("+xml") =>
            {
                Self::Text
            }
            Some(("image", kind)) if !kind.ends_with("+xml") => Self::Image(media_type),
            Some(("image", _)) => Self::Text,
            Some(_) => Self::Other(media_type),
        }
    }
}
