//! Files that no module declares. No compiler reads them, so their tests would be lost without a word.

use std::collections::BTreeSet;

use super::packages::Package;
use super::tree::Tree;

/// Files below the folders of packages that are neither the root of a target nor declared by another file.
pub(super) fn of(tree: &Tree, packages: &[Package]) -> Vec<String> {
    // The targets for fuzzing are a workspace of their own.
    let paths: Vec<&str> =
        tree.paths().filter(|path| path.ends_with(".rs") && !path.starts_with("tests/fuzz/")).collect();
    let declared: BTreeSet<String> =
        paths.iter().flat_map(|path| declared(path, tree.text(path).unwrap_or_default())).collect();
    let orphans = paths.iter().filter(|path| !declared.contains(**path) && !is_root(path, packages));
    orphans.map(|path| format!("no module declares {path}")).collect()
}

fn is_root(path: &str, packages: &[Package]) -> bool {
    let inside =
        packages.iter().filter_map(|package| path.strip_prefix(package.sources().strip_suffix("src/")?));
    let Some(path) = inside.min_by_key(|rest| rest.len()) else { return false };
    match path.split('/').collect::<Vec<_>>().as_slice() {
        ["src", file] => ["lib.rs", "main.rs"].contains(file),
        ["tests" | "benches" | "examples", _] | ["tests" | "benches", _, "main.rs"] => true,
        _ => false,
    }
}

/// Paths of the files that may be the modules `mod name;` of a file, whichever of them there is.
fn declared(path: &str, text: &str) -> Vec<String> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    let stem = file.trim_end_matches(".rs");
    // A root has its modules beside it.
    let is_root =
        ["mod", "lib", "main"].contains(&stem) || ["tests", "benches"].iter().any(|f| folder.ends_with(f));
    let home = if is_root { folder.to_owned() } else { format!("{folder}/{stem}") };
    let mut found = Vec::new();
    let mut given = None;
    for line in text.lines().map(str::trim) {
        if let Some(path) = line.strip_prefix("#[path = \"").and_then(|rest| rest.strip_suffix("\"]")) {
            given = Some(plain(&format!("{folder}/{path}")));
            continue;
        }
        let words: Vec<&str> = line.split(' ').collect();
        let name = match words.as_slice() {
            ["mod", name] | ["pub" | "pub(crate)" | "pub(super)", "mod", name] => name.strip_suffix(';'),
            _ => None,
        };
        let Some(name) = name else { continue };
        match given.take() {
            Some(path) => found.push(path),
            None => found.extend([format!("{home}/{name}.rs"), format!("{home}/{name}/mod.rs")]),
        }
    }
    found
}

/// A path without `..`.
fn plain(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        if part == ".." {
            parts.pop();
        } else {
            parts.push(part);
        }
    }
    parts.join("/")
}
