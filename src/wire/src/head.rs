//! The head of an answer: where its body ends, whether the connection can be used again, and what awc gets to read.

use httparse::{EMPTY_HEADER, Header, ParserConfig};

use super::fault::Fault;

/// Headers that somebody above reads. The others end here: awc reads at most 96, and a stream would keep them to
/// its end.
const KEPT: [&str; 4] = ["content-type", "content-encoding", "retry-after", "retry-after-ms"];

/// What the head of an answer comes to.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Head {
    /// Another head follows.
    Interim,
    Final(Final),
}

/// The head of the answer itself.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Final {
    pub(crate) body: Extent,
    /// Whether another request may follow on the connection, as far as the head says.
    pub(crate) keep: bool,
    /// A head that says the same to awc, and no more than it must know.
    pub(crate) wire: Vec<u8>,
}

/// How far a body goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    Length(u64),
    Chunked,
    /// To the end of the connection.
    Rest,
}

/// Reads a whole head. `bodiless`: the request was one whose answer has no body.
pub(crate) fn read(bytes: &[u8], bodiless: bool) -> Result<Head, Fault> {
    // A head of n lines has fewer headers than n.
    let mut headers = vec![EMPTY_HEADER; bytes.iter().filter(|b| **b == b'\n').count()];
    let mut answer = httparse::Response::new(&mut headers);
    let strict = matches!(answer.parse(bytes), Ok(httparse::Status::Complete(_)));
    if !strict {
        let mut lenient = ParserConfig::default();
        lenient
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true)
            .ignore_invalid_headers_in_responses(true);
        answer = httparse::Response::new(&mut headers);
        match lenient.parse_response(&mut answer, bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Ok(httparse::Status::Partial) => return Err(Fault::Head("it does not end".into())),
            Err(error) => return Err(Fault::Head(error.to_string())),
        }
    }
    let (Some(status), Some(minor)) = (answer.code, answer.version) else {
        return Err(Fault::Head("it has no status".into()));
    };
    match status {
        101 => return Err(Fault::Switched),
        100..200 => return Ok(Head::Interim),
        200..1000 => {}
        _ => return Err(Fault::Head(format!("there is no status {status}"))),
    }
    let (body, certain) = extent(answer.headers, status, bodiless)?;
    let keep = strict && certain && minor == 1 && body != Extent::Rest && !closes(answer.headers);
    Ok(Head::Final(Final { body, keep, wire: wire(status, answer.headers, body) }))
}

/// RFC 9112, 6.3. The second value: whether both ends must take it for the same.
fn extent(headers: &[Header<'_>], status: u16, bodiless: bool) -> Result<(Extent, bool), Fault> {
    let codings: Vec<_> = items(headers, "transfer-encoding").collect();
    let lengths: Vec<_> = items(headers, "content-length").collect();
    if bodiless || matches!(status, 204 | 304) {
        return Ok((Extent::Length(0), true));
    }
    let codings = codings.iter().filter(|coding| !coding.eq_ignore_ascii_case(b"identity"));
    let codings: Vec<_> = codings.collect();
    if let Some((last, _)) = codings.split_last() {
        // Some proxies name it twice; anything else would have to be decoded.
        if codings.iter().any(|coding| !coding.eq_ignore_ascii_case(b"chunked")) || last.is_empty() {
            return Err(Fault::Coding);
        }
        return Ok((Extent::Chunked, codings.len() == 1 && lengths.is_empty()));
    }
    let Some((first, others)) = lengths.split_first() else {
        // Without content by its definition (RFC 9110, 15.3.6), so nobody need wait for the end.
        return Ok(if status == 205 { (Extent::Length(0), false) } else { (Extent::Rest, false) });
    };
    if first.is_empty() || !first.iter().all(u8::is_ascii_digit) || others.iter().any(|other| other != first)
    {
        return Err(Fault::Length);
    }
    let length = std::str::from_utf8(first).ok().and_then(|text| text.parse().ok()).ok_or(Fault::Length)?;
    Ok((Extent::Length(length), others.is_empty()))
}

/// Whether a `connection` header asks for the end of the connection, or for something else than keeping it.
fn closes(headers: &[Header<'_>]) -> bool {
    items(headers, "connection").any(|option| !option.eq_ignore_ascii_case(b"keep-alive"))
}

/// The values of all headers with this name, with lists taken apart.
fn items<'a>(headers: &'a [Header<'_>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    let named = headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name));
    named.flat_map(|header| header.value.split(|b| *b == b',').map(<[u8]>::trim_ascii))
}

/// The head for awc. It is told to close, because whether the connection stays is not its decision; and a body that
/// ends with the connection is one of HTTP/1.0, which awc reads to that end.
fn wire(status: u16, headers: &[Header<'_>], body: Extent) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let (version, framing) = match body {
        Extent::Length(length) => ("1.1", format!("content-length: {length}\r\n")),
        Extent::Chunked => ("1.1", "transfer-encoding: chunked\r\n".to_owned()),
        Extent::Rest => ("1.0", String::new()),
    };
    out.extend_from_slice(format!("HTTP/{version} {status} -\r\n{framing}connection: close\r\n").as_bytes());
    for header in headers {
        if KEPT.iter().any(|name| header.name.eq_ignore_ascii_case(name)) {
            out.extend_from_slice(header.name.as_bytes());
            out.extend_from_slice(b": ");
            // A value over several lines is one on one line (RFC 9112, 5.2).
            out.extend(header.value.iter().map(|b| if matches!(b, b'\r' | b'\n') { b' ' } else { *b }));
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    const OK: &str = "HTTP/1.1 200 OK\r\n";

    fn read_text(head: &str) -> Result<Head, Fault> {
        read(head.replace('\n', "\r\n").replace("\r\r", "\r").as_bytes(), false)
    }

    /// What follows from a head after the status line `HTTP/1.1 200 OK`, or after its own.
    #[track_caller]
    fn check(head: &str, want: Result<(Extent, bool), Fault>) {
        let whole = if head.starts_with("HTTP/") { format!("{head}\r\n") } else { format!("{OK}{head}\r\n") };
        let got = read_text(&whole).map(|head| match head {
            Head::Final(head) => (head.body, head.keep),
            Head::Interim => panic!("interim"),
        });
        assert_eq!(got, want, "{head:?}");
    }

    #[test]
    fn where_a_body_ends_follows_from_its_head() {
        check("content-length: 5\r\n", Ok((Extent::Length(5), true)));
        check("Content-Length : 5\r\n", Ok((Extent::Length(5), false)));
        check("transfer-encoding: Chunked\r\n", Ok((Extent::Chunked, true)));
        check("", Ok((Extent::Rest, false)));
        check("connection: keep-alive\r\n", Ok((Extent::Rest, false)));
        check("transfer-encoding: identity\r\n", Ok((Extent::Rest, false)));
        check("HTTP/1.1 204\r\n", Ok((Extent::Length(0), true)));
        check("HTTP/1.1 304 X\r\ncontent-length: 9\r\n", Ok((Extent::Length(0), true)));
        check("HTTP/1.1 205 X\r\n", Ok((Extent::Length(0), false)));
        check("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n", Ok((Extent::Length(5), false)));
        check("HTTP/1.0 200 OK\r\n", Ok((Extent::Rest, false)));
    }

    #[test]
    fn a_head_that_can_be_read_in_two_ways_ends_the_connection() {
        check("content-length: 5\r\ntransfer-encoding: chunked\r\n", Ok((Extent::Chunked, false)));
        check("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", Ok((Extent::Chunked, false)));
        check("content-length: 5, 5\r\n", Ok((Extent::Length(5), false)));
        check("content-length: 5\r\ncontent-length: 5\r\n", Ok((Extent::Length(5), false)));
        check("transfer-encoding:\r\n chunked\r\n", Ok((Extent::Chunked, false)));
        check("content-length: 5\r\nbad header\r\n", Ok((Extent::Length(5), false)));
        check("content-length: 5\r\nconnection: Close\r\n", Ok((Extent::Length(5), false)));
        check("content-length: 5\r\nconnection: keep-alive, upgrade\r\n", Ok((Extent::Length(5), false)));
    }

    #[test]
    fn a_head_that_cannot_be_right_is_a_fault() {
        for length in ["5, 6", "-1", "+5", "0x5", "", "5 5", "99999999999999999999"] {
            check(&format!("content-length: {length}\r\n"), Err(Fault::Length));
        }
        check("content-length: 5\r\ncontent-length: 6\r\n", Err(Fault::Length));
        check("transfer-encoding: gzip, chunked\r\n", Err(Fault::Coding));
        check("transfer-encoding: gzip\r\n", Err(Fault::Coding));
        check("HTTP/1.1 101 X\r\n", Err(Fault::Switched));
        check("HTTP/1.1 099 X\r\n", Err(Fault::Head("there is no status 99".into())));
        assert!(matches!(read_text("HTTP/2 200\r\n\r\n"), Err(Fault::Head(_))));
    }

    #[test]
    fn interim_answers_are_told_from_the_answer() {
        for status in [100, 102, 103, 199] {
            let head = format!("HTTP/1.1 {status} X\r\ncontent-length: 5\r\nlink: x\r\n\r\n");
            assert_eq!(read_text(&head), Ok(Head::Interim));
        }
    }

    #[test]
    fn awc_reads_no_more_than_it_must_know() {
        let many: String = (0..2000).map(|n| format!("x-{n}: {n}\r\n")).collect();
        let head =
            format!("{OK}{many}Retry-After: 7\r\ncontent-type: a/b;\r\n c=d\r\ncontent-length: 3\r\n\r\n");
        let Ok(Head::Final(got)) = read_text(&head) else { panic!("no head") };
        let want = "HTTP/1.1 200 -\r\ncontent-length: 3\r\nconnection: close\r\nRetry-After: 7\r\n\
                    content-type: a/b;   c=d\r\n\r\n";
        assert_eq!(String::from_utf8(got.wire).unwrap(), want);
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let Ok(Head::Final(got)) = read(format!("{OK}content-length: 5\r\n\r\n").as_bytes(), true) else {
            panic!("no head");
        };
        assert_eq!((got.body, got.keep), (Extent::Length(0), true));
    }
}
