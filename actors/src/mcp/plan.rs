//! Which MCP servers a request uses, and with which of their tools.

use std::cell::LazyCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use or_adapters::{Note, NoteList};
use or_engine::{Context, ListedTools, Mcp, McpFunction, OfferedServer, listed_tools};
use or_protocol::bounds::MAX_SCHEMA_VALUES;
use or_protocol::{
    ApiError, FunctionTool, Item, McpApproval, McpFilter, McpTool as RequestTool, RawJson, Tool, ToolChoice,
    count_values,
};
use serde_json::Value;
use tokio::sync::oneshot;

use super::configured::{ConfiguredMcp, McpServers};
use super::messages::ListMcpTools;
use super::resolve::{members, refused, resolve};
use crate::provider::ProviderSpec;
use or_tools::mcp::{McpError, McpPlace, McpServer, McpTool};

/// What of a request decides about its servers.
pub(crate) struct PlanBasis<'a> {
    pub(crate) provider: &'a ProviderSpec,
    /// Whose request it is.
    pub(crate) owner: &'a str,
    pub(crate) choice: &'a ToolChoice,
    /// Where lists of tools may be that need not be asked for again.
    pub(crate) context: &'a Context,
    /// The response's own items, if it goes on after a restart.
    pub(crate) own: &'a [Item],
}

/// What the servers of a request come to.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) mcp: Mcp,
    pub(crate) runners: Runners,
    /// Functions that are shown as such and run by servers that every request gets.
    pub(crate) functions: BTreeSet<String>,
    pub(crate) notes: Vec<Note>,
}

/// Who runs what.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runners {
    /// By label.
    servers: HashMap<String, Arc<McpServer>>,
    /// By the name that the model knows: the server, and its name of the tool.
    functions: HashMap<String, (Arc<McpServer>, String)>,
}

impl Runners {
    pub(crate) fn server(&self, label: &str) -> Option<&Arc<McpServer>> {
        self.servers.get(label)
    }

    pub(crate) fn function(&self, name: &str) -> Option<&(Arc<McpServer>, String)> {
        self.functions.get(name)
    }
}

/// One server on its way into the plan.
struct Candidate<'a> {
    label: String,
    server: Arc<McpServer>,
    /// The request's tool and its place; `None` for a server that every request gets.
    tool: Option<(usize, &'a RequestTool)>,
    configured: Option<&'a ConfiguredMcp>,
    /// Known without asking.
    listed: Option<Vec<McpTool>>,
    listed_before: bool,
}

/// Resolves the servers of a request and lists their tools. Tools of servers that every request gets are added to
/// `tools` as functions.
///
/// # Errors
/// What the client is told: a server that is not there, not allowed, or does not list its tools.
pub(crate) async fn plan(
    servers: &McpServers,
    tools: &mut Vec<Tool>,
    basis: &PlanBasis<'_>,
) -> Result<Plan, ApiError> {
    let mut plan = Plan::default();
    plan.mcp.all_of_provider = basis.provider.runs_mcp;
    let requested = requested(servers, tools, basis, &mut plan)?;
    let always = always(servers, tools);
    if requested.is_empty() && always.is_empty() {
        return Ok(plan);
    }
    let candidates: Vec<Candidate<'_>> = requested.into_iter().chain(always).collect();
    let lists = join_all(candidates.iter().map(|candidate| list(servers, candidate, basis.owner))).await;
    let mut offered = Vec::with_capacity(candidates.len());
    for (candidate, list) in candidates.into_iter().zip(lists) {
        match (list, candidate.tool) {
            (Ok(list), _) => {
                plan.notes.extend(candidate.missing(&list));
                let list = list.iter().filter(|tool| candidate.allows(tool)).cloned().collect::<Vec<_>>();
                offered.push((candidate, list));
            }
            (Err(error), Some((index, tool))) => return Err(refused(&error, index, tool)),
            (Err(error), None) => {
                let label = &candidate.label;
                tracing::warn!(
                    label,
                    reason = error.reason(),
                    error = error.own_words(),
                    "an MCP server gives no tools"
                );
                let why =
                    format!("the MCP server '{label}' could not be asked for its tools, so they are missing");
                plan.notes.push(Note::dropped("tools", why));
            }
        }
    }
    let names = names(&offered, tools);
    let mut added = Vec::new();
    for ((candidate, list), names) in offered.into_iter().zip(names) {
        if candidate.tool.is_some() {
            plan.offer(candidate, list, names, basis.owner);
        } else {
            added.extend(plan.add(&candidate, list, names, basis.choice));
        }
    }
    check_choice(&plan.mcp, basis.choice)?;
    tools.append(&mut added);
    Ok(plan)
}

fn requested<'a>(
    servers: &'a McpServers,
    tools: &'a [Tool],
    basis: &PlanBasis<'_>,
    plan: &mut Plan,
) -> Result<Vec<Candidate<'a>>, ApiError> {
    let mut requested = Vec::new();
    let lists = LazyCell::new(|| [listed_tools(basis.own), listed_tools(&basis.context.items)]);
    for (index, tool) in tools.iter().enumerate() {
        let Tool::Mcp(tool) = tool else { continue };
        let left = tool.is_of_provider() || (tool.server_url.is_some() && basis.provider.runs_mcp);
        if left {
            plan.mcp.of_provider.push(tool.server_label.clone());
            continue;
        }
        let label = &tool.server_label;
        plan.notes.extend(members(tool, index)?);
        let (server, configured) = resolve(servers, tool, index)?;
        let listed = listed(tool, basis, &lists);
        let listed_before = listed.is_some();
        requested.push(Candidate {
            label: label.clone(),
            server,
            tool: Some((index, tool)),
            configured,
            listed,
            listed_before,
        });
    }
    Ok(requested)
}

/// The tools of a server as the context has them, if no others are allowed now. `own` and `seen`: the lists of this
/// response and of the context.
fn listed(
    tool: &RequestTool,
    basis: &PlanBasis<'_>,
    [own, seen]: &[HashMap<&str, ListedTools<'_>>; 2],
) -> Option<Vec<McpTool>> {
    let label = tool.server_label.as_str();
    if let Some(own) = own.get(label) {
        return read_tools(own.tools);
    }
    let seen = seen.get(label)?;
    let then = basis.context.listed_for.get(seen.id);
    // Another server that was given the same label: its tools are others, and so is its word on them.
    if then.is_some_and(|then| then.url != tool.shown_url()) {
        return None;
    }
    let tools = read_tools(seen.tools)?;
    // A list is as short as the tools that were allowed then.
    let allowed_then = then.map(|then| &then.allowed_tools).filter(|allowed| !allowed.is_null());
    if allowed_then.is_some()
        && allowed_then == tool.raw.member("allowed_tools").map(|raw| raw.value()).as_ref()
    {
        return Some(tools);
    }
    let is_enough = match tool.allowed_tools.as_ref().and_then(|filter| filter.tool_names.as_ref()) {
        Some(names) => {
            let known: HashSet<&str> = tools.iter().map(|tool| tool.name.as_str()).collect();
            names.iter().all(|name| known.contains(name.as_str()))
        }
        None => allowed_then.is_none(),
    };
    is_enough.then_some(tools)
}

/// The tools of a list, which a client may have made up; of one that is too long the server is asked again.
fn read_tools(list: &RawJson) -> Option<Vec<McpTool>> {
    if count_values(list.as_raw()) > MAX_SCHEMA_VALUES {
        return None;
    }
    let tools = list.elements().into_iter().filter_map(|raw| read_tool(&RawJson::keep(raw).ok()?.value()));
    Some(tools.collect())
}

/// Servers that every request gets, unless it has named them.
fn always<'a>(servers: &'a McpServers, tools: &[Tool]) -> Vec<Candidate<'a>> {
    let named =
        |label: &str| tools.iter().any(|tool| matches!(tool, Tool::Mcp(mcp) if mcp.server_label == label));
    let candidate = |(label, configured): (&str, &'a ConfiguredMcp)| Candidate {
        label: label.to_owned(),
        server: Arc::clone(&configured.server),
        tool: None,
        configured: Some(configured),
        listed: None,
        listed_before: false,
    };
    servers.always().filter(|(label, _)| !named(label)).map(candidate).collect()
}

async fn list(
    servers: &McpServers,
    candidate: &Candidate<'_>,
    owner: &str,
) -> Result<Arc<Vec<McpTool>>, McpError> {
    if let Some(listed) = &candidate.listed {
        return Ok(Arc::new(listed.clone()));
    }
    // Held while we wait; dropping it ends the question.
    let (_here, gone) = oneshot::channel();
    let actor = servers.pool.actor(&candidate.server, owner)?;
    actor.send(ListMcpTools { gone }).await.unwrap_or(Err(McpError::Internal))
}

/// A tool as a `mcp_list_tools` item shows it.
fn read_tool(tool: &Value) -> Option<McpTool> {
    let object = |key: &str| tool.get(key).and_then(Value::as_object).cloned();
    Some(McpTool {
        name: tool.get("name")?.as_str()?.to_owned(),
        description: tool.get("description").and_then(Value::as_str).map(str::to_owned),
        input_schema: object("input_schema").unwrap_or_default(),
        annotations: object("annotations"),
    })
}

impl Candidate<'_> {
    fn allows(&self, tool: &McpTool) -> bool {
        let reads = tool.read_only().unwrap_or(false);
        let by_request = |filter: &McpFilter| filter.takes(&tool.name, reads);
        let by_operator = |configured: &ConfiguredMcp| {
            configured.allowed_tools.is_empty() || configured.allowed_tools.contains(&tool.name)
        };
        self.tool.and_then(|(_, tool)| tool.allowed_tools.as_ref()).is_none_or(by_request)
            && self.configured.is_none_or(by_operator)
    }

    /// A note for each tool that the request allows and the server does not have.
    fn missing(&self, list: &[McpTool]) -> Vec<Note> {
        let Some((index, tool)) = self.tool else { return Vec::new() };
        let names = tool.allowed_tools.iter().filter_map(|filter| filter.tool_names.as_ref()).flatten();
        let known: HashSet<&str> = list.iter().map(|tool| tool.name.as_str()).collect();
        let missing = names.filter(|name| !known.contains(name.as_str()));
        let note = |name: &String| {
            let why = format!("the MCP server '{}' has no tool '{name}'", self.label);
            Note::dropped(format!("tools[{index}].allowed_tools"), why)
        };
        let mut notes = NoteList::default();
        notes.extend(missing.map(note));
        notes.into_vec()
    }

    /// Whoever says that a call needs approval is heard. Who says nothing wants what the other one wants, and
    /// approval if both are silent.
    fn needs_approval(&self, tool: &McpTool) -> bool {
        let reads = tool.read_only().unwrap_or(false);
        let needed = |rule: &McpApproval| rule.is_needed(&tool.name, reads);
        let by_request = self.tool.and_then(|(_, tool)| tool.require_approval.as_ref()).map(needed);
        let by_operator = self.configured.and_then(|one| one.require_approval.as_ref()).map(needed);
        by_request.into_iter().chain(by_operator).reduce(|one, other| one || other).unwrap_or(true)
    }

    /// What an approval is good for: one owner, one place.
    fn identity(&self, owner: &str) -> String {
        match (&self.server.place, self.configured) {
            (McpPlace::Url(url), None) => format!("{owner}\nurl\n{url}"),
            _ => format!("{owner}\nconfigured\n{}", self.label),
        }
    }
}

/// The model's names of all tools.
fn names(offered: &[(Candidate<'_>, Vec<McpTool>)], tools: &[Tool]) -> Vec<Vec<String>> {
    let mut taken: Vec<String> = tools.iter().filter_map(|tool| tool.name().map(str::to_owned)).collect();
    for tool in tools {
        if let Tool::Hosted(hosted) = tool {
            taken.extend(hosted.tools().iter().map(|tool| tool.name().to_owned()));
        }
    }
    let taken: Vec<&str> = taken.iter().map(String::as_str).collect();
    let servers: Vec<(&str, Vec<&str>)> = offered
        .iter()
        .map(|(one, list)| (one.label.as_str(), list.iter().map(|tool| tool.name.as_str()).collect()))
        .collect();
    or_engine::function_names(&servers, &taken)
}

/// The operator's word on a server, or the request's, in front of each tool: the model sees no servers.
fn description(candidate: &Candidate<'_>, tool: &McpTool) -> Option<String> {
    let by_request = candidate.tool.and_then(|(_, tool)| tool.server_description.as_deref());
    let by_operator = candidate.configured.map(|one| one.description.as_str());
    let of_server = by_request.or(by_operator).filter(|text| !text.is_empty());
    let parts: Vec<&str> = of_server.into_iter().chain(tool.description.as_deref()).collect();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

impl Plan {
    fn offer(&mut self, candidate: Candidate<'_>, list: Vec<McpTool>, names: Vec<String>, owner: &str) {
        let function = |(tool, exposed): (McpTool, String)| McpFunction {
            needs_approval: candidate.needs_approval(&tool),
            model_description: description(&candidate, &tool),
            name: tool.name,
            exposed,
            description: tool.description,
            input_schema: tool.input_schema,
            annotations: tool.annotations,
        };
        let tools = list.into_iter().zip(names).map(function).collect();
        let identity = candidate.identity(owner);
        let Candidate { label, server, listed_before, .. } = candidate;
        self.runners.servers.insert(label.clone(), server);
        self.mcp.servers.push(OfferedServer { label, identity, tools, listed_before });
    }

    /// The tools of a server that every request gets, as functions.
    fn add(
        &mut self,
        candidate: &Candidate<'_>,
        list: Vec<McpTool>,
        names: Vec<String>,
        choice: &ToolChoice,
    ) -> Vec<Tool> {
        let mut added = Vec::new();
        for (tool, name) in list.into_iter().zip(names).filter(|(_, name)| choice.permits(name)) {
            let function = McpFunction {
                exposed: name.clone(),
                model_description: description(candidate, &tool),
                input_schema: tool.input_schema,
                ..McpFunction::default()
            };
            let FunctionTool { name: exposed, .. } = function.function();
            self.functions.insert(exposed);
            self.runners.functions.insert(name, (Arc::clone(&candidate.server), tool.name));
            added.push(Tool::Function(function.function()));
        }
        added
    }
}

/// A choice of a tool needs that tool.
fn check_choice(mcp: &Mcp, choice: &ToolChoice) -> Result<(), ApiError> {
    let entries: &[RawJson] = match choice {
        ToolChoice::Other(entry) => std::slice::from_ref(entry),
        ToolChoice::Allowed { tools, .. } => tools,
        ToolChoice::Auto | ToolChoice::None | ToolChoice::Required | ToolChoice::Function(_) => &[],
    };
    let mut offered: HashMap<&str, HashSet<&str>> = HashMap::new();
    if !entries.is_empty() {
        offered.extend(mcp.servers.iter().map(|server| {
            (server.label.as_str(), server.tools.iter().map(|tool| tool.name.as_str()).collect())
        }));
    }
    for entry in entries {
        let (Some("mcp"), Some(label), Some(name)) =
            (entry.text("type").as_deref(), entry.text("server_label"), entry.text("name"))
        else {
            continue;
        };
        if offered.get(&*label).is_some_and(|tools| !tools.contains(&*name)) {
            let text = format!("Tool choice names '{name}', which the MCP server '{label}' does not offer.");
            return Err(ApiError::invalid("invalid_value", "tool_choice", text));
        }
    }
    Ok(())
}
