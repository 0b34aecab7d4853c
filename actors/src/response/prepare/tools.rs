//! Makes ready what this server runs itself: the names of its functions, and MCP servers.

use std::collections::BTreeSet;

use or_adapters::Note;
use or_engine::{Context, Mcp, find_answers};
use or_protocol::{ApiError, Item, ResponseId, Settings, Tool, update_settings};

use super::{approvals, strict};
use crate::mcp::{McpServers, Plan, PlanBasis, Runners, plan};
use crate::node::Node;
use crate::provider::ProviderSpec;
use crate::store::StoreHandle;

/// What the tools of a request are made ready for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// A response: what its client approves is approved, and what it declines is declined for good.
    Response,
    /// A look at the request as the model would see it. It decides nothing.
    Look,
}

/// Whose tools are made ready, and with what.
pub(crate) struct WantedTools<'a> {
    pub(crate) node: &'a Node,
    pub(crate) store: &'a StoreHandle,
    pub(crate) id: &'a ResponseId,
    pub(crate) owner: &'a str,
    pub(crate) provider: Option<&'a ProviderSpec>,
    pub(crate) strict: bool,
    pub(crate) purpose: Purpose,
    pub(crate) context: &'a Context,
    /// Items of the response, if it goes on after a restart.
    pub(crate) own: &'a [Item],
}

/// What the engine and the runners have to know.
pub(crate) struct ReadyTools {
    /// Names of the functions that this server runs.
    pub(crate) server_tools: BTreeSet<String>,
    pub(crate) mcp: Mcp,
    pub(crate) servers: Runners,
    pub(crate) notes: Vec<Note>,
}

impl Default for ReadyTools {
    /// Without any server, for a response that ends before it begins.
    fn default() -> Self {
        let mcp = Mcp { all_of_provider: true, ..Mcp::default() };
        Self { server_tools: BTreeSet::new(), mcp, servers: Runners::default(), notes: Vec::new() }
    }
}

/// Makes ready the tools of `settings`; those that every request gets are added, and what items of the context ask for
/// is carried out.
///
/// # Errors
/// What the client is told: an MCP server that is not there, not allowed, or does not list its tools; an approval that
/// is none.
pub(crate) async fn ready_tools(
    wanted: WantedTools<'_>,
    settings: &mut Settings,
) -> Result<ReadyTools, ApiError> {
    update_settings(settings, &wanted.context.items)?;
    // Before the MCP servers: their functions get names that are still free.
    let mut server_tools = wanted.node.tools.plan(&mut settings.tools, &settings.tool_choice);
    // Boxed: every loop would carry the room for it.
    let plan = Box::pin(wanted.servers(settings)).await?;
    server_tools.extend(plan.functions);
    Ok(ReadyTools { server_tools, mcp: plan.mcp, servers: plan.runners, notes: plan.notes })
}

impl WantedTools<'_> {
    /// The MCP servers of the request, and the calls that it approves.
    async fn servers(&self, settings: &mut Settings) -> Result<Plan, ApiError> {
        let Self { node, context, own, owner, .. } = self;
        if !uses_mcp(&node.mcp, &settings.tools, &context.items) {
            return Ok(Plan::default());
        }
        let Some(provider) = self.provider else { return Err(ApiError::interrupted()) };
        let choice = settings.tool_choice.clone();
        let basis = PlanBasis { provider, owner, choice: &choice, context, own };
        let mut plan = plan(&node.mcp, &mut settings.tools, &basis).await?;
        if self.purpose == Purpose::Response {
            plan.mcp.key = self.store.approval_key();
            self.approve(&mut plan.mcp).await?;
        }
        if self.strict {
            strict::check(&plan.notes)?;
        }
        Ok(plan)
    }

    async fn approve(&self, mcp: &mut Mcp) -> Result<(), ApiError> {
        let Context { items, input_from, .. } = self.context;
        let answers = find_answers(items, *input_from..items.len(), |label| !mcp.is_of_provider(label))?;
        if !answers.is_empty() {
            let all = answers.len();
            mcp.approved = approvals::approved(&self.node.running, self.store, self.id, mcp, answers).await?;
            self.node.metrics.approvals("approved", mcp.approved.len());
            self.node.metrics.approvals("denied", all - mcp.approved.len());
        }
        Ok(())
    }
}

/// Whether there is anything to make ready; most requests are none of that.
fn uses_mcp(servers: &McpServers, tools: &[Tool], context: &[Item]) -> bool {
    servers.has_always()
        || tools.iter().any(|tool| matches!(tool, Tool::Mcp(_)))
        || context.iter().any(|item| matches!(item, Item::Mcp(_)))
}
