//! The items of MCP as the model of a later turn sees them: functions, their calls and their outputs.

use std::collections::{HashMap, HashSet};

use or_protocol::{
    Extra, FunctionCall, FunctionCallOutput, Item, ItemStatus, McpApprovalResponse, McpCall, McpCallStatus,
    McpDecision, McpItem, Output, Path, RawJson,
};
use serde_json::{Map, Value, json};

use super::Mcp;
use super::names::plain;

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
    if !items.iter().any(|item| matches!(item, Item::Mcp(_))) {
        return items;
    }
    let sides = Sides::of(mcp);
    let ours = Ours::of(&items, &sides);
    let mut out = Vec::with_capacity(items.len() + 4);
    // A client may send what the chain has as well; a call stands once.
    let mut seen = HashSet::new();
    for (at, item) in items.into_iter().enumerate() {
        let Item::Mcp(of_mcp) = &item else {
            out.push(item);
            continue;
        };
        match of_mcp {
            McpItem::ApprovalRequest(request) if ours.is_ours(&request.id) => {
                let id = text(&request.id);
                if !seen.insert(("request", id.to_owned())) {
                    continue;
                }
                let name = sides.exposed(text(&request.server_label), text(&request.name));
                out.push(Item::FunctionCall(call(call_id(id), name, text(&request.arguments))));
                if !ours.answered.contains(id) {
                    out.push(Item::FunctionCallOutput(output(call_id(id), Output::Text(UNANSWERED.into()))));
                }
            }
            McpItem::ApprovalResponse(answer) if ours.is_ours(&answer.approval_request_id) => {
                let id = text(&answer.approval_request_id);
                if !seen.insert(("answer", id.to_owned())) {
                    continue;
                }
                let result = ours.results.get(id).cloned().unwrap_or_else(|| without_result(answer));
                out.push(Item::FunctionCallOutput(output(call_id(id), result)));
            }
            // Its request and answer stand for it.
            McpItem::Call(call) if ours.answers(call) => {}
            _ => match left(of_mcp, &sides) {
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

/// A member that may be missing.
fn text(member: &Option<String>) -> &str {
    member.as_deref().unwrap_or_default()
}

/// What the items of the context say of each other.
#[derive(Default)]
struct Ours {
    requests: HashSet<String>,
    answered: HashSet<String>,
    results: HashMap<String, Output>,
}

/// Whose servers there are, and what the model calls their tools: of many items each is looked up once.
#[derive(Debug)]
pub(crate) struct Sides<'a> {
    mcp: &'a Mcp,
    offered: HashSet<&'a str>,
    of_provider: HashSet<&'a str>,
    exposed: HashMap<(&'a str, &'a str), &'a str>,
}

impl<'a> Sides<'a> {
    pub(crate) fn of(mcp: &'a Mcp) -> Self {
        let mut exposed = HashMap::new();
        for server in &mcp.servers {
            for tool in &server.tools {
                exposed.entry((server.label.as_str(), tool.name.as_str())).or_insert(tool.exposed.as_str());
            }
        }
        Self {
            mcp,
            offered: mcp.servers.iter().map(|server| server.label.as_str()).collect(),
            of_provider: mcp.of_provider.iter().map(String::as_str).collect(),
            exposed,
        }
    }

    /// Whether the provider calls this server.
    fn is_of_provider(&self, label: &str) -> bool {
        (self.mcp.all_of_provider && !self.offered.contains(label)) || self.of_provider.contains(label)
    }

    /// The model's name of a server's tool. One that is not offered any more is called by its own name.
    fn exposed(&self, label: &str, name: &str) -> String {
        self.exposed.get(&(label, name)).map_or_else(|| plain(name), |exposed| (*exposed).to_owned())
    }
}

impl Ours {
    fn of(items: &[Item], sides: &Sides<'_>) -> Self {
        let mut this = Self::default();
        for item in items {
            let Item::Mcp(item) = item else { continue };
            match item {
                McpItem::ApprovalRequest(request) if !sides.is_of_provider(text(&request.server_label)) => {
                    this.requests.extend(request.id.clone());
                }
                McpItem::ApprovalResponse(answer) => {
                    // One without its request says nothing to the model.
                    let id = answer.approval_request_id.clone().filter(|id| this.requests.contains(id));
                    this.answered.extend(id);
                }
                McpItem::Call(call) => {
                    if let Some(id) = &call.approval_request_id
                        && let Some(result) = result(call)
                    {
                        this.results.insert(id.clone(), result);
                    }
                }
                McpItem::ApprovalRequest(_) | McpItem::ListTools(_) => {}
            }
        }
        this
    }

    fn is_ours(&self, id: &Option<String>) -> bool {
        id.as_ref().is_some_and(|id| self.requests.contains(id))
    }

    fn answers(&self, call: &McpCall) -> bool {
        call.approval_request_id.as_ref().is_some_and(|id| self.answered.contains(id))
    }
}

/// What the model is told of an answer whose call has no result.
fn without_result(answer: &McpApprovalResponse) -> Output {
    let text = match answer.decision(Path::Root) {
        Ok(McpDecision { approve: true, .. }) => APPROVED.to_owned(),
        Ok(McpDecision { reason: Some(reason), .. }) if !reason.is_empty() => {
            format!("{DENIED} The reason: {reason}")
        }
        Ok(_) | Err(_) => DENIED.to_owned(),
    };
    Output::Text(text)
}

fn left(item: &McpItem, sides: &Sides<'_>) -> Left {
    if sides.is_of_provider(item.server_label().unwrap_or_default()) {
        return Left::AsItIs;
    }
    let McpItem::Call(made) = item else { return Left::Out };
    let name = sides.exposed(text(&made.server_label), text(&made.name));
    let call = call(call_id(text(&made.id)), name, text(&made.arguments));
    let answer = result(made).map(|result| output(call.call_id.clone(), result));
    Left::Call(Box::new(call), answer)
}

/// An item of the running response as its later turns see it; the output of a running call comes when it is done.
/// `sides` is asked for such an item only.
pub(crate) fn remember_call<'a>(item: &Item, sides: impl FnOnce() -> &'a Sides<'a>) -> Left {
    let Item::Mcp(item) = item else { return Left::AsItIs };
    match (item, left(item, sides())) {
        // Its place is where the client's answer stands.
        (McpItem::Call(call), Left::Call(..)) if call.approval_request_id.is_some() => Left::Out,
        (_, left) => left,
    }
}

/// Where the context of a response has the client's answers to requests for approval, by the ids of their calls. Looked
/// for once, at the first result.
#[derive(Debug, Default)]
pub(crate) struct Answers(Option<HashMap<String, usize>>);

impl Answers {
    /// The context only grows, so what was found stays where it is.
    fn place(&mut self, context: &[Item], call_id: &str) -> Option<usize> {
        let find = || {
            let outputs = context.iter().enumerate().filter_map(|(at, item)| match item {
                Item::FunctionCallOutput(output) => Some((output.call_id.clone(), at)),
                _ => None,
            });
            outputs.collect()
        };
        self.0.get_or_insert_with(find).get(call_id).copied()
    }
}

/// Puts the result of a call that was run into the context.
pub(crate) fn set_result(context: &mut Vec<Item>, answers: &mut Answers, call: &McpCall) {
    let Some(result) = result(call) else { return };
    match &call.approval_request_id {
        Some(asked) => {
            let place = answers.place(context, &call_id(asked));
            if let Some(Item::FunctionCallOutput(place)) = place.and_then(|at| context.get_mut(at)) {
                place.output = result;
            }
        }
        None => context.push(Item::FunctionCallOutput(output(call_id(text(&call.id)), result))),
    }
}

/// The id that pairs a call with its output: at most 40 characters, which is what every provider takes. Ids of
/// requests carry a signature behind their place.
fn call_id(id: &str) -> String {
    let place = id.rsplit('_').next().unwrap_or_default();
    format!("mcp_{}", place.chars().filter(char::is_ascii_alphanumeric).take(36).collect::<String>())
}

fn call(call_id: String, name: String, arguments: &str) -> FunctionCall {
    let status = Some(ItemStatus::Completed);
    FunctionCall {
        id: None,
        call_id,
        name,
        namespace: None,
        arguments: arguments.to_owned(),
        status,
        extra: Extra::NONE,
    }
}

fn output(call_id: String, output: Output) -> FunctionCallOutput {
    FunctionCallOutput { id: None, call_id, output, status: Some(ItemStatus::Completed), extra: Extra::NONE }
}

/// What the model is told of a call's result; `None` while there is none.
fn result(call: &McpCall) -> Option<Output> {
    if call.status == Some(McpCallStatus::InProgress) {
        return None;
    }
    Some(match (&call.error, &call.output) {
        (Some(error), _) => error_of(&error.value()),
        (None, Some(shown)) => parts(shown),
        (None, None) => Output::Text(NO_RESULT.into()),
    })
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
    /// Name, description, schema and hints of each, as an array.
    pub tools: &'a RawJson,
}

/// The tools of servers as an earlier response of the context, or the client, listed them, by the servers' labels. The
/// last list counts.
pub fn listed_tools(items: &[Item]) -> HashMap<&str, ListedTools<'_>> {
    let listed = items.iter().filter_map(|item| {
        let Item::Mcp(McpItem::ListTools(list)) = item else { return None };
        let tools = list.tools.as_ref().filter(|tools| tools.is_array() && list.error.is_none())?;
        Some((list.server_label.as_deref()?, ListedTools { id: text(&list.id), tools }))
    });
    listed.collect()
}
