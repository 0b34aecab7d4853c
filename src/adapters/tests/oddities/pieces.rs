//! Answers in pieces that are hard to place: by id, then by index, then by place, and none is lost.

use pretty_assertions::assert_eq;

use super::said::{End, Said, said_by_stream};

pub(crate) const A: &str = r#"{"city":"A"}"#;
pub(crate) const B: &str = r#"{"city":"B"}"#;

pub(crate) fn stream(frames: &[String]) -> Vec<u8> {
    frames.iter().map(|frame| format!("data: {frame}\n\n")).collect::<String>().into_bytes()
}

/// The answer says these calls and this text; cut anywhere it says a part of that, and is never at its end before.
#[track_caller]
pub(crate) fn check(kind: &str, frames: &[String], text: &str, calls: &[(&str, &str)]) {
    let bytes = stream(frames);
    let whole = said_by_stream(kind, [bytes.as_slice()]);
    let named = |calls: &[(&str, &str)]| -> Vec<(String, String)> {
        calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect()
    };
    let end = End::Finished("Stop".into());
    let want = Said { text: text.to_owned(), calls: named(calls), usage: None, end };
    assert_eq!(whole, want, "{frames:#?}");
    assert_eq!(said_by_stream(kind, bytes.chunks(1)), want);
    for cut in 0..bytes.len() {
        let got = said_by_stream(kind, [&bytes[..cut]]);
        match got.end {
            End::Finished(_) => assert_eq!(got.calls, want.calls, "cut at {cut}"),
            End::Disconnected => {
                assert!(want.text.starts_with(&got.text), "cut at {cut}: {got:?}");
                for (got, want) in got.calls.iter().zip(&want.calls) {
                    assert!(got.0 == want.0 && want.1.starts_with(&got.1), "cut at {cut}: {got:?}");
                }
            }
            End::Failed(why) => panic!("cut at {cut}: {why}"),
        }
    }
}
