//! What a tool is, what it is told, and what it gives back.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use or_protocol::{ContentPart, Detail, Extra, ResponseId};
use or_telemetry::trace::TraceContext;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a running tool gives, at last.
pub type ToolFuture<'a> = Pin<Box<dyn Future<Output = Result<ToolOutput, ToolError>> + Send + 'a>>;

/// A tool in Rust. One value serves all calls, at the same time.
///
/// It runs on threads of the tools' own, so it may take its time; what blocks for long belongs into
/// `tokio::task::spawn_blocking`. It may panic: that is an error for the model and for nobody else. When the call
/// is cancelled or too slow, its future is dropped.
pub trait Tool: Send + Sync + 'static {
    /// What it is. Asked once, when it is registered.
    fn spec(&self) -> ToolSpec;

    /// Runs it. `arguments` are an object that has passed the schema.
    fn execute(&self, arguments: Value, context: ToolContext) -> ToolFuture<'_>;

    /// Whether a run is a process of its own, of which an owner has only so many.
    fn runs_program(&self) -> bool {
        false
    }
}

/// What a tool is called, what it takes, and its limits.
#[derive(Clone, Debug)]
pub struct ToolSpec {
    /// 1 to 64 letters, digits, `_` or `-`.
    pub name: String,
    /// For the model.
    pub description: String,
    /// JSON Schema of the arguments, with `type` `object`.
    pub parameters: Value,
    /// Whether a call that a crash has cut off may be made again.
    pub idempotent: bool,
    /// To its result, from the time it begins. Default: 30 s.
    pub timeout: Duration,
    /// Bytes of its result; the rest of a longer text is cut off. Default: 256 KiB.
    pub max_output_bytes: usize,
    /// Runs at the same time over all workers, others wait in order; 0: no limit.
    pub max_concurrent: usize,
    /// Which requests get it.
    pub offer: Offer,
}

/// Which requests get a tool.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Offer {
    /// Those that name it in `tools`.
    Requested,
    /// All.
    Always,
}

impl ToolSpec {
    /// A tool without arguments, not idempotent, with the default limits.
    pub fn new(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            parameters: json!({"type": "object", "properties": {}}),
            idempotent: false,
            timeout: Duration::from_secs(30),
            max_output_bytes: 256 * 1024,
            max_concurrent: 0,
            offer: Offer::Requested,
        }
    }

    /// Takes the schema of the arguments from a type.
    #[must_use]
    pub fn arguments<T: JsonSchema>(self) -> Self {
        // References and `$schema` are beyond what some providers take.
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        let mut schema = settings.into_generator().into_root_schema_for::<T>();
        schema.remove("title");
        Self { parameters: schema.to_value(), ..self }
    }
}

/// What a tool is told of its call.
#[derive(Clone, Debug)]
pub struct ToolContext {
    /// The response that the call belongs to.
    pub response_id: ResponseId,
    /// The model's id of the call; unique in its response only.
    pub call_id: String,
    /// Which turn of the loop made the call, from 1.
    pub iteration: u32,
    /// Name of the client key that made the request.
    pub owner: String,
    /// The request's `metadata`.
    pub metadata: Arc<Map<String, Value>>,
    /// Cancelled when nobody waits for a result any more: it is there, the client left, or the time is over. Only
    /// work that outlives the tool's future needs to look at it.
    pub cancelled: CancellationToken,
    /// The span of the call, if there are spans: what a tool asks of others belongs to it.
    pub trace: Option<TraceContext>,
    progress: Option<mpsc::Sender<String>>,
}

impl ToolContext {
    /// The context of one call.
    pub fn new(
        response_id: ResponseId,
        call_id: impl Into<String>,
        iteration: u32,
        owner: impl Into<String>,
        metadata: Arc<Map<String, Value>>,
    ) -> Self {
        Self {
            response_id,
            call_id: call_id.into(),
            iteration,
            owner: owner.into(),
            metadata,
            cancelled: CancellationToken::new(),
            trace: None,
            progress: None,
        }
    }

    /// Sends what the tool reports there; what finds no room is lost.
    #[must_use]
    pub fn with_progress(self, progress: mpsc::Sender<String>) -> Self {
        Self { progress: Some(progress), ..self }
    }

    /// As a part of this span.
    #[must_use]
    pub fn with_trace(self, trace: Option<TraceContext>) -> Self {
        Self { trace, ..self }
    }

    /// Says how far the tool is, in words for a person. Never waits; not part of the result.
    pub fn progress(&self, text: impl Into<String>) {
        if let Some(progress) = &self.progress {
            // Who watches may be slow or gone.
            let _ = progress.try_send(text.into());
        }
    }
}

/// The result of a tool, for the model.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolOutput {
    /// As it is.
    Text(String),
    /// Sent as JSON text.
    Json(Value),
    /// Texts, images and files: `input_text`, `input_image`, `input_file`.
    Parts(Vec<ContentPart>),
}

impl ToolOutput {
    /// Any value as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, ToolError> {
        serde_json::to_value(value).map(Self::Json).map_err(|e| ToolError::new(e.to_string()))
    }

    /// One image, such as `image/png`.
    pub fn image(media_type: &str, bytes: &[u8]) -> Self {
        let image_url = Some(data_url(media_type, bytes));
        Self::Parts(vec![ContentPart::InputImage {
            image_url,
            file_id: None,
            detail: Detail::Auto,
            extra: Extra::NONE,
        }])
    }

    /// One file, such as `application/pdf`.
    pub fn file(filename: impl Into<String>, media_type: &str, bytes: &[u8]) -> Self {
        Self::Parts(vec![ContentPart::InputFile {
            filename: Some(filename.into()),
            file_data: Some(data_url(media_type, bytes)),
            file_url: None,
            file_id: None,
            extra: Extra::NONE,
        }])
    }
}

fn data_url(media_type: &str, bytes: &[u8]) -> String {
    format!("data:{media_type};base64,{}", BASE64_STANDARD.encode(bytes))
}

impl From<String> for ToolOutput {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for ToolOutput {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Value> for ToolOutput {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

/// Why a tool has no result, in words for the model.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0}")]
pub struct ToolError(String);

impl ToolError {
    /// The model sees this text, or its beginning if it is long: no secrets.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// What happened, and what the tool itself said of it, if anything.
    pub(crate) fn of(happened: String, said: &str) -> Self {
        match said.trim() {
            "" => Self(happened),
            said => Self(format!("{happened}: {said}")),
        }
    }
}

impl From<String> for ToolError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for ToolError {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
