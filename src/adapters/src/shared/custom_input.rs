//! The input of a custom tool on providers that only know functions: it travels as `{"input": "…"}`. That wrapper is
//! ours, so a client never sees it, however little of it came.

use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::lenient;

/// The one argument of the function.
const KEY: &str = "input";

/// A custom call's input as the arguments of its function.
pub fn custom_arguments(input: &str) -> String {
    json!({ KEY: input }).to_string()
}

/// The way back: arguments of the function to the custom call's input, also where they were cut off. Text that is not of
/// that form is kept.
pub fn custom_input(arguments: &str) -> String {
    let input = match serde_json::from_str::<Value>(arguments) {
        Ok(Value::Object(mut map)) if map.is_empty() || map.contains_key(KEY) => {
            match map.remove(KEY).unwrap_or_default() {
                Value::Null => Some(String::new()),
                Value::String(text) => Some(text),
                other => Some(other.to_string()),
            }
        }
        Ok(_) => None,
        Err(_) => cut_input(arguments),
    };
    input.unwrap_or_else(|| arguments.to_owned())
}

/// The input as far as it came in a wrapper that is not whole; none if it is no wrapper.
fn cut_input(arguments: &str) -> Option<String> {
    let mut rest = arguments.trim_start();
    if rest.is_empty() {
        return Some(String::new());
    }
    rest = rest.strip_prefix('{')?.trim_start();
    loop {
        if rest.is_empty() {
            return Some(String::new());
        }
        let (key, behind) = string(rest)?;
        let Some(behind) = behind else { return KEY.starts_with(&key).then(String::new) };
        let value = match behind.trim_start() {
            "" => "",
            colon => colon.strip_prefix(':')?.trim_start(),
        };
        if key == KEY {
            return Some(match string(value) {
                Some((input, _)) => input,
                None => first::<&RawValue>(value).map_or(value, |(input, _)| input.get()).to_owned(),
            });
        }
        let (_, behind) = first::<IgnoredAny>(value)?;
        rest = behind.trim_start().strip_prefix(',')?.trim_start();
    }
}

/// The first value of a text, and what stands behind it.
fn first<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Option<(T, &'a str)> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    let value = values.next()?.ok()?;
    let end = values.byte_offset();
    Some((value, text.get(end..).unwrap_or_default()))
}

/// A JSON string, and what stands behind it unless the string was cut off. An escape that was cut off is left out.
fn string(text: &str) -> Option<(String, Option<&str>)> {
    let body = text.strip_prefix('"')?;
    let mut at = 0;
    while let Some(byte) = body.as_bytes().get(at).filter(|byte| **byte != b'"') {
        let width = match (byte, body.as_bytes().get(at + 1)) {
            (b'\\', Some(b'u')) => "\\u0000".len(),
            (b'\\', _) => "\\n".len(),
            _ => 1,
        };
        if at + width > body.len() {
            break;
        }
        at += width;
    }
    let inside = lenient::owned(&format!("\"{}\"", body.get(..at)?))?;
    let behind = body.get(at..).and_then(|rest| rest.strip_prefix('"'));
    Some((inside, behind))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;

    #[track_caller]
    fn check(arguments: &str, input: &str) {
        assert_eq!(custom_input(arguments), input, "{arguments}");
    }

    #[test]
    fn the_wrapper_is_taken_off_and_put_on() {
        for input in ["", "a \"b\"\n\\ ü 😀", "{\"input\":\"x\"}"] {
            check(&custom_arguments(input), input);
        }
        check("", "");
        check("{}", "");
        check(r#"{"input":null}"#, "");
        check(r#"{"input":7}"#, "7");
        check(r#"{"input":{"a":[1]}}"#, r#"{"a":[1]}"#);
        check(r#"{"why":"because","input":"x"}"#, "x");
    }

    #[test]
    fn a_wrapper_that_was_cut_off_shows_only_what_is_inside() {
        let whole = r#"{ "why" : [1], "input" : "*** \"a\\\n\u00fc\ud83d\ude00 ü" } "#;
        let inside = "*** \"a\\\nü😀 ü";
        for (cut, _) in whole.char_indices().filter(|(at, _)| *at >= r#"{ "why" : [1], "#.len()) {
            let input = custom_input(&whole[..cut]);
            // Half a pair of surrogates is shown as such.
            let input = input.trim_end_matches('\u{fffd}');
            assert!(inside.starts_with(input), "{cut}: {input}");
        }
        check(r#"{"input":"*** Be"#, "*** Be");
        check(r#"{"inp"#, "");
        check(r#"{"input":"a\u00"#, "a");
        check(r#"{"input":"a\"#, "a");
        check(r#"{"input":{"a":"#, r#"{"a":"#);
    }

    #[test]
    fn what_stands_behind_the_wrapper_is_no_input() {
        check(r#"{"input":"a"}}"#, "a");
        check(r#"{"input":"a"}{"input":"a"}"#, "a");
        check(r#"{"input":"a\ud83d"}"#, "a\u{fffd}");
    }

    #[test]
    fn other_text_is_kept() {
        for text in ["SELECT 1", "[1]", r#"{"patch":"x"}"#, r#"{"patch":"x"#, "{ a: 1", "\"x\""] {
            check(text, text);
        }
    }
}
