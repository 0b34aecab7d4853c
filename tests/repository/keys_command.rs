//! `open-responses keys` on the folder of a stopped server, as an operator runs it.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::PROGRAM;

/// Runs `keys`; gives exit code and both outputs.
fn run(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = PROGRAM.command(folder, &[]).arg("keys").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Ids, secrets and times as words.
fn redacted(text: &str) -> String {
    let mut words = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len()).max(1);
        let end = rest.char_indices().nth(1).map_or(rest.len(), |(at, _)| at.max(end));
        let (word, behind) = rest.split_at(end);
        words.push_str(match word {
            _ if word.starts_with("or_") && word.len() > 20 => "SECRET",
            _ if word.starts_with("or_") && word.len() > 10 => "PREFIX",
            _ if word.starts_with("key_") && word.len() == 20 => "ID",
            _ if word.len() == 10 && word.bytes().all(|b| b.is_ascii_digit()) => "TIME",
            _ => word,
        });
        rest = behind;
    }
    words
}

#[test]
fn a_key_from_its_making_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let all: [&[&str]; 16] = [
        &["list"],
        &[
            "create",
            "ada",
            "--group",
            "research",
            "--model",
            "gpt-*",
            "--model",
            "o3",
            "--provider",
            "openai",
            "--expires-in",
            "30d",
            "--tag",
            "team=x",
            "--limit",
            "max_concurrent=3",
            "--limit",
            "usd_per_month=12.5",
        ],
        &["create", "bob"],
        &["create", "ada"],
        &["create", "local"],
        &["create", "x", "--limit", "max_concurent=3"],
        &["list"],
        &["show", "ada"],
        &["update", "ada", "--group", "", "--expires-in", "never", "--limit", "max_concurrent=none"],
        &["rotate", "ada", "--overlap", "1h"],
        &["show", "ada", "--json"],
        &["revoke", "bob"],
        &["rotate", "bob"],
        &["delete", "bob", "--json"],
        &["delete", "bob"],
        &["list"],
    ];
    let mut told = String::new();
    for arguments in all {
        let (code, out, err) = run(folder.path(), arguments);
        told += &format!("$ keys {}\n{out}{err}[{code}]\n\n", arguments.join(" "));
    }
    insta::assert_snapshot!(redacted(&told));
}

#[test]
fn an_export_has_no_keys_and_an_import_leaves_them() {
    let folder = tempfile::tempdir().unwrap();
    let (_, secret, _) = run(folder.path(), &["create", "ada"]);
    let command =
        |name: &str| PROGRAM.command(folder.path(), &[]).args([name, "all.jsonl"]).output().unwrap();
    assert!(command("export").status.success() && command("import").status.success());
    assert_eq!(std::fs::read(folder.path().join("all.jsonl")).unwrap(), b"");
    let (_, list, _) = run(folder.path(), &["list", "--json"]);
    let list: Value = serde_json::from_str(&list).unwrap();
    assert!(secret.starts_with(list["data"][0]["secret_prefix"].as_str().unwrap()));
    assert!(!list.to_string().contains(secret.trim()));
}

#[test]
fn a_running_servers_key_must_be_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, said) = run(folder.path(), &["list", "--url", "http://127.0.0.1:9"]);
    let want =
        "error: OPEN_RESPONSES_ADMIN_KEY must hold the admin key of the server at http://127.0.0.1:9\n";
    assert_eq!((code, said.as_str()), (2, want));
}
