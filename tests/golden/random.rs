//! Whatever a provider sends, no translator panics, and the client gets a legal stream with one end.

use std::sync::OnceLock;

use proptest::prelude::*;

use crate::replay::{Replay, Translated};
use crate::transcripts::{Transcript, replay, transcripts};
use or_test_support::order;
use or_test_support::shared::Kind;

fn all() -> &'static [Transcript] {
    static ALL: OnceLock<Vec<Transcript>> = OnceLock::new();
    ALL.get_or_init(transcripts)
}

fn of(kind: &str) -> Vec<&'static Transcript> {
    all().iter().filter(|transcript| transcript.kind == kind).collect()
}

/// A legal stream has one terminal event and is the same response as the unary answer's.
fn check(replay: &Replay, translated: &Translated) -> Result<(), TestCaseError> {
    let answer = replay.respond(translated, true);
    let events = match order::parse_sse(&answer.frames) {
        Ok(events) => events,
        Err(error) => return Err(TestCaseError::fail(error)),
    };
    prop_assert_eq!(order::check_events_with(&events, replay.options()), Ok(()));
    let ends = ["response.completed", "response.incomplete", "response.failed"];
    prop_assert_eq!(events.iter().filter(|(name, _)| ends.contains(&name.as_str())).count(), 1);
    let status = replay.respond(translated, false).response["status"].clone();
    prop_assert_eq!(&answer.response["status"], &status);
    Ok(())
}

/// The frames of a provider's transcripts, each with its line ends.
fn frames(kind: &str) -> Vec<(Kind, &'static [u8])> {
    let mut found = Vec::new();
    for transcript in of(kind).into_iter().filter(|transcript| transcript.framing != Kind::Json) {
        let text = transcript.bytes.as_slice();
        let end: &[u8] = if transcript.framing == Kind::Sse { b"\n\n" } else { b"\n" };
        let mut start = 0;
        for at in 0..text.len() {
            if text[start..at].ends_with(end) {
                found.push((transcript.framing, &text[start..at]));
                start = at;
            }
        }
        found.push((transcript.framing, &text[start..]));
    }
    found
}

/// What became of a frame on its way.
#[derive(Clone, Copy, Debug)]
enum Change {
    None,
    /// Bytes are missing from this place on (of 256 parts of the frame).
    Cut(u8),
    /// A byte was replaced.
    Byte(u8, u8),
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        8 => Just(Change::None),
        1 => any::<u8>().prop_map(Change::Cut),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
    ]
}

fn changed(frame: &[u8], change: Change) -> Vec<u8> {
    let place = |at: u8| frame.len() * usize::from(at) / 256;
    let mut bytes = frame.to_vec();
    match change {
        Change::None => {}
        Change::Cut(at) => {
            bytes.truncate(place(at));
            bytes.extend(b"\n\n");
        }
        Change::Byte(at, byte) => {
            if let Some(old) = bytes.get_mut(place(at)) {
                *old = byte;
            }
        }
    }
    bytes
}

/// Frames of a kind's transcripts in any order, some of them damaged.
fn check_mixed(kind: &str, picks: &[(prop::sample::Index, Change)]) -> Result<(), TestCaseError> {
    let frames = frames(kind);
    let mut body = Vec::new();
    for (pick, change) in picks {
        body.extend(changed(pick.get(&frames).1, *change));
    }
    let replay = replay(kind, true);
    let framing = frames.first().map_or(Kind::Sse, |(framing, _)| *framing);
    check(&replay, &replay.translate_body(framing, [body.as_slice()]))
}

/// Random bytes as a stream and as a whole body.
fn check_bytes(kind: &str, bytes: &[u8]) -> Result<(), TestCaseError> {
    for framing in [Kind::Sse, Kind::Ndjson, Kind::Json] {
        let replay = replay(kind, framing != Kind::Json);
        check(&replay, &replay.translate_body(framing, [bytes]))?;
    }
    Ok(())
}

fn picks() -> impl Strategy<Value = Vec<(prop::sample::Index, Change)>> {
    prop::collection::vec((any::<prop::sample::Index>(), change()), 0..24)
}

/// Bytes that often look like the beginning of something.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..16),
        prop::sample::select(vec![
            "data: ",
            "event: error\n",
            "{",
            "}",
            "[]",
            "\n\n",
            "null",
            "{\"error\":",
            "\"x\""
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

macro_rules! translators {
    ($($name:ident: $kind:literal),* $(,)?) => { $(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

                #[test]
                fn frames_in_any_order_give_a_legal_stream(picks in picks()) {
                    check_mixed($kind, &picks)?;
                }

                #[test]
                fn random_bytes_give_a_legal_stream(bytes in bytes()) {
                    check_bytes($kind, &bytes)?;
                }
            }
        }
    )* };
}

translators! {
    anthropic: "anthropic",
    demo: "demo",
    gemini: "gemini",
    ollama: "ollama",
    openai_chat: "openai-chat",
    openai_responses: "openai-responses",
}
