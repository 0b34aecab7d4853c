//! Strings and numbers for a schema, taken from the text where possible.

use serde_json::{Map, Value};

use crate::words::Topic;

/// Longest text that a `minLength` is followed to.
const MAX_LENGTH: usize = 100_000;
/// Names of properties that want the whole text rather than a name in it.
const WHOLE_TEXT: &[&str] = &[
    "answer",
    "body",
    "code",
    "comment",
    "content",
    "description",
    "explanation",
    "expression",
    "input",
    "instruction",
    "message",
    "notes",
    "prompt",
    "q",
    "query",
    "question",
    "reasoning",
    "request",
    "sentence",
    "summary",
    "task",
    "text",
    "thought",
];

/// A string for the property `name`; `variant` makes it another one.
pub(crate) fn string(
    schema: &Map<String, Value>,
    topic: &Topic,
    name: &str,
    variant: usize,
) -> Option<String> {
    if let Some(sample) = schema.get("format").and_then(Value::as_str).and_then(|f| formatted(f, variant)) {
        return Some(sample);
    }
    let limit = |key| schema.get(key).and_then(Value::as_f64).map(|n| n as usize);
    let (min, max) = (limit("minLength").unwrap_or(0), limit("maxLength").unwrap_or(usize::MAX));
    if min > max || min > MAX_LENGTH {
        return None;
    }
    let lower = name.to_lowercase();
    let base = if WHOLE_TEXT.contains(&lower.as_str()) && !topic.text.is_empty() {
        topic.text.as_str()
    } else {
        topic.subject.as_deref().unwrap_or("demo")
    };
    let (base, suffix) = match (variant, topic.list.get(variant)) {
        (0, _) => (base, String::new()),
        (_, Some(other)) => (other.as_str(), String::new()),
        (n, None) => (base, format!(" {}", n + 1)),
    };
    let room = max.saturating_sub(suffix.chars().count());
    let mut text: String = base.chars().take(room).collect();
    text.extend(suffix.chars().take(max));
    let have = text.chars().count();
    text.extend("demo".chars().cycle().take(min.saturating_sub(have)));
    Some(text)
}

/// A sample of a format. Formats not listed are only hints.
fn formatted(format: &str, variant: usize) -> Option<String> {
    let day = variant % 28 + 1;
    let hour = variant % 24;
    Some(match format {
        "date" => format!("2026-01-{day:02}"),
        "date-time" => format!("2026-01-{day:02}T12:00:00Z"),
        "time" => format!("{hour:02}:30:00Z"),
        "duration" => format!("PT{}M", variant + 1),
        "email" | "idn-email" => format!("demo{variant}@example.com"),
        "hostname" | "idn-hostname" => format!("demo{variant}.example.com"),
        "ipv4" => format!("192.0.2.{}", variant % 254 + 1),
        "ipv6" => format!("2001:db8::{:x}", variant % 0xffff + 1),
        "uuid" => format!("018f0000-0000-7000-8000-{variant:012x}"),
        "uri" | "iri" | "url" => format!("https://example.com/demo/{variant}"),
        "uri-reference" | "iri-reference" => format!("/demo/{variant}"),
        "json-pointer" => format!("/demo/{variant}"),
        "regex" => format!("^demo{variant}$"),
        _ => return None,
    })
}

/// A number within the bounds: `wish` if it fits, else the `variant`-th that does.
pub(crate) fn number(
    schema: &Map<String, Value>,
    whole: bool,
    wish: Option<f64>,
    variant: usize,
) -> Option<Value> {
    let get = |key| schema.get(key).and_then(Value::as_f64);
    let (min, max) = (get("minimum"), get("maximum"));
    let (over, under) = (get("exclusiveMinimum"), get("exclusiveMaximum"));
    let multiple = get("multipleOf").filter(|m| *m > 0.0);
    let fits = |n: f64| {
        min.is_none_or(|m| n >= m)
            && max.is_none_or(|m| n <= m)
            && over.is_none_or(|m| n > m)
            && under.is_none_or(|m| n < m)
            && (!whole || n.fract() == 0.0)
            && multiple.is_none_or(|m| (n / m).fract() == 0.0)
    };
    let low = [min, over].into_iter().flatten().reduce(f64::max);
    let high = [max, under].into_iter().flatten().reduce(f64::min);
    // Multiples of a fraction are whole only where the fraction goes into one.
    let step = match multiple {
        Some(m) if whole && m.fract() != 0.0 => {
            (1..=1000).map(|k| m * f64::from(k)).find(|n| n.fract() == 0.0)?
        }
        Some(m) => m,
        None => 1.0,
    };
    let (start, step) = match (low, high) {
        (Some(low), _) => ((low / step).ceil() * step, step),
        (None, Some(high)) if high < 1.0 => ((high / step).floor() * step, -step),
        (None, _) => (step, step),
    };
    let wish = wish.filter(|n| variant == 0 && fits(*n));
    let counted = || {
        let steps = u32::try_from(variant).unwrap_or(u32::MAX).saturating_add(2);
        (0..=steps).map(|k| start + step * f64::from(k)).filter(|n| fits(*n)).nth(variant)
    };
    let between = || match (low, high) {
        (Some(low), Some(high)) => Some(low + (high - low) / (variant as f64 + 2.0)).filter(|n| fits(*n)),
        _ => None,
    };
    let downward = || Some(start - step * variant as f64).filter(|n| fits(*n));
    let n = wish.or_else(counted).or_else(between).or_else(downward)?;
    if n.fract() == 0.0 && n.abs() < 9e15 {
        return Some(Value::from(n as i64));
    }
    serde_json::Number::from_f64(n).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: Value, wish: Option<f64>, variant: usize, want: Option<Value>) {
        let Value::Object(map) = schema else { panic!("a schema object") };
        let whole = map.get("type") == Some(&json!("integer"));
        assert_eq!(number(&map, whole, wish, variant), want);
    }

    #[test]
    fn numbers_stay_within_bounds() {
        check(json!({"type": "integer", "minimum": 3}), Some(7.0), 0, Some(json!(7)));
        check(json!({"type": "integer", "minimum": 3}), Some(2.0), 0, Some(json!(3)));
        check(json!({"type": "integer", "exclusiveMinimum": 3, "maximum": 9}), None, 2, Some(json!(6)));
        check(json!({"type": "integer", "maximum": -3}), None, 1, Some(json!(-4)));
        check(
            json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
            None,
            0,
            Some(json!(0.5)),
        );
        check(json!({"type": "number", "multipleOf": 0.25, "minimum": 0.3}), None, 0, Some(json!(0.5)));
        check(json!({"type": "integer", "multipleOf": 5, "minimum": 7}), None, 0, Some(json!(10)));
        check(json!({"type": "integer", "minimum": 3, "maximum": 2}), None, 0, None);
    }

    #[test]
    fn strings_keep_their_length() {
        let topic = Topic::of("Weather in Oslo");
        let of = |schema: Value, variant| {
            let Value::Object(map) = schema else { panic!("a schema object") };
            string(&map, &topic, "city", variant)
        };
        assert_eq!(of(json!({}), 0).as_deref(), Some("Oslo"));
        assert_eq!(of(json!({"maxLength": 3}), 1).as_deref(), Some("O 2"));
        assert_eq!(of(json!({"minLength": 6}), 0).as_deref(), Some("Oslode"));
        assert_eq!(of(json!({"minLength": 6, "maxLength": 5}), 0), None);
        assert_eq!(of(json!({"format": "date"}), 0).as_deref(), Some("2026-01-01"));
    }
}
