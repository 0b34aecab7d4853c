//! Tools as the server knows them. It knows no choice among them.

use super::schema;
use super::wire::{ChatFunction, ChatTool};
use crate::note::plain_word;
use crate::{FlatTool, Note, NoteList};

/// Declarations for the wire. Keywords the server does not read are named in one note.
pub(super) fn declare(functions: Vec<FlatTool>, notes: &mut NoteList) -> Vec<ChatTool> {
    let mut report = schema::Report::default();
    let mut strict = false;
    let tools = functions
        .into_iter()
        .map(|tool| {
            let function = tool.function;
            strict |= function.strict == Some(true);
            ChatTool {
                kind: "function",
                function: ChatFunction {
                    name: function.name,
                    description: function.description.unwrap_or_default(),
                    parameters: schema::parameters(function.parameters, &mut report),
                },
            }
        })
        .collect();
    if strict {
        notes.push(Note::dropped("tools.strict", "arguments are not held to the schema"));
    }
    if report.rewritten {
        notes.push(Note::emulated("tools.parameters", "schemas were rewritten in the server's keywords"));
    }
    if !report.lost.is_empty() {
        let words: Vec<_> = report.lost.iter().take(8).map(|word| plain_word(word)).collect();
        let why = format!("the server does not read these schema keywords: {}", words.join(", "));
        notes.push(Note::dropped("tools.parameters", why));
    }
    tools
}
