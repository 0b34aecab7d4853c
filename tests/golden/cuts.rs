//! The same bytes, cut elsewhere or with other line ends, give the same events.
//!
//! A translator is fed frames and, at the end, the bytes outside any frame; of the cuts it learns nothing
//! else. So each single cut is tried on the frame decoder, whose frames must be the same, and whole
//! translations are compared for bytes one by one, other line ends, and cuts at many places at once.

use std::collections::BTreeSet;

use or_adapters::{AdapterError, FrameDecoder, Framing};

use crate::answers::in_parallel;
use crate::replay::{Replay, Translated};
use or_test_support::shared::{self, Case, Kind};

/// Up to this size every single cut is tried, in bytes.
const SMALL: usize = 4096;
/// Random cuts of a larger body.
const RANDOM: usize = 200;

#[test]
fn the_same_bytes_cut_elsewhere_give_the_same_events() {
    let Some(cases) = shared::cases() else { return };
    let streams: Vec<&Case> =
        cases.iter().filter(|case| case.status == 200 && is_stream(case.kind)).collect();
    assert!(streams.len() >= 150, "only {} streams", streams.len());
    let wrong: Vec<String> =
        in_parallel(&streams, check).into_iter().filter_map(|(_, found)| found).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn is_stream(kind: Kind) -> bool {
    matches!(kind, Kind::Sse | Kind::Ndjson)
}

/// What differs, if anything.
fn check(case: &Case) -> Option<String> {
    let replay = Replay::of(case);
    let framing = replay.adapter.framing();
    let whole = replay.translate(case);
    let frames = match frames(framing, [case.response.as_slice()]) {
        Ok(frames) => frames,
        Err(error) => return Some(format!("{}: {error}", case.id())),
    };
    for at in places(&case.response) {
        let (head, tail) = case.response.split_at(at);
        if !same_frames(framing, [head, tail], &frames) {
            return Some(format!("{}, cut at {at}: other frames", case.id()));
        }
    }
    let mut bodies = vec![("as recorded", case.response.clone()), ("with CRLF", crlf(&case.response))];
    if case.kind == Kind::Sse {
        bodies.push(("with CR", crlf(&case.response).into_iter().filter(|byte| *byte != b'\n').collect()));
    }
    for (name, bytes) in &bodies {
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        let all = pieces(bytes, &places(bytes));
        let few = pieces(bytes, &seeded(bytes.len(), 16, 7).into_iter().collect());
        for (how, pieces) in [("byte by byte", single), ("cut everywhere", all), ("cut at random", few)] {
            let got = replay.translate_body(case.kind, pieces);
            if got != whole {
                return Some(format!("{} {name}, {how}: {}", case.id(), difference(&got, &whole)));
            }
        }
    }
    None
}

fn difference(got: &Translated, want: &Translated) -> String {
    let at = got.events.iter().zip(&want.events).take_while(|(got, want)| got == want).count();
    format!("event {at} is {:?}, not {:?}; {:?}", got.events.get(at), want.events.get(at), got.end)
}

/// Places to cut at: all of a small body; of a large one random ones and every border where a decoder may
/// stumble: inside a character, between CR and LF, and on both sides of `data:`.
fn places(bytes: &[u8]) -> BTreeSet<usize> {
    if bytes.len() <= SMALL {
        return (0..=bytes.len()).collect();
    }
    let mut places: BTreeSet<usize> = seeded(bytes.len(), RANDOM, 42).into_iter().collect();
    for at in 1..bytes.len() {
        let (before, here) = (bytes[at - 1], bytes[at]);
        // 10xxxxxx continues a character.
        if here & 0b1100_0000 == 0b1000_0000 || (before == b'\r' && here == b'\n') {
            places.insert(at);
        }
        if bytes[at..].starts_with(b"data:") {
            places.extend([at, at + 5]);
        }
    }
    places
}

/// Evenly spread places from a small generator (xorshift), the same in every run.
fn seeded(len: usize, count: usize, seed: u64) -> Vec<usize> {
    let mut state = seed ^ 0x9E37_79B9_7F4A_7C15;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or_default() % len.max(1)
    };
    (0..count).map(|_| next()).collect()
}

fn pieces<'b>(bytes: &'b [u8], places: &BTreeSet<usize>) -> Vec<&'b [u8]> {
    let ends = places.iter().copied().chain([bytes.len()]);
    let mut start = 0;
    ends.map(|end| {
        let piece = &bytes[start..end];
        start = end;
        piece
    })
    .collect()
}

/// All line ends as CRLF.
fn crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + 64);
    for (at, byte) in bytes.iter().enumerate() {
        if *byte == b'\n' && (at == 0 || bytes[at - 1] != b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}

/// Events with their names, and the bytes outside of them.
type Frames = (Vec<(String, String)>, Vec<u8>);

fn frames<'b>(framing: Framing, chunks: impl IntoIterator<Item = &'b [u8]>) -> Result<Frames, AdapterError> {
    let mut found = Vec::new();
    let stray = each_frame(framing, chunks, |event, data| {
        found.push((event.to_owned(), data.to_owned()));
        true
    })?;
    Ok((found, stray))
}

fn same_frames<'b>(framing: Framing, chunks: impl IntoIterator<Item = &'b [u8]>, want: &Frames) -> bool {
    let mut expected = want.0.iter();
    let stray = each_frame(framing, chunks, |event, data| {
        expected.next().is_some_and(|(name, text)| name == event && text == data)
    });
    expected.next().is_none() && stray.as_ref() == Ok(&want.1)
}

/// Calls `take` for each frame until it says no, and gives the bytes outside of them.
fn each_frame<'b>(
    framing: Framing,
    chunks: impl IntoIterator<Item = &'b [u8]>,
    mut take: impl FnMut(&str, &str) -> bool,
) -> Result<Vec<u8>, AdapterError> {
    let mut decoder = FrameDecoder::new(framing);
    for chunk in chunks.into_iter().map(Some).chain([None]) {
        match chunk {
            Some(chunk) => decoder.feed(chunk),
            None => decoder.close(),
        }
        while let Some(frame) = decoder.next()? {
            if !take(frame.event, frame.data) {
                return Ok(b"other frames".to_vec());
            }
        }
    }
    Ok(decoder.stray().to_vec())
}

#[test]
fn a_large_body_is_cut_at_every_border() {
    let body = format!("{}data: ü\r\n", "x".repeat(SMALL));
    let places = places(body.as_bytes());
    let data = SMALL;
    for at in [data, data + 5, data + 7, data + 9] {
        assert!(places.contains(&at), "{at}");
    }
    assert!(places.len() > RANDOM / 2);
    assert_eq!(pieces(b"abc", &BTreeSet::from([1])), [&b"a"[..], b"bc"]);
    assert_eq!(crlf(b"a\nb\r\n"), b"a\r\nb\r\n");
}
