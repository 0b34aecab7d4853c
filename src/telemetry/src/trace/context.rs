//! Which span a piece of work belongs to, as W3C Trace Context carries it: `traceparent` and `tracestate`.

use std::fmt::Write as _;

/// The header, and the member of MCP's `_meta`.
pub const TRACEPARENT: &str = "traceparent";
/// The same of what other vendors add.
pub const TRACESTATE: &str = "tracestate";
/// Longest `tracestate` that is given on, in bytes, as the specification has it.
const MAX_STATE: usize = 512;

/// A span that others can be children of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TraceContext {
    pub(crate) trace_id: [u8; 16],
    pub(crate) span_id: [u8; 8],
    /// Whether somebody records it.
    pub(crate) sampled: bool,
    /// Given on as it came.
    pub(crate) state: Option<String>,
}

impl TraceContext {
    /// Reads both headers. `None` if the first is not what the specification says: it is then as if there were none.
    pub fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let mut parts = traceparent.split('-');
        let [version, trace, span, flags] = [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let [version]: [u8; 1] = hex(version)?;
        // A later version may have more behind it.
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return None;
        }
        let (trace_id, span_id, [flags]) = (hex::<16>(trace)?, hex::<8>(span)?, hex::<1>(flags)?);
        if trace_id == [0; 16] || span_id == [0; 8] {
            return None;
        }
        let fits = |state: &&str| !state.is_empty() && state.len() <= MAX_STATE && state.is_ascii();
        let state = tracestate.filter(fits).map(str::to_owned);
        Some(Self { trace_id, span_id, sampled: flags & 1 == 1, state })
    }

    /// The value of `traceparent`.
    pub fn traceparent(&self) -> String {
        let mut text = String::with_capacity(55);
        text.push_str("00-");
        push_hex(&mut text, &self.trace_id);
        text.push('-');
        push_hex(&mut text, &self.span_id);
        text.push_str(if self.sampled { "-01" } else { "-00" });
        text
    }

    /// The value of `tracestate`, if there is one.
    pub fn tracestate(&self) -> Option<&str> {
        self.state.as_deref()
    }

    /// Both as they are given on.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![(TRACEPARENT, self.traceparent())];
        headers.extend(self.state.clone().map(|state| (TRACESTATE, state)));
        headers
    }
}

fn push_hex(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing into memory does not fail.
        let _ = write!(text, "{byte:02x}");
    }
}

/// Lower case, and nothing else.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let text = text.as_bytes();
    if text.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[track_caller]
    fn check(traceparent: &str, want: Option<bool>) {
        let got = TraceContext::parse(traceparent, None);
        assert_eq!(got.as_ref().map(|context| context.sampled), want);
        if let Some(context) = got {
            assert_eq!(context.traceparent()[2..55], traceparent[2..55]);
        }
    }

    #[test]
    fn only_what_the_specification_says_is_taken() {
        check(GOOD, Some(true));
        check("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", Some(false));
        check("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes", Some(true));
        for bad in [
            "",
            "00",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e473\u{e9}-00f067aa0ba902b7-01",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn the_state_of_others_is_given_on_if_it_is_short() {
        let state =
            |text: &str| TraceContext::parse(GOOD, Some(text)).unwrap().tracestate().map(str::to_owned);
        assert_eq!(state("a=1,b=2").as_deref(), Some("a=1,b=2"));
        assert_eq!(state(&"x".repeat(MAX_STATE + 1)), None);
        assert_eq!(state("\u{e9}"), None);
    }
}
