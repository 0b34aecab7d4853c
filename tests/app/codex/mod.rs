//! Codex 0.171 as it was recorded: with a model that it knows well it sends its tools, with its newest ones they stand in
//! an item of the input. Both complete a turn with its shell on every kind of provider.

use pretty_assertions::assert_eq;
use serde_json::{Value, json};

use crate::stage::app::{App, setup};
use or_test_support::Options;
use or_test_support::provider::FakeProvider;
use or_test_support::wire::{self, KINDS, Turn, text};

const TOOLS: &str = include_str!("tools.json");
const LITE: &str = include_str!("lite.json");
const LITE_HEADER: (&str, &str) = ("x-openai-internal-codex-responses-lite", "true");
/// Codex' shell of old, and the one that runs scripts.
const SHELL: Turn = Turn { call: Some(("call_1", "exec_command", r#"{"cmd":"echo tide"}"#)), ..text(&[]) };
const SCRIPT: Turn = Turn {
    call: Some(("call_1", "exec", r#"{"input":"await tools.exec_command({cmd: 'echo tide'})"}"#)),
    ..text(&[])
};

/// Sends the body twice, as Codex does: what came of the first turn is behind its input. Gives the call.
#[track_caller]
fn turn(app: &App, fake: &FakeProvider, kind: &'static str, body: &str, call: Turn) -> (Value, [String; 2]) {
    let mut body: Value = serde_json::from_str(body).unwrap();
    body["model"] = json!(format!("{kind}/m"));
    let options = Options::HOSTED;
    let first = fake.count();
    fake.push(wire::answer(kind, call));
    fake.push(wire::answer(kind, text(&["High ", "tide"])));
    let response = app.post_with(&[LITE_HEADER], &body).last_response_with(options);
    let output = response["output"].as_array().unwrap().clone();
    let made = output.iter().find(|item| item["type"].as_str().unwrap().ends_with("_call")).unwrap().clone();
    let input = body["input"].as_array_mut().unwrap();
    input.extend(output);
    let kind_of_output = format!("{}_output", made["type"].as_str().unwrap());
    input.push(json!({"type": kind_of_output, "call_id": made["call_id"], "output": "the tide is in"}));
    let response = app.post_with(&[LITE_HEADER], &body).last_response_with(options);
    let message = response["output"].as_array().unwrap().last().unwrap().clone();
    assert_eq!(message["content"][0]["text"], "High tide", "{kind}");
    (made, [first, first + 1].map(|n| fake.request(n).body.to_string()))
}

fn app(fake: &FakeProvider) -> App {
    setup(KINDS.map(|kind| fake.provider(kind)).concat()).start()
}

#[test]
fn a_turn_with_the_shell_completes_where_tools_are_sent() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for kind in KINDS {
        let (call, asked) = turn(&app, &fake, kind, TOOLS, SHELL);
        assert_eq!(
            (&call["type"], &call["name"]),
            (&json!("function_call"), &json!("exec_command")),
            "{kind}"
        );
        assert!(asked[0].contains("exec_command") && asked[0].contains("write_stdin"), "{kind}");
        assert!(asked[1].contains("the tide is in"), "{kind}: {}", asked[1]);
    }
}

/// Its shell is a custom tool in a namespace, which the client must get back as just that.
#[test]
fn a_turn_with_the_shell_completes_where_an_item_brings_the_tools() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    for kind in KINDS {
        let (call, asked) = turn(&app, &fake, kind, LITE, SCRIPT);
        let shown = [&call["type"], &call["namespace"], &call["name"], &call["input"]];
        let script = "await tools.exec_command({cmd: 'echo tide'})";
        assert_eq!(json!(shown), json!(["custom_tool_call", "functions", "exec", script]), "{kind}");
        for name in ["exec", "wait", "request_user_input", "sleep", "spawn_agent"] {
            assert!(asked[0].contains(&format!("\"{name}\"")), "{kind} {name}: {}", asked[0]);
        }
        assert!(asked[1].contains("the tide is in"), "{kind}: {}", asked[1]);
        let item = asked[0].contains("additional_tools");
        assert_eq!(item, kind == "openai-responses", "{kind}");
    }
}

#[test]
fn what_of_it_no_provider_knows_is_told() {
    let fake = FakeProvider::start();
    let app = app(&fake);
    fake.push(wire::answer("anthropic", text(&["Hi"])));
    let mut body: Value = serde_json::from_str(LITE).unwrap();
    body["model"] = json!("anthropic/m");
    let answer = app.post_with(&[LITE_HEADER], &body);
    let notes = answer.header("openresponses-translation").unwrap();
    for note in ["client_metadata;dropped", "reasoning.context;emulated", "input.additional_tools;emulated"] {
        assert!(notes.contains(note), "{note}: {notes}");
    }
}
