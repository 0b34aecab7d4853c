//! The items of MCP as the model of a later turn sees them: functions, their calls and their outputs.

use std::collections::{HashMap, HashSet};

use or_protocol::{
    FunctionCall, FunctionCallOutput, Item, ItemStatus, McpApprovalResponse, OtherItem, Output, Path,
};
use serde_json::{Map, Value, json};

use super::Mcp;
use crate::items::mcp::{McpState, call_of, calls_server, state_of, text};

const UNANSWERED: &str =
    "This call needs the user's approval. The user has not answered yet, so it was not run.";
const DENIED: &str = "The user did not approve this call, so it was not run.";
const APPROVED: &str =
    "The user approved this call. Whether it was run is not known: the response ended before its result.";
const NO_RESULT: &str = "This call has no result: the response ended before.";

/// What becomes of an item's place.
#[derive(Debug)]
pub(crate) enum Left {
    /// Nothing; it is for the client alone.
    Out,
    /// The item is not of MCP, or the provider's own.
    AsItIs,
    /// A call and its output.
    Call(Box<FunctionCall>, Option<FunctionCallOutput>),
}

/// The context of a response as its model can take it. Whatever this server calls itself becomes function calls
/// with their outputs, each output right behind its call or where the client's answer stood.
pub(crate) fn for_model(items: Vec<Item>, mcp: &Mcp) -> Vec<Item> {
    if !items.iter().any(is_of_mcp) {
        return items;
    }
    let ours = Ours::of(&items, mcp);
    let mut out = Vec::with_capacity(items.len() + 4);
    // A client may send what the chain has as well; a call stands once.
    let mut seen = HashSet::new();
    for (at, item) in items.into_iter().enumerate() {
        let Item::Other(other) = &item else {
            out.push(item);
            continue;
        };
        match other.kind() {
            "mcp_approval_request" if ours.is_ours(text(other, "id")) => {
                let id = text(other, "id").unwrap_or_default();
                if !seen.insert(("request", id.to_owned())) {
                    continue;
                }
                out.push(Item::FunctionCall(asked(mcp, other, id)));
                if !ours.answered.contains(id) {
                    out.push(Item::FunctionCallOutput(output(call_id(id), Output::Text(UNANSWERED.into()))));
                }
            }
            "mcp_approval_response" if ours.is_ours(text(other, "approval_request_id")) => {
                let id = text(other, "approval_request_id").unwrap_or_default();
                if !seen.insert(("answer", id.to_owned())) {
                    continue;
                }
                let result = ours.results.get(id).cloned().unwrap_or_else(|| without_result(other));
                out.push(Item::FunctionCallOutput(output(call_id(id), result)));
            }
            // Its request and answer stand for it.
            "mcp_call" if ours.answers(other) => {}
            _ => match left(other, mcp) {
                Left::Out => {}
                Left::AsItIs => out.push(item),
                Left::Call(mut call, answer) => {
                    let mut answer = answer
                        .unwrap_or_else(|| output(call.call_id.clone(), Output::Text(NO_RESULT.into())));
                    // Ids of the input may be missing, or agree in what is taken of them.
                    if !seen.insert(("call", call.call_id.clone())) {
                        call.call_id = format!("mcp_at{at}");
                        answer.call_id.clone_from(&call.call_id);
                    }
                    out.extend([Item::FunctionCall(*call), Item::FunctionCallOutput(answer)]);
                }
            },
        }
    }
    out
}

fn is_of_mcp(item: &Item) -> bool {
    matches!(item, Item::Other(other) if other.kind().starts_with("mcp_"))
}

/// What the items of the context say of each other.
#[derive(Default)]
struct Ours {
    requests: HashSet<String>,
    answered: HashSet<String>,
    results: HashMap<String, Output>,
}

impl Ours {
    fn of(items: &[Item], mcp: &Mcp) -> Self {
        let mut this = Self::default();
        for item in items {
            let Item::Other(other) = item else { continue };
            match other.kind() {
                "mcp_approval_request"
                    if !mcp.is_of_provider(text(other, "server_label").unwrap_or_default()) =>
                {
                    this.requests.extend(text(other, "id").map(str::to_owned));
                }
                "mcp_approval_response" => {
                    // One without its request says nothing to the model.
                    let id = text(other, "approval_request_id").filter(|id| this.requests.contains(*id));
                    this.answered.extend(id.map(str::to_owned));
                }
                "mcp_call" => {
                    if let Some(id) = text(other, "approval_request_id")
                        && let Some(result) = result(other)
                    {
                        this.results.insert(id.to_owned(), result);
                    }
                }
                _ => {}
            }
        }
        this
    }

    fn is_ours(&self, id: Option<&str>) -> bool {
        id.is_some_and(|id| self.requests.contains(id))
    }

    fn answers(&self, call: &OtherItem) -> bool {
        text(call, "approval_request_id").is_some_and(|id| self.answered.contains(id))
    }
}

/// What the model is told of an answer whose call has no result.
fn without_result(answer: &OtherItem) -> Output {
    let text = match McpApprovalResponse::from_item(&answer.0, Path::Root) {
        Ok(McpApprovalResponse { approve: true, .. }) => APPROVED.to_owned(),
        Ok(McpApprovalResponse { reason: Some(reason), .. }) if !reason.is_empty() => {
            format!("{DENIED} The reason: {reason}")
        }
        Ok(_) | Err(_) => DENIED.to_owned(),
    };
    Output::Text(text)
}

fn left(item: &OtherItem, mcp: &Mcp) -> Left {
    if !item.kind().starts_with("mcp_") || mcp.is_of_provider(text(item, "server_label").unwrap_or_default())
    {
        return Left::AsItIs;
    }
    if item.kind() != "mcp_call" {
        return Left::Out;
    }
    let [label, name, arguments] = calls_server(item);
    let id = text(item, "id").unwrap_or_default();
    let call = call(call_id(id), mcp.exposed(label, name), arguments);
    let answer = result(item).map(|result| output(call.call_id.clone(), result));
    Left::Call(Box::new(call), answer)
}

/// An item of the running response as its later turns see it; the output of a running call comes when it is done.
pub(crate) fn remember_call(item: &Item, mcp: &Mcp) -> Left {
    match item {
        // Its place is where the client's answer stands.
        Item::Other(other)
            if call_of(item).is_some_and(|call| text(call, "approval_request_id").is_some()) =>
        {
            if mcp.is_of_provider(text(other, "server_label").unwrap_or_default()) {
                Left::AsItIs
            } else {
                Left::Out
            }
        }
        Item::Other(other) => left(other, mcp),
        _ => Left::AsItIs,
    }
}

/// Puts the result of a call that was run into the context.
pub(crate) fn set_result(context: &mut Vec<Item>, item: &Item) {
    let Some(call) = call_of(item) else { return };
    let Some(result) = result(call) else { return };
    match text(call, "approval_request_id") {
        Some(asked) => {
            let id = call_id(asked);
            let place = context.iter_mut().rev().find_map(|item| match item {
                Item::FunctionCallOutput(output) if output.call_id == id => Some(output),
                _ => None,
            });
            if let Some(place) = place {
                place.output = result;
            }
        }
        None => {
            let id = text(call, "id").unwrap_or_default();
            context.push(Item::FunctionCallOutput(output(call_id(id), result)));
        }
    }
}

/// The id that pairs a call with its output: at most 40 characters, which is what every provider takes. Ids of
/// requests carry a signature behind their place.
fn call_id(id: &str) -> String {
    let place = id.rsplit('_').next().unwrap_or_default();
    format!("mcp_{}", place.chars().filter(char::is_ascii_alphanumeric).take(36).collect::<String>())
}

/// The call that a request for approval is about.
fn asked(mcp: &Mcp, request: &OtherItem, id: &str) -> FunctionCall {
    let [label, name, arguments] = calls_server(request);
    call(call_id(id), mcp.exposed(label, name), arguments)
}

fn call(call_id: String, name: String, arguments: &str) -> FunctionCall {
    let status = Some(ItemStatus::Completed);
    FunctionCall { id: None, call_id, name, namespace: None, arguments: arguments.to_owned(), status }
}

fn output(call_id: String, output: Output) -> FunctionCallOutput {
    FunctionCallOutput { id: None, call_id, output, status: Some(ItemStatus::Completed) }
}

/// What the model is told of a call's result; `None` while there is none.
fn result(call: &OtherItem) -> Option<Output> {
    if state_of(call) == Some(McpState::Running) {
        return None;
    }
    if let Some(error) = call.0.get("error").filter(|error| !error.is_null()) {
        return Some(error_of(error));
    }
    Some(text(call, "output").map_or_else(|| Output::Text(NO_RESULT.into()), parts))
}

/// What an item shows as its error: a text, or an object of OpenAI's with `content` or a `message`.
fn error_of(error: &Value) -> Output {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let content = error.get("content").and_then(Value::as_array);
    let texts = content.and_then(|blocks| blocks.iter().map(|block| text(block.get("text")?)).collect());
    let texts = texts.map(|texts: Vec<String>| Output::Text(texts.join("\n")));
    let as_parts = || {
        let part = |block: &Value| match block.get("text") {
            Some(text) => json!({"type": "input_text", "text": text}),
            None => block.clone(),
        };
        decoded(content?.iter().map(part).collect())
    };
    texts.or_else(as_parts).unwrap_or_else(|| {
        let said = text(error).or_else(|| text(error.get("message")?));
        Output::Text(said.unwrap_or_else(|| error.to_string()))
    })
}

/// The way back from the form in which items show parts.
fn parts(shown: &str) -> Output {
    let read = || {
        let mut object: Map<String, Value> = serde_json::from_str(shown).ok()?;
        decoded(object.remove("content_parts").filter(|_| object.is_empty())?)
    };
    let read = if shown.starts_with("{\"content_parts\":") { read() } else { None };
    read.unwrap_or_else(|| Output::Text(shown.to_owned()))
}

fn decoded(parts: Value) -> Option<Output> {
    let item = json!({"type": "function_call_output", "call_id": "-", "output": parts});
    match or_protocol::decode_item(item, Path::Root) {
        Ok(Item::FunctionCallOutput(output)) => Some(output.output),
        Ok(_) | Err(_) => None,
    }
}

/// The tools of a server as a `mcp_list_tools` item shows them.
#[derive(Clone, Copy, Debug)]
pub struct ListedTools<'a> {
    /// Id of the item.
    pub id: &'a str,
    /// Name, description, schema and hints of each.
    pub tools: &'a [Value],
}

/// The tools of a server as an earlier response of the context, or the client, listed them. The last list counts.
pub fn listed_tools<'a>(items: &'a [Item], label: &str) -> Option<ListedTools<'a>> {
    items.iter().rev().find_map(|item| match item {
        Item::Other(other)
            if other.kind() == "mcp_list_tools" && text(other, "server_label") == Some(label) =>
        {
            let failed = other.0.get("error").is_some_and(|error| !error.is_null());
            let tools = other.0.get("tools").and_then(Value::as_array).filter(|_| !failed)?;
            Some(ListedTools { id: text(other, "id").unwrap_or_default(), tools })
        }
        _ => None,
    })
}
