//! `open-responses check-config`, as an operator runs it.

use crate::PROGRAM;

/// Runs in a folder with this `config.toml`, if any; `want` is the exit code
/// and a line that the output (of either kind) must hold.
#[track_caller]
fn check(file: Option<&str>, arguments: &[&str], env: &[(&str, &str)], want: (i32, &str)) {
    let dir = tempfile::tempdir().unwrap();
    if let Some(text) = file {
        std::fs::write(dir.path().join("config.toml"), text).unwrap();
    }
    let mut command = PROGRAM.command(dir.path(), env);
    let output = command.arg("check-config").args(arguments).env("RUST_BACKTRACE", "1").output().unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
    assert_eq!(output.status.code(), Some(want.0), "{text}");
    assert!(text.lines().any(|line| line == want.1), "{text}");
    assert!(!text.contains("backtrace"), "{text}");
}

#[test]
fn no_file_is_fine() {
    check(None, &[], &[], (0, "bind         127.0.0.1:4000"));
}

#[test]
fn the_file_in_the_working_directory_is_read() {
    check(Some("server.bind = '127.0.0.1:1'"), &[], &[], (0, "bind         127.0.0.1:1"));
}

#[test]
fn variables_win_over_the_file_and_options_over_both() {
    let file = Some("server.bind = '127.0.0.1:1'");
    let env = [("OR__SERVER__BIND", "127.0.0.1:2")];
    check(file, &[], &env, (0, "bind         127.0.0.1:2"));
    check(file, &["--bind", "127.0.0.1:3"], &env, (0, "bind         127.0.0.1:3"));
}

#[test]
fn an_error_is_one_line_and_a_failure() {
    let want = "error: unknown key `sevrer` in the file `config.toml`; did you mean `server`?";
    check(Some("[sevrer]"), &[], &[], (1, want));
    check(None, &["--config", "a.toml"], &[], (1, "error: the config file `a.toml` does not exist"));
}

#[test]
fn what_an_adapter_refuses_is_found() {
    let kinds = "anthropic, demo, gemini, ollama, openai-chat, openai-responses";
    let want = format!("error: provider `x`: unknown kind `zzz`; known are: {kinds}");
    check(Some("[providers.x]\nkind = 'zzz'"), &[], &[], (1, &want));
    let quirk = "[providers.x]\nkind = 'demo'\nquirks = { zz = 1 }";
    check(Some(quirk), &[], &[], (1, "error: provider `x`: quirks.zz: the demo provider has no quirks"));
}

#[test]
fn keys_are_not_shown() {
    let env = [("OPENAI_API_KEY", "sk-secret")];
    let want =
        "provider     openai (openai-responses at https://api.openai.com/v1): on, key from OPENAI_API_KEY";
    check(None, &[], &env, (0, want));
}
