//! JSON whose bytes are kept until somebody needs their structure.
//!
//! A tree of values costs up to a hundred times its text, so what only passes through stays text: schemas of
//! functions, tools and items of others. Numbers and escapes are written again as they were read.

pub(crate) mod extra;
mod skim;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Error, Map, Value};

pub(crate) use skim::Skimmed;
use skim::check;

/// A JSON value as text without blanks, so that it stands in one line of a stream. Cheap to clone.
#[derive(Clone)]
pub struct RawJson(Arc<RawValue>);

impl RawJson {
    /// Keeps a value of which the syntax is known to be good.
    ///
    /// # Errors
    /// What a tree of values would refuse as well: numbers out of range, halves of a surrogate pair, more than 127
    /// levels.
    pub fn keep(raw: &RawValue) -> Result<Self, Error> {
        check(raw.get())?;
        RawValue::from_string(compact(raw.get())).map(|raw| Self(raw.into()))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// The value behind it, borrowed.
    pub fn as_raw(&self) -> &RawValue {
        &self.0
    }

    /// Builds the tree.
    pub fn value(&self) -> Value {
        // The text is a value's, or was checked.
        serde_json::from_str(self.as_str()).unwrap_or_default()
    }

    /// Builds the tree of an object; nothing else has members.
    pub fn object(&self) -> Map<String, Value> {
        match self.value() {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        self.as_str().starts_with('{')
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        self.as_str().starts_with('[')
    }

    /// Whether it is null.
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// A member of an object; the last one of that name.
    pub fn get(&self, key: &str) -> Option<&RawValue> {
        member(&self.0, key)
    }

    /// The same, as it is kept.
    pub fn member(&self, key: &str) -> Option<Self> {
        RawValue::from_string(self.get(key)?.get().to_owned()).ok().map(|raw| Self(raw.into()))
    }

    /// A member that is a string.
    pub fn text(&self, key: &str) -> Option<Cow<'_, str>> {
        string(self.get(key)?)
    }

    /// The members of an object, in their order.
    pub fn members(&self) -> Vec<(Cow<'_, str>, &RawValue)> {
        members(&self.0)
    }

    /// The same object with other texts for some members, those of `last` behind all others. A member that has none
    /// is left out, if it is of `last`, and else stays as it is.
    #[must_use]
    pub fn with_texts(&self, texts: &[(&str, Option<String>)], last: &[&str]) -> Self {
        let quoted = |text: &String| to_raw_value(text).ok();
        let new: Vec<_> = texts.iter().map(|(key, text)| (*key, text.as_ref().and_then(quoted))).collect();
        let of = |key: &str| new.iter().find(|(name, _)| *name == key).and_then(|(_, text)| text.as_deref());
        let members = self.members();
        let kept = members.iter().filter(|(key, _)| !last.contains(&&**key));
        let kept = kept.map(|(key, value)| (&**key, of(key).unwrap_or(value)));
        let behind = last.iter().filter_map(|key| Some((*key, of(key)?)));
        object_of(kept.chain(behind)).unwrap_or_default()
    }

    /// The elements of an array.
    pub fn elements(&self) -> Vec<&RawValue> {
        elements(&self.0)
    }
}

impl Default for RawJson {
    /// An empty object.
    fn default() -> Self {
        Map::new().into()
    }
}

impl fmt::Debug for RawJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl PartialEq for RawJson {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Serialize for RawJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::keep(&raw).map_err(D::Error::custom)
    }
}

/// Of a value that this program wrote, and so without blanks.
impl From<Box<RawValue>> for RawJson {
    fn from(raw: Box<RawValue>) -> Self {
        Self(raw.into())
    }
}

impl From<&Value> for RawJson {
    fn from(value: &Value) -> Self {
        // A value has string keys and finite numbers only, so it can be written.
        Self(to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()).into())
    }
}

impl From<Value> for RawJson {
    fn from(value: Value) -> Self {
        Self::from(&value)
    }
}

impl From<Map<String, Value>> for RawJson {
    fn from(map: Map<String, Value>) -> Self {
        Self::from(&Value::Object(map))
    }
}

/// An object, a list or anything else, with what is not to be seen of it; written member by member.
pub(crate) fn object_of<'a>(members: impl IntoIterator<Item = (&'a str, &'a RawValue)>) -> Option<RawJson> {
    let mut text = String::from("{");
    for (key, value) in members {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&serde_json::to_string(key).ok()?);
        text.push(':');
        text.push_str(value.get());
    }
    text.push('}');
    RawValue::from_string(text).ok().map(|raw| RawJson(raw.into()))
}

/// A string's text; nothing for a value of another type.
pub fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    if !raw.get().starts_with('"') {
        return None;
    }
    serde_json::from_str::<Word<'_>>(raw.get()).ok().map(|Word(text)| text)
}

/// A member of an object; the last one of that name.
pub fn member<'a>(object: &'a RawValue, key: &str) -> Option<&'a RawValue> {
    let mut found = None;
    each_member(object, |name, value| {
        if name == key {
            found = Some(value);
        }
    });
    found
}

/// The members of an object, in their order; none of any other value.
pub fn members(object: &RawValue) -> Vec<(Cow<'_, str>, &RawValue)> {
    let mut all = Vec::new();
    each_member(object, |key, value| all.push((key, value)));
    all
}

/// Shows the members of an object, in their order; nothing of any other value.
pub(crate) fn each_member<'a>(object: &'a RawValue, mut see: impl FnMut(Cow<'a, str>, &'a RawValue)) {
    if object.get().starts_with('{') {
        let mut deserializer = serde_json::Deserializer::from_str(object.get());
        // The syntax is good, so this reads to the end.
        let _ = Members(&mut see).deserialize(&mut deserializer);
    }
}

/// The elements of an array; none of any other value.
pub fn elements(array: &RawValue) -> Vec<&RawValue> {
    match array.get().starts_with('[') {
        true => serde_json::from_str(array.get()).unwrap_or_default(),
        false => Vec::new(),
    }
}

struct Members<F>(F);

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> DeserializeSeed<'de> for Members<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue)> Visitor<'de> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((Word(key), value)) = map.next_entry()? {
            (self.0)(key, value);
        }
        Ok(())
    }
}

/// A string that is borrowed where it can be.
#[derive(Deserialize)]
pub(crate) struct Word<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// How many values a text has, a member of an object counted as one: no fewer than there are.
pub fn count_values(raw: &RawValue) -> usize {
    let mut values = 1;
    outside_strings(raw.get(), |byte| values += usize::from(matches!(byte, b',' | b'[' | b'{')));
    values
}

/// The text without blanks between its tokens.
fn compact(text: &str) -> String {
    let mut blanks = false;
    outside_strings(text, |byte| blanks |= byte.is_ascii_whitespace());
    if !blanks {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    let (mut from, mut at) = (0, 0);
    let bytes = text.as_bytes();
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = string_end(bytes, at),
            b' ' | b'\t' | b'\n' | b'\r' => {
                out.push_str(text.get(from..at).unwrap_or_default());
                at += 1;
                from = at;
            }
            _ => at += 1,
        }
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out.shrink_to_fit();
    out
}

fn outside_strings(text: &str, mut see: impl FnMut(u8)) {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at = string_end(bytes, at);
        } else {
            see(*byte);
            at += 1;
        }
    }
}

/// Where the string that begins at `at` has ended.
fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// How many members an object has, and whether two have one name.
pub(crate) fn count_members(object: &RawValue, most: usize) -> (usize, bool) {
    let mut names = Vec::new();
    let mut count = 0;
    each_member(object, |name, _| {
        count += 1;
        if count <= most {
            names.push(name);
        }
    });
    names.sort_unstable();
    (count, names.windows(2).any(|pair| pair.first() == pair.last()))
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::json;

    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[track_caller]
    fn check_kept(text: &str, want: &str) {
        let kept = RawJson::keep(&raw(text)).unwrap();
        assert_eq!(kept.as_str(), want);
        assert_eq!(kept.value(), serde_json::from_str::<Value>(text).unwrap());
        assert_eq!(serde_json::to_string(&kept).unwrap(), want);
        assert_eq!(serde_json::from_str::<RawJson>(text).unwrap(), kept);
    }

    #[test]
    fn bytes_are_kept_and_blanks_are_not() {
        check_kept("[1e15,1.50,-0,\"\\u00e9\"]", "[1e15,1.50,-0,\"\\u00e9\"]");
        check_kept(
            "{ \"a b\" :\n [ 1 , \"x \\\" , y\\\\\" ,\ttrue ]\r\n}",
            "{\"a b\":[1,\"x \\\" , y\\\\\",true]}",
        );
        check_kept(" \"ä \" ", "\"ä \"");
        check_kept("{}", "{}");
    }

    #[test]
    fn what_no_tree_could_hold_is_refused() {
        for text in ["[1e999]", r#"["\ud800"]"#, r#"{"\ud800":1}"#] {
            assert!(RawJson::keep(&raw(text)).is_err(), "{text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
        let deep = |n: usize| raw(&format!("{}{}", "[".repeat(n), "]".repeat(n)));
        assert!(RawJson::keep(&deep(127)).is_ok());
        assert!(RawJson::keep(&deep(128)).is_err());
    }

    #[test]
    fn the_last_member_of_a_name_counts() {
        let object = RawJson::keep(&raw(r#"{"a":1,"b":{"a":[2]},"\u0061":"x"}"#)).unwrap();
        assert_eq!(object.text("a").as_deref(), Some("x"));
        assert_eq!(object.get("b").map(RawValue::get), Some(r#"{"a":[2]}"#));
        assert_eq!(object.get("c").map(RawValue::get), None);
        assert_eq!(count_members(object.as_raw(), 10), (3, true));
        assert_eq!(count_members(object.as_raw(), 1), (3, false));
        let names: Vec<_> = object.members().into_iter().map(|(name, _)| name.into_owned()).collect();
        assert_eq!(names, ["a", "b", "a"]);
    }

    #[test]
    fn values_are_counted_outside_strings() {
        let count = |text: &str| count_values(&raw(text));
        assert_eq!((count("1"), count("[1,2]"), count(r#"{"a,[{":"b,\",c"}"#)), (1, 3, 2));
        assert!(count(r#"[[],{},{"a":[1,2]}]"#) >= 7);
    }

    #[test]
    fn a_tree_is_kept_as_its_text() {
        let value = json!({"a": [1, null, "ä\n"]});
        assert_eq!(RawJson::from(&value).as_str(), "{\"a\":[1,null,\"ä\\n\"]}");
        assert_eq!(RawJson::from(value.clone()).value(), value);
        assert_eq!(RawJson::default().as_str(), "{}");
    }
}
