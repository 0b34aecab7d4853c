//! What hosted and local tools did: their items as a call and a result. Source: the `openai` packages of November 2026.

use std::borrow::Cow;

use or_protocol::{
    ContentPart, Detail, Extra, Item, McpCall, McpItem, OtherItem, Output, RawJson, elements, members,
};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

/// A call as that of a function.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) name: String,
    /// A JSON object.
    pub(super) arguments: String,
    /// The result, where it is in the same item.
    pub(super) result: Option<Output>,
    /// Why something of the result is not told.
    pub(super) left_out: Option<&'static str>,
}

/// Members of an item that say nothing of what was done.
const FRAME: &[&str] = &["type", "id", "call_id", "status", "caller", "created_by", "agent"];

/// The type of the calls that results of this type answer; `None` for any other type.
pub(super) fn answered_by(kind: &str) -> Option<Cow<'_, str>> {
    match kind {
        "tool_search_output" => Some("tool_search_call".into()),
        "program_output" => Some("program".into()),
        _ => kind.strip_suffix("_output").filter(|call| call.ends_with("_call")).map(Cow::Borrowed),
    }
}

/// What pairs a call and its result. A local shell's result has the id of its call as its own.
pub(super) fn pair_id(item: &OtherItem) -> Cow<'_, str> {
    let own = || item.member("id").and_then(or_protocol::string);
    let id = match item.kind() {
        "local_shell_call_output" => item.call_id().or_else(own),
        _ => item.call_id(),
    };
    id.unwrap_or_default()
}

/// Whether items of this type are calls whose results are items of their own.
pub(super) fn waits(kind: &str) -> bool {
    matches!(kind, "shell_call" | "local_shell_call" | "apply_patch_call" | "computer_call")
        || matches!(kind, "program" | "tool_search_call")
}

/// An item as a call, if it is one whose result is known. `answered`: its result is an item of its own.
pub(super) fn call_of(item: &Item, answered: bool) -> Option<Call> {
    let other = match item {
        Item::Mcp(McpItem::Call(call)) => return mcp_call(call),
        Item::Other(other) => other,
        _ => return None,
    };
    let kind = other.kind();
    if waits(kind) && !answered {
        return None;
    }
    let name = match kind {
        "program" => kind,
        _ => kind.strip_suffix("_call")?,
    };
    let item = other.members();
    let (said, given, left_out): (&[&str], &[&str], _) = match kind {
        "shell_call" | "local_shell_call" => return Some(plain(name, action(&item, "action"))),
        "apply_patch_call" => return Some(plain(name, action(&item, "operation"))),
        "tool_search_call" => return Some(plain(name, action(&item, "arguments"))),
        "computer_call" => (&["action", "actions"], &[], None),
        "program" => (&["code"], &[], None),
        "web_search_call" => return Some(web_search(name, &item)),
        "file_search_call" => (&["queries"], &["results"], None),
        "code_interpreter_call" => (&["code", "container_id"], &["outputs"], None),
        "image_generation_call" => (
            &["action", "revised_prompt", "size", "quality", "background", "output_format"],
            &["error"],
            Some("the picture is not sent"),
        ),
        // Another vendor's: all that it says, and how it ended.
        _ => {
            let arguments = chosen(&item, |name| !FRAME.contains(&name));
            let result = outcome(&item, &[]);
            (answered || result.is_some()).then_some(())?;
            return Some(Call { name: name.to_owned(), arguments, result, left_out: None });
        }
    };
    let arguments = chosen(&item, |name| said.contains(&name));
    Some(Call { name: name.to_owned(), arguments, result: outcome(&item, given), left_out })
}

/// A call whose result is an item of its own.
fn plain(name: &str, arguments: String) -> Call {
    Call { name: name.to_owned(), arguments, result: None, left_out: None }
}

/// A member that is an object, or an object around it.
fn action(item: &RawJson, name: &str) -> String {
    match item.get(name) {
        Some(value) if value.get().starts_with('{') => value.get().to_owned(),
        _ => chosen(item, |member| member == name),
    }
}

/// Some members of an object, as an object.
fn chosen(object: &RawJson, wanted: impl Fn(&str) -> bool) -> String {
    let kept = object.members().into_iter().filter(|(name, value)| wanted(name) && value.get() != "null");
    written(kept)
}

fn written<'a>(members: impl Iterator<Item = (Cow<'a, str>, &'a RawValue)>) -> String {
    let mut text = String::from("{");
    for (name, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Value::String(name.into_owned()).to_string());
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    text
}

/// How an item ended, with what came of it; nothing for one that says neither.
fn outcome(item: &RawJson, given: &[&str]) -> Option<Output> {
    let text = chosen(item, |name| name == "status" || given.contains(&name));
    (text != "{}").then_some(Output::Text(text))
}

/// The sources are of the result, though they stand in the action.
fn web_search(name: &str, item: &RawJson) -> Call {
    let action = item.get("action").filter(|action| action.get().starts_with('{'));
    let parts = |source: bool| {
        let all = action.map(members).unwrap_or_default();
        all.into_iter().filter(move |(name, value)| (name == "sources") == source && value.get() != "null")
    };
    let status = item.members().into_iter().filter(|(name, _)| matches!(&**name, "status" | "results"));
    Call {
        name: name.to_owned(),
        arguments: written(parts(false)),
        result: Some(Output::Text(written(status.chain(parts(true))))),
        left_out: None,
    }
}

fn mcp_call(call: &McpCall) -> Option<Call> {
    let result = match (&call.output, &call.error) {
        (Some(output), _) => output.clone(),
        (None, Some(error)) => json!({ "error": error }).to_string(),
        (None, None) => return None,
    };
    let arguments = call.arguments.as_deref().unwrap_or("{}");
    let is_object = serde_json::from_str::<Map<String, Value>>(arguments).is_ok();
    Some(Call {
        name: call.name.clone()?,
        arguments: if is_object {
            arguments.to_owned()
        } else {
            json!({ "arguments": arguments }).to_string()
        },
        result: Some(Output::Text(result)),
        left_out: None,
    })
}

/// The result that an item is.
pub(super) fn result_of(item: &Item) -> Output {
    let Item::Other(other) = item else { return Output::Text(String::new()) };
    let text = |name: &str| other.member(name).and_then(or_protocol::string).map(|text| text.into_owned());
    let whole = || {
        let item = other.members();
        Output::Text(chosen(&item, |name| name == "status" || !FRAME.contains(&name)))
    };
    match other.kind() {
        "computer_call_output" => screenshot(other).unwrap_or_else(whole),
        "program_output" => text("result").map_or_else(whole, Output::Text),
        "tool_search_output" => Output::Text(found(other)),
        "local_shell_call_output" => text("output").map_or_else(whole, Output::Text),
        _ => whole(),
    }
}

/// The picture of a computer's screen, where it is at hand.
fn screenshot(item: &OtherItem) -> Option<Output> {
    let url = or_protocol::member(item.member("output")?, "image_url").and_then(or_protocol::string)?;
    Some(Output::Parts(vec![ContentPart::InputImage {
        image_url: Some(url.into_owned()),
        file_id: None,
        detail: Detail::Auto,
        extra: Extra::NONE,
    }]))
}

/// Names of the tools that a search found; they are declared with the request's.
fn found(item: &OtherItem) -> String {
    let name = |tool: &RawValue| {
        let text = |key| or_protocol::member(tool, key).and_then(or_protocol::string);
        text("name").or_else(|| text("type")).map(|text| text.into_owned())
    };
    let tools = item.member("tools").map(elements).unwrap_or_default();
    json!({ "tools": tools.into_iter().filter_map(name).collect::<Vec<_>>() }).to_string()
}
