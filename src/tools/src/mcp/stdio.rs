//! A program as an MCP server.

use std::io;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::RoleClient;
use rmcp::service::{RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader, DuplexStream};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::wire::lines;
use super::{McpCommand, McpError};
use crate::process::Group;
use crate::secrets::Secrets;

/// How long a program may take to end by itself once its input is closed.
const GRACE: Duration = Duration::from_secs(2);
/// How long the output of a program that has ended may stay open: what it left behind is killed, but may have taken
/// itself out of our reach.
const DRAIN: Duration = Duration::from_secs(1);
/// How much a program may write into our log over its life.
const MAX_LOG: usize = 64 * 1024;
/// Longest line of it that is shown, in bytes.
const MAX_LINE: u64 = 8 * 1024;

/// A running program. It and what it starts are one process group, which is killed when this is dropped.
pub(super) struct Program {
    transport: AsyncRwTransport<RoleClient, DuplexStream, ChildStdin>,
    child: Child,
    group: Arc<Group>,
    over: Arc<AtomicBool>,
    too_large: Arc<AtomicBool>,
    /// It has said something in the protocol.
    speaks: Arc<AtomicBool>,
}

impl Program {
    pub(super) fn start(label: &str, place: &McpCommand, max_message: usize) -> Result<Self, McpError> {
        let Some((program, arguments)) = place.command.split_first() else {
            return Err(McpError::Unreachable("its command is empty".into()));
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(place.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = &place.working_directory {
            command.current_dir(folder);
        }
        let (mut child, group) = Group::start(&mut command).map_err(|error| {
            // The path is the operator's business and not the client's.
            tracing::warn!(label, program, %error, "the program of an MCP server does not start");
            McpError::Unreachable("its program could not be started".into())
        })?;
        let group = Arc::new(group);
        let (Some(stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(McpError::Internal);
        };
        let speaks = Arc::<AtomicBool>::default();
        if let Some(stderr) = child.stderr.take() {
            let secrets = Secrets::of(&place.environment);
            tokio::spawn(log(label.to_owned(), stderr, secrets, Arc::clone(&speaks)));
        }
        let too_large = Arc::<AtomicBool>::default();
        let lines = lines(stdout, max_message, Arc::clone(&too_large));
        // No line is longer than what it was made of, but for the escapes of a text in a text.
        let transport =
            AsyncRwTransport::new(lines, stdin).with_max_line_length(max_message.saturating_mul(8));
        Ok(Self { transport, child, group, over: Arc::default(), too_large, speaks })
    }

    /// To end it from elsewhere.
    pub(super) fn group(&self) -> Arc<Group> {
        Arc::clone(&self.group)
    }

    /// Set once it has ended or closed its output.
    pub(super) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// Set if its output ended because a message was too large.
    pub(super) fn too_large(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.too_large)
    }
}

impl Transport<RoleClient> for Program {
    type Error = io::Error;

    fn send(
        &mut self,
        item: TxJsonRpcMessage<RoleClient>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.transport.send(item)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleClient>> {
        if !self.over.load(Ordering::Relaxed) {
            tokio::select! {
                biased;
                message = self.transport.receive() => {
                    self.over.store(message.is_none(), Ordering::Relaxed);
                    self.speaks.fetch_or(message.is_some(), Ordering::Relaxed);
                    return message;
                }
                // What it started may hold its output open.
                _ = self.child.wait() => {
                    self.over.store(true, Ordering::Relaxed);
                    self.group.kill();
                }
            }
        }
        // What it had written until then still counts.
        timeout(DRAIN, self.transport.receive()).await.unwrap_or_default()
    }

    /// Runs beside everything else, after the session's last message.
    async fn close(&mut self) -> Result<(), Self::Error> {
        self.over.store(true, Ordering::Relaxed);
        // An error means that it has closed its input.
        let _ = self.transport.close().await;
        let _ = timeout(GRACE, self.child.wait()).await;
        self.group.kill();
        // So that it does not stay as a zombie.
        self.child.wait().await.map(drop)
    }
}

/// Brings what a program says into the log, and reads on when that was too much. Until it speaks the protocol its
/// words are the only thing that tells why it does not. They may hold what it was given to keep.
async fn log(label: String, stderr: impl AsyncRead + Unpin, secrets: Secrets, speaks: Arc<AtomicBool>) {
    let mut stderr = BufReader::new(stderr);
    let mut room = MAX_LOG;
    // By lines, because a secret that is cut in two is not known again. A line that is too long is not shown.
    let mut line = Vec::new();
    let mut long = false;
    loop {
        let read = (&mut stderr).take(MAX_LINE).read_until(b'\n', &mut line).await;
        if !matches!(read, Ok(1..)) {
            return;
        }
        let ended = line.ends_with(b"\n");
        let whole = !long && (ended || (line.len() as u64) < MAX_LINE);
        long = !ended;
        let shown = if whole { line.len().min(room) } else { 0 };
        room -= shown;
        if shown > 0 {
            let text = secrets.masked(&line);
            let text = text.trim_end();
            if speaks.load(Ordering::Relaxed) {
                tracing::debug!(label, text, "an MCP server's program says");
            } else {
                tracing::info!(label, text, "an MCP server's program says");
            }
        }
        line.clear();
    }
}
