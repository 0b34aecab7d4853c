//! `open-responses conformance`: on itself everything holds, and a script can tell the ends apart.

use std::path::Path;

use pretty_assertions::assert_eq;
use serde_json::Value;

use crate::PROGRAM;

const KEYS: [(&str, &str); 2] = [("ONE", "a-long-first-key"), ("TWO", "a-long-second-key")];

fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = PROGRAM.command(folder, &KEYS);
    let output = command.arg("conformance").args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn with<'a>(verdicts: &'a Value, result: &str) -> Vec<&'a str> {
    let cases = verdicts["cases"].as_array().unwrap().iter();
    cases.filter(|case| case["result"] == result).filter_map(|case| case["case"].as_str()).collect()
}

#[test]
fn the_server_passes_on_itself() {
    let folder = tempfile::tempdir().unwrap();
    let config = "providers.demo.enabled = true\n\
                  [[auth.keys]]\nname = 'one'\nkey_env = 'ONE'\n[[auth.keys]]\nname = 'two'\nkey_env = 'TWO'\n";
    let server = PROGRAM.start(folder.path(), config, &KEYS);
    let url = format!("http://{}/v1", server.address);
    let keyed = ["--model", "demo", "--key-env", "ONE", "--second-key-env", "TWO", "--json"];
    let (code, out, err) = run(folder.path(), &[&[url.as_str()], &keyed[..]].concat());
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{code:?} {out} {err}"));
    assert_eq!(with(&report, "failed"), Vec::<&str>::new(), "{report:#}");
    assert_eq!(with(&report, "skipped"), ["suite/compaction", "suite/websocket"], "{report:#}");
    assert_eq!(code, Some(0));

    // Without its key everything fails, and no report has a key.
    let wrong = [url.as_str(), "--model", "demo", "--key", "a-wrong-key", "--only", "first/text"];
    let (code, out, _) = run(folder.path(), &wrong);
    assert_eq!(code, Some(1));
    assert!(out.contains("FAIL first/text") && out.contains("HTTP 401"), "{out}");
    assert!(out.contains("authorization: Bearer $KEY") && !out.contains("a-wrong-key"), "{out}");
    let (code, out, _) = run(folder.path(), &[&wrong[..], &["--junit"]].concat());
    assert_eq!(code, Some(1));
    assert!(out.starts_with("<?xml") && out.contains("failures=\"1\""), "{out}");
}

#[test]
fn exit_codes_tell_wrong_use_from_a_server_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let away = format!("http://{free}");
    let cases: [(&[&str], i32, &str); 5] = [
        (&[&away, "--model", "m"], 3, "is not reached"),
        (&[&away], 2, "--model"),
        (&["nowhere", "--model", "m"], 2, "is no address"),
        (&[&away, "--model", "m", "--key-env", "NONE"], 2, "NONE holds no key"),
        (&[&away, "--model", "m", "--only", "sixth"], 2, "no case begins with `sixth`"),
    ];
    for (arguments, want, said) in cases {
        let (code, out, err) = run(folder.path(), arguments);
        assert_eq!((code, out.as_str()), (Some(want), ""), "{arguments:?}: {err}");
        assert!(err.contains(said), "{arguments:?}: {err}");
    }
}

#[test]
fn cases_are_listed_without_a_server() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = run(folder.path(), &["--list", "--only", "errors/bad-json"]);
    assert_eq!(code, Some(0));
    assert_eq!(out, "errors/bad-json\ta body that is no JSON is refused with 400 and an error object\n");
    let (_, out, _) = run(folder.path(), &["--list"]);
    let page = include_str!("../../docs/conformance.md");
    for line in out.lines() {
        let (name, _) = line.split_once('\t').unwrap();
        assert!(page.contains(&format!("`{name}`")), "docs/conformance.md does not name {name}");
    }
}
