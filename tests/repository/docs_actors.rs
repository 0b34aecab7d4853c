//! `docs/actors.md` names every message between actors.

use pretty_assertions::assert_eq;

const PAGE: &str = include_str!("../../docs/actors.md");
const SOURCES: [&str; 2] =
    [include_str!("../../actors/src/messages.rs"), include_str!("../../actors/src/store/actor.rs")];

/// Names of the structs that derive `Message`.
fn messages() -> Vec<&'static str> {
    let mut names = Vec::new();
    for source in SOURCES {
        let mut derived = false;
        for line in source.lines() {
            derived |= line.starts_with("#[derive(") && line.contains("Message");
            if let Some(rest) = line.strip_prefix("pub struct ").filter(|_| derived) {
                names.extend(rest.split(|c: char| !c.is_alphanumeric()).next());
                derived = false;
            }
        }
    }
    names
}

#[test]
fn the_page_has_a_row_for_every_message() {
    let rows: Vec<_> = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let missing: Vec<_> = messages().into_iter().filter(|name| !rows.contains(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[test]
fn messages_are_found_in_the_source() {
    assert!(messages().contains(&"StartResponse"), "{:?}", messages());
    assert!(messages().contains(&"Commit"), "{:?}", messages());
}
