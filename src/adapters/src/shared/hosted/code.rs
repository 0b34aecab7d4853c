//! What a request says of `code_interpreter`. Providers of other wires give the model a container of their own.

use or_protocol::{RawJson, member, members};

use crate::{Note, NoteList};

const OWN: &str = "this provider runs code in a container of its own";

/// Notes what cannot be carried out of a tool's members.
pub(super) fn read_container(field: &str, tool: &RawJson, notes: &mut NoteList) {
    for (name, value) in tool.members() {
        match (&*name, value.get()) {
            ("type", _) | (_, "null") | ("allowed_callers", r#"["direct"]"#) => {}
            ("allowed_callers", _) => notes.push(Note::dropped(
                format!("{field}.{name}"),
                "on this provider the model itself calls every tool",
            )),
            ("container", text) if !text.starts_with('{') => {
                notes.push(Note::dropped(format!("{field}.container"), OWN));
            }
            ("container", _) => {
                for (name, value) in members(value) {
                    let place = || format!("{field}.container.{name}");
                    // Code has no network there.
                    let closed = || member(value, "type").is_some_and(|kind| kind.get() == r#""disabled""#);
                    match (&*name, value.get()) {
                        ("type", r#""auto""#) | (_, "null") | ("file_ids", "[]") => {}
                        ("network_policy", _) if closed() => {}
                        ("type" | "file_ids" | "memory_limit" | "network_policy", _) => {
                            notes.push(Note::dropped(place(), OWN));
                        }
                        _ => notes.push(Note::unknown(&format!("{field}.container."), &name)),
                    }
                }
            }
            _ => notes.push(Note::unknown(&format!("{field}."), &name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use pretty_assertions::assert_eq;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(tool: Value, want: &[&str]) {
        let mut notes = NoteList::default();
        read_container("tools[0]", &tool.into(), &mut notes);
        assert_eq!(notes.iter().map(|note| note.field.as_str()).collect::<Vec<_>>(), want);
    }

    #[test]
    fn what_a_container_of_openais_has_is_noted() {
        check(json!({"type": "code_interpreter", "container": {"type": "auto", "file_ids": []}}), &[]);
        check(json!({"type": "code_interpreter", "container": "cntr_1"}), &["tools[0].container"]);
        let rich = json!({"type": "auto", "file_ids": ["f"], "memory_limit": "4g", "x": 1,
            "network_policy": {"type": "allowlist", "allowed_domains": ["a"]}});
        let fields = ["file_ids", "memory_limit", "x", "network_policy"];
        let want: Vec<_> = fields.iter().map(|field| format!("tools[0].container.{field}")).collect();
        check(json!({"container": rich}), &want.iter().map(String::as_str).collect::<Vec<_>>());
        check(json!({"container": {"type": "auto", "network_policy": {"type": "disabled"}}}), &[]);
        check(
            json!({"allowed_callers": ["programmatic"], "x": 1}),
            &["tools[0].allowed_callers", "tools[0].x"],
        );
    }
}
