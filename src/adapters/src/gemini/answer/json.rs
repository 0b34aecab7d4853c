//! JSON text as it is.

/// The same JSON without white space between tokens; numbers, key order and escapes stay untouched.
/// Gemini indents whole answers, so what stands around the model's words is not the model's.
pub(super) fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let mut inside = false;
    let mut escaped = false;
    for c in json.chars() {
        if inside {
            inside = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else if matches!(c, ' ' | '\t' | '\n' | '\r') {
            continue;
        } else {
            inside = c == '"';
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_white_space_between_tokens_goes() {
        assert_eq!(
            compact("{ \"a\\\" b\" :\n [1.50, \"\\\\\" , \"x y\"] }"),
            r#"{"a\" b":[1.50,"\\","x y"]}"#
        );
    }
}
