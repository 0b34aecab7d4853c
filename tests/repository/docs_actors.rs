//! `docs/actors.md` names every message between actors.

use pretty_assertions::assert_eq;

use crate::architecture::tree::Tree;

const PAGE: &str = include_str!("../../docs/actors.md");

/// Names of the messages, and the files that declare them.
fn messages(tree: &Tree) -> Vec<(String, &str)> {
    let sources = tree.paths().filter(|path| path.starts_with("actors/src/") && !path.ends_with("_tests.rs"));
    let declared =
        |path| declared(tree.text(path).unwrap_or_default()).into_iter().map(move |name| (name, path));
    sources.flat_map(declared).collect()
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
    let tree = Tree::of_repository();
    let missing: Vec<_> =
        messages(&tree).into_iter().filter(|(name, _)| !rows.contains(&name.as_str())).collect();
    assert_eq!(missing, []);
}

#[test]
fn a_message_lives_in_the_messages_of_its_receiver() {
    let tree = Tree::of_repository();
    let elsewhere: Vec<_> =
        messages(&tree).into_iter().filter(|(_, path)| !path.ends_with("/messages.rs")).collect();
    assert_eq!(elsewhere, []);
}

#[test]
fn messages_are_found_in_the_source() {
    let tree = Tree::of_repository();
    let all = messages(&tree);
    for name in ["StartResponse", "AskStore", "RunTool", "LoopEnded"] {
        assert!(all.iter().any(|(message, _)| message == name), "no {name} in {all:?}");
    }
    let path = "actors/src/a/b/messages.rs";
    let planted = Tree::default()
        .with(path, "#[derive(Debug, Message)]\n#[rtype(result = \"()\")]\npub struct Tell(u8);");
    assert_eq!(messages(&planted), [("Tell".to_owned(), path)]);
}
