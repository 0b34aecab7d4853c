//! What a response asks of MCP servers: their tools before its first turn, and calls.

use std::collections::BTreeSet;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;

use or_engine::{Context, Mcp, find_answers};
use or_protocol::{ApiError, ErrorKind, Item, Settings, Tool};
use tokio::time::sleep;

use crate::mcp::{Asked, McpServers, Plan, plan};
use crate::response::attend::{Interrupt, interrupted};
use crate::response::driver::Driver;
use crate::response::prepare::approvals;
use crate::response::prepare::strict;
use crate::response::sink::Sink;
use crate::running::CancelReason;

/// Why the servers could not be made ready.
pub(crate) enum Unready {
    /// It ends with this error.
    Failed(ApiError),
    /// Somebody wants it to end.
    Cancelled,
    /// Nobody waits for it, or it is left to the next start.
    Left,
}

impl Driver {
    /// Makes ready what this server runs itself: the names of its functions, and MCP servers.
    pub(crate) async fn ready(
        &mut self,
        settings: &mut Settings,
        context: &Context,
        own: &[Item],
    ) -> Result<(BTreeSet<String>, Mcp), Unready> {
        let mut names = self.neighbours.node.tools.plan(&mut settings.tools, &settings.tool_choice);
        // Boxed: every loop would carry the room for it to its end.
        let plan = Box::pin(self.ready_mcp(settings, context, own)).await?;
        names.extend(plan.functions);
        self.notes.extend(plan.notes);
        self.runners = plan.runners;
        Ok((names, plan.mcp))
    }

    /// Makes the MCP servers of the request ready, and the calls that it approves. `own`: items of the response, if
    /// it goes on after a restart.
    async fn ready_mcp(
        &mut self,
        settings: &mut Settings,
        context: &Context,
        own: &[Item],
    ) -> Result<Plan, Unready> {
        let node = Arc::clone(&self.neighbours.node);
        if !uses_mcp(&node.mcp, &settings.tools, &context.items) {
            return Ok(Plan::default());
        }
        let Some(target) = self.request.route.first() else {
            return Err(Unready::Failed(ApiError::interrupted()));
        };
        let (provider, owner) = (Arc::clone(&target.provider), self.request.owner.clone());
        let choice = settings.tool_choice.clone();
        let asked = Asked { provider: &provider, owner: &owner, choice: &choice, context, own };
        let mut plan = self.while_waiting(plan(&node.mcp, &mut settings.tools, &asked)).await?;
        plan.mcp.key = self.neighbours.store.approval_key();
        let answers = find_answers(&context.items, context.input_from..context.items.len(), |label| {
            !plan.mcp.is_of_provider(label)
        });
        let answers = answers.map_err(Unready::Failed)?;
        if !answers.is_empty() {
            let calls =
                approvals::approved(&node, &self.neighbours.store, self.id(), &plan.mcp, answers).await;
            plan.mcp.approved = calls.map_err(Unready::Failed)?;
        }
        if self.request.strict {
            strict::check(&plan.notes).map_err(Unready::Failed)?;
        }
        Ok(plan)
    }

    /// Waits for servers, and looks after the client meanwhile.
    async fn while_waiting<T>(
        &mut self,
        work: impl Future<Output = Result<T, ApiError>>,
    ) -> Result<T, Unready> {
        let mut work = pin!(work);
        loop {
            let mailbox = Rc::clone(&self.neighbours.mailbox);
            let keepalive = self.neighbours.node.limits.keepalive;
            let why = tokio::select! {
                biased;
                done = &mut work => return done.map_err(Unready::Failed),
                why = interrupted(self.sink.left(), &mailbox, self.deadline) => why,
                () = sleep(keepalive), if self.request.stream && !self.request.background => {
                    self.sink.open(&self.notes);
                    self.sink.keep_alive(self.neighbours.node.limits.client_write_timeout).await;
                    continue;
                }
            };
            let ended = |kind, code: &str, text: &str| {
                Err(Unready::Failed(ApiError::new(kind, text).with_code(code)))
            };
            match why {
                Interrupt::Peek => drop(self.neighbours.mailbox.take_peeks()),
                Interrupt::ClientLeft => {
                    self.sink = Sink::Done;
                    return Err(Unready::Left);
                }
                Interrupt::Cancelled(CancelReason::Asked) => return Err(Unready::Cancelled),
                // What is on disk goes on at the next start.
                Interrupt::Cancelled(_) if matches!(self.sink, Sink::Detached) => {
                    return Err(Unready::Left);
                }
                Interrupt::Cancelled(_) => {
                    let text = "The server was shut down before the response was begun.";
                    return ended(ErrorKind::Unavailable, "interrupted", text);
                }
                Interrupt::TooLong => {
                    let text = "The response took longer than this server allows.";
                    return ended(ErrorKind::Timeout, "response_timeout", text);
                }
            }
        }
    }
}

/// Whether there is anything to make ready; most requests are none of that.
fn uses_mcp(servers: &McpServers, tools: &[Tool], context: &[Item]) -> bool {
    let of_mcp = |item: &Item| matches!(item, Item::Other(other) if other.kind().starts_with("mcp_"));
    servers.has_always()
        || tools.iter().any(|tool| matches!(tool, Tool::Mcp(_)))
        || context.iter().any(of_mcp)
}

/// A plan without any server, for a response that ends before it begins.
pub(crate) fn no_servers() -> Mcp {
    Mcp { all_of_provider: true, ..Mcp::default() }
}
