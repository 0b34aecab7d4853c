//! Oddities that hosts really send, on every kind of provider, streamed and whole, and cut anywhere.
//!
//! An answer of each kind ([`answers`]) is changed in one place as a row says, and must say the same, or what the row
//! says instead. A new oddity is a new row in [`rows`].
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail like tests")]

mod answers;
mod chat_pieces;
mod pieces;
mod responses_pieces;
mod rows;
mod said;

use pretty_assertions::assert_eq;

use self::answers::{KINDS, Sample, sample};
use self::rows::{ROWS, Row, Want};
use self::said::{End, Said, said_by_stream, said_by_whole};

/// What a row wants, from what the unchanged answer says.
fn wanted(want: Want, mut base: Said) -> Said {
    match want {
        Want::Same => {}
        Want::Usage(input, output) => base.usage = Some((input, output)),
        Want::Text(text) => base.text = text.to_owned(),
        Want::Arguments(arguments) => base.calls.iter_mut().for_each(|(_, all)| *all = arguments.to_owned()),
    }
    base
}

/// The frames of a stream as bytes.
fn bytes(kind: &str, frames: &[String]) -> Vec<u8> {
    let one = |frame: &String| match kind {
        "ollama" => format!("{frame}\n"),
        _ => format!("data: {frame}\n\n"),
    };
    frames.iter().map(one).collect::<String>().into_bytes()
}

fn check(row: &Row, kind: &'static str, find: &str, put: &str) {
    let Sample { frames, whole } = sample(kind);
    let label = format!("{} of {kind}", row.name);
    let changed: Vec<String> = frames.iter().map(|frame| frame.replace(find, put)).collect();
    let body = whole.replace(find, put);
    assert!(changed != frames || body != whole, "{label}: {find} is nowhere");
    let want = wanted(row.want, said_by_whole(kind, whole.as_bytes()));
    if body != whole {
        assert_eq!(said_by_whole(kind, body.as_bytes()), want, "{label}, whole");
    }
    if changed == frames {
        return;
    }
    let stream = bytes(kind, &changed);
    assert_eq!(said_by_stream(kind, [stream.as_slice()]), want, "{label}, streamed");
    assert_eq!(said_by_stream(kind, stream.chunks(1)), want, "{label}, byte by byte");
    for cut in (0..stream.len()).step_by(3) {
        let got = said_by_stream(kind, [&stream[..cut]]);
        match got.end {
            // Behind the last word of the answer there may be usage and end marks, which are of no need.
            End::Finished(_) => assert_eq!(got.calls, want.calls, "{label}, torn at {cut}"),
            End::Disconnected => assert!(
                want.text.starts_with(got.text.trim_end_matches('\u{fffd}')),
                "{label}, torn at {cut}"
            ),
            End::Failed(why) => panic!("{label}, torn at {cut}: {why}"),
        }
    }
}

#[test]
fn an_odd_value_costs_no_answer() {
    for row in ROWS {
        for (kind, find, put) in row.edits {
            check(row, kind, find, put);
        }
    }
}

#[test]
fn the_answers_of_all_kinds_say_the_same() {
    for kind in KINDS {
        let Sample { frames, whole } = sample(kind);
        let said = said_by_whole(kind, whole.as_bytes());
        assert_eq!(said, said_by_whole("anthropic", sample("anthropic").whole.as_bytes()), "{kind}");
        assert_eq!(said, said_by_stream(kind, [bytes(kind, &frames).as_slice()]), "{kind}");
    }
}

#[test]
fn the_table_has_all_kinds() {
    for kind in KINDS {
        let rows = ROWS.iter().filter(|row| row.edits.iter().any(|(of, ..)| *of == kind)).count();
        assert!(rows >= 5, "{kind} has {rows} rows");
    }
}

#[test]
fn a_character_in_two_deltas_is_one() {
    for kind in KINDS {
        let Sample { frames, whole } = sample(kind);
        let split = |text: &String| {
            let text = text.replace("\"hi there\"", r#""hi \ud83d\ude00there""#);
            text.replace("\"hi \"", r#""hi \ud83d""#).replace("\"there\"", r#""\ude00there""#)
        };
        let frames: Vec<String> = frames.iter().map(split).collect();
        let want = Said { text: "hi 😀there".to_owned(), ..said_by_whole(kind, whole.as_bytes()) };
        let stream = bytes(kind, &frames);
        assert_eq!(said_by_stream(kind, [stream.as_slice()]), want, "{kind}");
        assert_eq!(said_by_stream(kind, stream.chunks(7)), want, "{kind}, in pieces");
        assert_eq!(said_by_whole(kind, split(&whole).as_bytes()), want, "{kind}, whole");
    }
}

#[test]
fn a_stream_of_another_form_says_the_same() {
    for kind in KINDS {
        let Sample { frames, whole } = sample(kind);
        let want = said_by_whole(kind, whole.as_bytes());
        let stream = String::from_utf8(bytes(kind, &frames)).unwrap();
        let mut forms = vec![
            ("a byte order mark", format!("\u{feff}{stream}")),
            ("CRLF", stream.replace('\n', "\r\n")),
            ("no last line end", stream.trim_end().to_owned()),
            ("blank lines", stream.replace('\n', "\n\n")),
            ("words between", stream.replacen("\n\n", "\n\ndata: ping\n\n: pong\n\n", 1)),
        ];
        if kind == "ollama" {
            forms.push(("words between lines", stream.replacen('\n', "\nping\n", 1)));
        } else {
            forms.push(("no blank lines", stream.replace("\n\n", "\n")));
            forms.push(("an end mark", format!("{stream}data: [DONE]\n\n")));
            forms.push(("a torn end mark", format!("{stream}data: [DO")));
            forms.push(("ids and retries", stream.replace("data: ", "id: 1\nretry: 5\ndata: ")));
            forms.push(("no space", stream.replace("data: ", "data:")));
        }
        for (form, stream) in forms {
            assert_eq!(said_by_stream(kind, [stream.as_bytes()]), want, "{kind}: {form}");
            assert_eq!(
                said_by_stream(kind, stream.as_bytes().chunks(1)),
                want,
                "{kind}: {form}, byte by byte"
            );
        }
    }
}

#[test]
fn an_error_in_mere_words_is_told() {
    for kind in ["openai-chat", "anthropic", "gemini"] {
        let said = said_by_stream(kind, [b"event: error\ndata: out of memory\n\n".as_slice()]);
        assert_eq!(said.end, End::Failed("out of memory".to_owned()), "{kind}");
    }
}
