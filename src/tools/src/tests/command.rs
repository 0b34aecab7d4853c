//! Runs of real programs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use or_protocol::Output;
use pretty_assertions::assert_eq;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::run::{call, context, on_arbiter};
use crate::{AnyTool, CommandTool, Registry, ToolRequest, ToolSpec, client, run};

const LIMIT: usize = 1000;
const SECRET: &str = "canary-0123456789";

fn spec() -> ToolSpec {
    ToolSpec {
        parameters: json!({"type": "object"}),
        timeout: Duration::from_secs(60),
        max_output_bytes: LIMIT,
        ..ToolSpec::new("program", "A program.")
    }
}

/// A shell script of the test's own, in a folder that it runs in.
fn script(spec: ToolSpec, lines: &str) -> (AnyTool, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tool.sh");
    std::fs::write(&path, lines).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let tool = CommandTool {
        spec,
        program: "/bin/sh".into(),
        arguments: vec![path.to_str().unwrap().into()],
        environment: vec![
            ("PATH".into(), "/usr/bin:/bin".into()),
            ("GIVEN".into(), "yes".into()),
            ("KEY".into(), SECRET.into()),
        ],
        working_directory: Some(folder.path().into()),
    };
    (AnyTool::Rust(Arc::new(tool)), folder)
}

#[track_caller]
fn check(lines: &str, arguments: &str, result: &str, text: &str) {
    let (tool, _folder) = script(spec(), lines);
    let (got, output) = call(tool, arguments);
    assert_eq!((got, output), (result, Output::Text(text.into())));
}

/// The process that wrote its id into a file of the folder.
fn pid(folder: &Path) -> Option<u32> {
    std::fs::read_to_string(folder.join("pid")).ok()?.trim().parse().ok()
}

/// Waits until a process is gone; one that is dead and not yet collected counts as gone.
#[track_caller]
fn assert_gone(pid: u32) {
    let over = Instant::now() + Duration::from_secs(30);
    let lives = || match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => false,
    };
    while lives() {
        assert!(Instant::now() < over, "process {pid} lives");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn arguments_go_in_and_the_output_comes_back() {
    check("cat", r#"{ "a": "$(id) ; ä" }"#, "ok", r#"{"a":"$(id) ; ä"}"#);
    check("exit 0", "{}", "ok", "");
}

#[test]
fn arguments_larger_than_a_pipe_go_in() {
    let arguments = json!({"text": "x".repeat(300_000)}).to_string();
    check("wc -c | tr -d ' \\n'", &arguments, "ok", &arguments.len().to_string());
    check("echo unread", &arguments, "ok", "unread\n");
}

#[test]
fn the_environment_is_what_was_given_and_the_call() {
    let want = "GIVEN=yes
KEY=canary-0123456789
OPENRESPONSES_CALL_ID=call_1
OPENRESPONSES_CLIENT=web
OPENRESPONSES_ITERATION=2
OPENRESPONSES_METADATA={\"who\":\"Zoë\"}
OPENRESPONSES_RESPONSE_ID=resp_000102030405060708090a0b0c0d0e0f
OPENRESPONSES_TOOL=program
PATH=/usr/bin:/bin
";
    check("env | grep -vE '^(PWD|OLDPWD|SHLVL|_)=' | LC_ALL=C sort", "{}", "ok", want);
}

#[test]
fn content_parts_are_parts() {
    let (tool, _folder) =
        script(spec(), r#"echo '{"content_parts": [{"type": "input_text", "text": "hi"}]}'"#);
    assert!(matches!(call(tool, "{}"), ("ok", Output::Parts(parts)) if parts.len() == 1));
}

#[test]
fn an_exit_code_is_an_error_with_what_the_program_said() {
    let want = "Error: 'program' failed: the program ended with exit code 3: no such city";
    check("echo ignored; echo no such city >&2; exit 3", "{}", "error", want);
    check("kill -9 $$", "{}", "error", "Error: 'program' failed: the program was killed");
}

#[test]
fn what_it_was_given_to_keep_is_not_in_its_complaint() {
    let want = "Error: 'program' failed: the program ended with exit code 1: bad key ***, yes";
    check("echo \"bad key $KEY, $GIVEN\" >&2; exit 1", "{}", "error", want);
    // Wherever the complaint is cut.
    for dots in (4080..4130).step_by(7) {
        let lines = format!(
            "printf '%{dots}s' | tr ' ' . >&2; while :; do printf $KEY$KEY. >&2 || exit 1; done & sleep 0.2; kill $!; exit 1"
        );
        let (tool, _folder) = script(spec(), &lines);
        let (_, Output::Text(text)) = call(tool, "{}") else { panic!("no text") };
        assert!(!text.contains("can"), "{dots}: {}", &text[4000.min(text.len())..]);
    }
}

#[test]
fn a_long_complaint_is_cut() {
    let (tool, _folder) = script(spec(), "yes no | head -c 1000000 >&2; exit 1");
    let (result, Output::Text(text)) = call(tool, "{}") else { panic!("no text") };
    assert_eq!(result, "error");
    assert!((4000..5000).contains(&text.len()), "{}", text.len());
}

#[test]
fn a_program_that_is_not_there_is_an_error_without_its_path() {
    let program = "no/such/program".into();
    let none = CommandTool {
        spec: spec(),
        program,
        arguments: Vec::new(),
        environment: Vec::new(),
        working_directory: None,
    };
    let want = "Error: 'program' failed: the program could not be started";
    assert_eq!(call(AnyTool::Rust(Arc::new(none)), "{}"), ("error", Output::Text(want.into())));
}

#[test]
fn a_program_that_floods_is_killed() {
    let (tool, folder) = script(spec(), "echo $$ > pid; exec yes");
    let (result, output) = call(tool, "{}");
    let want = format!("{}\n[Cut off here: the result is longer than 1000 bytes.]", "y\n".repeat(LIMIT / 2));
    assert_eq!((result, output), ("cut", Output::Text(want)));
    assert_gone(pid(folder.path()).unwrap());
}

#[test]
fn a_program_that_is_too_slow_is_killed_with_its_children() {
    let spec = ToolSpec { timeout: Duration::from_secs(5), ..spec() };
    let (tool, folder) = script(spec, "sleep 600 & echo $! > pid; wait");
    assert_eq!(call(tool, "{}").0, "timeout");
    assert_gone(pid(folder.path()).unwrap());
}

#[test]
fn what_a_program_leaves_behind_is_killed_and_holds_up_nothing() {
    let (tool, folder) = script(spec(), "sleep 600 & echo $! > pid; echo done");
    let started = Instant::now();
    assert_eq!(call(tool, "{}"), ("ok", Output::Text("done\n".into())));
    assert!(started.elapsed() < Duration::from_secs(40));
    assert_gone(pid(folder.path()).unwrap());
}

#[test]
fn who_leaves_kills_the_program() {
    let (tool, folder) = script(spec(), "echo $$ > pid; exec sleep 600");
    let registry = Registry::new([tool]).unwrap();
    let run = on_arbiter(async {
        let (here, gone) = oneshot::channel();
        let message =
            ToolRequest { name: "program".into(), arguments: String::new(), context: context(), gone };
        let leave = async {
            while pid(folder.path()).is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            drop(here);
        };
        let http = client();
        tokio::join!(run(&registry, &http, message), leave).0
    });
    assert_eq!(run.result, "cancelled");
    assert_gone(pid(folder.path()).unwrap());
}
