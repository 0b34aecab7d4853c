//! Stream events (rules 12) and their one serialisation to an SSE frame.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::{Annotation, ErrorPayload, Item, LogProb};

/// The mark behind the terminal event: nothing follows it in a stream that was told to its end.
pub const DONE: &str = "data: [DONE]\n\n";

/// One event with its number. The number grows by one from 0 within a stream.
#[derive(Debug)]
pub struct StreamEvent<'a> {
    /// Event type, on the `event:` line and in the data.
    pub name: &'a str,
    /// Place in the stream.
    pub sequence_number: u64,
    /// The rest of the fields.
    pub body: EventBody<'a>,
}

/// Fields of an event beside type and number; one variant per shape, not per name.
#[derive(Debug, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum EventBody<'a> {
    Item {
        output_index: usize,
        item: &'a Item,
    },
    ContentPart {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        part: Part<'a>,
    },
    SummaryPart {
        item_id: &'a str,
        output_index: usize,
        summary_index: usize,
        part: Part<'a>,
    },
    TextDelta {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        delta: &'a str,
        logprobs: &'a [LogProb],
    },
    TextDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        text: &'a str,
        logprobs: &'a [LogProb],
    },
    Delta {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        delta: &'a str,
    },
    ReasoningDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        text: &'a str,
    },
    RefusalDone {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        refusal: &'a str,
    },
    SummaryDelta {
        item_id: &'a str,
        output_index: usize,
        summary_index: usize,
        delta: &'a str,
    },
    SummaryDone {
        item_id: &'a str,
        output_index: usize,
        summary_index: usize,
        text: &'a str,
    },
    Annotation {
        item_id: &'a str,
        output_index: usize,
        content_index: usize,
        annotation_index: usize,
        annotation: &'a Annotation,
    },
    ArgumentsDelta {
        item_id: &'a str,
        output_index: usize,
        delta: &'a str,
    },
    ArgumentsDone {
        item_id: &'a str,
        output_index: usize,
        name: &'a str,
        arguments: &'a str,
    },
    InputDone {
        item_id: &'a str,
        output_index: usize,
        input: &'a str,
    },
    /// Nested and flat fields together (rules 11.7).
    Error {
        error: ErrorPayload<'a>,
        code: Option<&'a str>,
        message: &'a str,
        param: Option<&'a str>,
    },
    /// A hosted tool's event; ids and indexes are ours, the rest as the provider sent it.
    Hosted(&'a Map<String, Value>),
}

/// A content or summary part as events show it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the spec's field names say it")]
pub enum Part<'a> {
    OutputText { text: &'a str, annotations: &'a [Annotation], logprobs: &'a [LogProb] },
    Refusal { refusal: &'a str },
    ReasoningText { text: &'a str },
    SummaryText { text: &'a str },
}

/// Appends one whole frame: `event:` line, `data:` line, blank line, all with LF (rules 1.5, 1.8).
///
/// The body is serialised once, straight into the frame; the event's type and number are put in front.
pub fn write_frame(out: &mut Vec<u8>, event: &StreamEvent<'_>) -> Result<(), serde_json::Error> {
    let start = out.len();
    let written = (|| {
        for piece in ["event: ", event.name, "\ndata: {\"type\":\"", event.name, "\",\"sequence_number\":"] {
            out.extend_from_slice(piece.as_bytes());
        }
        serde_json::to_writer(&mut *out, &event.sequence_number)?;
        let brace = out.len();
        serde_json::to_writer(&mut *out, &event.body)?;
        // `{"item_id":…}` becomes `,"item_id":…}`; an empty body has nothing to join.
        match out.get_mut(brace..) {
            Some([first, rest @ ..]) if rest.len() > 1 => *first = b',',
            _ => {
                out.truncate(brace);
                out.push(b'}');
            }
        }
        escape_breaks(out, brace);
        out.extend_from_slice(b"\n\n");
        Ok(())
    })();
    if written.is_err() {
        // Half a frame would spoil every frame behind it.
        out.truncate(start);
    }
    written
}

/// Escapes the line breaks of Unicode that are none of SSE's, in the JSON from `start` on: clients that cut lines as
/// Python's `splitlines` does would lose the event. Outside of strings JSON has none of them.
pub fn escape_breaks(out: &mut Vec<u8>, start: usize) {
    let Some(first) = out.get(start..).and_then(break_at) else { return };
    let mut rest = out.split_off(start + first.0);
    let mut from = 0;
    while let Some((at, length, escape)) = rest.get(from..).and_then(break_at) {
        out.extend_from_slice(rest.get(from..from + at).unwrap_or_default());
        out.extend_from_slice(escape);
        from += at + length;
    }
    out.extend(rest.drain(from.min(rest.len())..));
}

/// Place and length of the first such break, and its escape.
fn break_at(json: &[u8]) -> Option<(usize, usize, &'static [u8])> {
    let lead = |byte: &u8| matches!(byte, 0xC2 | 0xE2);
    let mut from = 0;
    loop {
        let rest = json.get(from..)?;
        let at = rest.iter().position(lead)?;
        let found: Option<(usize, &'static [u8])> = match rest.get(at..)? {
            [0xC2, 0x85, ..] => Some((2, b"\\u0085")),
            [0xE2, 0x80, 0xA8, ..] => Some((3, b"\\u2028")),
            [0xE2, 0x80, 0xA9, ..] => Some((3, b"\\u2029")),
            _ => None,
        };
        if let Some((length, escape)) = found {
            return Some((from + at, length, escape));
        }
        from += at + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_line_break_of_unicode_stands_in_a_frame() {
        for text in [
            "a\u{2028}b\u{85}c\u{2029}",
            "\u{2028}",
            "’é\u{85}",
            "\u{85}\u{85}x",
            "plain ’ é",
            "\u{2027}\u{84}",
        ] {
            let mut out = Vec::new();
            let body = EventBody::InputDone { item_id: "i", output_index: 0, input: text };
            write_frame(&mut out, &StreamEvent { name: "n", sequence_number: 0, body }).unwrap();
            let frame = String::from_utf8(out).unwrap();
            assert!(!frame.contains(['\u{2028}', '\u{2029}', '\u{85}']), "{frame}");
            let json = frame.split_once("\ndata: ").unwrap().1;
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(value["input"], text);
        }
    }

    #[test]
    fn a_frame_is_two_lines_and_a_blank_one() {
        let mut out = Vec::new();
        let body = EventBody::TextDelta {
            item_id: "msg_1",
            output_index: 0,
            content_index: 1,
            delta: "a\nb",
            logprobs: &[],
        };
        write_frame(&mut out, &StreamEvent { name: "response.output_text.delta", sequence_number: 7, body })
            .unwrap();
        let want = "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"sequence_number\":7,\"item_id\":\"msg_1\",\"output_index\":0,\"content_index\":1,\"delta\":\"a\\nb\",\"logprobs\":[]}\n\n";
        assert_eq!(String::from_utf8(out).unwrap(), want);
    }

    #[test]
    fn an_empty_hosted_event_is_still_json() {
        let mut out = Vec::new();
        let map = Map::new();
        write_frame(&mut out, &StreamEvent { name: "x", sequence_number: 0, body: EventBody::Hosted(&map) })
            .unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "event: x\ndata: {\"type\":\"x\",\"sequence_number\":0}\n\n"
        );
    }
}
