//! The strict reader of our own SSE bodies.

use super::*;
use or_test_support::order::parse_sse;

const BODY: &str = concat!(
    ": ping\n\n",
    "event: a\ndata: {\"type\":\"a\"}\n\n",
    ": ping\n",
    "event: b\ndata: {\"type\":\"b\"}\n\n",
    "data: [DONE]\n\n"
);

#[track_caller]
fn reject_body(body: &str, reason: &str) {
    let error = parse_sse(body.as_bytes()).unwrap_err();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_whole_body_gives_its_frames() {
    let frames = parse_sse(BODY.as_bytes()).unwrap();
    let want = [("a".to_owned(), json!({"type": "a"})), ("b".to_owned(), json!({"type": "b"}))];
    assert_eq!(frames, want);
}

#[test]
fn what_is_not_our_form_is_rejected() {
    reject_body(&BODY.replace('\n', "\r\n"), "LF only");
    reject_body(&BODY.replace("data: [DONE]\n\n", ""), "does not end with [DONE]");
    reject_body(&format!("{BODY}: bye\n"), "follows [DONE]");
    reject_body(&format!("{BODY}event: c\ndata: {{}}\n\n"), "follows [DONE]");
    reject_body(BODY.trim_end_matches('\n'), "does not end in LF");
    reject_body(BODY.strip_suffix('\n').unwrap(), "does not end in an empty line");
    reject_body(&BODY.replace("event: b\n", ""), "is neither a frame");
    reject_body(&BODY.replace("event: b\n", "event: b\nid: 1\n"), "no data line");
    reject_body(&BODY.replace("}\n\n: ping\n", "}\n: ping\n"), "where the frame should end");
    reject_body(&BODY.replace("data: {\"type\":\"b\"}", "data: {\"type\":\ndata: \"b\"}"), "bad JSON");
    reject_body(&BODY.replace("data: {\"type\":\"b\"}", "data: []"), "not an object");
    reject_body(&BODY.replace("event: a", "\nevent: a"), "is neither a frame");
    assert!(parse_sse(b"event: \xff\n").unwrap_err().contains("UTF-8"));
}
