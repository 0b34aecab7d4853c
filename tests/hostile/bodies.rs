//! What one body costs: the peak of the process over what it has at rest, by the size of the body.

use super::{MIB, Server, list, numbered};

const BODY: usize = 4 * MIB;
/// What is refused was never built; a tree of values costs 20 to 200. What is stored is copied besides: into the record,
/// its pieces, and the pages and the log of sled.
const TIMES: usize = 9;
/// What a first request touches for good: code, threads and their stacks; or the validator of the largest schema.
const FIRST: usize = 10 * MIB;

/// What the body is like, and the status of its answer.
type Row = (&'static str, fn() -> String, u16);

fn with(member: &str) -> String {
    format!(r#"{{"model":"demo","input":"hi",{member}}}"#)
}

fn input(items: &str) -> String {
    format!(r#"{{"model":"demo","input":{items}}}"#)
}

fn function(schema: &str) -> String {
    format!(r#"{{"type":"function","name":"f","parameters":{{"type":"object","x":[{schema}]}}}}"#)
}

fn format(schema: &str) -> String {
    with(&format!(
        r#""text":{{"format":{{"type":"json_schema","name":"f","schema":{{"type":"object","x":[{schema}]}}}}}}"#
    ))
}

fn message(content: &str) -> String {
    input(&format!(r#"[{{"role":"user","content":{content}}}]"#))
}

const ROWS: &[Row] = &[
    ("a schema of objects", || with(&format!(r#""tools":[{}]"#, function(&list(r#"{"a":1}"#, BODY)))), 400),
    ("a schema of numbers", || with(&format!(r#""tools":[{}]"#, function(&list("1", BODY)))), 400),
    ("a schema of empty objects", || with(&format!(r#""tools":[{}]"#, function(&list("{}", BODY)))), 400),
    ("a schema of powers", || with(&format!(r#""tools":[{}]"#, function(&list("1e15", BODY)))), 400),
    ("a schema for the answer", || format(&list(r#"{"a":1}"#, BODY)), 400),
    (
        "schemas as large as they may be",
        || with(&format!(r#""tools":[{}]"#, list(&function(&list(r#"{"a":1}"#, 120_000)), BODY - 100_000))),
        200,
    ),
    ("a schema for the answer as large as it may be", || format(&list(r#"{"a":1}"#, 120_000)), 200),
    ("hosted tools", || with(&format!(r#""tools":[{}]"#, list(r#"{"type":"web_search"}"#, BODY))), 400),
    (
        "a hosted tool",
        || with(&format!(r#""tools":[{{"type":"a:b","x":[{}]}}]"#, list("1", BODY - 100))),
        200,
    ),
    ("an unknown field of objects", || with(&format!(r#""x":[{}]"#, list(r#"{"a":1}"#, BODY))), 400),
    ("an unknown field of numbers", || with(&format!(r#""x":[{}]"#, list("1", BODY))), 400),
    ("unknown fields", || with(&numbered(BODY / 12, |n| format!(r#""x{n}":1"#))), 400),
    ("an unknown field of digits", || with(&format!(r#""x":0.{}"#, "1".repeat(BODY))), 400),
    (
        "unknown members of parts",
        || {
            let part = format!(r#"{{"type":"input_text","text":"a","x":[{}]}}"#, list("1", 450));
            message(&format!("[{}]", list(&part, BODY)))
        },
        200,
    ),
    (
        "an unknown member of a message",
        || input(&format!(r#"[{{"role":"user","content":"a","x":[{}]}}]"#, list("1", BODY))),
        200,
    ),
    (
        "an unknown item",
        || input(&format!(r#"[{{"type":"web_search_call","x":[{}]}}]"#, list("1", BODY))),
        200,
    ),
    (
        "a list of MCP tools",
        || {
            input(&format!(
                r#"[{{"type":"mcp_list_tools","server_label":"a","tools":[{}]}}]"#,
                list("{}", BODY)
            ))
        },
        200,
    ),
    ("unknown items", || input(&format!("[{}]", list(r#"{"type":"a:b","a":[1,2,3,4,5,6,7,8]}"#, BODY))), 400),
    ("references", || input(&format!("[{}]", list(r#"{"id":"a"}"#, BODY))), 400),
    (
        "messages",
        || {
            input(&format!(
                "[{}]",
                list(&format!(r#"{{"role":"user","content":"{}"}}"#, "a word ".repeat(60)), BODY)
            ))
        },
        200,
    ),
    ("too many parts", || message(&format!("[{}]", list(r#"{"type":"input_text","text":"a"}"#, BODY))), 400),
    (
        "parts",
        || {
            let part = format!(r#"{{"type":"input_text","text":"{}"}}"#, "a ".repeat(230));
            message(&format!("[{}]", list(&part, BODY)))
        },
        200,
    ),
    (
        "annotations",
        || {
            let part = format!(
                r#"{{"type":"output_text","text":"a","annotations":[{{"type":"x","y":[{}]}}]}}"#,
                list("1", BODY)
            );
            input(&format!(r#"[{{"role":"assistant","content":[{part}]}},{{"role":"user","content":"a"}}]"#))
        },
        200,
    ),
    (
        "metadata",
        || with(&format!(r#""metadata":{{{}}}"#, numbered(BODY / 13, |n| format!(r#""x{n}":"""#)))),
        400,
    ),
    ("a choice", || with(&format!(r#""tool_choice":{{"type":"a:b","x":[{}]}}"#, list("1", BODY))), 400),
    ("words of include", || with(&format!(r#""include":[{}]"#, list(r#""a""#, BODY))), 400),
    ("plain text", || input(&format!(r#""{}""#, "word ".repeat(BODY / 5))), 200),
    ("escaped text", || input(&format!(r#""{}""#, r"\u0061\n".repeat(BODY / 8))), 200),
    ("no JSON", || list("1", BODY), 400),
    ("depth", || with(&format!(r#""x":{}"#, "[".repeat(BODY))), 400),
];

/// All that are too dear are told at once.
#[test]
fn a_body_costs_a_few_times_its_size() {
    let mut dear = Vec::new();
    for (name, body, status) in ROWS {
        // The system's allocator keeps what a request before had, so each begins anew.
        let server = Server::start("");
        server.post(r#"{"model":"demo","input":"hi"}"#);
        let rest = server.resident();
        let body = body();
        let answer = server.post(&body);
        let cost = server.peak().saturating_sub(rest);
        assert_eq!(answer.status, *status, "{name}: {:.300}", answer.text());
        if cost > TIMES * body.len() + FIRST {
            dear.push(format!("{name}: {} MiB for {} MiB", cost >> 20, body.len() >> 20));
        }
    }
    assert!(dear.is_empty(), "{dear:#?}");
}
