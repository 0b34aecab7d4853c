//! Programs as MCP servers.

use std::fs;
use std::path::Path;
use std::time::Duration;

use or_protocol::Output;
use pretty_assertions::assert_eq;
use rustix::process::{Pid, test_kill_process};
use tempfile::TempDir;

use super::fake::{User, until};
use or_tools::mcp::{McpCommand, McpError, McpPlace};

/// Its first argument is a file for its process id and that of a child.
const SERVER: &str = r#"
import json, os, subprocess, sys
child = subprocess.Popen(["sleep", "600"])
open(sys.argv[1], "a").write(f"{os.getpid()} {child.pid}\n")
print("x" * 100000, file=sys.stderr, flush=True)
def send(message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params", {})
    if method == "initialize":
        result = {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "s", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": [{"name": "pid", "inputSchema": {"type": "object"}}]}
    elif method == "tools/call" and params["name"] == "die":
        os._exit(3)
    elif method == "tools/call" and params["name"] == "die_later":
        send({"id": message["id"], "result": {"content": []}})
        os._exit(3)
    elif method == "tools/call":
        text = f"{os.getpid()} {os.environ.get('KEY')} {os.environ.get('HOME')}"
        result = {"content": [{"type": "text", "text": text}]}
    else:
        continue
    send({"id": message["id"], "result": result})
"#;

struct Program {
    folder: TempDir,
    user: User,
}

impl Program {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let script = folder.path().join("server.py");
        fs::write(&script, SERVER).unwrap();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let command = McpCommand {
            command: vec!["python3".into(), path(&script), path(&folder.path().join("pids"))],
            environment: vec![("PATH".into(), std::env::var("PATH").unwrap()), ("KEY".into(), "k".into())],
            working_directory: None,
        };
        let user = User::at(McpPlace::Command(command), &[], |_| {});
        Self { folder, user }
    }

    /// Of all programs that ran, and their children.
    fn pids(&self) -> Vec<i32> {
        let text = fs::read_to_string(self.folder.path().join("pids")).unwrap();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
    }

    async fn text(&self, tool: &str) -> String {
        match self.user.call(tool, "{}").await.output {
            Output::Text(text) => text,
            Output::Parts(parts) => panic!("{parts:?}"),
        }
    }
}

fn runs(pid: i32) -> bool {
    // A zombie that nobody waits for has ended too.
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    test_kill_process(Pid::from_raw(pid).unwrap()).is_ok() && !stat.contains(") Z ")
}

#[actix_rt::test]
async fn a_program_is_listed_and_called_with_its_own_environment() {
    let program = Program::new();
    assert_eq!(program.user.names().await, ["pid"]);
    let pid = program.pids()[0];
    assert_eq!(program.text("pid").await, format!("{pid} k None"));
}

#[actix_rt::test]
async fn a_program_that_ends_in_a_call_is_started_anew_for_the_next() {
    let program = Program::new();
    let want = "Error: 'die' failed: the connection to the MCP server broke. \
                It is not known whether the call took effect.";
    assert_eq!(program.text("die").await, want);
    assert!(program.text("pid").await.ends_with(" k None"));
    assert_eq!(program.pids().len(), 4, "two programs with a child each");
}

#[actix_rt::test]
async fn a_program_that_ended_between_two_calls_costs_none_of_them() {
    let program = Program::new();
    assert_eq!(program.text("die_later").await, "");
    // Its child is killed when its end is seen.
    let child = program.pids()[1];
    until(|| !runs(child)).await;
    assert!(program.text("pid").await.ends_with(" k None"));
}

#[actix_rt::test]
async fn a_program_and_its_children_end_with_the_session() {
    let mut program = Program::new();
    program.user = program.user.bounded(Duration::from_millis(300), 10);
    program.user.list().await.unwrap();
    let pids = program.pids();
    assert!(pids.iter().all(|pid| runs(*pid)));
    until(|| !pids.iter().any(|pid| runs(*pid))).await;
}

#[actix_rt::test]
async fn closing_the_pool_kills_all_programs() {
    let program = Program::new();
    program.user.list().await.unwrap();
    program.user.pool.close();
    let pids = program.pids();
    until(|| !pids.iter().any(|pid| runs(*pid))).await;
}

#[actix_rt::test]
async fn a_program_that_is_not_there_is_unreachable() {
    let command = McpCommand {
        command: vec!["/nowhere/server".into()],
        environment: Vec::new(),
        working_directory: None,
    };
    let user = User::at(McpPlace::Command(command), &[], |_| {});
    let want = McpError::Unreachable("its program could not be started".into());
    assert_eq!(user.list().await, Err(want));
}

#[actix_rt::test]
async fn a_request_cannot_name_a_program() {
    let mut program = Program::new();
    program.user = program.user.beside(|server| server.trusted = false);
    let want = McpError::Refused("a request cannot name a program".into());
    assert_eq!(program.user.list().await, Err(want));
    assert!(!program.folder.path().join("pids").exists());
}

#[actix_rt::test]
async fn a_program_that_says_nothing_is_given_up() {
    let command = McpCommand {
        command: vec!["sleep".into(), "600".into()],
        environment: vec![("PATH".into(), std::env::var("PATH").unwrap())],
        working_directory: None,
    };
    let limit = Duration::from_millis(200);
    let user = User::at(McpPlace::Command(command), &[], |server| server.limits.connect_timeout = limit);
    assert_eq!(user.list().await, Err(McpError::TimedOut(limit)));
}

#[actix_rt::test]
async fn each_owner_has_a_program_of_its_own_unless_it_is_shared() {
    let mut program = Program::new();
    let first = program.text("pid").await;
    program.user.owner = "another";
    let second = program.text("pid").await;
    assert_ne!(first, second);
    assert_eq!(program.text("pid").await, second);

    let mut program = Program::new();
    program.user = program.user.beside(|server| server.shared = true);
    let first = program.text("pid").await;
    program.user.owner = "another";
    assert_eq!(program.text("pid").await, first);
}
