//! The files in `deploy/`, as far as they can be tried without a network.

use std::collections::BTreeMap;
use std::process::Command;

use pretty_assertions::assert_eq;

use crate::PROGRAM;
use crate::architecture::tree::{read, root};

/// Values of a line of the Dockerfile that begins with this word.
fn of_image(word: &str) -> Vec<String> {
    let file = read("deploy/Dockerfile");
    let lines = file.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix(' '));
    lines.map(str::to_owned).collect()
}

/// The last value of each directive of the unit.
fn unit() -> BTreeMap<String, String> {
    let file = read("deploy/open-responses.service");
    let lines = file.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    lines.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The first number behind `name` in a file.
fn number(path: &str, name: &str) -> u64 {
    let file = read(path);
    let (_, rest) = file.split_once(name).unwrap();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().unwrap()
}

#[test]
fn the_variables_of_the_image_are_settings_and_want_client_keys() {
    let variables = of_image("ENV");
    let mut env: Vec<_> = variables.iter().map(|line| line.split_once('=').unwrap()).collect();
    let dir = tempfile::tempdir().unwrap();
    let run = |env: &[(&str, &str)]| PROGRAM.command(dir.path(), env).arg("check-config").output().unwrap();
    assert!(!run(&env).status.success(), "a container without client keys must not start");
    env.push(("CLIENT_KEYS", "a-long-key-of-a-client"));
    let output = run(&env);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for want in ["bind         0.0.0.0:4000", "store        /var/lib/open-responses, kept for 30 days"] {
        assert!(text.lines().any(|line| line == want), "{text}");
    }
}

#[test]
fn the_image_is_built_in_the_way_of_the_docs_and_has_no_rights() {
    assert_eq!(of_image("RUN")[0], "cargo build --locked --profile dist --bin open-responses");
    assert_eq!(of_image("USER"), ["10001:10001"]);
    assert_eq!(of_image("VOLUME"), ["/var/lib/open-responses"]);
    let compose = read("deploy/compose.yml");
    for want in ["read_only: true", "cap_drop: [ALL]", "no-new-privileges:true", "127.0.0.1:4000:4000"] {
        assert!(compose.contains(want), "{want}");
    }
}

#[test]
fn nobody_is_killed_while_responses_may_finish() {
    let slow_clients = 3;
    let needed = number("config.toml", "shutdown_grace_s = ") + slow_clients;
    for (path, name) in [
        ("deploy/open-responses.service", "TimeoutStopSec="),
        ("deploy/compose.yml", "stop_grace_period: "),
        ("docs/deploying.md", "--stop-timeout "),
    ] {
        assert!(number(path, name) > needed, "{path}");
    }
}

#[test]
fn the_unit_runs_the_program_on_the_folder_that_it_may_write() {
    let unit = unit();
    let folder = format!("/var/lib/{}", unit["StateDirectory"]);
    assert!(unit["ExecStart"].ends_with(&format!("--data {folder}")));
    assert_eq!((unit["ProtectSystem"].as_str(), unit["NoNewPrivileges"].as_str()), ("strict", "yes"));
}

/// Where there is a systemd.
#[test]
fn systemd_understands_the_unit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("open-responses.service");
    let program = env!("CARGO_BIN_EXE_open-responses");
    let installed = "/usr/local/bin/open-responses";
    let text = std::fs::read_to_string(root().join("deploy/open-responses.service")).unwrap();
    std::fs::write(&path, text.replace(installed, program)).unwrap();
    let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&path).output() else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let about_it: Vec<_> = said.lines().filter(|line| line.contains("open-responses.service")).collect();
    assert_eq!((output.status.success(), about_it), (true, Vec::new()), "{said}");
}
