//! Context items as messages.

mod order;

use std::borrow::Cow;
use std::collections::HashMap;

use or_protocol::{
    ContentPart, Detail, Envelope, FunctionCall, FunctionCallOutput, Item, Message, Output, Reasoning, Role,
};
use serde_json::value::RawValue;

use super::media;
use super::wire::{CallOut, CallOutFunction, ChatMessage, KIND};
use crate::note::plain_word;
use crate::shared::flat_tools::Namespaces;
use crate::{AdapterError, Note, NoteList, custom_arguments};

/// The context's messages. `namespaces` has the names of calls.
pub(super) fn translate<'a>(
    context: &'a [Item],
    namespaces: &Namespaces,
    notes: &mut NoteList,
) -> Result<Vec<ChatMessage<'a>>, AdapterError> {
    let mut history =
        History { messages: Vec::new(), turn: None, images: None, names: HashMap::new(), namespaces, notes };
    for item in order::results_behind_calls(context) {
        history.item(item)?;
    }
    history.end_turn();
    history.end_results();
    Ok(history.messages)
}

struct History<'a, 'n> {
    messages: Vec<ChatMessage<'a>>,
    /// The assistant's message that is being put together.
    turn: Option<ChatMessage<'a>>,
    /// Images of the results so far, to follow them in a message of their own.
    images: Option<ChatMessage<'a>>,
    /// Tool name of every call id.
    names: HashMap<&'a str, Cow<'a, str>>,
    namespaces: &'n Namespaces,
    notes: &'n mut NoteList,
}

impl<'a> History<'a, '_> {
    fn item(&mut self, item: &'a Item) -> Result<(), AdapterError> {
        match item {
            Item::Message(message) if message.role == Role::Assistant => self.assistant(message)?,
            Item::Message(message) => self.message(message)?,
            Item::FunctionCall(call) => {
                let name = self.sent_name(call);
                self.call(&call.call_id, name, &call.arguments);
            }
            Item::CustomToolCall(call) => {
                let arguments = custom_arguments(&call.input);
                let raw = RawValue::from_string(arguments).map(Cow::Owned).unwrap_or_else(|_| empty_object());
                self.raw_call(&call.call_id, Cow::Borrowed(&call.name), raw);
            }
            Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => self.output(output)?,
            Item::Reasoning(reasoning) => self.reasoning(reasoning),
            Item::Compaction(compaction) => match Envelope::open(&compaction.encrypted_content) {
                Ok(envelope) if envelope.kind == KIND => self.put(ChatMessage {
                    role: "system",
                    content: Cow::Owned(format!("Summary of the conversation so far:\n{}", envelope.blob)),
                    ..ChatMessage::default()
                }),
                _ => {
                    return Err(AdapterError::unsupported(
                        "input",
                        "The compaction item was made by another provider and cannot be read on an Ollama \
                         server.",
                    ));
                }
            },
            Item::ItemReference(_) => {
                return Err(AdapterError::unsupported("input", "An item_reference was not resolved."));
            }
            Item::Mcp(_) | Item::Other(_) => {
                let field = format!("input.{}", plain_word(item.kind()));
                self.note(Note::dropped(field, "items of hosted tools are not known to this provider"));
            }
        }
        Ok(())
    }

    /// One note for each field, however often it occurs.
    fn note(&mut self, note: Note) {
        if !self.notes.iter().any(|n| n.field == note.field && n.kind == note.kind) {
            self.notes.push(note);
        }
    }

    fn put(&mut self, message: ChatMessage<'a>) {
        self.end_turn();
        self.end_results();
        self.messages.push(message);
    }

    fn end_turn(&mut self) {
        self.messages.extend(self.turn.take());
    }

    fn end_results(&mut self) {
        self.messages.extend(self.images.take());
    }

    /// The assistant's message in the making.
    fn turn(&mut self) -> &mut ChatMessage<'a> {
        self.end_results();
        self.turn.get_or_insert_with(|| ChatMessage { role: "assistant", ..ChatMessage::default() })
    }

    fn reasoning(&mut self, item: &'a Reasoning) {
        let own = item.encrypted_content.as_deref().and_then(|text| match Envelope::open(text) {
            Ok(envelope) if envelope.kind == KIND => Some(envelope.blob),
            _ => None,
        });
        let foreign = own.is_none() && item.encrypted_content.is_some();
        if foreign {
            let why = "sealed reasoning of another provider, or damaged";
            self.note(Note::dropped("input.reasoning.encrypted_content", why));
        }
        let trace = if foreign && item.content.is_empty() { Vec::new() } else { item.trace() };
        let thinking: Cow<'a, str> = match (own, &trace[..]) {
            (Some(blob), _) => Cow::Owned(blob),
            (None, [text]) => Cow::Borrowed(text),
            (None, texts) => Cow::Owned(texts.join("\n")),
        };
        if foreign && !item.summary.is_empty() && thinking.is_empty() {
            self.note(Note::dropped("input.reasoning.summary", "a digest is not the model's own thinking"));
        }
        if thinking.is_empty() {
            return;
        }
        if self.turn.as_ref().is_some_and(|t| !t.content.is_empty() || !t.tool_calls.is_empty()) {
            self.end_turn();
        }
        let turn = self.turn();
        join(&mut turn.thinking, thinking);
    }

    fn assistant(&mut self, message: &'a Message) -> Result<(), AdapterError> {
        if message.phase.is_some() {
            self.note(Note::dropped("input.phase", "not known to this provider"));
        }
        // Parts of one answer are pieces of one text.
        let mut text = Cow::Borrowed("");
        for part in &message.content {
            let more = match part {
                ContentPart::OutputText { text: more, annotations, .. } => {
                    if !annotations.is_empty() {
                        self.note(Note::dropped("input.annotations", "only the text is sent"));
                    }
                    more
                }
                ContentPart::InputText { text: more } | ContentPart::Refusal { refusal: more } => more,
                other => return Err(no_part(other, "a message of the assistant")),
            };
            if text.is_empty() {
                text = Cow::Borrowed(more.as_str());
            } else {
                text.to_mut().push_str(more);
            }
        }
        // Calls wait for their results, so text behind them joins them; text behind text is a new message.
        if self.turn.as_ref().is_some_and(|t| !t.content.is_empty() && t.tool_calls.is_empty()) {
            self.end_turn();
        }
        join(&mut self.turn().content, text);
        Ok(())
    }

    /// The name under which the function is declared.
    fn sent_name(&self, call: &'a FunctionCall) -> Cow<'a, str> {
        let flat = self.namespaces.get(call.namespace.as_deref(), &call.name);
        flat.map_or(Cow::Borrowed(&call.name), |name| Cow::Owned(name.to_owned()))
    }

    fn call(&mut self, id: &'a str, name: Cow<'a, str>, arguments: &'a str) {
        let text = if arguments.trim().is_empty() { "{}" } else { arguments };
        let raw = match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().starts_with('{') => Cow::Borrowed(raw),
            _ => {
                self.note(Note::emulated("input.arguments", "not a JSON object, sent in a member _raw"));
                let wrapped = serde_json::json!({ "_raw": arguments }).to_string();
                RawValue::from_string(wrapped).map(Cow::Owned).unwrap_or_else(|_| empty_object())
            }
        };
        self.raw_call(id, name, raw);
    }

    fn raw_call(&mut self, id: &'a str, name: Cow<'a, str>, arguments: Cow<'a, RawValue>) {
        self.names.insert(id, name.clone());
        let function = CallOutFunction { name, arguments };
        self.turn().tool_calls.push(CallOut { id, kind: "function", function });
    }

    fn output(&mut self, output: &'a FunctionCallOutput) -> Result<(), AdapterError> {
        self.end_turn();
        let name = self.names.get(output.call_id.as_str()).cloned();
        let content = match &output.output {
            Output::Text(text) => Cow::Borrowed(text.as_str()),
            Output::Parts(parts) => {
                let mut parts_out = Parts::default();
                for part in parts {
                    self.part(part, &mut parts_out)?;
                }
                if !parts_out.images.is_empty() {
                    let why = "images of tool results follow in a user message";
                    self.note(Note::emulated("input.function_call_output.output", why));
                    let of = name.as_deref().unwrap_or("a tool");
                    let line = format!("Images of the result of {of} (call {}):", output.call_id);
                    let follow = self
                        .images
                        .get_or_insert_with(|| ChatMessage { role: "user", ..ChatMessage::default() });
                    join(&mut follow.content, Cow::Owned(line));
                    follow.images.append(&mut parts_out.images);
                }
                parts_out.text
            }
        };
        self.messages.push(ChatMessage {
            role: "tool",
            content,
            tool_name: name,
            tool_call_id: Some(&output.call_id),
            ..ChatMessage::default()
        });
        Ok(())
    }

    /// A message of the user or of the system.
    fn message(&mut self, message: &'a Message) -> Result<(), AdapterError> {
        let role = match message.role {
            Role::System | Role::Developer => "system",
            Role::User | Role::Assistant => "user",
        };
        let mut open = Parts::default();
        let cut = Cut::of(&message.content);
        for part in &message.content {
            let image = matches!(part, ContentPart::InputImage { .. });
            if cut.before(image, &open) {
                self.note(Note::emulated(
                    "input.input_image",
                    "text and images in turn, sent as several messages",
                ));
                let parts = std::mem::take(&mut open);
                self.put(ChatMessage {
                    role,
                    content: parts.text,
                    images: parts.images,
                    ..ChatMessage::default()
                });
            }
            self.part(part, &mut open)?;
        }
        self.put(ChatMessage { role, content: open.text, images: open.images, ..ChatMessage::default() });
        Ok(())
    }

    fn part(&mut self, part: &'a ContentPart, out: &mut Parts<'a>) -> Result<(), AdapterError> {
        match part {
            ContentPart::InputText { text }
            | ContentPart::OutputText { text, .. }
            | ContentPart::Refusal { refusal: text } => join(&mut out.text, Cow::Borrowed(text)),
            ContentPart::InputImage { detail, .. } => {
                if *detail != Detail::Auto {
                    self.note(Note::dropped("input.input_image.detail", "not known to this provider"));
                }
                out.images.push(media::image(part)?);
            }
            ContentPart::InputFile { filename, .. } => {
                let text = media::file(part, filename.as_deref())?;
                self.note(Note::emulated("input.input_file", "the file's text stands in the message"));
                join(&mut out.text, Cow::Owned(text));
            }
            other @ (ContentPart::InputVideo { .. } | ContentPart::InputAudio { .. }) => {
                return Err(no_part(other, "a message"));
            }
        }
        Ok(())
    }
}

/// One string and the list of images beside it: all that a message can hold.
#[derive(Default)]
struct Parts<'a> {
    text: Cow<'a, str>,
    images: Vec<Cow<'a, str>>,
}

/// Where a message must be cut so that every text stays with its images. Text before or behind all images
/// needs no cut.
enum Cut {
    Nowhere,
    /// Before a text (false) or an image (true) that comes behind the other kind.
    Before {
        image: bool,
    },
}

impl Cut {
    fn of(parts: &[ContentPart]) -> Self {
        let kinds: Vec<bool> =
            parts.iter().map(|part| matches!(part, ContentPart::InputImage { .. })).collect();
        let changes = kinds.windows(2).filter(|pair| pair.first() != pair.last()).count();
        match kinds.first() {
            Some(first) if changes > 1 => Self::Before { image: *first },
            _ => Self::Nowhere,
        }
    }

    fn before(&self, image: bool, open: &Parts<'_>) -> bool {
        match self {
            Self::Nowhere => false,
            Self::Before { image: true } => image && !open.text.is_empty(),
            Self::Before { image: false } => !image && !open.images.is_empty(),
        }
    }
}

/// Appends with a line end between.
fn join<'a>(text: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if text.is_empty() {
        *text = more;
    } else if !more.is_empty() {
        let text = text.to_mut();
        text.push('\n');
        text.push_str(&more);
    }
}

fn empty_object<'a>() -> Cow<'a, RawValue> {
    const EMPTY: &str = "{}";
    serde_json::from_str::<&RawValue>(EMPTY).map_or_else(|_| Cow::Borrowed(RawValue::NULL), Cow::Borrowed)
}

fn no_part(part: &ContentPart, place: &str) -> AdapterError {
    let kind = match part {
        ContentPart::InputText { .. } => "input_text",
        ContentPart::InputImage { .. } => "input_image",
        ContentPart::InputFile { .. } => "input_file",
        ContentPart::InputVideo { .. } => "input_video",
        ContentPart::InputAudio { .. } => "input_audio",
        ContentPart::OutputText { .. } => "output_text",
        ContentPart::Refusal { .. } => "refusal",
    };
    AdapterError::unsupported("input", format!("An Ollama server cannot take {kind} in {place}."))
}
