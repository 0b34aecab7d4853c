//! `docs/actors.md` names every message between actors.

use pretty_assertions::assert_eq;

use crate::architecture::tree::Tree;

const PAGE: &str = include_str!("../../docs/actors.md");

/// A message lives with its receiver, in any folder of the actors.
fn messages(tree: &Tree) -> Vec<String> {
    let sources = tree.paths().filter(|path| path.starts_with("actors/src/") && !path.ends_with("_tests.rs"));
    let sources = sources.filter_map(|path| tree.text(path));
    let mut names: Vec<String> = sources.flat_map(declared).collect();
    names.sort();
    names
}

/// Names of the structs that derive `Message`.
fn declared(source: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut derived = false;
    for line in source.lines() {
        derived |= line.starts_with("#[derive(") && line.contains("Message");
        let shown = line.trim_start_matches("pub(crate) ").trim_start_matches("pub ");
        if let Some(rest) = shown.strip_prefix("struct ").filter(|_| derived) {
            names.extend(rest.split(|c: char| !c.is_alphanumeric()).next().map(str::to_owned));
            derived = false;
        }
    }
    names
}

#[test]
fn the_page_has_a_row_for_every_message() {
    let rows: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let all = messages(&Tree::of_repository());
    let missing: Vec<_> = all.iter().filter(|name| !rows.contains(&name.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn messages_are_found_in_the_source() {
    let all = messages(&Tree::of_repository());
    for name in ["StartResponse", "Commit", "RunTool", "LoopEnded"] {
        assert!(all.iter().any(|message| message == name), "no {name} in {all:?}");
    }
    let planted = Tree::default().with(
        "actors/src/a/b/messages.rs",
        "#[derive(Debug, Message)]\n#[rtype(result = \"()\")]\npub struct Tell(u8);",
    );
    assert_eq!(messages(&planted), ["Tell"]);
}
