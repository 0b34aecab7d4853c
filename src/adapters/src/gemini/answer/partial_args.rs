//! Puts together arguments that Vertex streams as pairs of path and value.

use serde_json::{Map, Value};

use crate::gemini::wire::PartialArg;

/// Longest path; deeper arguments are not put together.
const MAX_DEPTH: usize = 64;
/// How far an index may lie beyond the end of its list.
const MAX_GAP: usize = 64;

/// Arguments in the making.
#[derive(Debug, Default)]
pub(super) struct PartialArgs {
    root: Map<String, Value>,
    /// Path whose string goes on.
    open: Option<String>,
}

#[derive(Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

impl PartialArgs {
    /// Adds a piece. False if its path cannot be followed.
    pub(super) fn add(&mut self, piece: PartialArg<'_>) -> bool {
        let path = piece.json_path.as_str();
        let Some(steps) = parse(path) else { return false };
        let goes_on = self.open.as_deref() == Some(path);
        let text = piece.string_value.map(|text| Value::String(text.0.into_owned()));
        let value = text.or(piece.number_value).or(piece.bool_value).unwrap_or_default();
        self.open = piece.will_continue.is_on().then(|| path.to_owned());
        let Some(slot) = self.slot(steps) else { return false };
        match (slot, value) {
            (Value::String(text), Value::String(more)) if goes_on => text.push_str(&more),
            // The end mark of a string may come without a value.
            (Value::String(_), Value::Null) if goes_on => {}
            (slot, value) => *slot = value,
        }
        true
    }

    fn slot(&mut self, steps: Vec<Step>) -> Option<&mut Value> {
        let mut steps = steps.into_iter();
        let Some(Step::Key(key)) = steps.next() else { return None };
        let mut at = self.root.entry(key).or_insert(Value::Null);
        for step in steps {
            at = match step {
                Step::Key(key) => {
                    if !at.is_object() {
                        *at = Value::Object(Map::new());
                    }
                    at.as_object_mut()?.entry(key).or_insert(Value::Null)
                }
                Step::Index(index) => {
                    if !at.is_array() {
                        *at = Value::Array(Vec::new());
                    }
                    let list = at.as_array_mut()?;
                    if index > list.len() + MAX_GAP {
                        return None;
                    }
                    if index >= list.len() {
                        list.resize(index + 1, Value::Null);
                    }
                    list.get_mut(index)?
                }
            };
        }
        Some(at)
    }

    /// The whole as JSON.
    pub(super) fn finish(self) -> String {
        Value::Object(self.root).to_string()
    }
}

/// `$.a.b[0]['c d']` as steps.
fn parse(path: &str) -> Option<Vec<Step>> {
    let mut rest = path.strip_prefix('$')?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if steps.len() == MAX_DEPTH {
            return None;
        }
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (key, tail) = after.split_at(end);
            steps.push(Step::Key(key.to_owned()));
            rest = tail;
            continue;
        }
        let after = rest.strip_prefix('[')?;
        match after.chars().next()? {
            quote @ ('\'' | '"') => {
                let (key, tail) = after.get(1..)?.split_once(&format!("{quote}]"))?;
                steps.push(Step::Key(key.to_owned()));
                rest = tail;
            }
            _ => {
                let (index, tail) = after.split_once(']')?;
                steps.push(Step::Index(index.parse().ok()?));
                rest = tail;
            }
        }
    }
    Some(steps)
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;

    use super::*;
    use crate::shared::lenient::Word;

    #[track_caller]
    fn check(pieces: &[&str], want: &str) {
        let mut args = PartialArgs::default();
        for piece in pieces {
            assert!(args.add(serde_json::from_str(piece).unwrap()), "{piece}");
        }
        assert_eq!(args.finish(), want);
    }

    #[test]
    fn strings_go_on_until_their_end_mark() {
        check(
            &[
                r#"{"jsonPath":"$.a","stringValue":"x","willContinue":true}"#,
                r#"{"jsonPath":"$.a","stringValue":"y","willContinue":true}"#,
                r#"{"jsonPath":"$.a","stringValue":""}"#,
                r#"{"jsonPath":"$.b","stringValue":"z"}"#,
            ],
            r#"{"a":"xy","b":"z"}"#,
        );
    }

    #[test]
    fn paths_make_objects_and_lists() {
        check(
            &[
                r#"{"jsonPath":"$.a.list[0].n","numberValue":1}"#,
                r#"{"jsonPath":"$.a.list[1].n","numberValue":2.5}"#,
                r#"{"jsonPath":"$['b c']","boolValue":true}"#,
                r#"{"jsonPath":"$.n","nullValue":"NULL_VALUE"}"#,
            ],
            r#"{"a":{"list":[{"n":1},{"n":2.5}]},"b c":true,"n":null}"#,
        );
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        for path in ["", "a", "$", "$[0]", "$.a[x]", "$.a[99999999999]", "$.a[1000000]", "$.a['b"] {
            let piece = PartialArg { json_path: Word(path.into()), ..PartialArg::default() };
            assert!(!PartialArgs::default().add(piece), "{path}");
        }
    }
}
