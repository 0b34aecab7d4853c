//! An HTTP endpoint as a tool: arguments as JSON in the body, the result in the answer's.

use std::fmt;
use std::fmt::Write as _;
use std::io::ErrorKind;
use std::time::Duration;

use awc::error::{ConnectError, PayloadError, SendRequestError};
use awc::http::header::{self, HeaderMap};
use awc::http::{Method, StatusCode, Version};
use awc::{Client, ClientRequest, ClientResponse, Connector};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::answer::{MAX_ERROR, SLACK, read};
use crate::whole::connector;
use crate::{ToolContext, ToolError, ToolOutput, ToolSpec};

/// To make a connection; the answer has the tool's own time.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A client for the endpoints of all tools. Lives on one arbiter.
pub fn client() -> Client {
    // How many run at the same time is the tool's limit, not the client's.
    let connector = Connector::new().connector(connector()).limit(0).timeout(CONNECT_TIMEOUT);
    Client::builder().connector(connector).disable_timeout().disable_redirects().finish()
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
        let mut request = match self.method {
            HttpMethod::Get => http.request(Method::GET, self.url_with(&arguments)),
            HttpMethod::Delete => http.request(Method::DELETE, self.url_with(&arguments)),
            HttpMethod::Post => http.post(&self.url),
            HttpMethod::Put => http.put(&self.url),
            HttpMethod::Patch => http.patch(&self.url),
        };
        for (name, value) in &self.headers {
            request = request.insert_header((name.as_str(), value.as_str()));
        }
        request =
            tell(request, &self.spec.name, context).insert_header((header::ACCEPT_ENCODING, "identity"));
        let sent = match self.method {
            HttpMethod::Get | HttpMethod::Delete => request.send(),
            HttpMethod::Post | HttpMethod::Put | HttpMethod::Patch => {
                request.content_type("application/json").send_body(arguments.to_string())
            }
        };
        let mut answer = sent.await.map_err(|error| unreachable(&error))?;
        let status = answer.status();
        if status.is_redirection() {
            let text = format!("it answered with HTTP status {status}, and redirects are not followed");
            return Err(ToolError::new(text));
        }
        let good = status.is_success();
        if good && unread(&answer) {
            return Err(ToolError::new("its answer does not say how long it is"));
        }
        let limit = if good { self.spec.max_output_bytes + SLACK } else { MAX_ERROR };
        let (form, ends) = (Form::of(answer.headers()), ends_with_connection(answer.headers()));
        let (bytes, more) = body(&mut answer, ends, limit).await?;
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

/// Says in headers what is called and by whom.
fn tell(request: ClientRequest, tool: &str, context: &ToolContext) -> ClientRequest {
    let call_id = ascii(&context.call_id);
    let request = request
        // Call ids of some providers are unique in their response only.
        .insert_header(("idempotency-key", format!("{}.{call_id}", context.response_id)))
        .insert_header(("openresponses-tool", tool))
        .insert_header(("openresponses-response-id", context.response_id.as_str()))
        .insert_header(("openresponses-call-id", call_id))
        .insert_header(("openresponses-iteration", context.iteration.to_string()))
        .insert_header(("openresponses-client", ascii(&context.owner)));
    if context.metadata.is_empty() {
        return request;
    }
    let metadata = serde_json::to_string(&*context.metadata).unwrap_or_default();
    request.insert_header(("openresponses-metadata", ascii(&metadata)))
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
fn unreachable(error: &SendRequestError) -> ToolError {
    ToolError::new(match error {
        SendRequestError::Connect(ConnectError::Disconnected) => "it closed the connection",
        SendRequestError::Connect(_) => "it could not be reached",
        _ => "the connection to it broke",
    })
}

fn refused(status: StatusCode, body: &[u8]) -> ToolError {
    let said = String::from_utf8_lossy(body);
    ToolError::of(format!("it answered with HTTP status {status}"), &said)
}

/// Whether nothing but the end of the connection tells the end of a body. awc reads an HTTP/1.0 body to that end
/// also if its length is 0.
fn ends_with_connection(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    !headers.contains_key(header::TRANSFER_ENCODING) && length.is_none_or(|length| length == "0")
}

/// Whether awc leaves out a body that may be there: in HTTP/1.1 it reads none without a length.
fn unread(answer: &ClientResponse<impl Sized>) -> bool {
    answer.version() == Version::HTTP_11
        && !answer.headers().contains_key(header::CONTENT_LENGTH)
        && !answer.headers().contains_key(header::TRANSFER_ENCODING)
        && !matches!(answer.status(), StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT)
}

/// The beginning of a body, and whether there is more.
async fn body(
    stream: &mut (impl Stream<Item = Result<Bytes, PayloadError>> + Unpin),
    ends_with_connection: bool,
    limit: usize,
) -> Result<(Vec<u8>, bool), ToolError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        let chunk = match chunk {
            Ok(chunk) => chunk,
            Err(PayloadError::Incomplete(Some(error)) | PayloadError::Io(error))
                if ends_with_connection && error.kind() == ErrorKind::UnexpectedEof =>
            {
                break;
            }
            Err(_) => return Err(ToolError::new("the connection to it broke")),
        };
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
        let full = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
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
