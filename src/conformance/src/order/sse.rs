//! A strict reader of our own SSE output.

use serde_json::Value;

/// Reads a whole body: frames of `event: X` LF `data: {…}` LF LF, with comment lines between frames, and
/// `data: [DONE]` LF LF as the very last thing.
///
/// It is stricter than the SSE standard on purpose: official clients read exactly this form (rules 1.5 to
/// 1.8).
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<(String, Value)>, String> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("the body is not UTF-8: {error}"))?;
    if text.contains('\r') {
        return Err("the body has a CR; lines end in LF only".to_owned());
    }
    let Some(lines) = text.strip_suffix('\n') else { return Err("the body does not end in LF".to_owned()) };
    let mut lines = lines.split('\n').enumerate();
    let mut frames = Vec::new();
    let mut after_comment = false;
    while let Some((at, line)) = lines.next() {
        let place = format!("line {}", at + 1);
        if line.starts_with(':') {
            after_comment = true;
        } else if line.is_empty() && after_comment {
            // A keep-alive may be a block of its own.
            after_comment = false;
        } else if line == "data: [DONE]" {
            expect_blank(lines.next(), &place)?;
            return match lines.next() {
                None => Ok(frames),
                Some((_, line)) => Err(format!("{place}: `{line}` follows [DONE]")),
            };
        } else if let Some(name) = line.strip_prefix("event: ") {
            let data = lines.next().and_then(|(_, line)| line.strip_prefix("data: "));
            let Some(data) = data else { return Err(format!("{place}: no data line behind event `{name}`")) };
            frames.push((name.to_owned(), parse_data(data, &place)?));
            expect_blank(lines.next(), &place)?;
            after_comment = false;
        } else {
            return Err(format!("{place}: `{line}` is neither a frame, a comment nor [DONE]"));
        }
    }
    Err("the body does not end with [DONE]".to_owned())
}

fn parse_data(data: &str, place: &str) -> Result<Value, String> {
    let value: Value = serde_json::from_str(data).map_err(|error| format!("{place}: bad JSON: {error}"))?;
    if value.is_object() { Ok(value) } else { Err(format!("{place}: the data is not an object")) }
}

fn expect_blank(line: Option<(usize, &str)>, place: &str) -> Result<(), String> {
    match line {
        Some((_, "")) => Ok(()),
        Some((_, line)) => Err(format!("{place}: `{line}` stands where the frame should end")),
        None => Err(format!("{place}: the frame does not end in an empty line")),
    }
}
