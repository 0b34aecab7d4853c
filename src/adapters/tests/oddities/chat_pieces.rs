//! Pieces of calls in Chat Completions that are hard to place.

use pretty_assertions::assert_eq;

use super::pieces::{A, B, check, stream};
use super::said::{End, said_by_stream};

/// A chunk with these pieces of calls.
fn chat(pieces: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{"tool_calls":[{pieces}]}}}}]}}"#)
}

fn chat_end(reason: &str) -> String {
    format!(r#"{{"choices":[{{"index":0,"delta":{{}},"finish_reason":"{reason}"}}]}}"#)
}

/// A piece of a call; index, id and name are left out where they are empty.
fn piece(index: &str, id: &str, name: &str, arguments: &str) -> String {
    let mut members = Vec::new();
    members.extend((!index.is_empty()).then(|| format!(r#""index":{index}"#)));
    members.extend((!id.is_empty()).then(|| format!(r#""id":"{id}""#)));
    let name = if name.is_empty() { String::new() } else { format!(r#""name":"{name}","#) };
    let arguments = serde_json::to_string(arguments).unwrap();
    members.push(format!(r#""function":{{{name}"arguments":{arguments}}}"#));
    format!("{{{}}}", members.join(","))
}

#[track_caller]
fn check_chat(deltas: &[&[String]], calls: &[(&str, &str)]) {
    let mut frames: Vec<String> = deltas.iter().map(|pieces| chat(&pieces.join(","))).collect();
    frames.extend([chat_end("tool_calls"), "[DONE]".to_owned()]);
    check("openai-chat", &frames, "", calls);
}

#[test]
fn a_known_id_decides_before_the_index() {
    for index in ["0", "", "-1", "\"0\"", "0.0", "null"] {
        check_chat(
            &[
                &[piece(index, "a", "w", "")],
                &[piece(index, "b", "w", "")],
                &[piece(index, "a", "", A)],
                &[piece(index, "b", "", B)],
            ],
            &[("w", A), ("w", B)],
        );
        // Interleaved, and with the name once more.
        check_chat(
            &[
                &[piece(index, "a", "w", "{\"city\""), piece(index, "b", "w", "{\"city\"")],
                &[piece(index, "b", "w", ":\"B\"}")],
                &[piece(index, "a", "w", ":\"A\"}")],
            ],
            &[("w", A), ("w", B)],
        );
    }
    // The index of the second call came with the id of the first.
    check_chat(
        &[
            &[piece("0", "a", "w", "")],
            &[piece("1", "b", "v", "")],
            &[piece("1", "a", "", A)],
            &[piece("1", "", "", B)],
        ],
        &[("w", A), ("v", B)],
    );
}

#[test]
fn an_id_that_two_calls_have_tells_nothing() {
    check_chat(
        &[
            &[piece("0", "x", "w", "")],
            &[piece("0", "", "", A)],
            &[piece("1", "x", "w", "")],
            &[piece("1", "", "", B)],
        ],
        &[("w", A), ("w", B)],
    );
    check_chat(&[&[piece("", "x", "w", A)], &[piece("", "x", "w", B)]], &[("w", A), ("w", B)]);
    check_chat(&[&[piece("0", "x", "w", A)], &[piece("0", "x", "v", B)]], &[("w", A), ("v", B)]);
}

#[test]
fn without_id_and_index_the_place_in_the_delta_decides() {
    for index in ["", "0", "-1"] {
        check_chat(
            &[
                &[piece(index, "", "w", ""), piece(index, "", "w", "")],
                &[piece(index, "", "", "{\"city\":"), piece(index, "", "", "{\"city\":")],
                &[piece(index, "", "", "\"A\"}"), piece(index, "", "", "\"B\"}")],
            ],
            &[("w", A), ("w", B)],
        );
        check_chat(
            &[
                &[piece(index, "", "w", "{\"city\":"), piece(index, "", "v", "{\"city\":")],
                &[piece(index, "", "", "\"A\"}")],
                &[piece(index, "", "", "\"B\"}")],
            ],
            &[("w", A), ("v", B)],
        );
        check_chat(&[&[piece(index, "", "w", A), piece(index, "", "w", B)]], &[("w", A), ("w", B)]);
        check_chat(&[&[piece(index, "", "w", A)], &[piece(index, "", "w", B)]], &[("w", A), ("w", B)]);
    }
    // One call after the other, each in pieces.
    check_chat(
        &[
            &[piece("", "", "w", "{\"city\"")],
            &[piece("", "", "", ":\"A\"}")],
            &[piece("", "", "w", "{\"city\"")],
            &[piece("", "", "", ":\"B\"}")],
        ],
        &[("w", A), ("w", B)],
    );
}

#[test]
fn of_a_name_in_pieces_the_first_counts() {
    for index in ["0", ""] {
        check_chat(
            &[&[piece(index, "a", "w", "")], &[piece(index, "a", "x", "")], &[piece(index, "a", "", A)]],
            &[("w", A)],
        );
    }
}

#[test]
fn an_index_that_comes_once_only_is_none() {
    check_chat(
        &[&[piece("0", "a", "w", "")], &[piece("", "", "", "{\"city\"")], &[piece("", "", "", ":\"A\"}")]],
        &[("w", A)],
    );
    check_chat(
        &[&[piece("", "a", "w", "")], &[piece("0", "", "", "{\"city\"")], &[piece("0", "", "", ":\"A\"}")]],
        &[("w", A)],
    );
    check_chat(
        &[
            &[piece("0", "a", "w", ""), piece("1", "b", "v", "")],
            &[piece("", "", "", A), piece("", "", "", B)],
        ],
        &[("w", A), ("v", B)],
    );
}

#[test]
fn a_name_that_comes_again_begins_a_call_only_with_arguments() {
    for index in ["0", ""] {
        let one = |arguments: &str| piece(index, "", "w", arguments);
        check_chat(&[&[one(A)], &[one("")]], &[("w", A)]);
        check_chat(&[&[one(A)], &[one("")], &[piece(index, "", "", B)]], &[("w", A), ("w", B)]);
    }
}

#[test]
fn an_id_that_changes_with_every_piece_is_none() {
    for index in ["0", ""] {
        check_chat(
            &[
                &[piece(index, "r1", "w", "{\"city\"")],
                &[piece(index, "r2", "", ":\"A")],
                &[piece(index, "r3", "", "\"}")],
            ],
            &[("w", A)],
        );
    }
    check_chat(&[&[piece("0", "r1", "w", "{\"city\"")], &[piece("0", "r2", "w", ":\"A\"}")]], &[("w", A)]);
}

#[test]
fn repeated_arguments_are_taken_once() {
    let repeats: [&[&str]; 6] = [
        &[A, A],
        &["{\"city\"", ":\"A\"}", A],
        &["{\"ci", "{\"city\":\"A", A],
        &["{\"city\":", "{\"city\":\"A\"}", "{\"city\":\"A\"}"],
        &["{}", A],
        &["{}", "{\"city\"", ":\"A\"}"],
    ];
    for pieces in repeats {
        for (index, id, name) in [("0", "", ""), ("0", "a", ""), ("", "a", ""), ("0", "a", "w")] {
            let first = piece(index, "a", "w", "");
            let rest = pieces.iter().map(|arguments| piece(index, id, name, arguments));
            let deltas: Vec<Vec<String>> =
                std::iter::once(first).chain(rest).map(|piece| vec![piece]).collect();
            let deltas: Vec<&[String]> = deltas.iter().map(Vec::as_slice).collect();
            check_chat(&deltas, &[("w", A)]);
        }
    }
    // Place holders of both calls first.
    check_chat(
        &[
            &[piece("0", "a", "w", "{}")],
            &[piece("1", "b", "v", "{}")],
            &[piece("0", "", "", A)],
            &[piece("1", "", "", B)],
        ],
        &[("w", A), ("v", B)],
    );
}

#[test]
fn a_mark_of_the_end_inside_arguments_is_no_end() {
    let cut = ["{", "{\"city\":\"A", "{\"city\":\"A\"", "{\"a\":[1"];
    for arguments in cut {
        let calls = chat(&[piece("0", "a", "v", A), piece("1", "b", "w", arguments)].join(","));
        let said = said_by_stream("openai-chat", [stream(&[calls.clone(), "[DONE]".into()]).as_slice()]);
        assert_eq!(said.end, End::Disconnected);
        for (reason, end) in [("stop", "MaxOutputTokens"), ("eos", "MaxOutputTokens"), ("tool_calls", "Stop")]
        {
            let frames = [calls.clone(), chat_end(reason), "[DONE]".into()];
            let said = said_by_stream("openai-chat", [stream(&frames).as_slice()]);
            assert_eq!(said.end, End::Finished(end.into()), "{reason}");
        }
    }
    let text = r#"{"choices":[{"index":0,"delta":{"content":"hi"}}]}"#.to_owned();
    check("openai-chat", &[text, "[DONE]".into()], "hi", &[]);
    check("openai-chat", &[chat(&piece("0", "a", "w", A)), "[DONE]".into()], "", &[("w", A)]);
}
