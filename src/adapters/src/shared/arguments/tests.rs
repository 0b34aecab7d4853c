use pretty_assertions::assert_eq;

use super::*;

/// What was handed out after each piece and at the end, and whether something was lost.
fn told(pieces: &[&str]) -> (Vec<String>, bool) {
    let mut arguments = Arguments::default();
    let mut told = Vec::new();
    for piece in pieces {
        arguments.push(piece);
        told.push(arguments.fresh().unwrap_or_default());
    }
    arguments.settle();
    told.push(arguments.fresh().unwrap_or_default());
    (told, arguments.have_leftovers())
}

#[track_caller]
fn check(pieces: &[&str], want: &str) {
    let (told, lost) = told(pieces);
    assert_eq!((told.concat().as_str(), lost), (want, false), "{pieces:?}");
}

#[track_caller]
fn check_whole(pieces: &[&str]) {
    let mut arguments = Arguments::default();
    let mut text = String::new();
    for piece in pieces {
        arguments.push(piece);
        text.push_str(piece);
        let want = serde_json::from_str::<IgnoredAny>(&text).is_ok();
        assert_eq!(arguments.are_whole(), want, "{text}");
    }
}

#[test]
fn they_are_whole_when_they_are_json() {
    check_whole(&["", " ", "{", "\"a\\", "\"}\":", "[1,", "2]", "}", " "]);
    check_whole(&["\"", "a{", "\\", "\\", "\"", "\""]);
    check_whole(&["1", "2", "e", "5", " "]);
    check_whole(&["tru", "e"]);
    check_whole(&["[", "}", "]"]);
    check_whole(&["}", "{", "}"]);
    check_whole(&["{\"a\" 1}", "}"]);
}

#[test]
fn pieces_are_joined_as_they_come() {
    let (told, lost) = told(&["{\"a", "\":", "{\"a\":", "[]}", "}", " "]);
    assert_eq!((told.join("|").as_str(), lost), ("{\"a|\":||{\"a\":[]}|}||", false));
    check(&["no", " json ", "{}"], "no json {}");
    check(&["{\"s\":\"{\\\"\"", ",\"t\":\"}\"}"], "{\"s\":\"{\\\"\",\"t\":\"}\"}");
}

#[test]
fn arguments_that_come_once_more_are_taken_once() {
    let whole = "{\"a\":1}";
    check(&[whole, whole], whole);
    check(&["{\"a\"", ":1}", whole], whole);
    check(&["{\"a\"", ":1}", "{\"a\":", "1}"], whole);
    check(&[whole, "{ \"a\" : 1 }", whole, "\n"], whole);
    check(&["{\"a\":1}{\"a\":1}"], whole);
    check(&[whole, "{\"a\""], whole);
}

#[test]
fn pieces_that_hold_all_that_came_before_are_taken_once() {
    let whole = "{\"a\":{\"b\":[1,2]}}";
    for ends in [&[1, 4, 5, 9, 11, 12, 13, 15, 16, 17][..], &[5, 17], &[5, 6, 17, 17], &[11, 12, 12, 17]] {
        let pieces: Vec<&str> = ends.iter().map(|end| &whole[..*end]).collect();
        check(&pieces, whole);
    }
    for cut in 1..whole.len() {
        check(&[&whole[..cut], whole], whole);
        check(&[&whole[..cut], whole, whole], whole);
    }
}

#[test]
fn an_object_inside_an_object_may_begin_like_it() {
    check(&["{\"a\":", "{\"a\":", "1", "}}"], "{\"a\":{\"a\":1}}");
    check(&["{\"a\":", "{\"a\":1}", "}"], "{\"a\":{\"a\":1}}");
    check(&["{\"a\":[", "{\"a\":[]}", "]}"], "{\"a\":[{\"a\":[]}]}");
}

#[test]
fn an_empty_object_gives_way_to_what_comes_behind_it() {
    check(&["{}", "{\"a\"", ":1}"], "{\"a\":1}");
    check(&["{ }", "", " {\"a\":1}"], " {\"a\":1}");
    check(&["{}{\"a\":1}"], "{\"a\":1}");
    check(&["{}", "{}"], "{}");
    check(&["{", "}"], "{}");
    assert_eq!(told(&["{}"]), (vec![String::new(), "{}".to_owned()], false));
}

#[test]
fn what_is_no_repetition_is_told() {
    let whole = "{\"a\":1}";
    for more in ["{\"a\":2}", "}", "x", "{\"a\":1}}", "{\"b\""] {
        let (told, lost) = told(&[whole, more]);
        assert_eq!((told.concat().as_str(), lost), (whole, true), "{more}");
    }
}

#[test]
fn a_whole_adds_what_the_pieces_left_out() {
    let check = |pieces: &[&str], whole: &str, is_free: bool, want: (&str, bool)| {
        let mut arguments = Arguments::default();
        for piece in pieces {
            if is_free { arguments.push_free(piece) } else { arguments.push(piece) }
        }
        let same = arguments.push_whole(whole, is_free);
        arguments.settle();
        assert_eq!((arguments.fresh().unwrap_or_default().as_str(), same), want, "{pieces:?} {whole}");
        assert!(!arguments.have_leftovers());
    };
    check(&[], "{\"a\":1}", false, ("{\"a\":1}", true));
    check(&["{\"a\""], "{\"a\":1}", false, ("{\"a\":1}", true));
    check(&["{\"a\":"], "{\"a\":{\"b\":1}}", false, ("{\"a\":{\"b\":1}}", true));
    check(&["{\"a\":1}"], "{\"a\": 1}", false, ("{\"a\":1}", true));
    check(&["{\"a\":1}"], "{\"a\":2}", false, ("{\"a\":1}", false));
    check(&["{\"a\":1"], "{\"b\":2}", false, ("{\"a\":1", false));
    check(&["{}"], "{\"b\":2}", false, ("{\"b\":2}", true));
    check(&["[1"], "[1,2]", false, ("[1,2]", true));
    check(&["{\"a\""], "", false, ("{\"a\"", true));
    check(&["SEL"], "SELECT 1", true, ("SELECT 1", true));
    check(&["{}"], "{}{}", true, ("{}{}", true));
    check(&["DEL"], "SELECT 1", true, ("DEL", false));
}

#[test]
fn they_are_cut_in_the_middle_of_their_json() {
    for (text, cut) in [("{\"a", true), ("{\"a\":[", true), ("", false), ("{}", false), ("{\"a\" 1}", false)]
    {
        let mut arguments = Arguments::default();
        arguments.push(text);
        assert_eq!(arguments.are_cut(), cut, "{text}");
    }
}

#[test]
fn only_what_is_no_object_is_wrapped() {
    for text in ["{}", "{ \"a\" : 1 }\n", r#"{"a":"\ud83d"}"#, r#"{"a":1,"a":2}"#] {
        assert_eq!(object_text(text), (text.into(), false));
    }
    assert_eq!(object_text(" "), ("{}".into(), false));
    for text in ["{\"a\": ", "[1]", "\"x\"", "7", "null", "a b", "{\"a\":1}{}"] {
        let (sent, wrapped) = object_text(text);
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!((sent, wrapped), (json!({ "_raw": text }), true));
    }
}
