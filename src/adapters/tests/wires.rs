//! Answers of providers are read by the lenient types only, so that no odd value costs an answer.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

use std::fs;
use std::path::{Path, PathBuf};

use pretty_assertions::assert_eq;

/// Types that take any value.
const LENIENT: [&str; 16] = [
    "Count",
    "Flag",
    "Real",
    "Text<",
    "Word<",
    "Option<Text<",
    "Lenient<",
    "List<",
    "Objects<",
    "Seen",
    "Option<&'a RawValue>",
    "Option<Value>",
    // These read any value by a visitor of their own.
    "Address<",
    "Content<",
    "FirstChoice<",
    "Loose<",
];
const OF_ONE_KIND: [&str; 2] = ["EventKind", "Option<Loose<"];
/// Written and read by this server, never by a provider.
const OURS: [&str; 2] = ["demo", "Extended<'a>"];

fn sources(part: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut dirs = vec![root.clone()];
    let mut found: Vec<PathBuf> = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { found.push(path) }
        }
    }
    let name = |path: &Path| path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
    let named = found.iter().map(|path| (name(path), path));
    let wanted = named.filter(|(name, _)| name.contains(part) && !name.starts_with(OURS[0]));
    wanted.map(|(name, path)| (name, fs::read_to_string(path).unwrap())).collect()
}

/// Fields of the structs that are read from JSON, each as `Struct: field: type`.
fn fields(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = source.lines();
    while let Some(line) = lines.next() {
        if !(line.starts_with("#[derive(") && line.contains("Deserialize")) {
            continue;
        }
        let head = lines.find(|line| !line.starts_with("#[") && !line.starts_with("///")).unwrap_or_default();
        let name = head.split("struct ").nth(1).unwrap_or(head).trim_end_matches('{').trim().to_owned();
        for line in lines.by_ref().take_while(|line| *line != "}") {
            let line = line.trim().trim_start_matches("pub(super) ");
            if !line.starts_with("#[") && !line.starts_with("//") {
                found.push(format!("{name}: {}", line.trim_end_matches(',')));
            }
        }
    }
    found
}

fn is_lenient(field: &str) -> bool {
    let kind = field.splitn(3, ": ").nth(2).unwrap_or_default();
    let known = LENIENT.iter().chain(&OF_ONE_KIND).any(|name| kind.starts_with(name));
    known || field.starts_with(OURS[1])
}

#[test]
fn no_field_of_an_answer_is_a_bare_number_flag_or_text() {
    let files = sources("/wire.rs");
    let kinds: Vec<&str> = files.iter().filter_map(|(name, _)| name.split('/').next()).collect();
    for kind in or_adapters::KINDS.iter().filter(|kind| **kind != OURS[0]) {
        assert!(kinds.contains(&kind.replace('-', "_").as_str()), "{kind} has no wire.rs");
    }
    let all = files.iter().flat_map(|(name, source)| {
        let fields = fields(source);
        assert!(!fields.is_empty(), "{name} reads nothing");
        fields.into_iter().map(move |field| format!("{name}: {field}"))
    });
    let bare: Vec<String> = all.filter(|field| !is_lenient(field.split_once(": ").unwrap().1)).collect();
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn the_test_sees_bare_fields() {
    let source = "#[derive(Debug, Deserialize)]\n#[serde(default)]\npub(super) struct A<'a> {\n    /// N.\n    \
                  #[serde(borrow)]\n    pub(super) n: Option<u64>,\n    pub(super) c: Count,\n}\n";
    let fields = fields(source);
    assert_eq!(fields, ["A<'a>: n: Option<u64>", "A<'a>: c: Count"]);
    assert!(!is_lenient(&fields[0]));
    assert!(is_lenient(&fields[1]));
}

#[test]
fn answers_are_read_by_the_lenient_reader_alone() {
    let mut found = Vec::new();
    for (name, source) in sources("/answer") {
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        if name.ends_with("_tests.rs") {
            continue;
        }
        found.extend(
            code.lines()
                .filter(|line| line.contains("serde_json::from_"))
                .map(|line| format!("{name}: {line}")),
        );
    }
    assert_eq!(found, Vec::<String>::new());
}
