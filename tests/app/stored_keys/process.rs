//! The binary: what a kill leaves, the audit lines, and the command line on a running server.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use super::ADMIN;
use crate::PROGRAM;
use or_test_support::binary::Binary;
use or_test_support::client::{Answer, Connection};

const CONFIG: &str = "[admin]\nkey_env = 'ADMIN'\n[providers.demo]\nenabled = true\n";

fn start(folder: &Path) -> Binary {
    PROGRAM.start(folder, CONFIG, &[("ADMIN", ADMIN)])
}

fn send(binary: &Binary, key: &str, method: &str, path: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {key}");
    let headers = [("authorization", bearer.as_str()), ("x-request-id", "req-of-a-test")];
    Connection::send(binary.address, method, path, &headers, Some(body.to_string().as_bytes())).finish()
}

fn status(binary: &Binary, key: &str) -> u16 {
    send(binary, key, "POST", "/v1/responses", &json!({"model": "demo", "input": "Hi"})).status
}

#[test]
fn a_key_that_was_told_of_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let mut secrets = Vec::new();
    for round in 0..5 {
        let binary = start(folder.path());
        let made =
            send(&binary, ADMIN, "POST", "/admin/v1/keys", &json!({"name": format!("k{round}")})).json();
        if round == 4 {
            send(&binary, ADMIN, "POST", "/admin/v1/keys/k0/revoke", &json!({}));
        }
        binary.kill();
        secrets.push(made["secret"].as_str().unwrap().to_owned());
    }
    let binary = start(folder.path());
    let got: Vec<_> = secrets.iter().map(|secret| status(&binary, secret)).collect();
    assert_eq!(got, [401, 200, 200, 200, 200]);
    let text = binary.kill();
    for file in crate::stage::app::files(folder.path()) {
        let bytes = std::fs::read(&file).unwrap();
        for secret in &secrets {
            let hidden = &secret.as_bytes()[20..];
            assert!(!bytes.windows(hidden.len()).any(|part| part == hidden), "{}", file.display());
            assert!(!text.contains(secret));
        }
    }
}

#[test]
fn every_use_of_the_admin_api_has_a_line_without_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let binary = start(folder.path());
    let made = send(&binary, ADMIN, "POST", "/admin/v1/keys", &json!({"name": "ada"})).json();
    let secret = made["secret"].as_str().unwrap();
    send(&binary, ADMIN, "GET", "/admin/v1/keys", &json!({}));
    send(&binary, ADMIN, "GET", "/admin/v1/keys/nobody", &json!({}));
    send(&binary, ADMIN, "DELETE", "/admin/v1/keys/ada", &json!({}));
    send(&binary, secret, "DELETE", "/admin/v1/keys/ada", &json!({}));
    send(&binary, ADMIN, "GET", "/admin/v1/nothing", &json!({}));
    binary.terminate();
    let (_, text) = binary.wait();
    assert!(!text.contains(secret) && !text.contains(ADMIN));
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let lines: Vec<_> = lines.filter(|line| line["target"] == "audit").collect();
    let told: Vec<_> = lines
        .iter()
        .map(|line| {
            assert_eq!((&line["request_id"], &line["peer"]), (&json!("req-of-a-test"), &json!("127.0.0.1")));
            let admin = line["admin"].as_str().map_or("-", |name| name.split_once('-').unwrap().0);
            let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
            format!("{admin} {} {} {} {}", word("action"), word("key"), word("outcome"), line["http_status"])
        })
        .collect();
    assert_eq!(
        told,
        [
            "admin create ada ok 200",
            "admin list - ok 200",
            "admin show nobody key_not_found 404",
            "admin delete ada ok 200",
            "- admit - invalid_api_key 401",
            "admin unknown - refused 404",
        ]
    );
}

/// Runs `keys` with a variable `ADMIN`; gives exit code and both outputs.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = PROGRAM.command(folder, &[("ADMIN", ADMIN)]).arg("keys").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_command_line_reaches_a_running_server() {
    let folder = tempfile::tempdir().unwrap();
    let binary = start(folder.path());
    let url = format!("http://{}", binary.address);
    let (code, secret, said) = run(folder.path(), &["create", "ada", "--url", &url, "--model", "demo"]);
    assert_eq!((code, said.contains("nobody can show again")), (0, true), "{said}");
    assert_eq!(status(&binary, secret.trim()), 200);
    let (code, second, _) = run(folder.path(), &["rotate", "ada", "--overlap", "1h", "--url", &url]);
    assert_eq!([code, 0], [0, 0]);
    assert_eq!([status(&binary, secret.trim()), status(&binary, second.trim())], [200, 200]);
    assert_eq!(run(folder.path(), &["update", "ada", "--model", "none", "--url", &url]).0, 0);
    assert_eq!(status(&binary, second.trim()), 403);
    let (_, list, _) = run(folder.path(), &["list", "--url", &url]);
    assert!(list.lines().nth(1).unwrap().contains("\tada\tactive\t-\t-\t1"), "{list}");
    assert_eq!(run(folder.path(), &["revoke", "ada", "--url", &url]).0, 0);
    assert_eq!(status(&binary, second.trim()), 401);
    let (code, _, said) = run(folder.path(), &["show", "bob", "--url", &url]);
    assert_eq!((code, said.as_str()), (3, "error: There is no client key 'bob'.\n"));
    let (code, _, said) = run(folder.path(), &["create", "ada", "--url", &url]);
    assert!(code == 4 && said.contains("already"), "{said}");
    assert_eq!(run(folder.path(), &["delete", "ada", "--url", &url]).0, 0);

    let (code, _, said) = run(folder.path(), &["list"]);
    assert!(code == 1 && said.contains("in use by another process") && said.contains("--url"), "{said}");
    binary.kill();
    let (code, _, said) = run(folder.path(), &["list", "--url", &url]);
    assert!(code == 1 && said.contains("cannot be asked"), "{said}");
}
