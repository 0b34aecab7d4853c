//! One call of a tool of the provider's, and what its result holds.

use or_protocol::{RawJson, elements, member, string};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::anthropic::wire::KIND;
use crate::shared::hosted::{HostedCall, HostedKind};
use crate::shared::lenient;

/// A call of a tool of the provider's.
#[derive(Debug)]
pub(super) struct ServerCall {
    pub(super) id: String,
    /// What the tool is called.
    pub(super) name: String,
    /// The block as it began.
    pub(super) start: RawJson,
    /// Its input, in pieces.
    pub(super) input: String,
    /// The item, where calls of the tool become items.
    pub(super) item: Option<HostedCall>,
}

/// The tool that a name of the provider's means.
pub(super) fn kind_of(name: &str) -> Option<HostedKind> {
    match name {
        "web_search" => Some(HostedKind::WebSearch),
        "code_execution" | "bash_code_execution" | "text_editor_code_execution" => {
            Some(HostedKind::CodeInterpreter)
        }
        _ => None,
    }
}

impl ServerCall {
    /// The whole block, and its input. An input that came in no pieces stood in the block's beginning.
    pub(super) fn whole(&self) -> (String, Box<RawValue>) {
        let given = || self.start.get("input").unwrap_or(RawValue::NULL).to_owned();
        if self.input.is_empty() {
            return (self.start.as_str().to_owned(), given());
        }
        let mut mended = String::new();
        let input = match lenient::read::<&RawValue>(KIND, &self.input, &mut mended) {
            Ok(raw) if raw.get().starts_with('{') => raw.to_owned(),
            _ => given(),
        };
        let members: Vec<String> = self
            .start
            .members()
            .into_iter()
            .map(|(name, value)| {
                let value = if name == "input" { input.get() } else { value.get() };
                format!("{}:{value}", Value::from(name.into_owned()))
            })
            .collect();
        (format!("{{{}}}", members.join(",")), input)
    }
}

pub(super) fn text(object: &RawValue, key: &str) -> Option<String> {
    member(object, key).and_then(string).map(|text| text.into_owned())
}

/// What was run: code, a command of the shell, or an order to the editor as it is.
pub(super) fn code(name: &str, input: &RawValue) -> String {
    let said = match name {
        "code_execution" => text(input, "code"),
        "bash_code_execution" => text(input, "command"),
        _ => None,
    };
    said.unwrap_or_else(|| input.get().to_owned())
}

/// What a result holds.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) sources: Vec<String>,
    pub(super) logs: String,
    pub(super) files: bool,
    pub(super) error: Option<String>,
}

impl Found {
    /// A list of pages, an error, or what code put out.
    pub(super) fn read(content: &RawValue) -> Self {
        if content.get().starts_with('[') {
            let sources = elements(content).into_iter().filter_map(|page| text(page, "url")).collect();
            return Self { sources, ..Self::default() };
        }
        let viewed = member(content, "content");
        let outputs =
            [text(content, "stdout"), text(content, "stderr"), viewed.and_then(string).map(Into::into)];
        Self {
            sources: Vec::new(),
            logs: outputs.into_iter().flatten().collect(),
            files: viewed.is_some_and(|list| !elements(list).is_empty()),
            error: text(content, "error_code"),
        }
    }
}
