//! MCP servers that this server calls: what the model is shown of them, and what their calls become.
//!
//! The model sees functions. Of its calls the client sees OpenAI's `mcp_call` and `mcp_approval_request` items,
//! and the model of a later turn sees functions again.

mod approval;
mod choice;
mod history;
mod names;
mod schema;

use std::collections::HashMap;

use or_protocol::{FunctionTool, Item, Tool, ToolChoice};
use serde_json::{Map, Value, json};

pub use approval::{ApprovalAnswer, ApprovalRequest, find_answers};
use history::for_model;
pub use history::{ListedTools, listed_tools};
pub use names::function_names;

pub(crate) use approval::approval_id;
pub(crate) use history::{Answers, Left, Sides, remember_call, set_result};

/// The MCP side of one response.
#[derive(Clone, Debug, Default)]
pub struct Mcp {
    /// Servers that this server calls, in the order of the request.
    pub servers: Vec<OfferedServer>,
    /// Labels of servers that the provider calls itself; their items and tools are the provider's affair.
    pub of_provider: Vec<String>,
    /// Whether that is true of all other servers, also of those that only the history names.
    pub all_of_provider: bool,
    /// Calls that the client has approved in this request. They are run before the model is called.
    pub approved: Vec<ApprovedCall>,
    /// What ids of requests for approval are signed with.
    pub key: [u8; 32],
}

/// One server and what the model may use of it.
#[derive(Clone, Debug, Default)]
pub struct OfferedServer {
    /// Its label in the request.
    pub label: String,
    /// Owner and address, or whatever else an approval shall be good for and nothing else.
    pub identity: String,
    /// Its tools, as far as the request allows them.
    pub tools: Vec<McpFunction>,
    /// Whether the client saw the list before, so that it is not shown again.
    pub listed_before: bool,
}

/// A tool of a server.
#[derive(Clone, Debug, Default)]
pub struct McpFunction {
    /// The server's name for it.
    pub name: String,
    /// The model's name for it, of [`function_names`].
    pub exposed: String,
    /// As the server describes it.
    pub description: Option<String>,
    /// As the model is told of it.
    pub model_description: Option<String>,
    /// JSON Schema of its arguments.
    pub input_schema: Map<String, Value>,
    /// Hints of the server.
    pub annotations: Option<Map<String, Value>>,
    /// Whether its calls need the client's yes.
    pub needs_approval: bool,
}

/// A call that the client has approved.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ApprovedCall {
    /// What was asked, and is approved.
    pub request: ApprovalRequest,
    /// It was begun before, and nobody knows how it ended: it is not run again, and the model is told.
    pub unknown: bool,
}

impl McpFunction {
    /// As the model is shown it.
    pub fn function(&self) -> FunctionTool {
        let mut parameters = self.input_schema.clone();
        // Providers want both, and refuse the whole request for one that is wrong; servers leave out what is empty.
        parameters.retain(|_, value| !value.is_null());
        if parameters.get("type").is_none_or(|kind| kind != "object") {
            parameters.insert("type".into(), "object".into());
        }
        if !parameters.get("properties").is_some_and(Value::is_object) {
            parameters.insert("properties".into(), json!({}));
        }
        let parameters = schema::with_items(parameters);
        FunctionTool {
            description: self.model_description.clone(),
            parameters: Some(parameters.into()),
            ..FunctionTool::named(&self.exposed)
        }
    }

    /// As the client is shown it. What the server does not say is left out: there are clients that refuse null.
    pub(crate) fn listing(&self) -> Value {
        let mut listing = Map::new();
        if let Some(annotations) = &self.annotations {
            listing.insert("annotations".into(), annotations.clone().into());
        }
        if let Some(description) = &self.description {
            listing.insert("description".into(), description.as_str().into());
        }
        listing.insert("input_schema".into(), self.input_schema.clone().into());
        listing.insert("name".into(), self.name.as_str().into());
        listing.into()
    }
}

/// What a call by an exposed name is.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) label: String,
    pub(crate) name: String,
    /// Of the server, if calls need approval.
    pub(crate) approval: Option<String>,
}

impl Mcp {
    /// Whether the provider calls this server.
    pub fn is_of_provider(&self, label: &str) -> bool {
        (self.all_of_provider && self.server(label).is_none())
            || self.of_provider.iter().any(|one| one == label)
    }

    /// A context as the model can take it: what this server calls itself becomes function calls with their
    /// outputs, each output behind its call or where the client's answer stood.
    pub fn for_model(&self, context: Vec<Item>) -> Vec<Item> {
        for_model(context, self)
    }

    /// The request's tools as the model is told them: functions in place of servers.
    pub fn model_tools(&self, tools: &[Tool]) -> Vec<Tool> {
        let mut shown = Vec::with_capacity(tools.len());
        for tool in tools {
            let server = match tool {
                Tool::Mcp(mcp) => self.server(&mcp.server_label),
                Tool::Function(_) | Tool::Custom(_) | Tool::Hosted(_) => None,
            };
            match server {
                Some(server) => shown.extend(server.tools.iter().map(|tool| Tool::Function(tool.function()))),
                None => shown.push(tool.clone()),
            }
        }
        shown
    }

    pub(crate) fn callees(&self) -> HashMap<String, Callee> {
        let functions = self.servers.iter().flat_map(|server| server.tools.iter().map(move |f| (server, f)));
        let callee = |(server, function): (&OfferedServer, &McpFunction)| {
            let approval = function.needs_approval.then(|| server.identity.clone());
            let callee = Callee { label: server.label.clone(), name: function.name.clone(), approval };
            (function.exposed.clone(), callee)
        };
        functions.map(callee).collect()
    }

    fn server(&self, label: &str) -> Option<&OfferedServer> {
        self.servers.iter().find(|server| server.label == label)
    }

    /// The request's choice of tools as the model is told it.
    pub fn choice(&self, choice: &ToolChoice) -> ToolChoice {
        choice::resolve(self, choice)
    }
}
