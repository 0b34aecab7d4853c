//! The effective context: order, pairs of calls and outputs, unfinished responses.

use or_engine::{HistoryTurn, ServerThen, build_context};
use or_protocol::{Item, Path, ResponseStatus, decode_item};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// One word an item: `u:` user, `a:` assistant, `c:` call, `o:` output, `x:` custom call, `y:` its output,
/// `r:` reasoning.
fn items(words: &str) -> Vec<Item> {
    let one = |word: &str| {
        let (kind, name) = word.split_once(':').unwrap();
        let value: Value = match kind {
            "u" => json!({"role": "user", "content": name}),
            "a" => json!({"role": "assistant", "content": name}),
            "c" => json!({"type": "function_call", "call_id": name, "name": "f", "arguments": "{}"}),
            "o" => json!({"type": "function_call_output", "call_id": name, "output": "1"}),
            "x" => json!({"type": "custom_tool_call", "call_id": name, "name": "f", "input": ""}),
            "y" => json!({"type": "custom_tool_call_output", "call_id": name, "output": "1"}),
            _ => json!({"type": "reasoning", "id": name, "summary": []}),
        };
        decode_item(value, Path::Root).unwrap()
    };
    words.split_whitespace().map(one).collect()
}

/// The way back.
fn words(items: &[Item]) -> String {
    let one = |item: &Item| {
        let value = serde_json::to_value(item).unwrap();
        let text = |key: &str| value[key].as_str().unwrap_or_default().to_owned();
        match text("type").as_str() {
            "message" => {
                format!("{}:{}", &text("role")[..1], value["content"][0]["text"].as_str().unwrap())
            }
            "function_call" => format!("c:{}", text("call_id")),
            "function_call_output" => format!("o:{}", text("call_id")),
            "custom_tool_call" => format!("x:{}", text("call_id")),
            "custom_tool_call_output" => format!("y:{}", text("call_id")),
            _ => format!("r:{}", text("id")),
        }
    };
    items.iter().map(one).collect::<Vec<_>>().join(" ")
}

use ResponseStatus::{Cancelled, Completed, Failed, Incomplete};

fn build(history: &[(ResponseStatus, &str, &str)], input: &str) -> Result<(String, usize), String> {
    let turn = |(status, input, output): &(ResponseStatus, &str, &str)| HistoryTurn {
        status: *status,
        input: items(input),
        output: items(output),
        servers: Vec::new(),
    };
    match build_context(history.iter().map(turn).collect(), items(input)) {
        Ok(context) => Ok((words(&context.items), context.notes.len())),
        Err(error) => {
            assert_eq!((error.status(), error.param.as_deref()), (400, Some("input")));
            Err(error.message)
        }
    }
}

#[track_caller]
fn check(history: &[(ResponseStatus, &str, &str)], input: &str, want: &str) {
    assert_eq!(build(history, input), Ok((want.to_owned(), 0)));
}

/// Something was left out, with one note.
#[track_caller]
fn check_noted(history: &[(ResponseStatus, &str, &str)], input: &str, want: &str) {
    assert_eq!(build(history, input), Ok((want.to_owned(), 1)));
}

#[track_caller]
fn check_refused(history: &[(ResponseStatus, &str, &str)], input: &str, message: &str) {
    assert_eq!(build(history, input), Err(message.to_owned()));
}

#[test]
fn the_chain_comes_in_order_before_the_new_input() {
    let history = [(Completed, "u:1", "r:2 a:3"), (Completed, "u:4", "a:5")];
    check(&history, "u:6", "u:1 r:2 a:3 u:4 a:5 u:6");
}

#[test]
fn a_chain_may_go_on_without_new_input() {
    check(&[(Completed, "u:1", "a:2")], "", "u:1 a:2");
}

#[test]
fn nothing_at_all_is_refused() {
    check_refused(&[], "", "Missing required parameter: 'input'.");
}

#[test]
fn calls_are_answered_in_the_same_input_or_the_next() {
    check(&[], "u:1 c:A o:A u:2", "u:1 c:A o:A u:2");
    check(&[(Completed, "u:1", "c:A x:B")], "y:B o:A", "u:1 c:A x:B y:B o:A");
}

#[test]
fn an_open_call_that_the_input_repeats_is_one_call() {
    let asked = (Completed, "u:1", "r:2 c:A");
    check(&[asked], "u:1 c:A o:A", "u:1 u:1 r:2 c:A o:A");
    check(&[(Completed, "u:1", "r:2 c:A x:B")], "c:A x:B y:B o:A", "u:1 r:2 c:A x:B y:B o:A");
    // What was said before the call stays where it is, and so does a call that is not repeated.
    check(&[(Completed, "u:1", "r:2 a:3 c:A c:B")], "c:B o:B o:A", "u:1 r:2 a:3 c:A c:B o:B o:A");
    // The chain goes on behind it.
    check(&[asked, (Completed, "u:1 c:A o:A", "a:3")], "u:4", "u:1 u:1 r:2 c:A o:A a:3 u:4");
    let unfinished = [asked, (Incomplete, "u:1 c:A o:A", "r:3 c:B"), (Completed, "u:5", "a:6")];
    check_noted(&unfinished, "u:7", "u:1 u:1 r:2 c:A o:A u:5 a:6 u:7");
    // One that was answered, or is of another tool, is another call.
    check(&[asked, (Completed, "o:A", "a:3")], "c:A o:A", "u:1 r:2 c:A o:A a:3 c:A o:A");
    check_refused(&[asked], "x:A y:A", "No tool output found for function call A.");
}

#[test]
fn the_requests_own_input_begins_behind_the_chain() {
    let turn =
        HistoryTurn { status: Completed, input: items("u:1"), output: items("r:2 c:A"), servers: Vec::new() };
    let context = build_context(vec![turn], items("u:1 c:A o:A")).unwrap();
    assert_eq!(words(&context.items[context.input_from..]), "u:1 r:2 c:A o:A");
}

#[test]
fn an_output_needs_its_call() {
    let text = "No tool call found for function call output with call_id A.";
    check_refused(&[], "u:1 o:A", text);
    check_refused(&[(Completed, "u:1", "c:B")], "o:B o:A", text);
    // The call must come first, and one call has one output.
    check_refused(&[], "o:A c:A", text);
    check_refused(&[], "c:A o:A o:A", text);
}

#[test]
fn a_call_needs_its_output() {
    let text = "No tool output found for function call A.";
    check_refused(&[], "u:1 c:A", text);
    check_refused(&[(Completed, "u:1", "c:A")], "u:2", text);
    check_refused(&[(Completed, "u:1", "c:A c:B")], "o:B", text);
}

#[test]
fn the_first_unanswered_call_is_named() {
    check_refused(&[], "c:A c:B c:C o:B", "No tool output found for function call A.");
}

#[test]
fn errors_about_pairs_have_no_code() {
    let error = build_context(Vec::new(), items("o:A")).unwrap_err();
    assert_eq!((error.code, error.kind.wire().1), (None, "invalid_request_error"));
}

#[test]
fn one_call_id_may_be_used_in_every_turn() {
    check(&[], "c:A o:A c:A o:A", "c:A o:A c:A o:A");
    check(&[], "c:A c:A o:A o:A", "c:A c:A o:A o:A");
    let history = [(Completed, "u:1", "c:A"), (Completed, "o:A", "c:A")];
    check(&history, "o:A u:2", "u:1 c:A o:A c:A o:A u:2");
    check_refused(&[], "c:A o:A c:A", "No tool output found for function call A.");
}

#[test]
fn unanswered_calls_of_an_unfinished_response_are_left_out() {
    for status in [Incomplete, Failed, Cancelled] {
        check_noted(&[(status, "u:1", "a:2 r:3 c:A")], "u:4", "u:1 a:2 u:4");
    }
}

#[test]
fn reasoning_before_a_call_that_stays_is_kept() {
    check_noted(&[(Failed, "u:1", "r:2 c:A c:B")], "o:A", "u:1 r:2 c:A o:A");
}

#[test]
fn an_unfinished_response_without_calls_is_whole() {
    check(&[(Incomplete, "u:1", "a:2 r:3")], "u:4", "u:1 a:2 r:3 u:4");
    check(&[(Incomplete, "u:1", "c:A")], "o:A", "u:1 c:A o:A");
}

#[test]
fn several_unfinished_responses_make_one_note() {
    check_noted(&[(Failed, "u:1", "c:A"), (Failed, "u:2", "x:B")], "u:3", "u:1 u:2 u:3");
}

#[test]
fn an_answered_id_does_not_answer_a_later_call() {
    // The host uses the same id again; only the second call is without output.
    let history = [(Completed, "u:1", "c:A"), (Failed, "o:A", "c:A")];
    check_noted(&history, "u:2", "u:1 c:A o:A u:2");
}

#[test]
fn a_later_output_belongs_to_the_later_call() {
    let history = [(Failed, "u:1", "c:A"), (Completed, "u:2", "c:A")];
    check_noted(&history, "o:A", "u:1 u:2 c:A o:A");
}

#[test]
fn a_call_in_the_input_of_an_unfinished_response_needs_its_output() {
    check_refused(&[(Failed, "u:1 c:A", "")], "u:2", "No tool output found for function call A.");
}

#[test]
fn a_list_of_an_mcp_server_is_known_with_its_address_and_what_was_allowed_of_it() {
    let turn = |id: &str, label: &str, servers: &[(&str, ServerThen)]| {
        let list = json!({"type": "mcp_list_tools", "id": id, "server_label": label, "tools": []});
        let Value::Object(map) = list else { panic!() };
        HistoryTurn {
            status: Completed,
            input: items("u:1"),
            output: vec![Item::foreign(map.into())],
            servers: servers.iter().map(|(label, then)| ((*label).to_owned(), then.clone())).collect(),
        }
    };
    let then = |url: Option<&str>, allowed_tools| ServerThen { url: url.map(str::to_owned), allowed_tools };
    let one = ("a", then(Some("https://a.example/mcp"), json!(["x"])));
    let two = ("b", then(None, json!({"read_only": true})));
    // Only the turn that listed a server says what its list is for.
    let history = vec![
        turn("1", "a", std::slice::from_ref(&one)),
        turn("2", "b", &[one.clone(), two.clone()]),
        turn("3", "c", &[]),
    ];
    let context = build_context(history, items("u:2")).unwrap();
    let want = [("1", one.1), ("2", two.1)];
    assert_eq!(context.listed_for, want.map(|(id, then)| (id.to_owned(), then)).into());
}

#[test]
fn a_kept_output_of_the_upstream_answers_its_call() {
    let output = json!({"type": "function_call_output", "call_id": "A", "output": "1"});
    let Value::Object(map) = output else { panic!() };
    let mut turn =
        HistoryTurn { status: Completed, input: items("u:1"), output: items("c:A"), servers: Vec::new() };
    turn.output.push(Item::foreign(map.into()));
    assert!(build_context(vec![turn], items("u:2")).is_ok());
}

#[test]
fn a_turn_whose_calls_are_the_servers_and_the_clients_is_whole_over_two_requests() {
    let mixed = |status| [(status, "u:1", "r:1 c:a c:b o:a")];
    check(&mixed(Completed), "o:b", "u:1 r:1 c:a c:b o:a o:b");
    check_refused(&mixed(Completed), "u:2", "No tool output found for function call b.");
    check_refused(
        &mixed(Completed),
        "o:a o:b",
        "No tool call found for function call output with call_id a.",
    );
    check_noted(&mixed(Cancelled), "u:2", "u:1 r:1 c:a o:a u:2");
}

#[test]
fn a_loop_that_broke_off_keeps_the_calls_that_were_run() {
    check_noted(&[(Failed, "u:1", "r:1 c:a o:a r:2 c:b")], "u:2", "u:1 r:1 c:a o:a u:2");
    check_noted(&[(Cancelled, "u:1", "c:a c:b o:b")], "u:2", "u:1 c:b o:b u:2");
}
