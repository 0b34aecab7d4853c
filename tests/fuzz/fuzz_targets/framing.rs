//! However a byte stream is cut, its frames are the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use or_adapters::{FrameDecoder, Framing};

/// Frames as text, and whether the stream was given up.
fn frames(framing: Framing, pieces: &[&[u8]]) -> (Vec<(String, String)>, Vec<u8>, bool) {
    let mut decoder = FrameDecoder::new(framing);
    let mut frames = Vec::new();
    let mut failed = false;
    for at in 0..=pieces.len() {
        match pieces.get(at) {
            Some(piece) => decoder.feed(piece),
            None => decoder.close(),
        }
        loop {
            match decoder.next() {
                Ok(Some(frame)) => frames.push((frame.event.to_owned(), frame.data.to_owned())),
                Ok(None) => break,
                Err(_) => {
                    failed = true;
                    break;
                }
            }
        }
    }
    let stray = decoder.stray().to_vec();
    (frames, stray, failed)
}

fuzz_target!(|data: &[u8]| {
    let [mode, size, body @ ..] = data else { return };
    let framing = if mode % 2 == 0 { Framing::Sse } else { Framing::Ndjson };
    let whole = frames(framing, &[body]);
    let pieces: Vec<&[u8]> = body.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(frames(framing, &pieces), whole);
    let single: Vec<&[u8]> = body.chunks(1).collect();
    assert_eq!(frames(framing, &single), whole);
});
