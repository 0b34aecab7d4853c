//! Odd values, and text that is nearly JSON.

use std::collections::VecDeque;

use pretty_assertions::assert_eq;
use serde_json::json;

use super::*;

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Inner<'a> {
    #[serde(borrow)]
    text: Text<'a>,
}

#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(default)]
struct Outer<'a> {
    count: Count,
    flag: Flag,
    real: Real,
    #[serde(borrow)]
    word: Word<'a>,
    #[serde(borrow)]
    text: Text<'a>,
    #[serde(borrow)]
    inner: Lenient<Inner<'a>>,
    #[serde(borrow)]
    list: Objects<Inner<'a>>,
    numbers: List<Count>,
    seen: Seen,
}

#[test]
fn a_count_is_a_whole_number_however_it_is_written() {
    for (json, want) in [
        ("5", Some(5)),
        ("5.0", Some(5)),
        ("\"5\"", Some(5)),
        ("\" 5.0 \"", Some(5)),
        ("5e2", Some(500)),
        ("0", Some(0)),
        ("-0.0", Some(0)),
        ("-1", None),
        ("\"-1\"", None),
        ("-9.5", None),
        ("null", None),
        ("true", None),
        ("\"many\"", None),
        ("[5]", None),
        ("{\"n\":5}", None),
        ("18446744073709551615", None),
        ("99999999999999999999999999", None),
        ("9007199254740992", Some(9_007_199_254_740_992)),
    ] {
        assert_eq!(serde_json::from_str::<Count>(json).unwrap().0, want, "{json}");
    }
}

#[test]
fn a_flag_may_be_a_word_or_a_number() {
    for (json, want) in [
        ("true", Some(true)),
        ("\"True\"", Some(true)),
        ("1", Some(true)),
        ("\"false\"", Some(false)),
        ("0", Some(false)),
        ("null", None),
        ("\"perhaps\"", None),
        ("[]", None),
    ] {
        assert_eq!(serde_json::from_str::<Flag>(json).unwrap().0, want, "{json}");
    }
}

#[test]
fn a_field_of_another_shape_is_as_if_absent() {
    let absent = serde_json::to_string(&json!({"count": 1})).unwrap();
    let absent: Outer<'_> = serde_json::from_str(&absent).unwrap();
    for odd in [json!(null), json!(true), json!([]), json!([[1], "x", null]), json!(-1.5)] {
        let body =
            json!({"count": 1, "flag": [odd], "real": [odd], "word": [odd], "inner": odd, "list": odd});
        let body = body.to_string();
        assert_eq!(serde_json::from_str::<Outer<'_>>(&body).unwrap(), absent, "{body}");
    }
}

#[test]
fn lists_keep_what_they_can() {
    let body = r#"{"list":[1,{"text":"a"},"x",{"text":["b"]}],"numbers":[1,"2",-3,null],"seen":0}"#;
    let outer: Outer<'_> = serde_json::from_str(body).unwrap();
    let texts: Vec<_> = outer.list.0.iter().map(|inner| inner.text.as_str()).collect();
    assert_eq!(texts, ["a", "[\"b\"]"]);
    assert_eq!(outer.numbers.0, [Count(Some(1)), Count(Some(2)), Count(None), Count(None)]);
    assert!(outer.seen.0);
    let lone: Outer<'_> = serde_json::from_str(r#"{"list":{"text":"a"}}"#).unwrap();
    assert_eq!(lone.list.0.len(), 1);
}

#[track_caller]
fn check_mended(text: &str, want: &str) {
    assert_eq!(mend(text).as_deref(), Some(want), "{text}");
    assert!(is_whole(want), "{want}");
}

#[test]
fn of_two_members_of_a_name_the_last_that_says_something_counts() {
    check_mended(r#"{"a":1,"a":2}"#, r#"{"a":2}"#);
    check_mended(r#"{"a":1,"b":0,"a":2,"c":3}"#, r#"{"b":0,"a":2,"c":3}"#);
    check_mended(r#"{"a":"x","a":""}"#, r#"{"a":"x"}"#);
    check_mended(r#"{"a":"x", "a": null ,"b":1}"#, r#"{"a":"x","b":1}"#);
    check_mended(r#"{"a":null,"a":"x"}"#, r#"{"a":"x"}"#);
    check_mended(r#"{"a":1,"a":[],"a":2,"a":{}}"#, r#"{"a":2}"#);
    check_mended(r#"{"o":{"a":1,"a":2},"o":{"b":1,"b":2}}"#, r#"{"o":{"b":2}}"#);
    check_mended(r#"{"o":{"b":1,"b":2},"o":null}"#, r#"{"o":{"b":2}}"#);
    check_mended(r#"{"o":null,"o":{"b":1,"b":2,"c":[{"d":1,"d":3}]}}"#, r#"{"o":{"b":2,"c":[{"d":3}]}}"#);
    check_mended(r#"{"\u0061":1,"a":2}"#, r#"{"a":2}"#);
    check_mended(r#"[{"a":1},{"a":2}]"#, r#"[{"a":1},{"a":2}]"#);
}

#[test]
fn numbers_that_json_has_not_are_null() {
    check_mended(
        "{\"a\":NaN,\"b\":[-Infinity, Infinity],\"c\":1e999}",
        "{\"a\":null,\"b\":[null, null],\"c\":null}",
    );
    check_mended("{\"a\":\"NaN\",\"b\":-1.5e3,\"c\":true}", "{\"a\":\"NaN\",\"b\":-1.5e3,\"c\":true}");
}

#[test]
fn strings_are_made_whole() {
    check_mended("\u{feff}{\"a\":1}", "{\"a\":1}");
    check_mended(r#"{"a":"x\ud83d"}"#, r#"{"a":"x\ufffd"}"#);
    check_mended(r#"{"a":"\ude00x\ud83d\ud83d\uDE00"}"#, r#"{"a":"\ufffdx\ufffd\ud83d\uDE00"}"#);
    check_mended(r#"{"a":"\\ud83d"}"#, r#"{"a":"\\ud83d"}"#);
    check_mended("{\"a\":\"x\ty\"}", "{\"a\":\"x\\u0009y\"}");
    check_mended(r#"{"a":"it\'s \u12"}"#, r#"{"a":"it\\'s \\u12"}"#);
}

#[test]
fn mending_takes_one_pass_whatever_there_is() {
    let many = format!("{{{}\"a\":1}}", "\"a\":[1,2],".repeat(50_000));
    check_mended(&many, r#"{"a":1}"#);
    let late = format!("{{\"a\":1{}}}", ",\"a\":null".repeat(50_000));
    check_mended(&late, r#"{"a":1}"#);
    assert_eq!(mend(&"[".repeat(10_000)), None);
    for text in ["", "]", "}", ",", ":", "\"", "{\"a", "{\"a\":", "\\", "é", "{,}", "{\"a\",\"a\":}"] {
        let _ = mend(text);
    }
}

#[track_caller]
fn check_halves(frames: &[&str], want: &[&str]) {
    let mut halves = Halves::default();
    let mut ready = VecDeque::new();
    for data in frames {
        halves.push(Owned { event: String::new(), data: (*data).to_owned() }, &mut ready);
    }
    halves.give_up(&mut ready);
    assert!(halves.is_empty());
    let got: Vec<String> = ready.into_iter().map(|frame| frame.data).collect();
    assert_eq!(got, want);
    got.iter().for_each(|data| assert!(is_whole(data), "{data}"));
}

#[test]
fn halves_of_a_character_are_joined_over_frames() {
    check_halves(
        &[r#"{"t":"hi \ud83d"}"#, r#"{"t":"\ude00 there"}"#],
        &[r#"{"t":"hi \ud83d\ude00"}"#, r#"{"t":" there"}"#],
    );
    // Over what stands between, and one after the other.
    check_halves(
        &[r#"{"t":"\ud83d"}"#, r#"{"ping":1}"#, r#"{"t":"\ude00\ud83d"}"#, r#"{"t":"\ude01"}"#],
        &[r#"{"t":"\ud83d\ude00"}"#, r#"{"ping":1}"#, r#"{"t":"\ud83d\ude01"}"#, r#"{"t":""}"#],
    );
    // In one frame.
    check_halves(&[r#"[{"t":"\ud83d"},{"t":"\ude00"}]"#], &[r#"[{"t":"\ud83d\ude00"},{"t":""}]"#]);
}

#[test]
fn halves_belong_to_their_text() {
    // Two texts grow side by side.
    check_halves(
        &[
            r#"{"index":0,"t":"\ud83d"}"#,
            r#"{"index":1,"t":"\ud83d"}"#,
            r#"{"index":0,"t":"\ude00"}"#,
            r#"{"t":"\ude01","index":1}"#,
        ],
        &[
            r#"{"index":0,"t":"\ud83d\ude00"}"#,
            r#"{"index":1,"t":"\ud83d\ude01"}"#,
            r#"{"index":0,"t":""}"#,
            r#"{"t":"","index":1}"#,
        ],
    );
}

#[test]
fn a_half_that_stays_alone_is_replaced() {
    check_halves(&[r#"{"t":"a\ud83d"}"#, r#"{"t":"b"}"#], &[r#"{"t":"a\ufffd"}"#, r#"{"t":"b"}"#]);
    check_halves(
        &[r#"{"t":"a\ud83d"}"#, r#"{"u":"\ude00b"}"#],
        &[r#"{"t":"a\ufffd"}"#, r#"{"u":"\ufffdb"}"#],
    );
    check_halves(&[r#"{"t":"a\ud83db\ude00"}"#], &[r#"{"t":"a\ufffdb\ufffd"}"#]);
    check_halves(&[r#"{"logprobs":{"t":"\ud83d"}}"#, "{}"], &[r#"{"logprobs":{"t":"\ufffd"}}"#, "{}"]);
}

#[test]
fn frames_do_not_wait_for_ever() {
    let mut halves = Halves::default();
    let mut ready = VecDeque::new();
    halves.push(Owned { event: String::new(), data: r#"{"t":"\ud83d"}"#.into() }, &mut ready);
    assert!(ready.is_empty());
    for _ in 0..20 {
        halves.push(Owned { event: String::new(), data: "{}".into() }, &mut ready);
    }
    assert!(halves.is_empty());
    assert_eq!(ready.len(), 21);
}
