//! What the server started ends with it, however it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::PROGRAM;
use or_test_support::client::Connection;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, CALL, text};

/// Writes its id and that of its child into a file; ends for no signal that can be caught, and not with its input.
const STUBBORN: &str = r#"
trap '' TERM HUP INT PIPE
sleep 600 &
echo "$$ $!" > pids.part
mv pids.part pids
while :; do sleep 1; done
"#;

/// An MCP server that lists its tools and does not end with its input.
const SERVER: &str = r#"
import json, os, subprocess, sys, time
child = subprocess.Popen(["sleep", "600"])
open("pids.part", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.part", "pids")
for line in sys.stdin:
    message = json.loads(line)
    if message.get("method") == "initialize":
        result = {"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                  "serverInfo": {"name": "s", "version": "1"}}
    elif message.get("method") == "tools/list":
        result = {"tools": []}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
time.sleep(600)
"#;

fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let over = Instant::now() + Duration::from_secs(40);
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < over, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn pids(folder: &Path) -> Vec<u32> {
    let read = || std::fs::read_to_string(folder.join("pids")).ok();
    until("the program does not start", read).split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Kills the server while a program runs that this request starts.
fn check(table: &str, file: &str, program: &str, tool: &Value) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(file), program).unwrap();
    let fake = FakeProvider::start();
    let at = format!("working_directory = {:?}\nenv = ['PATH']\n", folder.path());
    let config = format!("{}\n{table}\n{at}", fake.provider("openai-chat"));
    let env = [("PATH", &*std::env::var("PATH").unwrap())];
    let binary = PROGRAM.start(folder.path(), &config, &env);
    fake.push(wire::answer("openai-chat", CALL));
    fake.push(wire::answer("openai-chat", text(&["Seven"])));
    let body = json!({"model": "openai-chat/m", "input": "How?", "tools": [tool], "background": true});
    let body = body.to_string();
    let answer =
        Connection::send(binary.address, "POST", "/v1/responses", &[], Some(body.as_bytes())).finish();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let pids = pids(folder.path());
    assert!(pids.iter().all(|pid| runs(*pid)));
    binary.kill();
    for pid in pids {
        until("it lives on", || (!runs(pid)).then_some(()));
    }
}

#[test]
fn a_tools_program_ends_with_a_server_that_is_killed() {
    let table = "[tools.get_weather]\nkind = 'command'\ndescription = 'x'\ncommand = ['/bin/sh', 'tool.sh']";
    check(table, "tool.sh", STUBBORN, &json!({"type": "function", "name": "get_weather", "parameters": {}}));
}

#[test]
fn an_mcp_servers_program_ends_with_a_server_that_is_killed() {
    let table = "[mcp.files]\ncommand = ['python3', 'server.py']";
    check(table, "server.py", SERVER, &json!({"type": "mcp", "server_label": "files"}));
}
