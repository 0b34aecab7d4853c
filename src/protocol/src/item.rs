//! Items and content parts: one set of types for input, output and history.
//!
//! Items are two-way: everything the server emits is accepted back (rules 3.6).

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use crate::RawJson;
use crate::mcp_item::McpItem;
use crate::other_item::OtherItem;

/// One unit of context: what was said, called, answered or thought.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Item {
    /// Text and media of one role.
    Message(Message),
    /// A call of a function tool.
    FunctionCall(FunctionCall),
    /// The result of a call.
    FunctionCallOutput(FunctionCallOutput),
    /// A call of a free-form (`custom`) tool. OpenAI's type.
    CustomToolCall(CustomToolCall),
    /// The result of a custom tool's call. OpenAI's type, same shape as a function's.
    CustomToolCallOutput(FunctionCallOutput),
    /// The model's thinking.
    Reasoning(Reasoning),
    /// A shortened context, opaque.
    Compaction(Compaction),
    /// A pointer to a stored item; resolved before any adapter sees it.
    ItemReference(ItemReference),
    /// A list, a call or an approval of MCP. OpenAI's types.
    #[serde(untagged)]
    Mcp(McpItem),
    /// Another hosted tool's item or an extension, kept as it came.
    #[serde(untagged)]
    Other(OtherItem),
}

impl Item {
    /// An item of a type that has no form of its own here, with all its members.
    pub fn foreign(members: RawJson) -> Self {
        match McpItem::read(members) {
            Ok(item) => Self::Mcp(item),
            Err(members) => Self::Other(OtherItem::new(members)),
        }
    }

    /// The item's `type`.
    pub fn kind(&self) -> &str {
        match self {
            Self::Message(_) => "message",
            Self::FunctionCall(_) => "function_call",
            Self::FunctionCallOutput(_) => "function_call_output",
            Self::CustomToolCall(_) => "custom_tool_call",
            Self::CustomToolCallOutput(_) => "custom_tool_call_output",
            Self::Reasoning(_) => "reasoning",
            Self::Compaction(_) => "compaction",
            Self::ItemReference(_) => "item_reference",
            Self::Mcp(i) => i.kind(),
            Self::Other(i) => i.kind(),
        }
    }

    /// The item's id, if it has one.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Message(i) => i.id.as_deref(),
            Self::FunctionCall(i) => i.id.as_deref(),
            Self::FunctionCallOutput(i) | Self::CustomToolCallOutput(i) => i.id.as_deref(),
            Self::CustomToolCall(i) => i.id.as_deref(),
            Self::Reasoning(i) => i.id.as_deref(),
            Self::Compaction(i) => i.id.as_deref(),
            Self::ItemReference(i) => Some(&i.id),
            Self::Mcp(i) => i.id().as_deref(),
            Self::Other(i) => i.id.as_deref(),
        }
    }

    /// Bytes of the item as JSON.
    pub fn bytes(&self) -> u64 {
        json_bytes(self)
    }

    /// Gives the item an id.
    pub fn set_id(&mut self, id: String) {
        match self {
            Self::Message(i) => i.id = Some(id),
            Self::FunctionCall(i) => i.id = Some(id),
            Self::FunctionCallOutput(i) | Self::CustomToolCallOutput(i) => i.id = Some(id),
            Self::CustomToolCall(i) => i.id = Some(id),
            Self::Reasoning(i) => i.id = Some(id),
            Self::Compaction(i) => i.id = Some(id),
            Self::ItemReference(i) => i.id = id,
            Self::Mcp(i) => *i.id_mut() = Some(id),
            Self::Other(i) => i.id = Some(id),
        }
    }

    /// Customary id prefix of the item's type.
    pub fn id_prefix(&self) -> &'static str {
        match self {
            Self::Message(_) => "msg",
            Self::FunctionCall(_) => "fc",
            Self::FunctionCallOutput(_) => "fco",
            Self::CustomToolCall(_) => "ctc",
            Self::CustomToolCallOutput(_) => "ctco",
            Self::Reasoning(_) => "rs",
            Self::Compaction(_) => "cmp",
            Self::ItemReference(_) => "ref",
            Self::Mcp(McpItem::ListTools(_)) => "mcpl",
            Self::Mcp(McpItem::Call(_)) => "mcp",
            Self::Mcp(McpItem::ApprovalRequest(_)) => "mcpr",
            Self::Mcp(McpItem::ApprovalResponse(_)) | Self::Other(_) => "item",
        }
    }
}

/// How many bytes something has as JSON. They are counted, not kept.
pub fn json_bytes(value: &impl Serialize) -> u64 {
    struct Counter(u64);
    impl std::io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    // What cannot be written counts as far as it could be.
    let _ = serde_json::to_writer(&mut counter, value);
    counter.0
}

/// Who speaks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The person or program in front of the model.
    User,
    /// Standing orders.
    System,
    /// Standing orders, OpenAI's newer word.
    Developer,
    /// The model.
    Assistant,
}

/// State of an item (rules 4.2). Both ends are terminal.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemStatus {
    /// Still growing.
    InProgress,
    /// Whole.
    Completed,
    /// Cut off; the last item of its response.
    Incomplete,
}

/// What an assistant message is for (rules 3.7).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Said on the way.
    Commentary,
    /// The answer.
    FinalAnswer,
}

/// A message item. A string content was made one part: `input_text`, or `output_text` for the assistant.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ItemStatus>,
    pub role: Role,
    pub content: Vec<ContentPart>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
}

/// Image detail; left to the provider when absent.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the spec's words")]
pub enum Detail {
    Low,
    High,
    Auto,
    Original,
}

/// A part of a message's content or of a tool's output (rules 5.1).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum ContentPart {
    InputText {
        text: String,
    },
    /// Exactly one of `image_url` (http(s) or data URL) and `file_id` is set.
    InputImage {
        image_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
        detail: Detail,
    },
    /// One of `file_data` (base64 or data URL), `file_url`, `file_id` is set.
    InputFile {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<String>,
    },
    InputVideo {
        video_url: String,
    },
    /// OpenAI's audio input: base64 data and `wav` or `mp3`.
    InputAudio {
        input_audio: InputAudio,
    },
    OutputText {
        text: String,
        annotations: Vec<Annotation>,
        #[serde(skip_serializing_if = "Option::is_none")]
        logprobs: Option<Vec<LogProb>>,
    },
    Refusal {
        refusal: String,
    },
}

/// Base64 audio and its format.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct InputAudio {
    pub data: String,
    pub format: String,
}

/// A note on a span of text. Offsets are in characters (code points) of the part's text, end exclusive.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum Annotation {
    UrlCitation {
        url: String,
        title: String,
        start_index: u64,
        end_index: u64,
    },
    /// `file_citation` and the like, which only OpenAI's hosted tools make.
    #[serde(untagged)]
    Other(RawJson),
}

/// As it was written; one that lacks something is of no type that we know.
impl<'de> Deserialize<'de> for Annotation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct UrlCitation {
            url: String,
            title: String,
            start_index: u64,
            end_index: u64,
        }
        let raw = RawJson::deserialize(deserializer)?;
        if raw.text("type").as_deref() == Some("url_citation")
            && let Ok(UrlCitation { url, title, start_index, end_index }) = serde_json::from_str(raw.as_str())
        {
            return Ok(Self::UrlCitation { url, title, start_index, end_index });
        }
        Ok(Self::Other(raw))
    }
}

/// Log probability of one token (rules 5.3).
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct LogProb {
    pub token: String,
    pub logprob: f64,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub bytes: Vec<u8>,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub top_logprobs: Vec<TopLogProb>,
}

/// One of the most likely tokens at a place.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct TopLogProb {
    pub token: String,
    pub logprob: f64,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub bytes: Vec<u8>,
}

fn null_is_empty<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Ok(Option::<Vec<T>>::deserialize(deserializer)?.unwrap_or_default())
}

/// A call of a function tool. `call_id` pairs it with its output and is not the item's `id`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct FunctionCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub call_id: String,
    pub name: String,
    /// OpenAI's namespace of the tool, kept for the way back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// JSON as the model wrote it; may be cut off in an incomplete call.
    pub arguments: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ItemStatus>,
}

/// A call of a custom tool: free text in place of JSON arguments.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "OpenAI's field names say it")]
pub struct CustomToolCall {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub call_id: String,
    pub name: String,
    pub input: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ItemStatus>,
}

/// The result of a call.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct FunctionCallOutput {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub call_id: String,
    pub output: Output,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ItemStatus>,
}

/// A tool result: text, or parts (`input_text`, `input_image`, `input_file`, `input_video`).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "two plain forms")]
pub enum Output {
    Text(String),
    Parts(Vec<ContentPart>),
}

/// A reasoning item: three independent carriers (rules 6.1).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Reasoning {
    /// Item id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// State; not in the schema, allowed by it (rules 4.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<ItemStatus>,
    /// The provider's digest of its thinking.
    pub summary: Vec<SummaryPart>,
    /// The raw trace.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub content: Vec<ReasoningPart>,
    /// Opaque state to be sent back: our [`crate::Envelope`], or a provider's raw blob from a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encrypted_content: Option<String>,
}

impl Reasoning {
    /// The raw trace as far as the item has it: where a client asked for a summary and the provider gave only its
    /// trace, that stands in the summary. Not known to be one from what is sealed by another provider.
    pub fn trace(&self) -> Vec<&str> {
        if self.content.is_empty() {
            self.summary.iter().map(|part| part.text.as_str()).collect()
        } else {
            self.content.iter().map(|part| part.text.as_str()).collect()
        }
    }
}

/// `{"type":"summary_text","text":…}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "summary_text")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct SummaryPart {
    pub text: String,
}

/// `{"type":"reasoning_text","text":…}`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename = "reasoning_text")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct ReasoningPart {
    pub text: String,
}

/// A compaction item (rules 15).
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct Compaction {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub encrypted_content: String,
}

/// A pointer to a stored item.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub struct ItemReference {
    pub id: String,
}
