//! Items of the context to messages of the demo wire. The demo model reads text only, so that anything
//! else is a marker in brackets.

use std::borrow::Cow;
use std::collections::HashMap;

use or_protocol::{ContentPart, Envelope, FunctionCallOutput, Item, Message, Output, Reasoning, Role};

use super::wire::{KIND, WireMessage, WireRole};
use crate::shared::flat_tools::Namespaces;
use crate::{AdapterError, Note, NoteList, custom_arguments};

/// Longest URL, id or file name in a marker, in characters.
const MAX_LABEL: usize = 100;

/// The context's messages.
pub(super) fn translate<'a>(
    context: &'a [Item],
    namespaces: &'a Namespaces,
    notes: &mut NoteList,
) -> Result<Vec<WireMessage<'a>>, AdapterError> {
    let mut messages = Messages { namespaces, notes, out: Vec::new(), called: HashMap::new() };
    for item in context {
        messages.add(item)?;
    }
    Ok(messages.out)
}

/// Collects messages, and one note per kind of thing that is not carried as it is.
struct Messages<'a, 'n> {
    namespaces: &'a Namespaces,
    notes: &'n mut NoteList,
    out: Vec<WireMessage<'a>>,
    /// Names of the calls so far, by their ids.
    called: HashMap<&'a str, &'a str>,
}

impl<'a, 'n> Messages<'a, 'n> {
    /// Adds one item.
    fn add(&mut self, item: &'a Item) -> Result<(), AdapterError> {
        match item {
            Item::Message(message) => self.message(message),
            Item::FunctionCall(call) => {
                let flat = self.namespaces.get(call.namespace.as_deref(), &call.name);
                let name = flat.unwrap_or(&call.name);
                self.called.insert(&call.call_id, name);
                self.push(WireRole::Call, &call.call_id, name, call.arguments.as_str());
            }
            Item::CustomToolCall(call) => {
                let arguments = custom_arguments(&call.input);
                let flat = self.namespaces.get(call.namespace.as_deref(), &call.name);
                let name = flat.unwrap_or(&call.name);
                self.called.insert(&call.call_id, name);
                self.push(WireRole::Call, &call.call_id, name, arguments);
            }
            Item::FunctionCallOutput(output) | Item::CustomToolCallOutput(output) => self.output(output),
            Item::Reasoning(reasoning) => self.reasoning(reasoning),
            Item::Compaction(_) => {
                self.note(Note::dropped("input.compaction", "the demo provider cannot read it"));
            }
            Item::ItemReference(_) => {
                return Err(AdapterError::unsupported("input", "The demo provider cannot look up an item."));
            }
            Item::Mcp(_) | Item::Other(_) => self.note_other(item.kind()),
        }
        Ok(())
    }

    fn push(&mut self, role: WireRole, id: &'a str, name: &'a str, text: impl Into<Cow<'a, str>>) {
        self.out.push(WireMessage { role, id: id.into(), name: name.into(), text: text.into() });
    }

    /// Adds a note unless the field has one.
    fn note(&mut self, note: Note) {
        if !self.notes.iter().any(|n| n.field == note.field) {
            self.notes.push(note);
        }
    }

    fn message(&mut self, message: &'a Message) {
        if message.phase.is_some() {
            self.note(Note::dropped("input.phase", "the demo model knows no phases"));
        }
        let role = match message.role {
            Role::User => WireRole::User,
            Role::System | Role::Developer => WireRole::System,
            Role::Assistant => WireRole::Assistant,
        };
        let text = self.parts(&message.content);
        self.push(role, "", "", text);
    }

    fn output(&mut self, output: &'a FunctionCallOutput) {
        let name = self.called.get(output.call_id.as_str()).copied().unwrap_or_default();
        let text = match &output.output {
            Output::Text(text) => Cow::Borrowed(text.as_str()),
            Output::Parts(parts) => self.parts(parts),
        };
        self.push(WireRole::Result, &output.call_id, name, text);
    }

    fn reasoning(&mut self, item: &Reasoning) {
        let dropped = |why| Note::dropped("input.reasoning", why);
        let Some(sealed) = &item.encrypted_content else {
            if !item.summary.is_empty() || !item.content.is_empty() {
                self.note(dropped("thinking without encrypted_content is not sent back"));
            }
            return;
        };
        match Envelope::open(sealed) {
            Ok(envelope) if envelope.kind == KIND => self.push(WireRole::Reasoning, "", "", envelope.blob),
            Ok(_) => self.note(dropped("made by another provider")),
            Err(error) => self.note(dropped(match error {
                or_protocol::EnvelopeError::Foreign => "made by another provider",
                or_protocol::EnvelopeError::Damaged => "its encrypted_content is damaged",
            })),
        }
    }

    fn note_other(&mut self, kind: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '-');
        let kind: String = kind.chars().filter(|c| plain(*c)).take(64).collect();
        self.note(Note::dropped(format!("input.{kind}"), "the demo provider does not know this item"));
    }

    fn parts(&mut self, parts: &'a [ContentPart]) -> Cow<'a, str> {
        if let [part] = parts {
            return self.part(part);
        }
        let texts: Vec<_> = parts.iter().map(|part| self.part(part)).collect();
        Cow::Owned(texts.join("\n"))
    }

    fn part(&mut self, part: &'a ContentPart) -> Cow<'a, str> {
        let (field, marker) = match part {
            ContentPart::InputText { text, .. }
            | ContentPart::OutputText { text, .. }
            | ContentPart::Refusal { refusal: text, .. } => return Cow::Borrowed(text),
            ContentPart::InputImage { image_url, file_id, .. } => {
                ("input.input_image", marker("image", None, &[image_url.as_deref(), file_id.as_deref()]))
            }
            ContentPart::InputFile { filename, file_data, file_url, file_id, .. } => {
                let sources = [file_data.as_deref(), file_url.as_deref(), file_id.as_deref()];
                ("input.input_file", marker("file", filename.as_deref(), &sources))
            }
            ContentPart::InputVideo { video_url, .. } => {
                ("input.input_video", marker("video", None, &[Some(video_url)]))
            }
            ContentPart::InputAudio { input_audio, .. } => {
                let size = decoded_size(&input_audio.data);
                ("input.input_audio", format!("[audio {}, {size} bytes]", label(&input_audio.format)))
            }
        };
        self.note(Note::emulated(field, "the demo model sees a marker in its place"));
        Cow::Owned(marker)
    }
}

/// `[image image/png, 68 bytes]`, `[file report.pdf, 1200 bytes]`, `[image https://…]`.
fn marker(kind: &str, name: Option<&str>, sources: &[Option<&str>]) -> String {
    let mut words = Vec::new();
    words.extend(name.map(label));
    if let Some(source) = sources.iter().flatten().next() {
        match source.strip_prefix("data:").and_then(|rest| rest.split_once(',')) {
            Some((head, data)) => {
                let media = head.split(';').next().unwrap_or_default();
                words.push(format!("{}, {} bytes", label(media), decoded_size(data)));
            }
            // Base64 without a data URL around it; URLs and ids are short or have a colon.
            None if kind == "file" && !source.contains(':') && name.is_some() => {
                words.push(format!("{} bytes", decoded_size(source)));
            }
            None => words.push(label(source)),
        }
    }
    format!("[{kind} {}]", words.join(", "))
}

fn label(text: &str) -> String {
    one_line(text, MAX_LABEL)
}

/// Bytes in a base64 text.
fn decoded_size(base64: &str) -> usize {
    base64.trim_end_matches('=').len() * 3 / 4
}

/// A text on one line, at most `max` characters.
pub fn one_line(text: &str, max: usize) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > max * 4 {
            break;
        }
    }
    match out.char_indices().nth(max) {
        Some((at, _)) => {
            out.truncate(at);
            out.push('…');
            out
        }
        None => out,
    }
}

#[cfg(test)]
mod tests {
    use super::{marker, one_line};

    #[test]
    fn markers_tell_what_and_how_large() {
        let data = "data:image/png;base64,iVBORw0KGgo=";
        assert_eq!(marker("image", None, &[Some(data), None]), "[image image/png, 8 bytes]");
        assert_eq!(marker("image", None, &[None, Some("file-1")]), "[image file-1]");
        assert_eq!(marker("file", Some("a.txt"), &[Some("aGk="), None]), "[file a.txt, 2 bytes]");
        assert_eq!(marker("file", Some("a.txt"), &[None, Some("https://x/a")]), "[file a.txt, https://x/a]");
    }

    #[test]
    fn long_texts_are_cut_on_one_line() {
        assert_eq!(one_line(" a\n b  c ", 10), "a b c");
        assert_eq!(one_line("äöüß", 2), "äö…");
    }
}
