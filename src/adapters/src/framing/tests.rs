//! Cuts, line ends, and what stands around frames.

use pretty_assertions::assert_eq;

use super::*;

fn decode(framing: Framing, chunks: &[&[u8]]) -> (Vec<(String, String)>, String) {
    let mut decoder = FrameDecoder::new(framing);
    let mut out = Vec::new();
    for chunk in chunks {
        decoder.feed(chunk);
        while let Some(frame) = decoder.next().unwrap() {
            out.push((frame.event.to_owned(), frame.data.to_owned()));
        }
    }
    decoder.close();
    while let Some(frame) = decoder.next().unwrap() {
        out.push((frame.event.to_owned(), frame.data.to_owned()));
    }
    (out, String::from_utf8_lossy(decoder.stray()).into_owned())
}

#[track_caller]
fn check(text: &str, want: &[(&str, &str)], stray: &str) {
    let want: Vec<_> = want.iter().map(|(e, d)| ((*e).to_owned(), (*d).to_owned())).collect();
    let want = (want, stray.to_owned());
    for text in [text.to_owned(), text.replace('\n', "\r\n"), text.replace('\n', "\r")] {
        let bytes = text.as_bytes();
        for cut in 0..=bytes.len() {
            let (a, b) = bytes.split_at(cut);
            assert_eq!(decode(Framing::Sse, &[a, b]), want, "cut at {cut} of {text:?}");
        }
        let single: Vec<_> = bytes.chunks(1).collect();
        assert_eq!(decode(Framing::Sse, &single), want);
    }
}

#[test]
fn events_data_and_comments_are_told_apart() {
    check(
        "\u{feff}: hi\nevent: a\ndata: {\"x\":1}\nid: 3\n\ndata:[1,\ndata: 2]\n\nevent: lost\n\ndata: [DONE]\n\n",
        &[("a", "{\"x\":1}"), ("", "[1,\n2]"), ("", "[DONE]")],
        "",
    );
}

#[test]
fn the_last_frame_needs_no_blank_line() {
    check("data: [1]\n\ndata: [\"ünï\"]", &[("", "[1]"), ("", "[\"ünï\"]")], "");
}

#[test]
fn an_error_body_behind_the_stream_is_kept() {
    check("data: [1]\n\n{\n  \"error\": {}\n}\n", &[("", "[1]")], "{\n  \"error\": {}\n}\n");
}

#[test]
fn comments_are_no_part_of_a_frame() {
    for (text, want) in [
        ("", false),
        (": k", false),
        (": k\n\n", false),
        ("data: a\n\n", false),
        ("data: a\n\n: k", false),
        ("da", true),
        ("data: a\n", true),
        ("event: a\n: k", true),
    ] {
        let mut decoder = FrameDecoder::new(Framing::Sse);
        decoder.feed(text.as_bytes());
        while decoder.next().unwrap().is_some() {}
        assert_eq!(decoder.in_frame(), want, "{text:?}");
    }
}

#[test]
fn lines_of_json_are_frames() {
    let want = vec![(String::new(), "{\"a\":1}".to_owned()), (String::new(), "{\"b\":2}".to_owned())];
    assert_eq!(decode(Framing::Ndjson, &[b"{\"a\":1}\r\n\n{\"b\"", b":2}"]).0, want);
}

#[test]
fn broken_utf8_is_replaced() {
    assert_eq!(
        decode(Framing::Sse, &[b"data: {\"a\xff\":1}\n\n"]).0,
        vec![(String::new(), "{\"a\u{fffd}\":1}".to_owned())]
    );
}

#[test]
fn what_the_end_tears_is_no_frame() {
    let whole = "data: {\"a\":1}\n\n";
    for torn in [
        "data: [DO",
        "data: {\"b\":",
        "data: {\"b\":1",
        "data: ",
        "da",
        "data: {\"b\":\"x\"",
        "event: b\ndata: {\"b",
    ] {
        check(&format!("{whole}{torn}"), &[("", "{\"a\":1}")], if torn == "da" { "da\n" } else { "" });
    }
    check(&format!("{whole}data: [DONE]"), &[("", "{\"a\":1}"), ("", "[DONE]")], "");
    check(&format!("{whole}data: {{\"b\":1}}"), &[("", "{\"a\":1}"), ("", "{\"b\":1}")], "");
    let want = vec![(String::new(), "{\"a\":1}".to_owned())];
    assert_eq!(decode(Framing::Ndjson, &[b"{\"a\":1}\n{\"b\":"]).0, want);
    assert_eq!(decode(Framing::Ndjson, &[b"\xef\xbb\xbf{\"a\":1}"]).0, want);
}

#[test]
fn lines_that_are_json_each_are_frames_each() {
    check(
        "data: {\"a\":1}\ndata: {\"b\":2}\ndata: [DONE]\n\n",
        &[("", "{\"a\":1}"), ("", "{\"b\":2}"), ("", "[DONE]")],
        "",
    );
    check(
        "event: a\ndata: {\"a\":1}\nevent: b\ndata: {\"b\":2}\n\n",
        &[("a", "{\"a\":1}"), ("b", "{\"b\":2}")],
        "",
    );
    check("data: {\ndata: \"a\":1}\n\n", &[("", "{\n\"a\":1}")], "");
    check("data: {\"a\":1}\ndata: {\"b\":\ndata: 2}\n\n", &[("", "{\"a\":1}"), ("", "{\"b\":\n2}")], "");
    check("data: {\"a\":1}\ndata: {\"b\":", &[("", "{\"a\":1}")], "");
}

#[test]
fn words_are_no_frames() {
    check("data: ping\n\ndata: {\"a\":1}\n\n", &[("", "{\"a\":1}")], "ping\n");
    check("event: error\ndata: out of memory\n\n", &[("error", "out of memory")], "");
    check("<html>\n<p>a: b\n", &[], "<html>\n<p>a: b\n");
}

#[test]
fn usage_behind_the_end_mark_comes_before_it() {
    let mut decoder = FrameDecoder::new(Framing::Sse);
    decoder.feed(b"data: {\"a\":1}\n\ndata: [DONE]\n\ndata: {\"usage\":1}\n\n");
    let mut data = Vec::new();
    while let Some(frame) = decoder.next().unwrap() {
        data.push(frame.data.to_owned());
    }
    assert_eq!(data, ["{\"a\":1}", "{\"usage\":1}", "[DONE]"]);
}

#[test]
fn halves_of_a_character_are_joined() {
    check(
        "data: {\"t\":\"hi \\ud83d\"}\n\ndata: {\"t\":\"\\ude00 there\"}\n\n",
        &[("", "{\"t\":\"hi \\ud83d\\ude00\"}"), ("", "{\"t\":\" there\"}")],
        "",
    );
    check(
        "data: {\"t\":\"hi \\ud83d\"}\n\ndata: [DONE]\n\n",
        &[("", "{\"t\":\"hi \\ufffd\"}"), ("", "[DONE]")],
        "",
    );
}
