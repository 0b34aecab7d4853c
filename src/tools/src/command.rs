//! A program as a tool: arguments as JSON on its standard input, the result on its standard output.

use std::fmt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use futures_util::future::{Either, join3, select};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::answer::{MAX_ERROR, SLACK, head, read};
use crate::process::Group;
use crate::secrets::Secrets;
use crate::{Tool, ToolContext, ToolError, ToolFuture, ToolOutput, ToolSpec};

/// How long the pipes of a program that has ended may stay open: what it left behind is killed, but may have
/// taken itself out of our reach.
const DRAIN: Duration = Duration::from_secs(1);

/// A program that is started for each call. No shell has a part in it.
///
/// It and what it starts are one process group, which is killed when the program has ended, when its time is over,
/// and when the call is cancelled.
pub struct CommandTool {
    /// Name, schema, limits.
    pub spec: ToolSpec,
    /// The program: a path, or a name to look for in `PATH`.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its whole environment, apart from the `OPENRESPONSES_…` variables that tell of the call.
    pub environment: Vec<(String, String)>,
    /// Where it runs; `None`: where the server does.
    pub working_directory: Option<PathBuf>,
}

impl fmt::Debug for CommandTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The environment may hold keys.
        f.debug_struct("CommandTool").field("name", &self.spec.name).finish_non_exhaustive()
    }
}

impl Tool for CommandTool {
    fn spec(&self) -> ToolSpec {
        self.spec.clone()
    }

    fn runs_program(&self) -> bool {
        true
    }

    fn execute(&self, arguments: Value, context: ToolContext) -> ToolFuture<'_> {
        Box::pin(async move { self.run(arguments.to_string(), &context).await })
    }
}

impl CommandTool {
    async fn run(&self, input: String, context: &ToolContext) -> Result<ToolOutput, ToolError> {
        let (mut child, group) = self.start(context)?;
        let (mut stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let Some(mut stdin) = stdin.take() {
                // A program may end without having read all of it.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
        };
        // More than is allowed tells that there is more.
        let mut out = Capture::new(self.spec.max_output_bytes + SLACK);
        let secrets = Secrets::of(&self.environment);
        let mut err = Capture::new(MAX_ERROR + secrets.longest());
        let status = {
            let listen = async {
                out.fill(stdout).await;
                if out.more {
                    group.kill();
                }
            };
            let streams = pin!(join3(feed, listen, err.drain(stderr)));
            let ended = pin!(child.wait());
            match select(ended, streams).await {
                Either::Left((status, streams)) => {
                    group.kill();
                    // What was read until then is the result.
                    let _ = timeout(DRAIN, streams).await;
                    status
                }
                Either::Right((_, ended)) => ended.await,
            }
        };
        let status = status.map_err(|e| ToolError::new(format!("the program was lost: {e}")))?;
        if status.success() || out.more {
            return read(out.bytes, out.more);
        }
        // Model, client and store get it.
        let said = secrets.masked(&err.bytes);
        // Behind a cut there may be the rest of a secret.
        let known = if err.more { said.len().saturating_sub(secrets.longest()) } else { said.len() };
        Err(ToolError::of(how(status), head(&said, known.min(MAX_ERROR))))
    }

    fn start(&self, context: &ToolContext) -> Result<(Child, Group), ToolError> {
        let metadata = serde_json::to_string(&*context.metadata).unwrap_or_default();
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .env("OPENRESPONSES_TOOL", &self.spec.name)
            .env("OPENRESPONSES_RESPONSE_ID", context.response_id.as_str())
            .env("OPENRESPONSES_CALL_ID", context.call_id.replace('\0', ""))
            .env("OPENRESPONSES_ITERATION", context.iteration.to_string())
            .env("OPENRESPONSES_CLIENT", &context.owner)
            .env("OPENRESPONSES_METADATA", metadata)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(folder) = &self.working_directory {
            command.current_dir(folder);
        }
        Group::start(&mut command).map_err(|error| {
            // The path is the operator's business and not the model's.
            tracing::warn!(tool = self.spec.name, program = self.program, %error, "a tool's program does not start");
            ToolError::new("the program could not be started")
        })
    }
}

fn how(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("the program ended with exit code {code}"),
        None => "the program was killed".into(),
    }
}

/// The beginning of what a stream carries.
struct Capture {
    bytes: Vec<u8>,
    limit: usize,
    /// Whether there was more than the limit.
    more: bool,
}

impl Capture {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, more: false }
    }

    /// Reads to the limit or the end.
    async fn fill(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        while self.bytes.len() < self.limit {
            let room = (self.limit - self.bytes.len()) as u64;
            // An end and an error are the same: nothing more will come.
            match (&mut stream).take(room).read_buf(&mut self.bytes).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        self.more = true;
    }

    /// Reads to the end and forgets what is over the limit, so that the program never waits.
    async fn drain(&mut self, stream: Option<impl AsyncRead + Unpin>) {
        let Some(mut stream) = stream else { return };
        self.fill(Some(&mut stream)).await;
        let mut rest = [0; 4096];
        while let Ok(1..) = stream.read(&mut rest).await {}
    }
}
