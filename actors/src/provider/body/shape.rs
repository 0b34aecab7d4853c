//! What a body is, by its first bytes: labels are wrong now and then, and bytes are not.

use or_adapters::Framing;

/// What some put before a text to say that it is one; no part of it.
pub(super) const MARK: &[u8] = "\u{feff}".as_bytes();

/// What events begin with; the last is a comment.
const FIELDS: [&[u8]; 5] = [b"data:", b"event:", b"id:", b"retry:", b":"];

/// What a body is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Shape {
    /// One JSON value.
    Object,
    /// Server-sent events.
    Events,
    /// One JSON object a line, or something that only its reader can tell.
    Lines,
    /// Neither; whoever reads it will say what is wrong.
    Other,
}

impl Shape {
    /// By the first bytes that are not blank; none if they do not tell yet. `framing` is how the provider's streams
    /// are cut.
    pub(crate) fn of(body: &[u8], framing: Framing) -> Option<Self> {
        if body.len() < MARK.len() && MARK.starts_with(body) {
            return None;
        }
        let body = body.strip_prefix(MARK).unwrap_or(body).trim_ascii_start();
        match (body.first()?, framing) {
            (b'{' | b'[', Framing::Sse) => Some(Self::Object),
            (b'{' | b'[', Framing::Ndjson) => Some(Self::Lines),
            _ if FIELDS.iter().any(|field| body.starts_with(field)) => Some(Self::Events),
            _ if FIELDS.iter().any(|field| field.starts_with(body)) => None,
            _ => Some(Self::Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(body: &str, want: Option<Shape>) {
        assert_eq!(Shape::of(body.as_bytes(), Framing::Sse), want, "{body:?}");
    }

    #[test]
    fn the_first_bytes_tell() {
        check("", None);
        check(" \r\n", None);
        check("\u{feff}\n{", Some(Shape::Object));
        assert_eq!(Shape::of(b"\xef\xbb", Framing::Sse), None);
        check("[", Some(Shape::Object));
        for events in ["data: {}", "event: x", "id: 1", "retry: 1", ": hi", "\n\ndata:"] {
            check(events, Some(Shape::Events));
        }
        for other in ["<html>", "error: x", "internal error", "data {}", "nonsense"] {
            check(other, Some(Shape::Other));
        }
        check("even", None);
        assert_eq!(Shape::of(b"{", Framing::Ndjson), Some(Shape::Lines));
        assert_eq!(Shape::of(b"data: {}", Framing::Ndjson), Some(Shape::Events));
    }
}
